// Holds, tablets that are offline, and recoverdata, typed at failoverctl on a real cluster while
// rows are put to every partition.
#include "tests/e2e/operator_cluster.h"

namespace failoverd::e2e {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

class Holds : public OperatorCluster {};

// Another daemon knows what is held; a hold that is removed holds nothing.
TEST_F(Holds, KeepAutomaticFailoverAwayAlsoFromAnotherDaemon) {
  start(/*auto_failover=*/true);
  const int leader = cluster.leader("flow", 0);
  const auto held = daemon->ctl({"hold", "add", "--tablet", cluster.tablet(leader), "--reason",
                                 "new disk", "--for", "2h", "--by", "ann"});
  EXPECT_EQ(held.out, "hold ok: hold 1\n") << held.err;
  EXPECT_EQ(daemon->metric("failoverd_holds{reason=\"operator\"}"), 1);
  Daemon& second = cluster.start_daemon();
  cluster.kill_tablet(leader);
  ASSERT_TRUE(cluster.wait_until(
      [&] { return daemon->status().find("hold 1 of ann on tablet") != std::string::npos; },
      "the partition says what it waits for"));
  daemon->kill();
  ASSERT_TRUE(cluster.wait_until([&] { return second.active(); }, "another daemon acts"));
  const std::string list = second.ctl({"hold", "list"}).out;
  EXPECT_THAT(list, HasSubstr("tablet " + cluster.tablet(leader)));
  EXPECT_THAT(list, HasSubstr("new disk"));
  cluster.let_pass(milliseconds{1500});
  EXPECT_EQ(cluster.leader("flow", 0), leader) << "nobody is elected";
  // What operators order is not held.
  EXPECT_EQ(second.ctl({"changeleader", "flow", "0", "auto", "--wait"}).status, 0);
  EXPECT_NE(cluster.leader("flow", 0), leader);
  EXPECT_EQ(second.ctl({"hold", "remove", "1"}).out, "hold removed\n");
  EXPECT_THAT(second.ctl({"hold", "remove", "1"}).err, HasSubstr("there is no hold 1"));
  EXPECT_TRUE(cluster.is_led_without(leader));
  cluster.start_tablet(leader);
  EXPECT_TRUE(cluster.wait_until([&] { return cluster.everything_is_alive(); }, "all is alive"));
}

TEST_F(Holds, EndByThemselves) {
  start(/*auto_failover=*/true);
  const int leader = cluster.leader("flow", 0);
  EXPECT_EQ(daemon->ctl({"hold", "add", "--all", "--reason", "a drill", "--for", "3s"}).status, 0);
  cluster.kill_tablet(leader);
  EXPECT_TRUE(cluster.is_led_without(leader)) << daemon->status();
  EXPECT_EQ(daemon->metric("failoverd_holds{reason=\"operator\"}"), 0);
  EXPECT_THAT(daemon->ctl({"hold", "list"}).out, Not(HasSubstr("a drill")));
}

TEST_F(Holds, AreRefusedWithWhatWouldBeRight) {
  start(/*auto_failover=*/true);
  const std::string why = "failed to hold. error msg: ";
  expect_refused({"hold", "add", "--all", "--reason", "r", "--for", "0s"},
                 why + "invalid parameter: it lasts from 1 second to a year");
  expect_refused({"hold", "add", "--all", "--for", "2h"},
                 why + "invalid parameter: reason is missing");
  expect_refused({"hold", "add", "--reason", "r", "--for", "2h"},
                 why + "invalid parameter: a hold is on a tablet, on a table, or on everything");
  expect_refused({"hold", "add", "--table", "nosuch", "--reason", "r", "--for", "2h"},
                 why + "table is not exist");
  expect_refused({"hold", "add", "--table", "flow", "--pid", "9", "--reason", "r", "--for", "2h"},
                 why + "pid is not exist");
  expect_refused({"hold", "add", "--tablet", "127.0.0.1:1", "--reason", "r", "--for", "2h"},
                 why + "endpoint is not exist");
  EXPECT_EQ(daemon->ctl({"hold", "sing"}).status, 2);
}

// SAFETY 12; with the switch on nothing is brought back either, though the tablet restarts and
// another daemon acts.
TEST_F(Holds, AnOfflineTabletStaysSo) {
  start(/*auto_failover=*/true);
  waited({"offlineendpoint", cluster.tablet(0)});
  for (std::uint32_t pid = 0; pid < 3; ++pid) EXPECT_EQ(row(0, pid), "F-") << pid;
  expect_nothing_is_lost();
  Daemon& second = cluster.start_daemon();
  kill_tablet(0);
  daemon->kill();
  daemon = &second;
  ASSERT_TRUE(cluster.wait_until([&] { return second.active(); }, "another daemon acts"));
  start_tablet(0);
  cluster.let_pass(milliseconds{1500});
  for (std::uint32_t pid = 0; pid < 3; ++pid) EXPECT_EQ(row(0, pid), "F-") << pid;
  EXPECT_THAT(second.ctl({"hold", "list"}).out,
              HasSubstr("tablet " + cluster.tablet(0) + ", offline"));
  waited({"recoverendpoint", cluster.tablet(0), "true"});
  EXPECT_TRUE(cluster.everything_is_alive());
  EXPECT_EQ(cluster.leader("flow", 0), 0) << "what it led it leads again";
  EXPECT_THAT(second.ctl({"hold", "list"}).out, Not(HasSubstr("offline")));
  expect_nothing_is_lost();
}

// --- recoverdata ---------------------------------------------------------------------------------

class RecoverData : public OperatorCluster {
 protected:
  void write_back(const fedb::TableInfo& info) {
    cluster.znodes().set("table/table_data/flow", info.SerializeAsString());
  }
};

TEST_F(RecoverData, OfAHealthyClusterDoesNothing) {
  start(/*auto_failover=*/false);
  const auto ran = daemon->ctl({"recoverdata"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.out, "every partition is healthy: nothing is to be done\n");
  EXPECT_EQ(daemon->ctl({"recoverdata", "--plan"}).out, "nothing is to be done\n");
  EXPECT_EQ(daemon->ctl({"--json", "showopstatus"}).out, "[]\n");
}

// Everything restarts while nobody acts, and the znode that was put back lies: no row of one
// partition is alive, and another's leader is said to be somebody else.
TEST_F(RecoverData, OfAClusterWhoseRowsLie) {
  start(/*auto_failover=*/false);
  const auto rows = cluster.settle_writer();
  cluster.kill_tablets({0, 1, 2});
  auto info = cluster.znodes().table("flow").value();
  for (auto& row : *info.mutable_table_partition(0)->mutable_partition_meta()) {
    row.set_is_alive(false);
  }
  for (auto& row : *info.mutable_table_partition(1)->mutable_partition_meta()) {
    row.set_is_leader(row.endpoint() == cluster.tablet(0));
  }
  write_back(info);
  for (const int i : {0, 1, 2}) start_tablet(i);
  EXPECT_EQ(cluster.leader("flow", 0), -1);
  const auto plan = daemon->ctl({"recoverdata", "--plan"});
  EXPECT_THAT(plan.out,
              HasSubstr("The replicas are loaded as followers, and who holds most leads"));
  EXPECT_THAT(plan.out, HasSubstr("How far a log goes is not known before it is loaded: "));
  for (const int i : {0, 1, 2}) EXPECT_EQ(cluster.calls(i, "LoadTable"), 0u) << "a plan only shows";
  const auto ran = daemon->ctl({"recoverdata"});
  EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.err, HasSubstr(cluster.tablet(0) + " is loaded as follower"));
  EXPECT_THAT(ran.err, HasSubstr("9 of 9 replicas have been looked at\n"));
  EXPECT_THAT(ran.err, HasSubstr("(leader row, dead) follows at offset "));
  EXPECT_THAT(ran.err, HasSubstr(". Rows that lied: "));
  EXPECT_THAT(ran.out, StartsWith("recover data ok\n3 of 3 partitions are healthy\n"));
  EXPECT_TRUE(cluster.everything_is_alive());
  EXPECT_THAT(wait_until_sound(cluster), IsEmpty());
  const testkit::Comparison c = cluster.compare(rows);
  EXPECT_TRUE(c.equal()) << c.to_text();
}

// Whoever looks and then does nothing has loaded followers: nobody leads, no row has changed, and
// what is found is the truth.
TEST_F(RecoverData, ALookOnlyLoads) {
  start(/*auto_failover=*/false);
  cluster.settle_writer();
  std::vector<std::uint64_t> offsets;
  for (std::uint32_t pid = 0; pid < 3; ++pid) {
    offsets.push_back(word(cluster, cluster.leader("flow", pid), "flow", pid).offset);
  }
  cluster.kill_tablets({0, 1, 2});
  for (const int i : {0, 1, 2}) start_tablet(i);
  const auto before = cluster.znodes().table("flow").value().SerializeAsString();
  const auto look = daemon->post("/api/v1/commands/recoverdata", R"({"look": true})");
  EXPECT_EQ(look.status, 200) << look.body;
  const auto looked = [&] {
    const std::string status = daemon->status();
    return status.find(R"("replicas":9,"still":0,)") != std::string::npos;
  };
  ASSERT_TRUE(cluster.wait_until(looked, "all are loaded")) << daemon->status();
  const std::string plan = daemon->ctl({"recoverdata", "--plan"}).out;
  for (std::uint32_t pid = 0; pid < 3; ++pid) {
    for (const int i : {0, 1, 2}) {
      const Word said = word(cluster, i, "flow", pid);
      EXPECT_TRUE(said.has_table);
      EXPECT_FALSE(said.is_leader);
      EXPECT_EQ(said.term, 0u) << "nobody was probed";
      EXPECT_EQ(said.offset, offsets[pid]);
    }
    EXPECT_THAT(plan, HasSubstr("follows at offset " + std::to_string(offsets[pid])));
  }
  EXPECT_EQ(cluster.znodes().table("flow").value().SerializeAsString(), before);
  EXPECT_EQ(daemon->ctl({"--json", "showopstatus"}).out, "[]\n");
}

// SAFETY 1: the only alive row names who holds what was acknowledged; its tablet is not there.
TEST_F(RecoverData, LeavesWhatOnlyAnAbsentTabletHas) {
  start(/*auto_failover=*/false);
  cluster.kill_tablets({0, 1, 2});
  auto info = cluster.znodes().table("flow").value();
  for (auto& row : *info.mutable_table_partition(0)->mutable_partition_meta()) {
    row.set_is_alive(row.endpoint() == cluster.tablet(0));
  }
  write_back(info);
  for (const int i : {1, 2}) start_tablet(i);
  const auto ran = daemon->ctl({"recoverdata"});
  EXPECT_EQ(ran.status, 1) << ran.out;
  EXPECT_THAT(ran.out, HasSubstr("left: flow/0: "));
  EXPECT_THAT(cluster.rows("flow", 0), StartsWith("A=L+ B=F- C=F-")) << "nobody is elected";
}

}  // namespace
}  // namespace failoverd::e2e
