// settablepartition, as it comes in over HTTP and from a nameserver's client.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/operator_commands.h"

namespace failoverd {
namespace {

using testing::StartsWith;
using Arguments = std::map<std::string, std::string>;
namespace operators = core::operators;

constexpr const char* kPartition =
    R"({"pid":3,"partition_meta":[{"endpoint":"A:1","is_leader":true},)"
    R"({"endpoint":"B:1","is_leader":false,"is_alive":false}],)"
    R"("term_offset":[{"term":"2","offset":"7"}]})";

Result<OperatorQuestion> asked(Arguments arguments, bool as_nameserver = false) {
  return to_operator_question(
      {"settablepartition", std::move(arguments), "ann", "127.0.0.1:5", as_nameserver});
}

TEST(EditCommand, IsThePartitionAsItIsToBe) {
  const auto question = asked({{"name", "flow"},
                               {"db", "shop"},
                               {"etag", "0011"},
                               {"partition", kPartition},
                               {"plan", "true"}});
  ASSERT_TRUE(question) << question.error().text;
  EXPECT_TRUE(question->only_plan);
  EXPECT_EQ(question->etag, "0011");
  const auto& edit = std::get<operators::SetTablePartition>(question->what);
  EXPECT_EQ(edit.table.name, "flow");
  EXPECT_EQ(edit.table.db, "shop");
  const core::PartitionShape wanted{3, {{"A:1", true, true}, {"B:1", false, false}}, {{2, 7}}};
  EXPECT_EQ(edit.partition, wanted);
  EXPECT_FALSE(edit.message.empty());
}

// Nothing is overwritten that he has not read. The other client has no word for that.
TEST(EditCommand, SaysWhatWasRead) {
  const Arguments without{{"name", "flow"}, {"partition", kPartition}};
  EXPECT_EQ(asked(without).error().text, "etag is missing: what gettablepartition gave with it");
  Arguments theirs = without;
  theirs["pid"] = "3";
  EXPECT_THAT(asked(theirs).error().text, StartsWith("there is no argument pid"));
  const auto question = asked(theirs, true);
  ASSERT_TRUE(question) << question.error().text;
  EXPECT_EQ(question->etag, "");
}

TEST(EditCommand, MistakesAreNamed) {
  const auto mistake = [](Arguments arguments) {
    arguments["etag"] = "1";
    const auto question = asked(std::move(arguments));
    return question ? "none" : question.error().text;
  };
  EXPECT_THAT(mistake({{"partition", kPartition}}), StartsWith("name is missing"));
  EXPECT_THAT(mistake({{"name", "flow"}}), StartsWith("partition is missing: a TablePartition"));
  EXPECT_THAT(mistake({{"name", "flow"}, {"partition", "3"}}),
              StartsWith("partition is no TablePartition: "));
  EXPECT_THAT(mistake({{"name", "flow"}, {"partition", R"({"pid":0,"rows":[]})"}}),
              StartsWith("partition is no TablePartition: "));
}

}  // namespace
}  // namespace failoverd
