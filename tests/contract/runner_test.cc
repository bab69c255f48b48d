// Does the runner bite? What is not as written is told, with its line; what it does not know is a
// fault, and never passed over.
#include "tests/contract/runner.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "tests/contract/minitablet_subject.h"
#include "tests/contract/simulation_subject.h"

namespace failoverd::contract {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

template <class Tablets>
class ARunner : public testing::Test {
 protected:
  static std::vector<std::string> faults_of(const std::string& steps) {
    Tablets subject{minitablet::rtidb()};
    return Runner{subject, minitablet::rtidb()}.run(parse_script("of rtidb\n" + steps));
  }
};
using Both = testing::Types<MinitabletSubject, SimulationSubject>;
TYPED_TEST_SUITE(ARunner, Both);

constexpr const char* kTwo =
    "tablets A B\n"
    "B CreateTable 7/3 follower -> code=0\n"
    "A CreateTable 7/3 leader term 4 to B -> code=0\n"
    "put A 7/3 2\n"
    "soon A GetTableFollower 7/3 -> B=2\n";

TYPED_TEST(ARunner, SaysNothingWhereAllIsAsWritten) {
  EXPECT_THAT(this->faults_of(std::string{kTwo} + "A GetTermPair 7/3 -> code=0 offset=2 term=4\n" +
                              "A GetTableFollower 7/3 -> B=2\n" + "alike A B 7/3\n"),
              IsEmpty());
}

// The rest is looked at all the same.
TYPED_TEST(ARunner, TellsEveryWrongExpectation) {
  const auto faults = this->faults_of(std::string{kTwo} +
                                      "A Put 7/3 -> code=103\n"
                                      "A GetTermPair 7/3 -> offset=9\n"
                                      "A GetTermPair 7/3 -> is_leader=absent\n"
                                      "A GetTableFollower 7/3 -> none\n"
                                      "A GetTableFollower 7/3 -> A=2 B=2\n"
                                      "unlike A A 7/3\n");
  EXPECT_THAT(
      faults,
      ElementsAre("line 7 \"A Put 7/3\": code is 0, not 103; it says code=0",
                  StartsWith("line 8 \"A GetTermPair 7/3\": offset is 3, not 9; it says "),
                  HasSubstr("is_leader is true, not absent"), HasSubstr("the list is another one"),
                  HasSubstr("the list is another one"),
                  "line 12 \"unlike A A 7/3\": their rows are the same"));
}

TYPED_TEST(ARunner, EndsWithWhatItCannotDo) {
  const auto only = [this](const std::string& steps) {
    const auto faults =
        this->faults_of("tablets A\n" + steps + "A GetTaskStatus -> 1/kDropTable=kDone\n");
    return faults.size() == 1 ? faults.front() : "not one fault";
  };
  EXPECT_EQ(only("unplug A\n"), "line 3 \"unplug A\": no tablet unplug");
  EXPECT_EQ(only("A Unplug -> code=0\n"), "line 3 \"A Unplug\": neither a verb nor a call");
  EXPECT_THAT(only("C GetTermPair 7/3 -> code=0\n"), HasSubstr("no tablet C"));
  EXPECT_THAT(only("A GetTermPair 7/3\n"), HasSubstr("a call needs an expectation"));
  EXPECT_THAT(only("A GetTermPair 7/3 colour red -> code=0\n"), HasSubstr("no field colour"));
  EXPECT_THAT(only("A ChangeRole 7/3 mode kTableBoss -> code=0\n"), HasSubstr("no mode is"));
  EXPECT_THAT(only("A GetTermPair 7/3 -> \"no such line\"\n"),
              HasSubstr("'no such line' does not come next"));
  EXPECT_THAT(only("alike A A 7/3\n"), HasSubstr("A does not hold it"));
}

TYPED_TEST(ARunner, HoldsALabelToTheTranscript) {
  const auto faults = this->faults_of(
      "tablets A\n"
      "A CreateTable 900/0 leader term 5 -> code=0\n"
      "A GetTermPair 900/0 -> \"GetTermPair, no table\"\n");
  ASSERT_EQ(faults.size(), 2u);
  EXPECT_THAT(faults[0], HasSubstr("the real one 1=0"));
  EXPECT_EQ(faults[1], "the transcript goes on");
}

// Time is made up there, or this would take its time.
TEST(ARunnerOfTheSimulation, WaitsInVainForWhatNeverComes) {
  SimulationSubject subject{minitablet::rtidb()};
  const auto faults = Runner{subject, minitablet::rtidb()}.run(
      parse_script("of rtidb\ntablets A\nsoon A GetTermPair 7/3 -> has_table=true\n"));
  EXPECT_THAT(faults, ElementsAre(HasSubstr("waited in vain: has_table is false")));
}

// Neither in its table nor among what it knows.
TEST(ARunnerOfTheSimulation, PassesNothingOverThatTheTableDoesNotName) {
  SimulationSubject subject{minitablet::rtidb()};
  const auto faults = Runner{subject, minitablet::rtidb()}.run(
      parse_script("of rtidb\ntablets A\nsoon A Get 7/3 key k -> code=0\n"));
  EXPECT_THAT(faults, ElementsAre(HasSubstr("does not know Get")));
}

TEST(AScript, IsNotReadWithoutSense) {
  EXPECT_THROW(parse_script("tablets A\n"), std::invalid_argument);  // Of which generations?
  EXPECT_THROW(parse_script("of fedb\n"), std::invalid_argument);
  for (const char* line : {"A GetTermPair 7/3 -> ", "A GetTermPair 7/3 -> has_table", "soon",
                           "soon A GetTermPair 7/3", "A Put 7/3 -> msg=ok"}) {
    EXPECT_THROW(parse_script(std::string{"of rtidb\n"} + line + "\n"), std::invalid_argument)
        << line;
  }
}

TEST(AScript, HasLinesOfOneGeneration) {
  const Script script = parse_script(
      "# Words.\n"
      "of rtidb openmldb\n"
      "\n"
      "openmldb: soon A GetTermPair 7/3 -> code=0 offset=1  # Why.\n"
      "A GetTaskStatus -> \"tasks\"\n");
  EXPECT_THAT(script.generations, ElementsAre("rtidb", "openmldb"));
  ASSERT_EQ(script.steps.size(), 2u);
  EXPECT_EQ(script.steps[0].line, 4);
  EXPECT_EQ(script.steps[0].generation, "openmldb");
  EXPECT_TRUE(script.steps[0].soon);
  EXPECT_THAT(script.steps[0].words, ElementsAre("A", "GetTermPair", "7/3"));
  EXPECT_THAT(script.steps[0].expected, ElementsAre("code=0", "offset=1"));
  EXPECT_EQ(script.steps[1].label, "tasks");
}

}  // namespace
}  // namespace failoverd::contract
