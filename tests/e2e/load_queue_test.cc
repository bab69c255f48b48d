// SAFETY 19: an only replica that waits for one of its tablet's three task threads is no leader
// yet, and what clients go on writing to it is refused.
#include <gtest/gtest.h>

#include "tests/e2e/recovery.h"
#include "tests/e2e/soundness.h"

namespace failoverd::e2e {
namespace {

class LoadQueue : public testing::Test {
 protected:
  // Eight only replicas on tablet A, whose task threads take a while to begin.
  void SetUp() override {
    cluster.create_table("alone", 8, 1, {0});
    daemon = &cluster.start_active_daemon();
    cluster.start_writer(400);
    const auto acks = cluster.writer().summary().acks;
    ASSERT_TRUE(cluster.wait_until([&] { return cluster.writer().summary().acks > acks + 200; },
                                   "the writer writes"));
  }
  void expect_all_is_there() {
    ASSERT_TRUE(cluster.wait_until([&] { return cluster.everything_is_alive(); }, "alive"));
    const auto acks = cluster.writer().summary().acks;
    ASSERT_TRUE(cluster.wait_until([&] { return cluster.writer().summary().acks > acks + 50; },
                                   "the writer writes again"));
    expect_all_is_well(cluster, *daemon, cluster.settle_writer());
    EXPECT_EQ(cluster.calls(0, "LoadTable"), 8u);
    EXPECT_EQ(cluster.calls(0, "ChangeRole"), 8u);
    for (std::uint32_t pid = 0; pid < 8; ++pid) EXPECT_EQ(terms(cluster, "alone", pid).size(), 1u);
  }

  Cluster cluster{{.tablets = 2, .tablet_flags = {"--task_queue_ms=700"}}};
  Daemon* daemon = nullptr;
};

// Its rows stay alive: clients know it, and find it again as soon as its port opens.
TEST_F(LoadQueue, CostsNoRowsOfATabletThatIsBackAtOnce) {
  cluster.kill_tablet(0);
  cluster.start_tablet(0);
  expect_all_is_there();
}

TEST_F(LoadQueue, CostsNoRowsOfATabletThatWasAway) {
  cluster.kill_tablet(0);
  ASSERT_TRUE(
      cluster.wait_until([&] { return cluster.rows("alone", 7) == "A=L-"; }, "its rows are dead"));
  cluster.start_tablet(0);
  expect_all_is_there();
}

// Somebody has told it to follow, and to lead again is all that it lacks.
TEST_F(LoadQueue, OneInMemoryAsAFollowerIsToldToLead) {
  ASSERT_EQ(change_role(cluster, 0, "alone", 3, fedb::kTableFollower), 0);
  ASSERT_TRUE(
      cluster.wait_until([&] { return word(cluster, 0, "alone", 3).is_leader; }, "it leads"));
  EXPECT_EQ(cluster.calls(0, "LoadTable"), 0u);
  EXPECT_EQ(terms(cluster, "alone", 3).size(), 1u);
  expect_all_is_well(cluster, *daemon, cluster.settle_writer());
}

}  // namespace
}  // namespace failoverd::e2e
