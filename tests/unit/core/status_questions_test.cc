// Who is asked when somebody wants to see offsets, how often, and when he is shown them.
#include "lib/core/detection/status_questions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "lib/core/brain.h"

namespace failoverd::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr std::uint32_t kFlow = 2;    // On A and B.
constexpr std::uint32_t kOther = 3;   // On C.
constexpr std::uint32_t kNoSuch = 9;  // There is no such table.

TableShape table(const std::string& name, std::uint32_t tid, const std::vector<Endpoint>& on) {
  TableShape shape;
  shape.znode = "table/table_data/" + name;
  shape.version = 1;
  shape.name = name;
  shape.tid = tid;
  PartitionShape p{0, {}, {{1, 0}}};
  for (const Endpoint& endpoint : on) p.rows.push_back({endpoint, endpoint == on.front(), true});
  shape.partitions.push_back(std::move(p));
  return shape;
}

class StatusQuestionsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    outbox.now = Instant{seconds{10}};
    ASSERT_EQ(model.put_table(table("flow", kFlow, {"A", "B"}), outbox.now), std::nullopt);
    ASSERT_EQ(model.put_table(table("other", kOther, {"C"}), outbox.now), std::nullopt);
    monitor.start();
    outbox.out.clear();
    questions.start();
  }

  void ask(RequestId id, std::vector<std::uint32_t> tids) {
    questions.asked({id, std::move(tids)});
    look();
  }
  void answer(const Endpoint& tablet, Offset offset, Transport transport = Transport::kAnswered) {
    ASSERT_FALSE(open[tablet].empty()) << tablet << " was not asked";
    Answer a;
    a.transport = transport;
    const std::uint32_t tid = tablet == "C" ? kOther : kFlow;
    const std::string& name = model.table(tid)->shape.name;
    if (a.ok()) {
      a.replicas.push_back({{tid, 0}, offset, Mode::kFollower, TableState::kNormal, 0, 0, name});
    }
    const RequestId id = open[tablet].front();
    open[tablet].erase(open[tablet].begin());
    const ReplyTo reply_to = *outbox.close(id);
    monitor.heard(*model.find_tablet(tablet), reply_to, a);
    questions.answered(reply_to, a);
    look();
  }
  void let_pass(Duration time) {
    const Instant end = outbox.now + time;
    while (!timers.empty() && timers.begin()->first <= end) {
      const auto [at, id] = *timers.begin();
      timers.erase(timers.begin());
      outbox.now = std::max(outbox.now, at);
      questions.timer(*outbox.close(id));
      look();
    }
    outbox.now = end;
  }
  // Sorts what it wants done.
  void look() {
    for (const Command& command : std::exchange(outbox.out, {})) {
      if (const auto* c = std::get_if<CallTablet>(&command)) {
        EXPECT_FALSE(std::get<GetTableStatus>(c->call).at) << "one question for all it holds";
        open[c->tablet].push_back(c->id);
        ++times[c->tablet];
      } else if (const auto* timer = std::get_if<SetTimer>(&command)) {
        timers.emplace(timer->at, timer->id);
      } else if (const auto* show = std::get_if<ShowStatus>(&command)) {
        shown.push_back(show->id);
      }
    }
  }
  std::vector<Endpoint> asked() const {
    std::vector<Endpoint> names;
    for (const auto& [tablet, ids] : open) {
      for (std::size_t i = 0; i < ids.size(); ++i) names.push_back(tablet);
    }
    return names;
  }
  Offset offset(const Endpoint& tablet) {
    return model.partition({kFlow, 0})->on(*model.find_tablet(tablet))->report.offset;
  }

  Model model;
  Outbox outbox;
  TabletMonitor monitor{model, outbox};
  StatusQuestions questions{model, outbox, monitor};
  std::map<Endpoint, std::vector<RequestId>> open;  // Questions without an answer.
  std::map<Endpoint, int> times;                    // How often each was asked.
  std::multimap<Instant, RequestId> timers;
  std::vector<RequestId> shown;
};

TEST_F(StatusQuestionsTest, OnlyTabletsOfTheTablesAreAsked) {
  ask(1, {kFlow});
  EXPECT_THAT(asked(), UnorderedElementsAre("A", "B"));
  answer("A", 7);
  EXPECT_THAT(shown, IsEmpty());
  answer("B", 7);
  EXPECT_THAT(shown, ElementsAre(1));
  EXPECT_EQ(offset("A"), 7U);
  EXPECT_EQ(offset("B"), 7U);
  let_pass(seconds{1});
  EXPECT_THAT(shown, ElementsAre(1)) << "once";
}

