// failoverctl, the program, against the real HTTP server: what operators typed at the original's
// client prints the same bytes.
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "daemon/ctl/http_client.h"
#include "tests/harness/temporary_directory.h"
#include "tests/unit/admin/fake_source.h"
#include "tests/unit/admin/raw_http.h"
#include "tests/unit/admin/run_program.h"
#include "tests/unit/admin/transcript.h"

namespace failoverd::admin {
namespace {

using Words = std::vector<std::string>;

// What a daemon does with confset, as far as the words go.
void set_conf(const CommandRequest& request, const FakeSource::Done& done) {
  CommandResult result;
  const std::string key = request.args.contains("key") ? request.args.at("key") : "";
  const std::string value = request.args.contains("value") ? request.args.at("value") : "";
  if (key == "auto_failover" && (value == "true" || value == "false")) {
    result.message = "set auto_failover ok";
  } else {
    result = bad_arguments("");
  }
  done(result);
}

class CtlTest : public testing::Test {
 protected:
  CtlTest() { served_.source.on_command = set_conf; }

  Ran run(std::vector<std::string> words) {
    words.insert(words.begin(), {"--server", "http://" + served_.address()});
    return failoverctl(words);
  }

  ServedSource served_;
  FakeSource& source_ = served_.source;
};

TEST_F(CtlTest, PrintsWhatOperatorsKnow) {
  served_.start();
  int compared = 0;
  for (const Typed& typed : read_transcript()) {
    const std::string& command = typed.words[0];
    served_.on_loop([&] {
      if (command == "showtablet") {
        source_.tablet_rows = to_rows<TabletRow>(typed.printed, to_tablet);
      } else if (command == "showtable") {
        source_.replica_rows = to_rows<ReplicaRow>(typed.printed, to_replica);
      } else if (command == "showopstatus") {
        source_.op_rows = to_rows<OpRow>(typed.printed, to_op);
      } else if (command == "confget") {
        source_.conf_rows = {{"auto_failover", read_table(typed.printed)[0]["value"]}};
      }
    });
    const bool shows = command.starts_with("show") || command == "confget";
    if (!shows && command != "confset") continue;
    const bool refused = typed.printed.starts_with("failed");
    const Ran ran = run(typed.words);
    EXPECT_EQ(ran.status, refused ? 1 : 0);
    EXPECT_EQ(refused ? ran.err : ran.out, typed.printed);
    EXPECT_EQ(refused ? ran.out : ran.err, "");
    ++compared;
  }
  EXPECT_GE(compared, 20);
}

TEST_F(CtlTest, JsonHasTheColumnsAsKeys) {
  source_.tablet_rows.resize(1);
  source_.tablet_rows[0].endpoint = "127.0.0.1:9720";
  source_.tablet_rows[0].shown = "kTabletHealthy";
  source_.tablet_rows[0].state = "healthy";
  source_.tablet_rows[0].age_ms = 2500;
  ReplicaRow replica;
  replica.name = "flow";
  replica.tid = 2;
  replica.pid = 1;
  replica.endpoint = "127.0.0.1:9720";
  replica.is_leader = true;
  replica.is_alive = true;
  replica.compress_type = "kNoCompress";
  replica.offset = 5;
  replica.memused = 1162;
  source_.replica_rows = {replica};
  OpRow op;
  op.op_id = 1'000'000'001;
  op.op_type = "kChangeLeaderOP";
  op.name = "flow";
  op.status = "kDone";
  op.start_ms = 1'700'000'000'123;
  op.end_ms = 1'700'000'000'323;
  source_.op_rows = {op};
  source_.conf_rows = {{"auto_failover", "true"}};
  served_.start();
  EXPECT_EQ(run({"showtablet", "--json"}).out,
            "[\n  {\"endpoint\":\"127.0.0.1:9720\",\"state\":\"kTabletHealthy\",\"age\":2500,"
            "\"health\":\"healthy\",\"startup\":false,\"incarnation\":\"\","
            "\"last_answer_age_ms\":null,\"detail\":\"\"}\n]\n");
  EXPECT_EQ(run({"showtable", "--json"}).out,
            "[\n  {\"name\":\"flow\",\"tid\":2,\"pid\":1,\"endpoint\":\"127.0.0.1:9720\","
            "\"role\":\"leader\",\"ttl\":0,\"is_alive\":true,\"compress_type\":\"kNoCompress\","
            "\"offset\":5,\"record_cnt\":null,\"memused\":1162,\"db\":\"\",\"ttl_type\":\"\","
            "\"offset_age_ms\":null}\n]\n");
  EXPECT_EQ(run({"showopstatus", "--json"}).out,
            "[\n  {\"op_id\":1000000001,\"op_type\":\"kChangeLeaderOP\",\"name\":\"flow\","
            "\"pid\":0,\"status\":\"kDone\",\"start_time\":1700000000123,\"execute_time\":200,"
            "\"end_time\":1700000000323,\"cur_task\":null,\"db\":\"\",\"endpoint\":null,"
            "\"detail\":\"\",\"progress\":null,\"without_leader\":null,"
            "\"may_have_lost\":null,\"loss_is_exact\":false}\n]\n");
  EXPECT_EQ(run({"--json", "confget"}).out,
            "[\n  {\"key\":\"auto_failover\",\"value\":\"true\"}\n]\n");
  EXPECT_TRUE(run({"--json", "status"}).out.starts_with("{\"version\":"));
  EXPECT_EQ(run({"--json", "confset", "auto_failover", "true"}).out,
            "{\"ops\":[],\"message\":\"set auto_failover ok\"}\n");
  const Ran refused = run({"--json", "confset", "nosuch", "true"});
  EXPECT_EQ(refused.out, "{\"code\":307,\"error\":\"invalid parameter\"}\n");
  EXPECT_EQ(refused.err, "failed to set nosuch. error msg: invalid parameter\n");
  EXPECT_EQ(refused.status, 1);
}

TEST_F(CtlTest, ARunningOpHasNoEnd) {
  OpRow op;
  op.op_id = 1'000'000'002;
  op.op_type = "kChangeLeaderOP";
  op.name = "flow";
  op.status = "kDoing";
  op.start_ms = 1'700'000'000'000;
  op.cur_task = "kSelectLeader";
  source_.op_rows = {op};
  served_.start();
  const Cells row = read_table(run({"showopstatus"}).out).at(0);
  EXPECT_EQ(row.at("start_time"), "20231114221320");
  EXPECT_EQ(row.at("end_time"), "-");
  EXPECT_EQ(row.at("cur_task"), "kSelectLeader");
}

// What failed and what waits is told below the table, whose columns stay as they are; what is done
// needs no words.
TEST_F(CtlTest, OpsHaveTheirReasonsBelowTheTable) {
  source_.op_rows.resize(4);
  const char* const status[] = {"kDone", "kFailed", "kDoing", "kInited"};
  const char* const detail[] = {"led by A", "A answers 105\nto kPauseSnapshot", "sends", ""};
  for (std::size_t i = 0; i < 4; ++i) {
    OpRow& op = source_.op_rows[i];
    op.op_id = 1'000'000'001 + i;
    op.op_type = "kReAddReplicaOP";
    op.name = "flow";
    op.pid = 3;
    op.status = status[i];
    op.detail = detail[i];
  }
  source_.op_rows[2].progress = 0.4567;
  served_.start();
  const std::string printed = run({"showopstatus"}).out;
  const auto below = printed.find("# ");
  EXPECT_EQ(printed.substr(below),
            "# 1000000002 kReAddReplicaOP flow/3 kFailed: A answers 105?to kPauseSnapshot\n"
            "# 1000000003 kReAddReplicaOP flow/3 kDoing 45 %: sends\n");
  EXPECT_EQ(read_table(printed.substr(0, below)).size(), 4U);
  const std::string as_json = run({"showopstatus", "--json"}).out;
  EXPECT_NE(as_json.find("\"detail\":\"sends\",\"progress\":4.567E-1,"), std::string::npos)
      << as_json;
}

TEST_F(CtlTest, NamesWithEverythingInThem) {
  source_.replica_rows.resize(2);
  source_.replica_rows[0].name = "a b/c?d&e%\xC3\xA4";
  source_.replica_rows[1].name = "other";
  source_.op_rows.resize(2);
  source_.op_rows[0].name = source_.replica_rows[0].name;
  served_.start();
  EXPECT_EQ(read_table(run({"showtable", source_.replica_rows[0].name}).out).size(), 1U);
  EXPECT_EQ(read_table(run({"showopstatus", source_.replica_rows[0].name, "0"}).out).size(), 1U);
}

TEST_F(CtlTest, FailuresAreOneLineAndStatus1) {
  served_.start();
  const Ran absent = run({"showtable", "nosuch"});
  EXPECT_EQ(absent.status, 1);
  EXPECT_EQ(absent.err, "failed to show table. error msg: table is not exist\n");
  served_.on_loop([&] {
    source_.on_command = [](const CommandRequest&, const FakeSource::Done& done) {
      done({CommandResult::Kind::kRefused, {}, "", 304, "set zk failed", "ZooKeeper is away", {}});
    };
  });
  EXPECT_EQ(run({"confset", "auto_failover", "true"}).err,
            "failed to set auto_failover. error msg: set zk failed: ZooKeeper is away\n");
  const std::string address = served_.address();
  served_.stop();
  const Ran gone = run({"showtablet"});
  EXPECT_EQ(gone.status, 1);
  EXPECT_EQ(gone.out, "");
  EXPECT_EQ(gone.err, "cannot reach " + address + ": Connection refused\n");
  EXPECT_EQ(
      run({"confset", "auto_failover", "true"}).err,
      "failed to set auto_failover. error msg: cannot reach " + address + ": Connection refused\n");
  EXPECT_EQ(failoverctl({"status"}, {{"FAILOVERD_SERVER", address}}).err, gone.err);
}

TEST_F(CtlTest, WhatIsNotKnownYetIsAFailure) {
  source_.cluster_unread = "waits for ZooKeeper at zk:2181";
  source_.switch_unread = "waits for ZooKeeper at zk:2181";
  served_.start();
  const std::pair<Words, std::string> shows[] = {
      {{"confget"}, "conf"},           {{"showtablet"}, "tablets"},
      {{"showtable"}, "table"},        {{"showtable", "x"}, "table"},
      {{"showopstatus"}, "op status"}, {{"--json", "showtable"}, "table"}};
  for (const auto& [words, what] : shows) {
    const Ran ran = run(words);
    EXPECT_EQ(ran.status, 1) << words.back();
    EXPECT_EQ(ran.out, "") << words.back();
    EXPECT_EQ(ran.err, "failed to show " + what + ". error msg: waits for ZooKeeper at zk:2181\n");
  }
  EXPECT_EQ(run({"status"}).status, 0);
  EXPECT_EQ(run({"events"}).status, 0);
}

TEST_F(CtlTest, UsageIsStatus2) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{},
                                                {"nosuch"},
                                                {"status", "x"},
                                                {"--nosuch"},
                                                {"status", "--server", "https://a:1"},
                                                {"status", "--server", "ftp://a:1"}}) {
    const Ran ran = failoverctl(words);
    EXPECT_EQ(ran.status, 2);
    EXPECT_EQ(ran.out, "");
    EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << ran.err;
  }
  EXPECT_EQ(failoverctl({"--help"}).status, 0);
  EXPECT_EQ(failoverctl({"confset", "--help"}).status, 0);
  EXPECT_EQ(failoverctl({"--version"}).out, "failoverctl " FAILOVERD_VERSION "\n");
}

