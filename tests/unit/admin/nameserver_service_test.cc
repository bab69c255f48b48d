// The nameserver's protocol where no capture shows it: who is refused, in which order, what
// commands are asked for, and callers who want too much. Captured calls: nameserver_golden_test;
// what is shown: nameserver_lists_test.
#include "lib/admin/nameserver_service.h"

#include <gmock/gmock.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <boost/asio/ip/address_v4.hpp>
#include <stdexcept>

#include "tests/unit/admin/nameserver_fixture.h"

namespace failoverd::admin {
namespace {

using fedb::NameServerResponse;
using testing::ElementsAre;
using testing::HasSubstr;

// Each method that changes something, with a request that is whole.
std::vector<std::pair<std::string, std::string>> manual_calls() {
  fedb::ChangeLeaderRequest change;
  change.set_name("flow");
  change.set_pid(0);
  fedb::OfflineEndpointRequest offline;
  offline.set_endpoint("nonsense");
  fedb::RecoverEndpointRequest recover;
  recover.set_endpoint("a:1");
  fedb::RecoverTableRequest table;
  table.set_name("flow");
  table.set_pid(0);
  table.set_endpoint("a:1");
  fedb::MigrateRequest migrate;
  migrate.set_src_endpoint("a:1");
  migrate.set_name("flow");
  migrate.set_des_endpoint("b:1");
  return {{"ChangeLeader", change.SerializeAsString()},
          {"OfflineEndpoint", offline.SerializeAsString()},
          {"RecoverEndpoint", recover.SerializeAsString()},
          {"RecoverTable", table.SerializeAsString()},
          {"Migrate", migrate.SerializeAsString()},
          {"CancelOP", ""},
          {"SetTablePartition", ""},
          {"UpdateTableAliveStatus", ""}};
}

std::vector<std::pair<std::string, std::string>> other_changes() {
  fedb::ConfSetRequest conf;
  conf.mutable_conf()->set_key("auto_failover");
  conf.mutable_conf()->set_value("true");
  fedb::AddReplicaNSRequest add;
  add.set_name("flow");
  add.set_pid(0);
  add.set_endpoint("a:1");
  fedb::MakeSnapshotNSRequest snapshot;
  snapshot.set_name("flow");
  snapshot.set_pid(0);
  return {{"ConfSet", conf.SerializeAsString()},
          {"AddReplicaNS", add.SerializeAsString()},
          {"DelReplicaNS", add.SerializeAsString()},
          {"MakeSnapshotNS", snapshot.SerializeAsString()}};
}

class NameserverTest : public NameserverFixture {
 protected:
  NameServerResponse plain(const std::string& method, const std::string& payload,
                           const std::string& service = "NameServer") {
    NameServerResponse answer;
    EXPECT_TRUE(answer.ParseFromString(call(method, payload, service).payload)) << method;
    return answer;
  }
  void expect_not_leader(const std::string& service) {
    SCOPED_TRACE(service);
    const auto tablets =
        ask<fedb::ShowTabletResponse>("ShowTablet", fedb::ShowTabletRequest{}, service);
    EXPECT_EQ(tablets.code(), 300);
    const fedb::ShowTableRequest all;
    EXPECT_EQ(ask<fedb::ShowTableResponse>("ShowTable", all, service).code(), 300);
    for (const char* method : {"ShowOPStatus", "GetTablePartition", "CreateTable"}) {
      EXPECT_EQ(plain(method, "", service).code(), 300) << method;
    }
    for (const auto& [method, payload] : manual_calls()) {
      const auto answer = plain(method, payload, service);
      EXPECT_EQ(answer.code(), 300) << method;
      EXPECT_EQ(answer.msg(), "nameserver is not leader");
    }
  }
};

// --- Who is refused ------------------------------------------------------------------------------

TEST_F(NameserverTest, AStandbyIsNoLeader) {
  source_.status_view.active = false;
  source_.conf_rows = {{"auto_failover", "true"}};
  serve();
  for (const char* service : kNames) expect_not_leader(service);
  EXPECT_EQ(plain("ConfGet", "").code(), 300);
  EXPECT_TRUE(source_.commands.empty());
}

TEST_F(NameserverTest, NorIsOneThatHasNotReadTheCluster) {
  source_.cluster_unread = "not yet";
  serve();
  expect_not_leader("NameServer");
  EXPECT_EQ(plain("ConfGet", "").code(), 0);
  source_.switch_unread = "not yet";
  EXPECT_EQ(plain("ConfGet", "").code(), 300);
}

// Scripts know 301, and that it comes before whatever is wrong with the arguments.
TEST_F(NameserverTest, ManualCommandsAreRefusedWhileAutoFailoverIsOn) {
  source_.conf_rows = {{"auto_failover", "true"}};
  serve();
  for (const auto& [method, payload] : manual_calls()) {
    const auto answer = plain(method, payload);
    EXPECT_EQ(answer.code(), 301) << method;
    EXPECT_EQ(answer.msg(), "auto_failover is enabled");
  }
  EXPECT_TRUE(source_.commands.empty());
  for (const auto& [method, payload] : other_changes()) {
    EXPECT_EQ(plain(method, payload).code(), 0) << method;
  }
  EXPECT_EQ(source_.commands.size(), 4U);
  source_.conf_rows = {{"auto_failover", "false"}};
  for (const auto& [method, payload] : manual_calls()) {
    EXPECT_EQ(plain(method, payload).code(), 0) << method;
  }
}

TEST_F(NameserverTest, AnotherServiceHasNoMethodsHere) {
  serve();
  for (const char* service : {"TabletServer", "other.nameserver.NameServer", ""}) {
    EXPECT_EQ(call("ShowTablet", "", service).error_code, 1002) << service;
  }
  EXPECT_EQ(call("ShowTablet", "", "NameServer").error_code, 0);
}

TEST_F(NameserverTest, WhatDoesNotParseIsABadRequest) {
  serve();
  EXPECT_EQ(call("ChangeLeader", "").error_code, 1003) << "name and pid are missing";
  EXPECT_EQ(call("ShowTable", "\x0a\xff").error_code, 1003);
  EXPECT_TRUE(source_.commands.empty());
}

TEST_F(NameserverTest, MethodsOutsideFailoverNameTheNameserver) {
  serve();
  for (const char* method : {"DropTable", "Put", "AddTableField", "CreateDatabase"}) {
    const auto answer = plain(method, "anything");
    EXPECT_EQ(answer.code(), -1);
    EXPECT_THAT(answer.msg(), HasSubstr(std::string(method) + " is the nameserver's: none lives"));
  }
}

// An address of this machine that is not loopback; empty: it has none.
std::string outer_address() {
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return "";
  std::string found;
  for (const ifaddrs* one = all; one; one = one->ifa_next) {
    if (!one->ifa_addr || one->ifa_addr->sa_family != AF_INET) continue;
    const auto& address = reinterpret_cast<const sockaddr_in&>(*one->ifa_addr).sin_addr;
    const boost::asio::ip::address_v4 v4(ntohl(address.s_addr));
    if (!v4.is_loopback()) found = v4.to_string();
  }
  ::freeifaddrs(all);
  return found;
}

TEST_F(NameserverTest, FromElsewhereNothingIsChanged) {
  const std::string address = outer_address();
  if (address.empty()) return;  // Nowhere to come from.
  for (const bool anywhere : {false, true}) {
    NameserverOptions options;
    options.changes_from_anywhere = anywhere;
    serve(std::move(options), address + ":0");
    boost::asio::ip::tcp::socket socket(loop_.io);
    socket.connect({boost::asio::ip::make_address(address), port_});
    caller_ = std::make_shared<rpc::RawSocket>(std::move(socket));
    caller_->read();
    EXPECT_EQ(plain("ConfGet", "").code(), 0) << "everybody may look";
    source_.commands.clear();
    for (const auto& [method, payload] : other_changes()) {
      const auto answer = plain(method, payload);
      EXPECT_EQ(answer.code(), anywhere ? 0 : -1);
      if (anywhere) continue;
      EXPECT_THAT(answer.msg(), HasSubstr("from this machine only, not from"));
    }
    if (!anywhere) {
      EXPECT_TRUE(source_.commands.empty());
      continue;
    }
    ASSERT_EQ(source_.commands.size(), 4U);
    EXPECT_THAT(source_.commands[0].from, HasSubstr(address));
  }
}

TEST_F(NameserverTest, WhoChangesSomethingIsSigned) {
  serve();
  plain("MakeSnapshotNS", other_changes()[3].second);
  ASSERT_EQ(source_.commands.size(), 1U);
  EXPECT_FALSE(source_.commands[0].who.empty());
  EXPECT_THAT(source_.commands[0].from, HasSubstr("127.0.0.1:"));
}

// --- What is asked for ---------------------------------------------------------------------------

TEST_F(NameserverTest, CommandsSayAllThatTheCallerSaid) {
  serve();
  fedb::ConfSetRequest conf;
  conf.mutable_conf()->set_key("auto_failover");
  conf.mutable_conf()->set_value("TRUE");
  ask("ConfSet", conf);
  fedb::AddReplicaNSRequest add;
  add.set_name("flow");
  add.set_pid(3);
  add.set_endpoint("a:1");
  for (const std::uint32_t pid : {3, 1, 2}) add.add_pid_group(pid);
  add.set_db("shop");
  ask("AddReplicaNS", add);
  fedb::OfflineEndpointRequest offline;
  offline.set_endpoint("a:1");
  offline.set_concurrency(9);
  ask("OfflineEndpoint", offline);
  fedb::MigrateRequest migrate;
  migrate.set_src_endpoint("a:1");
  migrate.set_name("flow");
  migrate.add_pid(4);
  migrate.add_pid(1);
  migrate.set_des_endpoint("b:1");
  ask("Migrate", migrate);
  fedb::UpdateTableAliveStatusRequest alive;
  alive.set_name("flow");
  alive.set_endpoint("a:1");
  alive.set_is_alive(true);
  ask("UpdateTableAliveStatus", alive);
  fedb::SetTablePartitionRequest set;
  set.set_name("flow");
  set.mutable_table_partition()->set_pid(2);
  ask("SetTablePartition", set);
  std::vector<std::string> asked;
  for (const CommandRequest& command : source_.commands) asked.push_back(in_text(command));
  EXPECT_THAT(asked, ElementsAre("confset key=auto_failover value=TRUE",
                                 "addreplica db=shop endpoint=a:1 name=flow pids=1,2,3",
                                 "offlineendpoint concurrency=9 endpoint=a:1",
                                 "migrate des=b:1 name=flow pids=4,1 src=a:1",
                                 "updatetablealive alive=true endpoint=a:1 name=flow",
                                 "settablepartition name=flow partition={\"pid\":2} pid=2"));
}

// What was no text is none in records and JSON.
TEST_F(NameserverTest, TextsFromOutsideAreMadeValid) {
  serve();
  fedb::OfflineEndpointRequest offline;
  offline.set_endpoint("a\xff:1");
  ask("OfflineEndpoint", offline);
  ASSERT_EQ(source_.commands.size(), 1U);
  EXPECT_EQ(source_.commands[0].args["endpoint"], "a\xEF\xBF\xBD:1");
}

TEST_F(NameserverTest, WhatACommandAnswersIsPassedOn) {
  serve();
  CommandResult result;
  source_.on_command = [&](const CommandRequest&, const FakeSource::Done& done) { done(result); };
  const auto answer = [&] {
    const auto got = plain("CancelOP", "");
    return std::to_string(got.code()) + " " + got.msg();
  };
  result.message = "cancel op ok";
  EXPECT_EQ(answer(), "0 ok");
  result = bad_arguments("so and so");
  EXPECT_EQ(answer(), "307 invalid parameter");
  result = {};
  result.kind = CommandResult::Kind::kStandby;
  EXPECT_EQ(answer(), "300 nameserver is not leader");
  result.kind = CommandResult::Kind::kUnknown;
  result.error = "no such command: cancelop";
  EXPECT_EQ(answer(), "-1 no such command: cancelop");
}

// --- Callers who want too much, and what goes wrong ----------------------------------------------

TEST_F(NameserverTest, NoAnswerInTimeIsSaid) {
  std::vector<FakeSource::Done> late;
  source_.on_command = [&](const CommandRequest&, FakeSource::Done done) {
    late.push_back(std::move(done));
  };
  source_.on_tables = [](const std::vector<ReplicaRow>&, const FakeSource::ShowRows&) {};
  NameserverOptions options;
  options.command_timeout = std::chrono::milliseconds{50};
  serve(std::move(options));
  const auto answer = plain("CancelOP", "");
  EXPECT_EQ(answer.code(), -1);
  EXPECT_THAT(answer.msg(), HasSubstr("may still be carried out"));
  late.at(0)({});
  EXPECT_EQ(ask<fedb::ShowTableResponse>("ShowTable", fedb::ShowTableRequest{}).code(), -1);
}

TEST_F(NameserverTest, CallersShareAPartOfTheLoop) {
  NameserverOptions options;
  options.share = 1e-9;  // One answer takes all for days.
  options.burst = {};
  options.turn_timeout = std::chrono::milliseconds{50};
  serve(std::move(options));
  EXPECT_EQ(call("ShowTablet", "").error_code, 0);
  EXPECT_EQ(call("ShowTablet", "").error_code, 2004);
  EXPECT_EQ(call("ShowTable", "").error_code, 2004);
  EXPECT_EQ(plain("CancelOP", "").code(), 0) << "who steers goes past those who read";
}

TEST_F(NameserverTest, WhatGoesWrongInsideIsOneAnswer) {
  source_.broken = true;
  std::vector<std::string> log;
  NameserverOptions options;
  options.log = [&](const std::string& line) { log.push_back(line); };
  serve(std::move(options));
  EXPECT_EQ(call("CancelOP", "").error_code, 2001);
  EXPECT_THAT(log, ElementsAre("an answer to CancelOP failed: command is broken"));
  source_.broken = false;
  EXPECT_EQ(plain("CancelOP", "").code(), 0);
}

TEST_F(NameserverTest, ItMayEndWhileCallsAreOpen) {
  FakeSource::Done late;
  source_.on_command = [&](const CommandRequest&, FakeSource::Done done) {
    late = std::move(done);
  };
  serve();
  send("CancelOP", "");
  ASSERT_TRUE(loop_.until([&] { return late != nullptr; }));
  send("ShowTablet", "");
  service_.reset();
  late({});
  EXPECT_TRUE(loop_.until([&] { return caller_->ended; }));
}

}  // namespace
}  // namespace failoverd::admin