TEST_F(StatusQuestionsTest, WithNobodyToAskItIsShownAtOnce) {
  ask(1, {kNoSuch});
  ask(2, {});
  EXPECT_THAT(shown, ElementsAre(1, 2));
  EXPECT_THAT(asked(), IsEmpty());
}

TEST_F(StatusQuestionsTest, WhoDoesNotAnswerIsWaitedForUntilTheDeadline) {
  ask(1, {kFlow});
  answer("A", 7);
  let_pass(kShowAtMost - milliseconds{1});
  EXPECT_THAT(shown, IsEmpty());
  let_pass(milliseconds{1});
  EXPECT_THAT(shown, ElementsAre(1));
  // What it says later still counts as its word.
  answer("B", 9);
  EXPECT_EQ(offset("B"), 9U);
  EXPECT_THAT(shown, ElementsAre(1));
}

// A refused question is an answer to whoever waits, and evidence (SAFETY 15).
TEST_F(StatusQuestionsTest, ARefusalIsAnAnswer) {
  ask(1, {kFlow});
  answer("A", 7);
  answer("B", 0, Transport::kRefused);
  EXPECT_THAT(shown, ElementsAre(1));
  EXPECT_TRUE(model.tablet(*model.find_tablet("B")).evidence.refused_first);
}

TEST_F(StatusQuestionsTest, ADeadTabletIsNotAsked) {
  model.tablet(*model.find_tablet("B")).verdict = {TabletState::kCrashed, "", {}};
  ask(1, {kFlow});
  EXPECT_THAT(asked(), ElementsAre("A"));
  answer("A", 7);
  EXPECT_THAT(shown, ElementsAre(1));
}

// A port that belongs to something else is asked once a second, whoever wants to see it.
TEST_F(StatusQuestionsTest, APortThatBringsSomethingElseIsLeftInPeace) {
  model.tablet(*model.find_tablet("B")).evidence.came_instead = "sent no baidu_std frame";
  ask(1, {kFlow});
  EXPECT_THAT(asked(), ElementsAre("A"));
}

TEST_F(StatusQuestionsTest, ManyWhoAskAtOnceShareOneQuestion) {
  for (RequestId id = 1; id <= 100; ++id) ask(id, {kFlow});
  EXPECT_THAT(asked(), UnorderedElementsAre("A", "B"));
  // The first question was sent before the others asked: what it brings could be older than they.
  answer("A", 7);
  answer("B", 7);
  EXPECT_THAT(shown, ElementsAre(1));
  let_pass(milliseconds{50});
  answer("A", 8);
  answer("B", 8);
  EXPECT_EQ(shown.size(), 100U);
  EXPECT_EQ(times["A"], 2);
}

TEST_F(StatusQuestionsTest, HoweverManyAskATabletIsAskedTwentyTimesASecond) {
  for (RequestId id = 1; id <= 1000; ++id) {
    ask(id, {kFlow});
    if (!open["A"].empty()) answer("A", id);
    if (!open["B"].empty()) answer("B", id);
    let_pass(milliseconds{1});
  }
  EXPECT_LE(times["A"], 21);  // At the first moment, and then every 50 ms.
  EXPECT_GE(times["A"], 19);
  EXPECT_GT(shown.size(), 900U);
}

TEST_F(StatusQuestionsTest, ATabletThatHangsHasOneQuestion) {
  for (RequestId id = 1; id <= 10; ++id) {
    ask(id, {kFlow});
    let_pass(milliseconds{200});
  }
  EXPECT_EQ(times["A"], 1);
  let_pass(kShowAtMost);
  EXPECT_EQ(shown.size(), 10U);
}

TEST_F(StatusQuestionsTest, WhoeverWaitsIsShownWhatThereIsWhenTheLockIsLost) {
  ask(1, {kFlow});
  outbox.forget_all();
  questions.stop();
  look();
  EXPECT_THAT(shown, ElementsAre(1));
  open.clear();
  ask(2, {kFlow});
  EXPECT_THAT(shown, ElementsAre(1, 2));
  EXPECT_THAT(asked(), IsEmpty()) << "a standby asks nobody";
}

// The whole brain: a standby answers too, at once.
TEST(StatusAsked, OfAStandbyIsAnsweredAtOnce) {
  Brain brain{Policy{}};
  const auto commands = brain.step(Instant{seconds{1}}, StatusAsked{5, {kFlow}});
  EXPECT_EQ(std::count_if(commands.begin(), commands.end(),
                          [](const Command& c) {
                            const auto* show = std::get_if<ShowStatus>(&c);
                            return show && show->id == 5;
                          }),
            1);
}

}  // namespace
}  // namespace failoverd::core
