// A tablet dies, its leaders are back: every row of the detection table that acts, on a real
// ZooKeeper with real processes, with a writer on every partition, and the rows compared on every
// replica in the end.
#include <gtest/gtest.h>

#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"

namespace failoverd::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Every acknowledged row need not survive an unplanned failover: replication is asynchronous. That
// alive replicas hold the same rows is what must be true.
void expect_replicas_agree(Cluster& cluster) {
  const testkit::Comparison c = cluster.compare(/*acked=*/false);
  EXPECT_TRUE(c.equal()) << c.to_text();
  EXPECT_GT(c.rows, 0u);
}

// Row: znode there, connection reset, then refused twice.
TEST(Failover, KilledTablet) {
  Cluster cluster({.tablet_session = seconds{20}});  // The znode will not tell.
  cluster.create_table("flow", 8, 3);
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  // Followers' rows on it die too; leaders' rows stay leader rows (FEDB.md 3.1).
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        for (std::uint32_t pid = 0; pid < 8; ++pid) {
          const std::string rows = cluster.rows("flow", pid);
          if (rows.find("A=L+") != std::string::npos || rows.find("A=F+") != std::string::npos) {
            return false;
          }
        }
        return true;
      },
      "no row on the dead tablet is alive"));
  EXPECT_EQ(daemon.metric("failoverd_tablets{state=\"crashed\"}"), 1);
  expect_replicas_agree(cluster);
}

// detection.crash: false waits for the znode.
TEST(Failover, KilledTabletWithCrashDetectionOff) {
  Cluster cluster;
  cluster.create_table("flow", 4, 3);
  Daemon& daemon =
      cluster.start_active_daemon({.config = {"detection: {silence: 1s, crash: false}"}});
  cluster.start_writer();
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0));
  EXPECT_NE(daemon.log().find("its znode is gone and its port refuses"), std::string::npos);
  expect_replicas_agree(cluster);
}

// Row: znode there, a new connection answers, and GetTableStatus lacks what the tablet held.
TEST(Failover, RestartedTabletHoldsNothing) {
  Cluster cluster;
  cluster.create_table("flow", 4, 3);
  Daemon& daemon =
      cluster.start_active_daemon({.config = {"detection: {silence: 1s, crash: false}"}});
  cluster.start_writer();
  cluster.kill_tablet(0);
  cluster.start_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  expect_replicas_agree(cluster);
}

// Row: znode gone, no answer: after the silence.
TEST(Failover, StoppedTablet) {
  Cluster cluster;
  cluster.create_table("flow", 4, 3);
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  cluster.process(0).pause();
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  EXPECT_EQ(daemon.metric("failoverd_tablets{state=\"lost\"}"), 1);
  // SAFETY 8: when it goes on, it still leads by its own word, and is told to follow at once.
  cluster.process(0).resume();
  EXPECT_TRUE(cluster.wait_until(
      [&] { return daemon.log().find("and was told to follow") != std::string::npos; },
      "the old leader is told to follow"))
      << daemon.log();
  expect_replicas_agree(cluster);
}

// Row: znode there, no answer: shown, not acted on.
TEST(Failover, HungTabletWithItsSessionAliveIsOnlyShown) {
  Cluster cluster;
  cluster.create_table("flow", 2, 3);
  Daemon& daemon = cluster.start_active_daemon();
  cluster.hang(0, "*");
  ASSERT_TRUE(cluster.wait_until(
      [&] { return daemon.metric("failoverd_tablets{state=\"suspect\"}") == 1; }, "it is suspect"));
  cluster.let_pass(seconds{3});
  EXPECT_EQ(cluster.rows("flow", 0), "A=L+ B=F+ C=F+");
}

// Row: znode gone, answers: shown, not acted on.
TEST(Failover, TabletCutOffFromZooKeeperIsOnlyShown) {
  Cluster cluster;
  cluster.create_table("flow", 2, 3);
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  cluster.lose_session(0, /*stay_lost=*/true);
  ASSERT_TRUE(cluster.wait_until(
      [&] { return daemon.metric("failoverd_tablets{state=\"cut_off\"}") == 1; }, "it is cut off"));
  cluster.let_pass(seconds{3});
  EXPECT_EQ(cluster.rows("flow", 0), "A=L+ B=F+ C=F+");
  expect_replicas_agree(cluster);
}

// Row: new incarnation, plain value, answers, holds its tables: nothing to do.
TEST(Failover, ReregisteredTabletIsLeftAlone) {
  Cluster cluster({.tablet_flags = {"--zk_keep_alive_check_interval=200"}});
  cluster.create_table("flow", 2, 3);
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  cluster.lose_session(0, /*stay_lost=*/false);
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        const auto value = cluster.znodes().get("nodes/" + cluster.tablet(0));
        return value && value->bytes == cluster.tablet(0);
      },
      "it is registered with its plain name"));
  cluster.let_pass(seconds{2});
  EXPECT_EQ(cluster.rows("flow", 0), "A=L+ B=F+ C=F+");
  EXPECT_EQ(daemon.metric("failoverd_tablets{state=\"healthy\"}"), 3);
  EXPECT_EQ(daemon.ctl({"showopstatus"}).out.find("kDoing"), std::string::npos);
  expect_replicas_agree(cluster);
}

// SAFETY 1: the single replica's row dies only when its znode is gone, and stays the leader's.
TEST(Failover, SingleReplica) {
  Cluster cluster;
  cluster.create_table("single", 1, 1, {0});
  cluster.create_table("flow", 2, 3);
  cluster.start_active_daemon();
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0));
  EXPECT_EQ(cluster.rows("single", 0), "A=L+");  // Its session of 1 s lives on.
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.rows("single", 0) == "A=L-"; },
                                 "its row is dead when the znode is gone"));
}

// SAFETY 1: A, B, C die in turn: the row of C, the last, stays alive.
TEST(Failover, TheLastAliveRowStaysAlive) {
  Cluster cluster;
  cluster.create_table("flow", 2, 3);
  Daemon& daemon = cluster.start_active_daemon();
  for (const int dead : {0, 1, 2}) {
    cluster.kill_tablet(dead);
    if (dead < 2) {
      ASSERT_TRUE(cluster.is_led_without(dead));
      cluster.let_pass(seconds{2});
    }
  }
  cluster.let_pass(seconds{4});
  for (const std::uint32_t pid : {0u, 1u}) {
    EXPECT_EQ(cluster.leader("flow", pid), 2) << cluster.rows("flow", pid);
    EXPECT_EQ(cluster.rows("flow", pid).find("A=L+"), std::string::npos);
  }
  EXPECT_NE(daemon.status().find("only these may lead"), std::string::npos) << daemon.status();
}

// auto_failover off: nothing changes, and it says what it would do.
TEST(Failover, SwitchedOffItOnlySaysWhatItWouldDo) {
  Cluster cluster;
  cluster.create_table("flow", 2, 3);
  Daemon& daemon = cluster.start_active_daemon({.config = {"auto_failover: false"}});
  ASSERT_TRUE(cluster.wait_until(
      [&] { return daemon.metric("failoverd_auto_failover_enabled") == 0; }, "it is off"));
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.wait_until(
      [&] { return daemon.status().find("elect a new leader") != std::string::npos; },
      "status says what would be done"));
  cluster.let_pass(seconds{2});
  EXPECT_EQ(cluster.rows("flow", 0), "A=L+ B=F+ C=F+");
  // Switched on by its file, it acts.
  daemon.configure({"auto_failover: true"});
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
}

}  // namespace
}  // namespace failoverd::e2e
