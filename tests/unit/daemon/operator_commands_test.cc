// Operators' commands: what was typed or posted becomes what the brain is asked, mistakes are
// named, and answers have the words of the original's client.
#include "daemon/operator_commands.h"

#include <gtest/gtest.h>

#include "tests/unit/admin/transcript.h"

namespace failoverd {
namespace {

using admin::CommandRequest;
using Kind = admin::CommandResult::Kind;
using Arguments = std::map<std::string, std::string>;
namespace operators = core::operators;

CommandRequest request(const std::string& name, Arguments arguments) {
  return {name, std::move(arguments), "ann", "127.0.0.1:5"};
}

template <class Command>
Command read(const std::string& name, Arguments arguments) {
  const auto question = to_operator_question(request(name, std::move(arguments)));
  EXPECT_TRUE(question) << question.error().text;
  const auto* command = question ? std::get_if<Command>(&question->what) : nullptr;
  EXPECT_NE(command, nullptr) << name;
  return command ? *command : Command{};
}

std::string mistake(const std::string& name, Arguments arguments) {
  const auto question = to_operator_question(request(name, std::move(arguments)));
  return question ? "none" : question.error().text;
}

std::vector<std::uint32_t> pids(const std::string& text) {
  return read<operators::Migrate>("migrate",
                                  {{"src", "A"}, {"name", "t"}, {"pids", text}, {"des", "B"}})
      .pids;
}

TEST(OperatorCommands, ChangeLeader) {
  auto command = read<operators::ChangeLeader>("changeleader", {{"name", "flow"}, {"pid", "3"}});
  EXPECT_EQ(command.table.name, "flow");
  EXPECT_EQ(command.table.db, "");
  EXPECT_EQ(command.pid, 3U);
  EXPECT_EQ(command.candidate, "");
  EXPECT_FALSE(command.accept_loss);
  EXPECT_FALSE(command.force);
  command = read<operators::ChangeLeader>("changeleader", {{"name", "flow"},
                                                           {"db", "shop"},
                                                           {"pid", "0"},
                                                           {"candidate", "auto"},
                                                           {"accept_loss", "true"},
                                                           {"force", "true"}});
  EXPECT_EQ(command.table.db, "shop");
  EXPECT_EQ(command.candidate, "auto");
  EXPECT_TRUE(command.accept_loss);
  EXPECT_TRUE(command.force);
}

TEST(OperatorCommands, Endpoints) {
  const auto offline = read<operators::OfflineEndpoint>("offlineendpoint", {{"endpoint", "A:1"}});
  EXPECT_EQ(offline.endpoint, "A:1");
  EXPECT_EQ(offline.concurrency, 2U);
  // That it is too many is the brain's to say, when it is that check's turn.
  EXPECT_EQ(read<operators::OfflineEndpoint>("offlineendpoint",
                                             {{"endpoint", "A:1"}, {"concurrency", "9"}})
                .concurrency,
            9U);
  const auto recover = read<operators::RecoverEndpoint>(
      "recoverendpoint", {{"endpoint", "A:1"}, {"need_restore", "true"}, {"concurrency", "8"}});
  EXPECT_EQ(recover.endpoint, "A:1");
  EXPECT_TRUE(recover.need_restore);
  EXPECT_EQ(recover.concurrency, 8U);
  EXPECT_FALSE(
      read<operators::RecoverEndpoint>("recoverendpoint", {{"endpoint", "A:1"}}).need_restore);
}

TEST(OperatorCommands, Replicas) {
  const auto recover = read<operators::RecoverTable>(
      "recovertable", {{"name", "flow"}, {"pid", "1"}, {"endpoint", "A:1"}});
  EXPECT_EQ(recover.table.name, "flow");
  EXPECT_EQ(recover.pid, 1U);
  EXPECT_EQ(recover.endpoint, "A:1");
  const auto migrate = read<operators::Migrate>(
      "migrate", {{"src", "A:1"}, {"name", "flow"}, {"pids", "0"}, {"des", "B:1"}});
  EXPECT_EQ(migrate.from, "A:1");
  EXPECT_EQ(migrate.table.name, "flow");
  EXPECT_EQ(migrate.to, "B:1");
  const Arguments both = {{"name", "flow"}, {"db", "d"}, {"pids", "1-2"}, {"endpoint", "C:1"}};
  const auto add = read<operators::AddReplicas>("addreplica", both);
  EXPECT_EQ(add.table.db, "d");
  EXPECT_EQ(add.pids, (std::vector<std::uint32_t>{1, 2}));
  EXPECT_EQ(add.endpoint, "C:1");
  const auto del = read<operators::DelReplicas>("delreplica", both);
  EXPECT_EQ(del.pids, (std::vector<std::uint32_t>{1, 2}));
  EXPECT_EQ(del.endpoint, "C:1");
}

TEST(OperatorCommands, TheOthers) {
  EXPECT_EQ(read<operators::MakeSnapshot>("makesnapshot", {{"name", "flow"}, {"pid", "7"}}).pid,
            7U);
  EXPECT_EQ(read<operators::CancelOp>("cancelop", {{"op_id", "1000000012"}}).op, 1000000012U);
  Arguments arguments = {{"name", "flow"}, {"endpoint", "A:1"}, {"alive", "no"}};
  EXPECT_EQ(read<operators::UpdateTableAlive>("updatetablealive", arguments).pid, std::nullopt);
  EXPECT_FALSE(read<operators::UpdateTableAlive>("updatetablealive", arguments).alive);
  arguments["pid"] = "*";
  EXPECT_EQ(read<operators::UpdateTableAlive>("updatetablealive", arguments).pid, std::nullopt);
  arguments["pid"] = "2";
  arguments["alive"] = "true";
  EXPECT_EQ(read<operators::UpdateTableAlive>("updatetablealive", arguments).pid, 2U);
  EXPECT_TRUE(read<operators::UpdateTableAlive>("updatetablealive", arguments).alive);
}

TEST(OperatorCommands, PidsAreOneARangeOrAList) {
  EXPECT_EQ(pids("3"), std::vector<std::uint32_t>{3});
  EXPECT_EQ(pids("1-3"), (std::vector<std::uint32_t>{1, 2, 3}));
  EXPECT_EQ(pids("7,1,4"), (std::vector<std::uint32_t>{7, 1, 4}));
  EXPECT_EQ(pids("5,1-3,2,5"), (std::vector<std::uint32_t>{5, 1, 2, 3}));
  EXPECT_EQ(pids("0-99999").size(), 100'000U);
  for (const char* bad : {"", ",", "1,", "x", "1-", "-1", "3-1", "1 2", "1,,2", "4294967296",
                          "0-4294967295", "0-100000", "1.5", "1-2-3"}) {
    EXPECT_EQ(mistake("addreplica", {{"name", "t"}, {"pids", bad}, {"endpoint", "A"}}),
              "pids is partitions: 3, 1-10 or 1,4,7, not \"" + std::string(bad) + "\"");
  }
}

TEST(OperatorCommands, AMistakeNamesKeyValueAndWhatIsRight) {
  EXPECT_EQ(mistake("changeleader", {}), "name is missing: the table's name");
  EXPECT_EQ(mistake("changeleader", {{"name", "t"}}),
            "pid is missing: a partition's number, such as 0");
  EXPECT_EQ(mistake("changeleader", {{"name", "t"}, {"pid", "-1"}}),
            "pid is a partition's number, such as 0, not \"-1\"");
  EXPECT_EQ(mistake("changeleader", {{"name", "t"}, {"pid", "4294967296"}}),
            "pid is a partition's number, such as 0, not \"4294967296\"");
  EXPECT_EQ(mistake("changeleader", {{"name", "t"}, {"pid", "0"}, {"force", "maybe"}}),
            "force is true or false (yes or no), not \"maybe\"");
  EXPECT_EQ(mistake("changeleader", {{"name", "t"}, {"pid", "0"}, {"plan", "1"}}),
            "plan is true or false (yes or no), not \"1\"");
  EXPECT_EQ(mistake("offlineendpoint", {{"endpoint", "A"}, {"concurrency", "0"}}),
            "concurrency is how many ops run at once: from 1 to 8, not \"0\"");
  EXPECT_EQ(mistake("offlineendpoint", {{"endpoint", "A"}, {"concurrency", "x"}}),
            "concurrency is how many ops run at once: from 1 to 8, not \"x\"");
  EXPECT_EQ(mistake("recoverendpoint", {{"concurrency", "x"}}),
            "endpoint is missing: a tablet, such as 127.0.0.1:9520");
  EXPECT_EQ(mistake("cancelop", {{"op_id", "x"}}),
            "op_id is an op's id, as showopstatus lists them, not \"x\"");
  EXPECT_EQ(mistake("updatetablealive", {{"name", "t"}, {"pid", "all"}, {"endpoint", "A"}}),
            "pid is a partition's number, such as 0, or * for all, not \"all\"");
  EXPECT_EQ(mistake("updatetablealive", {{"name", "t"}, {"endpoint", "A"}}),
            "alive is missing: true or false (yes or no)");
  EXPECT_EQ(mistake("offlineendpoint", {{"endpoint", "A"}, {"concurency", "1"}}),
            "there is no argument concurency: offlineendpoint takes endpoint, concurrency, plan");
}

// A nameserver's callers always give every argument, and what it says of an empty one is known.
TEST(OperatorCommands, EmptyTextsAreTheBrainsToRefuse) {
  EXPECT_EQ(read<operators::ChangeLeader>("changeleader", {{"name", ""}, {"pid", "0"}}).table.name,
            "");
  CommandRequest none =
      request("migrate", {{"src", "A"}, {"name", "t"}, {"pids", ""}, {"des", "B"}});
  EXPECT_FALSE(to_operator_question(none));
  none.as_nameserver = true;
  EXPECT_TRUE(to_operator_question(none));
}

TEST(OperatorCommands, AnAnswerHasTheWordsOfTheOriginal) {
  int compared = 0;
  for (const admin::Typed& typed : admin::read_transcript()) {
    if (!is_operator_command(typed.words[0]) || !typed.printed.ends_with(" ok\n")) continue;
    const auto result = to_command_result({}, typed.words[0], {0, "", "", {5}, {"a", "b"}});
    EXPECT_EQ(result.kind, Kind::kOk);
    EXPECT_EQ(result.message + "\n", typed.printed);
    EXPECT_EQ(result.ops, std::vector<core::OpId>{5});
    EXPECT_EQ(result.plan, (std::vector<std::string>{"a", "b"}));
    ++compared;
  }
  EXPECT_EQ(compared, 8);
  EXPECT_EQ(to_command_result({}, "cancelop", {}).message, "Cancel op ok!");
  EXPECT_EQ(to_command_result({}, "updatetablealive", {}).message, "update ok");
}

TEST(OperatorCommands, APlanSaysThatNothingWasBegun) {
  const auto question = to_operator_question(
      request("changeleader", {{"name", "t"}, {"pid", "0"}, {"plan", "true"}}));
  ASSERT_TRUE(question);
  EXPECT_TRUE(question->only_plan);
  const auto result = to_command_result(*question, "changeleader", {0, "", "", {}, {"a"}});
  EXPECT_EQ(result.message, "nothing was begun: this is the plan");
  EXPECT_EQ(result.plan, std::vector<std::string>{"a"});
}

TEST(OperatorCommands, ARefusalKeepsItsCodeWordsAndHint) {
  const auto refused = to_command_result(
      {}, "changeleader", {core::kLeaderIsAlive, "leader is alive", "say auto", {}, {}});
  EXPECT_EQ(refused.kind, Kind::kRefused);
  EXPECT_EQ(refused.code, 309);
  EXPECT_EQ(refused.error, "leader is alive");
  EXPECT_EQ(refused.hint, "say auto");
  EXPECT_EQ(refused.message, "");
  EXPECT_EQ(to_command_result({}, "offlineendpoint",
                              {core::kInvalidParameter, "invalid parameter", "", {}, {}})
                .kind,
            Kind::kBadArguments);
}

}  // namespace
}  // namespace failoverd
