// A tablet returns, and its replicas come back by themselves with the least work that is safe:
// every case of it (FEDB.md 4.3, SAFETY 8, 9, 10), with a writer on every partition, and the rows
// compared on every replica in the end.
#include "tests/e2e/recovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/e2e/soundness.h"

namespace failoverd::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// Nothing of a replica's has been destroyed since its tablet started.
void expect_nothing_destroyed(Cluster& cluster) {
  for (int i = 0; i < cluster.tablets(); ++i) {
    EXPECT_EQ(cluster.calls(i, "DropTable"), 0u) << i;
    EXPECT_EQ(cluster.calls(i, "DeleteBinlog"), 0u) << i;
    EXPECT_EQ(cluster.calls(i, "SendSnapshot"), 0u) << i;
  }
}

std::uint64_t offset_of(Cluster& cluster, int tablet, std::uint32_t pid) {
  return word(cluster, tablet, "flow", pid).offset;
}

// Rows that the returning tablet 0 will lack.
void write_more(Cluster& cluster, std::uint64_t rows = 10) {
  cluster.start_writer();
  std::vector<std::uint64_t> from;
  const auto table = cluster.znodes().table("flow").value();
  const auto partitions = static_cast<std::uint32_t>(table.table_partition_size());
  const auto leads = [&](std::uint32_t pid) {
    return offset_of(cluster, cluster.leader("flow", pid), pid);
  };
  for (std::uint32_t pid = 0; pid < partitions; ++pid) from.push_back(leads(pid));
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        for (std::uint32_t pid = 0; pid < partitions; ++pid) {
          if (leads(pid) < from[pid] + rows) return false;
        }
        return true;
      },
      "every partition has more rows"));
}

// --- 1. A single replica -------------------------------------------------------------------------

TEST(Recovery, SingleReplicaIsLoadedAndThenToldToLead) {
  Cluster cluster;
  cluster.create_table("alone", 2, 1, {0});
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.wait_until(
      [&] { return cluster.rows("alone", 0) == "A=L-" && cluster.rows("alone", 1) == "A=L-"; },
      "its rows are dead"));
  cluster.start_tablet(0);
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.everything_is_alive(); }, "alive again"));
  const auto acks = cluster.writer().summary().acks;
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.writer().summary().acks > acks; },
                                 "the writer writes again"));
  const auto rows = cluster.settle_writer();
  expect_all_is_well(cluster, daemon, rows);
  EXPECT_THAT(done_types(shown_ops(daemon, "alone", 0)),
              ElementsAre("kUpdatePartitionStatusOP", "kReLoadTableOP"));
  EXPECT_EQ(terms(cluster, "alone", 0).size(), 1u);
  expect_nothing_destroyed(cluster);
}

// Its tablet was silent for so long that its row died, and holds everything still.
TEST(Recovery, SingleReplicaInMemoryOnlyGetsItsRowBack) {
  Cluster cluster({.tablet_flags = {"--zk_keep_alive_check_interval=200"}});
  cluster.create_table("alone", 1, 1, {0});
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  cluster.pause_tablet(0);
  ASSERT_TRUE(
      cluster.wait_until([&] { return cluster.rows("alone", 0) == "A=L-"; }, "its row is dead"));
  cluster.resume_tablet(0);
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.everything_is_alive(); }, "alive again"));
  const auto rows = cluster.settle_writer();
  expect_all_is_well(cluster, daemon, rows);
  EXPECT_THAT(done_types(shown_ops(daemon, "alone", 0)),
              ElementsAre("kUpdatePartitionStatusOP", "kUpdatePartitionStatusOP"));
  EXPECT_EQ(cluster.calls(0, "LoadTable"), 0u);
  expect_nothing_destroyed(cluster);
}