TEST_F(CtlTest, ATokenIsSentWithChanges) {
  HttpOptions options;
  options.access.token = "secret";
  served_.start(options);
  harness::TemporaryDirectory directory;
  const std::string file = directory.path() / "token";
  std::ofstream(file) << "secret\n";
  EXPECT_EQ(run({"confset", "auto_failover", "true"}).err,
            "failed to set auto_failover. error msg: the token is needed: Authorization: Bearer "
            "TOKEN\n");
  const Ran done = run({"confset", "auto_failover", "true", "--token-file", file});
  EXPECT_EQ(done.out, "set auto_failover ok\n");
  EXPECT_EQ(failoverctl({"confset", "auto_failover", "true"},
                        {{"FAILOVERD_SERVER", served_.address()}, {"FAILOVERD_TOKEN_FILE", file}})
                .status,
            0);
  EXPECT_EQ(run({"status", "--token-file", file + ".nosuch"}).err,
            "cannot read the token file " + file + ".nosuch\n");
}

TEST_F(CtlTest, ADaemonThatDoesNotAnswerIsNotWaitedForForever) {
  // Listening, but nobody's loop turns.
  boost::asio::io_context io;
  FakeSource source;
  HttpServer silent(io, source, {});
  const std::string address = "127.0.0.1:" + std::to_string(*silent.listen("127.0.0.1:0"));
  const auto answers =
      ctl::http_call_all({*ctl::parse_url(address), *ctl::parse_url("127.0.0.1:1")},
                         {"GET", "/readyz", "", {}}, std::chrono::milliseconds(100));
  ASSERT_EQ(answers.size(), 2U);
  EXPECT_EQ(answers[0].error().text, "cannot read from " + address + ": no answer in time");
  EXPECT_EQ(answers[1].error().text, "cannot reach 127.0.0.1:1: Connection refused");
}

