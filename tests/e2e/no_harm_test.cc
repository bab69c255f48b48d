// What must not become a failover, and failovers around which something else changes: ZooKeeper
// away, all sessions gone at once, everything restarted, the switch turned off half-way, an answer
// that comes minutes late.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"
#include "tests/e2e/soundness.h"

namespace failoverd::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

void expect_all_is_well(Cluster& cluster, const Daemon& daemon) {
  EXPECT_THAT(wait_until_sound(cluster), IsEmpty()) << daemon.log();
  const testkit::Comparison c = cluster.compare(/*acked=*/false);
  EXPECT_TRUE(c.equal()) << c.to_text() << daemon.log();
  EXPECT_GT(c.rows, 0u);
}

bool is_healthy(Cluster& cluster, Daemon& daemon) {
  return cluster.wait_until(
      [&] {
        return daemon.active() && daemon.metric("failoverd_tablets{state=\"healthy\"}") == 3 &&
               daemon.metric("failoverd_partitions{state=\"degraded\"}") == 0;
      },
      "all is healthy");
}

// Every tablet's session ends while every process lives: nobody has died.
TEST(NoHarm, AllSessionsExpireAtOnce) {
  Cluster cluster({.tablet_flags = {"--zk_keep_alive_check_interval=1500"}});
  cluster.create_table("flow", 4, 3);
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  for (int i = 0; i < 3; ++i) cluster.lose_session(i, /*stay_lost=*/false);
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        for (int i = 0; i < 3; ++i) {
          const auto value = cluster.znodes().get("nodes/" + cluster.tablet(i));
          if (!value || value->bytes != cluster.tablet(i)) return false;
        }
        return true;
      },
      "every tablet is registered again"))
      << daemon.log();
  ASSERT_TRUE(is_healthy(cluster, daemon)) << daemon.log();
  for (std::uint32_t pid = 0; pid < 4; ++pid) {
    EXPECT_THAT(terms(cluster, "flow", pid), SizeIs(1)) << daemon.log();
    EXPECT_EQ(cluster.rows("flow", pid).find('-'), std::string::npos);
  }
  expect_all_is_well(cluster, daemon);
}

// A tablet dies while ZooKeeper is away: what is seen waits until it may be acted on (SAFETY 14).
TEST(NoHarm, TabletDiesWhileZooKeeperIsAway) {
  Cluster cluster;
  cluster.create_table("flow", 4, 3);
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  cluster.zookeeper().kill();
  ASSERT_TRUE(cluster.wait_until(
      [&] { return daemon.status().find("\"reason\":\"zookeeper\"") != std::string::npos; },
      "it has no fresh contact"));
  const auto role_changes = [&] {
    return cluster.calls(1, "ChangeRole") + cluster.calls(2, "ChangeRole");
  };
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.wait_until(
      [&] { return daemon.metric("failoverd_tablets{state=\"crashed\"}") == 1; }, "crashed"));
  cluster.let_pass(seconds{1});
  EXPECT_EQ(role_changes(), 0u);
  cluster.zookeeper().start();
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  expect_all_is_well(cluster, daemon);
}

// SAFETY 6, 9: tablets that come back hold nothing until they are loaded. With auto_failover off
// nobody is told anything; and nothing is deleted or copied when they are, because everybody has
// everything.
TEST(NoHarm, EverythingRestarted) {
  Cluster cluster({.tablet_session = milliseconds{500}});
  cluster.create_table("flow", 2, 3);
  cluster.create_table("single", 1, 1, {0});
  Daemon& daemon = cluster.start_active_daemon(
      {.config = {"detection: {silence: 1s, crash: false}", "auto_failover: false"}});
  for (int i = 0; i < 3; ++i) cluster.process(i).kill(SIGKILL);
  for (int i = 0; i < 3; ++i) cluster.kill_tablet(i);
  for (int i = 0; i < 3; ++i) cluster.start_tablet(i);
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        return daemon.log().find("would load the replicas and elect a leader of flow/1") !=
               std::string::npos;
      },
      "it says what it would do"))
      << daemon.log();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(cluster.calls(i, "LoadTable"), 0u);
  daemon.ctl({"confset", "auto_failover", "true"});
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.everything_is_alive(); }, "all is back"))
      << daemon.log();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(cluster.calls(i, "DeleteBinlog"), 0u);
    EXPECT_EQ(cluster.calls(i, "DropTable"), 0u);
    EXPECT_EQ(cluster.calls(i, "SendSnapshot"), 0u);
  }
}

// SAFETY 3: turning automation off does not stop an election half-way.
TEST(NoHarm, SwitchedOffDuringAnElection) {
  Cluster cluster;
  cluster.create_table("flow", 1, 3, {0, 1, 2});
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  for (const int i : {1, 2}) cluster.hang(i, "AppendEntries");
  cluster.kill_tablet(0);
  ASSERT_TRUE(daemon.comes_to("kSelectLeader"));
  EXPECT_EQ(daemon.ctl({"confset", "auto_failover", "false"}).status, 0);
  ASSERT_TRUE(cluster.wait_until(
      [&] { return daemon.metric("failoverd_auto_failover_enabled") == 0; }, "it is off"));
  for (const int i : {1, 2}) cluster.release(i);
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.leader("flow", 0) > 0; },
                                 "what was begun is finished"))
      << daemon.log();
  expect_all_is_well(cluster, daemon);
  // Nothing new is begun. Where the other follower answered too late it may not lead.
  const int leader = cluster.leader("flow", 0);
  cluster.kill_tablet(leader);
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        const std::string status = daemon.status();
        return status.find("flow/0: elect a new leader") != std::string::npos ||
               status.find("\"diagnosis\":\"no_candidate\"") != std::string::npos;
      },
      "it says what it would do"))
      << daemon.status();
  EXPECT_EQ(cluster.leader("flow", 0), leader);
}

// SAFETY 5: a ChangeRole that is not answered is carried out when everybody has gone on.
TEST(NoHarm, ChangeRoleThatIsCarriedOutLate) {
  Cluster cluster;
  cluster.create_table("flow", 1, 3, {0, 1, 2});
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  cluster.hang(1, "ChangeRole");
  cluster.hang(2, "ChangeRole");
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.wait_until(
      [&] { return cluster.calls(1, "ChangeRole") + cluster.calls(2, "ChangeRole") > 0; },
      "one of them is told to lead"));
  const int late = cluster.calls(1, "ChangeRole") > 0 ? 1 : 2;
  cluster.release(3 - late);
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.leader("flow", 0) == 3 - late; },
                                 "the other one leads"))
      << daemon.log();
  EXPECT_THAT(cluster.rows("flow", 0), HasSubstr(late == 1 ? "B=F-" : "C=F-"));
  cluster.let_pass(seconds{1});
  cluster.release(late);
  expect_all_is_well(cluster, daemon);
  EXPECT_EQ(cluster.leader("flow", 0), 3 - late);
}

// What is made while the daemon runs is watched like all the rest.
TEST(NoHarm, TableAndTabletThatCameLater) {
  Cluster cluster;
  cluster.create_table("flow", 1, 3);
  Daemon& daemon = cluster.start_active_daemon();
  cluster.create_table("later", 4, 2, {0, 2});
  cluster.start_writer();
  ASSERT_TRUE(cluster.wait_until(
      [&] { return daemon.metric("failoverd_partitions{state=\"healthy\"}") == 5; },
      "the table is known"));
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  expect_all_is_well(cluster, daemon);
}

}  // namespace
}  // namespace failoverd::e2e