// It came back before anybody saw its row die.
TEST(Recovery, SingleReplicaThatWasOnlyRestartedIsLoaded) {
  Cluster cluster;
  cluster.create_table("alone", 1, 1, {0});
  Daemon& daemon =
      cluster.start_active_daemon({.config = {"detection: {silence: 1m, crash: false}"}});
  cluster.start_writer();
  cluster.kill_tablet(0);
  cluster.start_tablet(0);
  ASSERT_TRUE(cluster.wait_until(
      [&] { return word(cluster, 0, "alone", 0).is_leader && cluster.everything_is_alive(); },
      "it leads again"));
  const auto rows = cluster.settle_writer();
  expect_all_is_well(cluster, daemon, rows);
  expect_nothing_destroyed(cluster);
}

// --- 2, 3. What is in memory, and what has to be loaded ------------------------------------------

// A leader (of partition 0) and a follower (of 1 and 2) that died with nothing but what all have.
TEST(Recovery, NothingInMemoryIsLoadedAndAdded) {
  Cluster cluster;
  cluster.create_table("flow", 3, 3);
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  const auto rows = cluster.settle_writer();
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0));
  write_more(cluster);
  cluster.start_tablet(0);
  expect_all_is_well(cluster, daemon, rows);
  EXPECT_THAT(done_types(shown_ops(daemon, "flow", 0)),
              ElementsAre("kChangeLeaderOP", "kRecoverTableOP", "kReAddReplicaNoSendOP"));
  for (const std::uint32_t pid : {1u, 2u}) {
    EXPECT_THAT(done_types(shown_ops(daemon, "flow", pid)),
                ElementsAre("kOfflineReplicaOP", "kRecoverTableOP", "kReAddReplicaNoSendOP"));
  }
  expect_nothing_destroyed(cluster);
  EXPECT_EQ(daemon.metric("failoverd_lost_entries_total").value_or(0), 0);
}

// SAFETY 8: an old leader that still leads is told to follow first of all. Nothing is loaded, and
// nothing is sent.
TEST(Recovery, InMemoryIsOnlyAdded) {
  Cluster cluster({.tablet_flags = {"--zk_keep_alive_check_interval=200"}});
  cluster.create_table("flow", 3, 3);
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  const auto rows = cluster.settle_writer();
  cluster.pause_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0));
  write_more(cluster);
  cluster.resume_tablet(0);
  expect_all_is_well(cluster, daemon, rows);
  EXPECT_THAT(done_types(shown_ops(daemon, "flow", 0)),
              ElementsAre("kChangeLeaderOP", "kRecoverTableOP", "kReAddReplicaSimplifyOP"));
  for (const std::uint32_t pid : {1u, 2u}) {
    EXPECT_EQ(done_types(shown_ops(daemon, "flow", pid)).back(), "kReAddReplicaSimplifyOP");
  }
  EXPECT_EQ(cluster.calls(0, "LoadTable"), 0u);
  expect_nothing_destroyed(cluster);
  const std::string log = daemon.log();
  const auto told = log.find("and was told to follow");
  const auto recovers = log.find("kRecoverTableOP of flow/0");
  ASSERT_NE(told, std::string::npos);
  ASSERT_NE(recovers, std::string::npos);
  EXPECT_LT(told, recovers);
}

// --- 4. Full copies ------------------------------------------------------------------------------

// An unreplicated tail never survives, and is counted: exactly, before it is dropped.
class Tail : public testing::Test {
 protected:
  static constexpr int kRows = 7;

  // Tablet 0 goes with rows in partition 0 that nobody else has; the others lead without it.
  void go_with_a_tail(void (Cluster::*go)(int)) {
    cluster.create_table("flow", 2, 3);
    daemon = &cluster.start_active_daemon();
    cluster.start_writer();
    rows = cluster.settle_writer();
    keys = put_unreplicated(cluster, "flow", 0, kRows);
    (cluster.*go)(0);
    for (const int i : {1, 2}) cluster.release(i);
    ASSERT_TRUE(cluster.is_led_without(0));
  }