class TwoDaemons : public CtlTest {
 protected:
  void SetUp() override {
    served_.start();
    standby_.source.on_command = [this](const CommandRequest&, const FakeSource::Done& done) {
      done(
          {CommandResult::Kind::kStandby, {}, "", 300, "", "", standby_.source.status_view.holder});
    };
    source_.process = "d1";
    standby_.source.process = "d2";
    standby_.source.status_view.active = false;
    standby_.source.status_view.holder = {"db1:9650", served_.address()};
    standby_.source.conf_rows = {{"from", "standby"}};
    standby_.start();
    served_.on_loop([&] { source_.conf_rows = {{"from", "active"}}; });
  }
  static std::string value(const Ran& ran) {
    return ran.status == 0 ? read_table(ran.out).at(0).at("value") : ran.err;
  }
  std::size_t commands_at(ServedSource& daemon) {
    return daemon.on_loop([&] { return daemon.source.commands.size(); });
  }

  ServedSource standby_;
};

TEST_F(TwoDaemons, TheActiveOneIsFound) {
  for (const std::string& both :
       {served_.address() + "," + standby_.address(), standby_.address() + "," + served_.address(),
        "127.0.0.1:1," + standby_.address() + "," + served_.address()}) {
    EXPECT_EQ(value(failoverctl({"confget", "--server", both})), "active");
    EXPECT_EQ(failoverctl({"confset", "auto_failover", "true", "--server", both}).status, 0);
    EXPECT_TRUE(failoverctl({"status", "--server", both}).out.starts_with("active"));
  }
  EXPECT_EQ(commands_at(served_), 3U);
  EXPECT_EQ(commands_at(standby_), 0U);
}

