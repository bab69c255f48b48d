// SAFETY 18: a returning replica's row becomes alive when it holds what its leader had when it was
// added, however fast its leader goes on; and then the leader may die.
#include <gtest/gtest.h>

#include "tests/e2e/recovery.h"
#include "tests/e2e/soundness.h"

namespace failoverd::e2e {
namespace {

using std::chrono::milliseconds;

// Tablet 0 leads, tablet 1 follows, was away and comes back: each batch of 32 entries that it is
// sent takes it a while.
class CaughtUp : public testing::Test {
 protected:
  void come_back(double rate, std::uint64_t missed, milliseconds per_batch) {
    cluster.create_table("flow", 1, 2, {0, 1}, /*spread=*/false);
    daemon = &cluster.start_active_daemon();
    cluster.start_writer(rate);
    cluster.kill_tablet(1);
    ASSERT_TRUE(
        cluster.wait_until([&] { return cluster.rows("flow", 0) == "A=L+ B=F-"; }, "it is dead"));
    const std::uint64_t had = word(cluster, 0, "flow", 0).offset;
    ASSERT_TRUE(cluster.wait_until(
        [&] { return word(cluster, 0, "flow", 0).offset > had + missed; }, "it lacks rows"));
    // Switched off until it is slow.
    ASSERT_EQ(daemon->ctl({"confset", "auto_failover", "false"}).status, 0);
    cluster.start_tablet(1);
    cluster.hang(1, "AppendEntries", Cluster::Stage::kBefore, per_batch);
    ASSERT_EQ(cluster.calls(0, "AddReplica"), 0u);
    ASSERT_EQ(daemon->ctl({"confset", "auto_failover", "true"}).status, 0);
    const auto added = [&] {
      const std::uint64_t offset = word(cluster, 0, "flow", 0).offset;
      std::vector<testkit::AckedRow> acked = cluster.writer().acked();
      if (cluster.calls(0, "AddReplica") > 0) return true;
      leader_had = offset;
      acked_before = std::move(acked);
      return false;
    };
    ASSERT_TRUE(cluster.wait_until(added, "it is added"));
    ASSERT_GT(leader_had, had + missed);
  }
  bool is_alive() {
    return cluster.wait_until([&] { return cluster.rows("flow", 0) == "A=L+ B=F+"; },
                              "its row is alive");
  }

  Cluster cluster{{.tablets = 2, .tablet_session = milliseconds{600}}};
  Daemon* daemon = nullptr;
  // The last that was read before it was added; later readings of failoverd's are not below it.
  std::uint64_t leader_had = 0;
  std::vector<testkit::AckedRow> acked_before;
};

TEST_F(CaughtUp, EndsWhileItsLeaderIsFaster) {
  // 80 entries a second: the leader takes more, and is never caught up with.
  ASSERT_NO_FATAL_FAILURE(come_back(300, 100, milliseconds{400}));
  ASSERT_TRUE(is_alive());
  const std::uint64_t has = word(cluster, 1, "flow", 0).offset;
  EXPECT_GE(has, leader_had);
  EXPECT_LT(has, word(cluster, 0, "flow", 0).offset) << "its leader has gone on";
  cluster.release(1);
  expect_all_is_well(cluster, *daemon, cluster.settle_writer());
}

TEST_F(CaughtUp, NothingIsLostWhenItsLeaderDiesThen) {
  ASSERT_NO_FATAL_FAILURE(come_back(50, 400, milliseconds{50}));
  ASSERT_TRUE(is_alive());
  cluster.kill_tablet(0);
  cluster.release(1);
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.leader("flow", 0) == 1; }, "it leads"));
  // What came after it was added is on its way to it as to every follower. All before is there.
  ASSERT_GT(acked_before.size(), 400u);
  const testkit::Comparison c = cluster.compare(acked_before);
  EXPECT_EQ(c.acked_missing, 0u) << c.to_text() << to_text(shown_ops(*daemon));
}

}  // namespace
}  // namespace failoverd::e2e