  // It is back.
  void expect_the_tail_is_gone() {
    expect_all_is_well(cluster, *daemon, rows);
    const std::vector<ShownOp> ops = shown_ops(*daemon, "flow", 0);
    ASSERT_FALSE(ops.empty());
    EXPECT_EQ(ops.back().type, "kReAddReplicaWithDropOP") << to_text(ops);
    const std::string n = std::to_string(kRows) + " entries";
    EXPECT_THAT(ops.back().detail, HasSubstr(n));
    EXPECT_EQ(daemon->metric("failoverd_lost_entries_total"), kRows);
    EXPECT_THAT(daemon->get("/api/v1/events?since=0").body, HasSubstr(n));
    for (int i = 0; i < cluster.tablets(); ++i) {
      for (const std::string& key : keys) EXPECT_FALSE(cluster.holds(i, "flow", 0, key)) << i;
    }
    // Nobody has to be without it: it lies in the recycle bin.
    for (const std::string& key : keys) {
      EXPECT_TRUE(lies_below(cluster.disk(0) / "recycle", key)) << key;
    }
    // The other partition of the same tablet had none.
    EXPECT_NE(shown_ops(*daemon, "flow", 1).back().type, "kReAddReplicaWithDropOP");
  }

  Cluster cluster{{.tablet_flags = {"--zk_keep_alive_check_interval=200"}}};
  Daemon* daemon = nullptr;
  std::vector<testkit::AckedRow> rows;  // That all had before.
  std::vector<std::string> keys;        // Of the tail.
};

TEST_F(Tail, OfAKilledLeader) {
  go_with_a_tail(&Cluster::kill_tablet);
  write_more(cluster, 2 * kRows);  // Other rows at the offsets of the tail.
  cluster.start_tablet(0);
  expect_the_tail_is_gone();
}

TEST_F(Tail, OfALeaderThatStoodStill) {
  go_with_a_tail(&Cluster::pause_tablet);
  write_more(cluster, 2 * kRows);
  cluster.resume_tablet(0);
  expect_the_tail_is_gone();
}

// The new leader stands exactly where the tail began, or behind it: the offsets alone do not tell.
TEST_F(Tail, WithoutARowOfTheNewTerm) {
  go_with_a_tail(&Cluster::kill_tablet);
  cluster.start_tablet(0);
  expect_the_tail_is_gone();
}

// Its disk was lost while it was down.
TEST(Recovery, WipedDiskIsCopied) {
  Cluster cluster;
  cluster.create_table("flow", 3, 3);
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  const auto rows = cluster.settle_writer();
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0));
  std::filesystem::remove_all(cluster.disk(0));
  write_more(cluster);
  cluster.start_tablet(0);
  expect_all_is_well(cluster, daemon, rows);
  for (const std::uint32_t pid : {0u, 1u, 2u}) {
    EXPECT_EQ(done_types(shown_ops(daemon, "flow", pid)).back(), "kReAddReplicaOP");
  }
  EXPECT_EQ(cluster.calls(0, "DropTable"), 0u);
  EXPECT_EQ(cluster.calls(0, "DeleteBinlog"), 0u);
  EXPECT_EQ(cluster.calls(1, "SendSnapshot") + cluster.calls(2, "SendSnapshot"), 3u);
  EXPECT_EQ(daemon.metric("failoverd_lost_entries_total").value_or(0), 0);
}

// The leader has made a snapshot meanwhile and deleted the binlog behind it: what the returned one
// lacks is only in the snapshot.
TEST(Recovery, BehindTheLeadersSnapshotIsCopied) {
  Cluster cluster({.tablet_flags = small_binlogs()});
  cluster.create_table("flow", 1, 3);
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  const auto rows = cluster.settle_writer();
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0));
  write_more(cluster, 40);
  const int leader = cluster.leader("flow", 0);
  ASSERT_NO_FATAL_FAILURE(shorten_binlog(cluster, leader));
  cluster.start_tablet(0);
  expect_all_is_well(cluster, daemon, rows);
  const auto ops = shown_ops(daemon, "flow", 0);
  EXPECT_EQ(done_types(ops).back(), "kReAddReplicaWithDropOP") << to_text(ops);
  EXPECT_EQ(cluster.calls(0, "DropTable"), 1u);
  EXPECT_EQ(cluster.calls(leader, "SendSnapshot"), 1u);
  EXPECT_EQ(daemon.metric("failoverd_lost_entries_total").value_or(0), 0);
}

}  // namespace
}  // namespace failoverd::e2e