TEST_F(TwoDaemons, AStandbyNamesTheActiveOne) {
  EXPECT_EQ(value(failoverctl({"confget", "--server", standby_.address()})), "active");
  EXPECT_EQ(failoverctl({"confset", "auto_failover", "true", "--server", standby_.address()}).out,
            "set auto_failover ok\n");
  EXPECT_EQ(commands_at(served_), 1U);
  // Who asks one daemon how it is means that one.
  EXPECT_TRUE(failoverctl({"status", "--server", standby_.address()}).out.starts_with("standby: "));
}

TEST_F(TwoDaemons, WithoutTheActiveOneTheStandbysViewHasToDo) {
  served_.stop();
  const std::string both = served_.address() + "," + standby_.address();
  for (const std::string& servers : {standby_.address(), both}) {
    EXPECT_EQ(value(failoverctl({"confget", "--server", servers})), "standby");
    const Ran refused = failoverctl({"confset", "auto_failover", "true", "--server", servers});
    EXPECT_EQ(refused.status, 1);
    EXPECT_EQ(refused.err, "failed to set auto_failover. error msg: cannot reach " +
                               served_.address() + ": Connection refused\n");
  }
  standby_.stop();
  EXPECT_EQ(value(failoverctl({"confget", "--server", both})),
            "cannot reach " + served_.address() + ": Connection refused; cannot reach " +
                standby_.address() + ": Connection refused\n");
}

