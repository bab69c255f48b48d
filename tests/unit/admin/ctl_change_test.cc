// failoverctl's commands that change something, against the real HTTP server: what the daemon is
// told, what is shown and asked before, and how the ops are followed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/ctl/command_table.h"
#include "tests/unit/admin/ctl_change_fixture.h"
#include "tests/unit/admin/transcript.h"

namespace failoverd::admin {
namespace {

using testing::HasSubstr;

TEST_F(CtlChangeTest, TheDaemonIsToldByNameAndKey) {
  served_.start();
  const std::pair<Words, Arguments> all[] = {
      {{"changeleader", "flow", "0"}, {{"name", "flow"}, {"pid", "0"}}},
      {{"changeleader", "flow", "0", "auto", "--db", "shop", "--accept-loss", "--force"},
       {{"name", "flow"},
        {"pid", "0"},
        {"candidate", "auto"},
        {"db", "shop"},
        {"accept_loss", "true"},
        {"force", "true"}}},
      {{"offlineendpoint", "A:1"}, {{"endpoint", "A:1"}}},
      {{"offlineendpoint", "A:1", "4"}, {{"endpoint", "A:1"}, {"concurrency", "4"}}},
      {{"recoverendpoint", "A:1", "true", "3"},
       {{"endpoint", "A:1"}, {"need_restore", "true"}, {"concurrency", "3"}}},
      {{"recovertable", "flow", "1", "A:1"}, {{"name", "flow"}, {"pid", "1"}, {"endpoint", "A:1"}}},
      {{"migrate", "A:1", "flow", "1-10", "B:1"},
       {{"src", "A:1"}, {"name", "flow"}, {"pids", "1-10"}, {"des", "B:1"}}},
      {{"addreplica", "flow", "1,4,7", "B:1"},
       {{"name", "flow"}, {"pids", "1,4,7"}, {"endpoint", "B:1"}}},
      {{"delreplica", "flow", "3", "B:1", "--db=d"},
       {{"name", "flow"}, {"pids", "3"}, {"endpoint", "B:1"}, {"db", "d"}}},
      {{"makesnapshot", "flow", "2"}, {{"name", "flow"}, {"pid", "2"}}},
      {{"cancelop", "1000000012"}, {{"op_id", "1000000012"}}},
      {{"updatetablealive", "flow", "*", "A:1", "no"},
       {{"name", "flow"}, {"pid", "*"}, {"endpoint", "A:1"}, {"alive", "no"}}},
      {{"hold", "add", "--table", "flow", "--pid=3", "--db", "d", "--reason", "new disk",
        "--for=2h", "--by", "ann"},
       {{"name", "flow"},
        {"pid", "3"},
        {"db", "d"},
        {"reason", "new disk"},
        {"for", "2h"},
        {"by", "ann"}}},
      {{"hold", "add", "--tablet", "A:1", "--reason=r", "--for", "1m"},
       {{"tablet", "A:1"}, {"reason", "r"}, {"for", "1m"}}},
      {{"hold", "add", "--all", "--reason=r", "--for", "1m"},
       {{"all", "true"}, {"reason", "r"}, {"for", "1m"}}},
      {{"hold", "remove", "7"}, {{"hold", "7"}}},
      {{"recoverdata"}, {}},
      {{"takeover"}, {}},
      {{"release", "--force"}, {{"force", "true"}}},
      {{"confset", "auto_failover", "false"}, {{"key", "auto_failover"}, {"value", "false"}}}};
  std::set<std::string> names;
  for (const auto& [words, arguments] : all) {
    EXPECT_EQ(run(words).status, 0) << words[0];
    auto told = commands();
    ASSERT_FALSE(told.empty()) << words[0];
    EXPECT_EQ(told.back().name, words[0] == "hold" ? "hold" + words[1] : words[0]);
    EXPECT_EQ(told.back().args, arguments) << words[0];
    names.insert(words[0]);
    // What it will do is asked for before, in the same words.
    const bool asks = ctl::find_command(words[0])->asks;
    const bool looks = words[0] == "recoverdata";  // Before that.
    ASSERT_EQ(told.size(), looks ? 3U : asks ? 2U : 1U) << words[0];
    if (!asks) continue;
    if (looks) told.erase(told.begin());
    told[0].args.erase("plan");
    EXPECT_EQ(told[0].args, arguments) << words[0];
  }
  for (const ctl::CommandInfo& command : ctl::commands()) {
    if (command.name == std::string{"settablepartition"}) continue;  // ctl_partition_test.cc
    EXPECT_EQ(names.contains(command.name), command.failure != nullptr) << command.name;
  }
}

// Every command takes --db, --wait, --yes and --json; where one means nothing the daemon is not
// told, and the command does what it does without.
TEST_F(CtlChangeTest, CommonOptionsMeanNothingWhereTheyCannot) {
  served_.source.op_rows = {op(1'000'000'012, "kMigrateOP", "kCanceled")};
  served_.start();
  const std::pair<Words, Arguments> all[] = {
      {{"offlineendpoint", "A:1"}, {{"endpoint", "A:1"}}},
      {{"cancelop", "1000000012"}, {{"op_id", "1000000012"}}},
      {{"hold", "remove", "7"}, {{"hold", "7"}}},
      {{"hold", "add", "--tablet", "A:1", "--reason=r", "--for", "1m"},
       {{"tablet", "A:1"}, {"reason", "r"}, {"for", "1m"}}},
      {{"confset", "auto_failover", "false"}, {{"key", "auto_failover"}, {"value", "false"}}}};
  for (const auto& [words, arguments] : all) {
    Words with = words;
    with.insert(with.end(), {"--db", "shop", "--wait", "--yes", "--json"});
    const Ran ran = run(with);
    EXPECT_EQ(ran.status, 0) << words[0] << ": " << ran.err;
    EXPECT_TRUE(ran.out.starts_with("{")) << ran.out;
    const auto told = commands();
    ASSERT_FALSE(told.empty()) << words[0];
    EXPECT_EQ(told.back().args, arguments) << words[0];
  }
  for (const Words& shows : {Words{"status"},
                             {"showtablet"},
                             {"showns"},
                             {"confget"},
                             {"fsm"},
                             {"events"},
                             {"hold", "list"}}) {
    Words with = shows;
    with.insert(with.end(), {"--db", "shop", "--wait", "--yes"});
    EXPECT_EQ(run(with).out, run(shows).out) << shows[0];
  }
}

TEST_F(CtlChangeTest, OptionsThatAHoldDoesNotHeedAreRefused) {
  served_.start();
  for (const auto& [words, error] : std::map<Words, std::string>{
           {{"hold", "list", "--tablet", "A:1"}, "hold list takes no --tablet: "},
           {{"hold", "list", "--table=flow"}, "hold list takes no --table: "},
           {{"hold", "list", "--all"}, "hold list takes no --all: "},
           {{"hold", "list", "--plan"}, "hold list takes no --plan: "},
           {{"hold", "remove", "7", "--reason", "r"}, "hold remove takes no --reason: "},
           {{"hold", "list", "7"}, "usage: failoverctl hold "},
           {{"hold", "remove"}, "usage: failoverctl hold "}}) {
    const Ran ran = run(words);
    EXPECT_EQ(ran.status, 2) << error;
    EXPECT_TRUE(ran.err.starts_with("failoverctl: " + error)) << ran.err;
    EXPECT_EQ(ran.out, "") << error;
  }
  EXPECT_EQ(run({"hold", "remove", "7", "--plan"}).status, 0);
}

TEST_F(CtlChangeTest, HoldListIsAListAsJson) {
  served_.source.status_view.holds.resize(2);
  served_.source.status_view.holds[1].id = 7;
  served_.source.status_view.holds[1].what = "tablet A:1";
  served_.start();
  const Ran ran = run({"hold", "list", "--json"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_TRUE(ran.out.starts_with("[{")) << ran.out;
  EXPECT_THAT(ran.out, HasSubstr("\"what\":\"tablet A:1\""));
  EXPECT_THAT(ran.out, testing::Not(HasSubstr("},{"))) << "nobody ordered the other";
}

// What operators typed prints the same bytes when it is refused, too.
TEST_F(CtlChangeTest, PrintsTheWordsOfTheOriginal) {
  served_.start();
  int compared = 0;
  for (const Typed& typed : read_transcript()) {
    const ctl::CommandInfo* command = ctl::find_command(typed.words[0]);
    if (command == nullptr || command->failure == nullptr || typed.words[0] == "confset") continue;
    std::string said = typed.printed.substr(0, typed.printed.size() - 1);
    const bool refused = said.starts_with(command->failure);
    if (refused) said = said.substr(std::string(command->failure).size());
    served_.on_loop([&] {
      served_.source.on_command = [=](const CommandRequest&, const FakeSource::Done& done) {
        CommandResult result;
        if (refused) {
          result.kind = CommandResult::Kind::kRefused;
          result.error = said;
        } else {
          result.message = said;
        }
        done(result);
      };
    });
    const Ran ran = run(typed.words);
    EXPECT_EQ(ran.status, refused ? 1 : 0);
    EXPECT_EQ(refused ? ran.err : ran.out, typed.printed);
    EXPECT_EQ(refused ? ran.out : ran.err, "");
    ++compared;
  }
  EXPECT_GE(compared, 15);
}

TEST_F(CtlChangeTest, ThePlanIsToldBeforeAndIsAllWithPlan) {
  begins({11}, {"flow/0: A hands over to B\x1b[m", "flow/1: nothing"});
  served_.start();
  const std::string plan = "flow/0: A hands over to B?[m\nflow/1: nothing\n";
  Ran ran = run({"changeleader", "flow", "0", "auto"});
  EXPECT_EQ(ran.status, 0);
  EXPECT_EQ(ran.out, "changeleader ok\n");
  EXPECT_EQ(ran.err, plan);
  commands();
  ran = run({"changeleader", "flow", "0", "auto", "--plan"});
  EXPECT_EQ(ran.status, 0);
  EXPECT_EQ(ran.out, plan);
  EXPECT_EQ(ran.err, "");
  EXPECT_THAT(run({"makesnapshot", "flow", "0", "--plan"}).out, plan);
  ran = run({"changeleader", "flow", "0", "auto", "--plan", "--json"});
  EXPECT_EQ(ran.out,
            "{\"ops\":[],\"message\":\"changeleader ok\",\"plan\":[\"flow/0: A hands over to "
            "B\\u001b[m\",\"flow/1: nothing\"]}\n");
  for (const CommandRequest& command : commands()) EXPECT_EQ(command.args.at("plan"), "true");
}

TEST_F(CtlChangeTest, WhatIsRefusedIsNotAskedForTwice) {
  served_.source.on_command = [](const CommandRequest&, const FakeSource::Done& done) {
    done({CommandResult::Kind::kRefused, {}, "", 309, "leader is alive", "auto hands it over"});
  };
  served_.start();
  const Ran ran = run({"changeleader", "flow", "0", "--wait"});
  EXPECT_EQ(ran.status, 1);
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(ran.err, "failed to change leader. error msg: leader is alive: auto hands it over\n");
  EXPECT_EQ(commands().size(), 1U);
  EXPECT_EQ(run({"changeleader", "flow", "0", "--json"}).out,
            "{\"code\":309,\"error\":\"leader is alive\",\"hint\":\"auto hands it over\"}\n");
}

// --- On a terminal -------------------------------------------------------------------------------

TEST_F(CtlChangeTest, APersonIsAsked) {
  begins({11}, {"flow/0: A hands over to B"});
  served_.start();
  for (const auto& [typed, goes_on] :
       {std::pair{"yes\n", true}, {"y\n", true}, {"no\n", false}, {"\n", false}, {"\x04", false}}) {
    const Terminal terminal;
    RunningProgram program(line({"changeleader", "flow", "0", "auto"}), {}, terminal.end());
    EXPECT_TRUE(program.read_error_until("go on? (yes or no) ")) << program.err();
    EXPECT_EQ(commands().size(), 1U) << "only the plan";
    terminal.type(typed);
    const Ran ran = program.wait();
    EXPECT_EQ(ran.status, goes_on ? 0 : 1) << typed;
    EXPECT_EQ(ran.out, goes_on ? "changeleader ok\n" : "") << typed;
    EXPECT_EQ(commands().size(), goes_on ? 1U : 0U) << typed;
    EXPECT_EQ(ran.err.ends_with("nothing has been done\n"), !goes_on) << ran.err;
  }
}

TEST_F(CtlChangeTest, NobodyIsAskedWithYesOrWhereNothingIsToBeDone) {
  begins({11}, {"flow/0: A hands over to B"});
  served_.start();
  const Terminal terminal;
  const Ran yes =
      RunningProgram(line({"changeleader", "flow", "0", "auto", "--yes"}), {}, terminal.end())
          .wait();
  EXPECT_EQ(yes.status, 0);
  EXPECT_EQ(yes.err, "flow/0: A hands over to B\n");
  served_.on_loop([&] { begins({}); });
  EXPECT_EQ(RunningProgram(line({"recoverendpoint", "A:1"}), {}, terminal.end()).wait().out,
            "recoverendpoint ok\n");
  EXPECT_EQ(run({"recoverendpoint", "A:1", "--plan"}).out, "nothing is to be done\n");
}

// --- --wait --------------------------------------------------------------------------------------

TEST_F(CtlChangeTest, OpsAreFollowedUntilAllHaveEnded) {
  begins({11, 12});
  served_.start();
  auto asks = op(11, "kRecoverTableOP", "kDoing");
  asks.cur_task = "kRecoverTable";
  lists({op(7, "kRecoverTableOP", "kFailed"), asks, op(12, "kChangeLeaderOP", "kInited")});
  RunningProgram program(line({"recoverendpoint", "A:1", "--wait"}));
  EXPECT_TRUE(program.read_until("12 kChangeLeaderOP flow/0 kInited\n"));
  asks.status = "kDone";
  auto copies = op(13, "kReAddReplicaOP", "kDoing");
  copies.progress = 0.5;
  lists({asks, op(12, "kChangeLeaderOP", "kDone"), copies});
  EXPECT_TRUE(program.read_until("13 kReAddReplicaOP flow/0 kDoing 50 %\n"));
  copies.status = "kDone";
  lists({asks, op(12, "kChangeLeaderOP", "kDone"), copies});
  const Ran ran = program.wait();
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.out,
            "recoverendpoint ok\n"
            "11 kRecoverTableOP flow/0 kDoing at kRecoverTable\n"
            "12 kChangeLeaderOP flow/0 kInited\n"
            "11 kRecoverTableOP flow/0 kDone\n"
            "12 kChangeLeaderOP flow/0 kDone\n"
            "13 kReAddReplicaOP flow/0 kDoing 50 %\n"
            "13 kReAddReplicaOP flow/0 kDone\n"
            "3 ops done, 0 failed\n");
  EXPECT_EQ(ran.err, "");
}

TEST_F(CtlChangeTest, OneThatFailsIsAFailure) {
  begins({11, 12});
  served_.start();
  auto failed = op(12, "kMigrateOP", "kFailed");
  failed.detail = "B is gone";
  lists({op(11, "kMigrateOP", "kDone"), failed});
  const Ran ran = run({"migrate", "A:1", "flow", "0,1", "B:1", "--wait"});
  EXPECT_EQ(ran.status, 1);
  EXPECT_EQ(ran.out,
            "migrate ok\n11 kMigrateOP flow/0 kDone\n12 kMigrateOP flow/0 kFailed: B is gone\n"
            "1 op done, 1 failed\n");
  EXPECT_EQ(ran.err, "not all ops have ended well\n");
  const Ran as_json = run({"migrate", "A:1", "flow", "0,1", "B:1", "--wait", "--json"});
  EXPECT_EQ(as_json.status, 1);
  EXPECT_TRUE(
      as_json.out.starts_with("{\"ops\":[11,12],\"message\":\"migrate ok\",\"ended\":[{"
                              "\"op_id\":11,"))
      << as_json.out;
  EXPECT_THAT(as_json.out,
              HasSubstr("\"detail\":\"B is "
                        "gone\",\"progress\":null,\"without_leader\":null,\"may_have_lost\":null,"
                        "\"loss_is_exact\":false}]}\n"));
}

// Also one that was done before it could be canceled, or that failed at being taken back.
TEST_F(CtlChangeTest, WhatIsCanceledIsFollowedToItsEnd) {
  served_.start();
  lists({op(10, "kMigrateOP", "kDoing"), op(11, "kMigrateOP", "kDoing")});
  RunningProgram program(line({"cancelop", "11", "--wait"}));
  EXPECT_TRUE(program.read_until("11 kMigrateOP flow/0 kDoing\n"));
  lists({op(10, "kMigrateOP", "kDoing"), op(11, "kMigrateOP", "kCanceled")});
  const Ran ran = program.wait();
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("11 kMigrateOP flow/0 kCanceled\n0 ops done, 0 failed, 1 "
                                 "canceled\n"));
  for (const auto& [status, summary] : std::map<std::string, std::string>{
           {"kDone", "1 op done, 0 failed\n"}, {"kFailed", "0 ops done, 1 failed\n"}}) {
    lists({op(11, "kRecoverTableOP", status), op(12, "kRecoverTableOP", "kDoing")});
    const Ran again = run({"cancelop", "11", "--wait"});
    EXPECT_EQ(again.status, 0) << again.err;
    EXPECT_THAT(again.out, HasSubstr(summary));
  }
}

TEST_F(CtlChangeTest, CtrlCLeavesTheOpsAlone) {
  begins({11});
  served_.start();
  lists({op(11, "kMigrateOP", "kDoing")});
  RunningProgram program(line({"migrate", "A:1", "flow", "0", "B:1", "--wait"}));
  EXPECT_TRUE(program.read_until("11 kMigrateOP flow/0 kDoing\n"));
  program.signal(SIGINT);
  const Ran ran = program.wait();
  EXPECT_EQ(ran.status, 1);
  EXPECT_EQ(ran.err,
            "\nthe ops go on: `failoverctl showopstatus` shows them, `failoverctl cancelop ID` "
            "cancels one\n");
  for (const CommandRequest& command : commands()) EXPECT_EQ(command.name, "migrate");
}

TEST_F(CtlChangeTest, TheDaemonMayBeAwayMeanwhile) {
  begins({11});
  served_.start();
  lists({op(11, "kMigrateOP", "kDoing")});
  const std::string address = served_.address();
  RunningProgram program(line({"migrate", "A:1", "flow", "0", "B:1", "--wait"}));
  EXPECT_TRUE(program.read_until("11 kMigrateOP flow/0 kDoing\n"));
  served_.stop();
  EXPECT_TRUE(program.read_error_until("; goes on trying\n"));
  ServedSource next;
  next.source.op_rows = {op(11, "kMigrateOP", "kDone")};
  next.start({}, address);
  const Ran ran = program.wait();
  EXPECT_EQ(ran.status, 0);
  EXPECT_THAT(ran.out, testing::EndsWith("11 kMigrateOP flow/0 kDone\n1 op done, 0 failed\n"));
}

// --- Who there is --------------------------------------------------------------------------------

TEST_F(CtlChangeTest, ShownsNamesTheDaemonsAndNameserversThatAreKnown) {
  served_.source.status_view.name = "db1:9650";
  served_.source.status_view.nameservers = {"ns1:9822", "ns2:9822"};
  served_.start();
  ServedSource standby;
  standby.source.status_view = served_.source.status_view;
  standby.source.status_view.name = "db2:9650";
  standby.source.status_view.active = false;
  standby.source.status_view.holder = {"db1:9650", served_.address()};
  standby.start();
  const std::string all =
      "  endpoint  role     program   \n"
      "---------------------------------\n"
      "  db1:9650  leader   failoverd \n"
      "  db2:9650  standby  failoverd \n"
      "  ns1:9822  leader   nameserver\n"
      "  ns2:9822  standby  nameserver\n";
  EXPECT_EQ(failoverctl({"showns", "--server", standby.address()}).out, all);
  EXPECT_EQ(failoverctl({"showns", "--server", standby.address() + "," + served_.address()}).out,
            all);
  EXPECT_TRUE(run({"showns", "--json"})
                  .out.starts_with("[\n  {\"endpoint\":\"db1:9650\",\"role\":\"leader\","
                                   "\"program\":\"failoverd\"},\n"));
  // What a standby says of one that cannot be reached has to do.
  const std::string address = served_.address();
  served_.stop();
  const Ran without = failoverctl({"showns", "--server", standby.address()});
  EXPECT_EQ(without.out, all);
  EXPECT_EQ(without.err, "cannot reach " + address + ": Connection refused\n");
  standby.stop();
  EXPECT_EQ(failoverctl({"showns", "--server", standby.address()}).status, 1);
}

}  // namespace
}  // namespace failoverd::admin