TEST_F(TwoDaemons, TwoStandbysThatNameEachOtherAreNotFollowedForEver) {
  served_.on_loop([&] {
    source_.status_view.active = false;
    source_.status_view.holder = {"d2", standby_.address()};
    source_.on_command = standby_.source.on_command;
  });
  const Ran ran = failoverctl({"confset", "auto_failover", "true", "--server", served_.address()});
  EXPECT_EQ(ran.status, 1);
  EXPECT_TRUE(ran.err.find("this daemon is a standby") != std::string::npos) << ran.err;
}

// A daemon on another host that listens on loopback only: no address of it is of use here.
TEST_F(TwoDaemons, AnActiveOneThatOnlyItsOwnHostReachesIsNamed) {
  const std::string where =
      "the active daemon is db1:9650, which listens on loopback only there: run failoverctl on "
      "that host or set listen.http\n";
  const auto expect_named = [&](const std::string& server) {
    const Ran refused = failoverctl({"confset", "auto_failover", "true", "--server", server});
    EXPECT_EQ(refused.status, 1);
    EXPECT_EQ(refused.err, "failed to set auto_failover. error msg: " + where);
    for (const char* shows : {"confget", "showtable", "showopstatus", "events"}) {
      const Ran shown = failoverctl({shows, "--server", server});
      EXPECT_EQ(shown.status, 0) << shows;
      EXPECT_EQ(shown.err, server + " is a standby and may not know all: " + where) << shows;
    }
    EXPECT_EQ(failoverctl({"status", "--server", server}).err, "");
  };
  // The standby knows that it is of no use; or it is of use on the standby's host, and this caller
  // has come from elsewhere.
  expect_named("0.0.0.0:" + std::to_string(standby_.port));
  standby_.on_loop([&] { standby_.source.status_view.holder.address.clear(); });
  expect_named(standby_.address());
  EXPECT_EQ(commands_at(served_), 0U);
}

// One whose contact is gone may still believe that it acts.
TEST_F(TwoDaemons, OfTwoThatBelieveThatTheyActTheReadyOneIsAsked) {
  served_.on_loop([&] { source_.status_view.ready = false; });
  standby_.on_loop([&] { standby_.source.status_view.active = true; });
  const std::string both = served_.address() + "," + standby_.address();
  EXPECT_EQ(value(failoverctl({"confget", "--server", both})), "standby");
}

class EventsOfTwoDaemons : public TwoDaemons {
 protected:
  static void add(ServedSource& daemon, const std::string& text) {
    daemon.on_loop([&] { daemon.source.log.add({0, 1, "info", "kind", text, {}}); });
  }
  static void stands(ServedSource& daemon, bool active, const HolderView& holder) {
    daemon.on_loop([&] {
      daemon.source.status_view.active = active;
      daemon.source.status_view.holder = holder;
    });
  }
  static std::string line(int id, const std::string& text) {
    return std::to_string(id) + "  1970-01-01 00:00:00.001  info  " + text + "\n";
  }
  std::string both() const { return served_.address() + "," + standby_.address(); }
};

TEST_F(EventsOfTwoDaemons, AreTheActiveOnes) {
  add(served_, "active");
  add(standby_, "standby");
  for (const std::string& servers : {standby_.address(), both()}) {
    EXPECT_EQ(failoverctl({"events", "--server", servers}).out, line(1, "active"));
    RunningProgram following({"events", "--follow", "--server", servers});
    EXPECT_TRUE(following.read_until("\n"));
    EXPECT_EQ(following.out(), line(1, "active"));
  }
}

TEST_F(EventsOfTwoDaemons, GoOnWithWhoeverIsActive) {
  add(served_, "one");
  add(served_, "two");
  add(standby_, "of the second");
  RunningProgram following({"events", "--follow", "--since", "1", "--server", both()});
  ASSERT_TRUE(following.read_until("two\n"));
  // The first is now a standby, and its events are not what is followed any more.
  stands(standby_, true, {});
  stands(served_, false, {"db2:9650", standby_.address()});
  ASSERT_TRUE(following.read_until("of the second\n"));
  EXPECT_NE(following.err().find("now follows " + standby_.address() + "\n"), std::string::npos);
  add(standby_, "more");
  add(served_, "while a standby");
  ASSERT_TRUE(following.read_until("more\n"));
  // Each one's ids are its own: back at the first nothing is told twice and nothing is left out.
  stands(standby_, false, {"db1:9650", served_.address()});
  stands(served_, true, {});
  ASSERT_TRUE(following.read_until("while a standby\n"));
  EXPECT_EQ(following.out(), line(2, "two") + line(1, "of the second") + line(2, "more") +
                                 line(3, "while a standby"));
}

class CtlEvents : public CtlTest {
 protected:
  void add(const std::string& text) {
    served_.on_loop([&] {
      source_.log.add({0, 1'700'000'000'123, "warning", "kind", text, {{"table", "flow"}}});
    });
  }
};

TEST_F(CtlEvents, AreLines) {
  served_.start();
  add("one\n");
  add("two");
  EXPECT_EQ(run({"events"}).out,
            "1  2023-11-14 22:13:20.123  warning  one?  table=flow\n"
            "2  2023-11-14 22:13:20.123  warning  two  table=flow\n");
  EXPECT_EQ(run({"events", "--since", "1"}).out,
            "2  2023-11-14 22:13:20.123  warning  two  table=flow\n");
  EXPECT_EQ(run({"events", "--json", "--since=1"}).out,
            "[\n  {\"id\":2,\"time\":1700000000123,\"severity\":\"warning\",\"kind\":\"kind\","
            "\"text\":\"two\",\"fields\":{\"table\":\"flow\"}}\n]\n");
  EXPECT_EQ(run({"events", "--json", "--since=2"}).out, "[]\n");
}

TEST_F(CtlEvents, AreFollowed) {
  served_.start();
  add("one");
  RunningProgram following({"events", "--follow", "--server", served_.address()});
  EXPECT_TRUE(following.read_until("  one  table=flow\n"));
  add("two");
  EXPECT_TRUE(following.read_until("  two  table=flow\n"));
  RunningProgram as_json({"events", "--follow", "--json", "--server", served_.address()});
  EXPECT_TRUE(as_json.read_until("\"text\":\"two\",\"fields\":{\"table\":\"flow\"}}\n"));
  add("three");
  EXPECT_TRUE(as_json.read_until("\"text\":\"three\",\"fields\":{\"table\":\"flow\"}}\n"));
}

TEST_F(CtlEvents, AreFollowedThroughARestartOfTheDaemon) {
  auto first = std::make_unique<ServedSource>();
  first->start();
  first->on_loop([&] {
    first->source.process = "d1/1";
    first->source.log.add({0, 1, "info", "k", "before", {}});
  });
  const std::string address = first->address();
  RunningProgram following({"events", "--follow", "--server", address});
  EXPECT_TRUE(following.read_until("before\n"));
  first.reset();
  // Its ids begin again, and may have passed those of before when it is found.
  source_.process = "d1/2";
  for (const char* text : {"after", "and after"}) {
    source_.log.add({0, 1, "warning", "kind", text, {}});
  }
  served_.start({}, address);
  EXPECT_TRUE(following.read_until("  and after\n")) << following.out();
  EXPECT_NE(following.out().find("  after\n"), std::string::npos) << following.out();
}

TEST_F(CtlEvents, ThatCannotBeFollowedAreAFailure) {
  HttpOptions options;
  options.max_streams = 0;
  served_.start(options);
  const Ran ran = run({"events", "--follow"});
  EXPECT_EQ(ran.status, 1);
  EXPECT_EQ(ran.err,
            "cannot follow the events of " + served_.address() + ": too many event streams\n");
}

}  // namespace
}  // namespace failoverd::admin
