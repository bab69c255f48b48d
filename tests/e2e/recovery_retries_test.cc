// The world moves on while a tablet is recovered: it dies again half-way, restarts faster than its
// session expires, another dies; copies fail. No op ends failed for good, and nothing is left
// half-done (SAFETY 11).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "tests/e2e/recovery.h"
#include "tests/e2e/soundness.h"

namespace failoverd::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using Stage = Cluster::Stage;

// Ten times in a row, each time at another moment of its recovery.
TEST(QuickRestarts, TenInARow) {
  Cluster cluster(quick());
  cluster.create_table("flow", 4, 3);
  cluster.create_table("alone", 1, 1, {0});
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  const auto rows = cluster.settle_writer();
  cluster.start_writer();
  for (int i = 0; i < 10; ++i) {
    cluster.kill_tablet(0);
    cluster.start_tablet(0);
    cluster.let_pass(milliseconds{15 * i});
  }
  expect_all_is_well(cluster, daemon, rows);
}

// Its own failover is still running: the new leaders are slow to lead.
TEST(QuickRestarts, WhileItsFailoverIsStillRunning) {
  Cluster cluster(quick());
  cluster.create_table("flow", 6, 3);
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  const auto rows = cluster.settle_writer();
  cluster.start_writer();
  for (const int i : {1, 2}) {
    cluster.hang(i, "ChangeRole");
    cluster.hang(i, "DelReplica");
  }
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        return cluster.hangs(1, "ChangeRole") + cluster.hangs(2, "ChangeRole") > 0 &&
               cluster.hangs(1, "DelReplica") && cluster.hangs(2, "DelReplica");
      },
      "its failover hangs"));
  cluster.start_tablet(0);
  cluster.let_pass(milliseconds{300});
  for (const int i : {1, 2}) cluster.release(i);
  expect_all_is_well(cluster, daemon, rows);
}

// --- Half-way ------------------------------------------------------------------------------------

// What hangs when somebody dies.
struct HalfWay {
  const char* name;
  const char* method;
  bool at_the_leaders;  // Else at the tablet that returns.
  Stage stage;
  bool wiped;  // It has nothing on its disk: everything is copied.
};

class DiesHalfWay : public testing::TestWithParam<HalfWay> {
 protected:
  // Tablet 0 was killed, is back, and its recovery hangs.
  void recover_until_it_hangs() {
    cluster.create_table("flow", 3, 3);
    // As many as there are: else both that copy may have the same leader.
    daemon = &cluster.start_active_daemon({.config = {"recovery: {max_copies_per_tablet: 3}"}});
    cluster.start_writer();
    rows = cluster.settle_writer();
    cluster.start_writer();
    cluster.kill_tablet(0);
    ASSERT_TRUE(cluster.is_led_without(0));
    if (GetParam().wiped) std::filesystem::remove_all(cluster.disk(0));
    if (GetParam().at_the_leaders) {
      for (const int i : {1, 2}) cluster.hang(i, GetParam().method, GetParam().stage);
      cluster.start_tablet(0);
    } else {
      cluster.inject_at_start(0, {.method = GetParam().method, .stage = GetParam().stage});
      cluster.start_tablet(0);
    }
    ASSERT_TRUE(cluster.wait_until(
        [&] {
          return GetParam().at_the_leaders
                     ? cluster.hangs(1, GetParam().method) && cluster.hangs(2, GetParam().method)
                     : cluster.hangs(0, GetParam().method);
        },
        "its recovery hangs"))
        << to_text(shown_ops(*daemon));
  }

  Cluster cluster{quick()};
  Daemon* daemon = nullptr;
  std::vector<testkit::AckedRow> rows;
};

TEST_P(DiesHalfWay, TheSameAgain) {
  recover_until_it_hangs();
  cluster.kill_tablet(0);
  cluster.let_pass(milliseconds{200});
  for (const int i : {1, 2}) cluster.release(i);
  cluster.start_tablet(0);
  expect_all_is_well(cluster, *daemon, rows);
}

TEST_P(DiesHalfWay, AnotherOne) {
  recover_until_it_hangs();
  cluster.kill_tablet(1);
  cluster.let_pass(milliseconds{200});
  for (const int i : {0, 2}) cluster.release(i);
  ASSERT_TRUE(cluster.is_led_without(1)) << to_text(shown_ops(*daemon));
  cluster.start_tablet(1);
  expect_all_is_well(cluster, *daemon, rows);
}

INSTANTIATE_TEST_SUITE_P(
    Recovery, DiesHalfWay,
    testing::Values(HalfWay{"DelReplica", "GetTableFollower", true, Stage::kBefore, false},
                    HalfWay{"LoadTable", "LoadTable", false, Stage::kInside, false},
                    HalfWay{"AddReplica", "AddReplica", true, Stage::kAfter, false},
                    HalfWay{"SendSnapshot", "SendSnapshot", true, Stage::kInside, true}),
    [](const auto& test) { return test.param.name; });

// --- Copies that fail ----------------------------------------------------------------------------

// Tablet 0 lost its disk; the copy onto it fails until the fault is gone.
class CopyFails : public testing::Test {
 protected:
  void lose_the_disk() {
    cluster.create_table("flow", 1, 3);
    daemon = &cluster.start_active_daemon();
    cluster.start_writer();
    rows = cluster.settle_writer();
    cluster.start_writer();
    cluster.kill_tablet(0);
    ASSERT_TRUE(cluster.is_led_without(0));
    std::filesystem::remove_all(cluster.disk(0));
    leader = cluster.leader("flow", 0);
  }
  // Two ops have failed, the second begun no sooner than a second after the first one's end: what
  // failed is tried again, less and less often.
  void expect_it_is_tried_again(const std::string& first, const std::string& second) {
    std::vector<ShownOp> failed;
    ASSERT_TRUE(cluster.wait_until(
        [&] {
          failed = shown_ops(*daemon, "flow", 0);
          std::erase_if(failed, [](const ShownOp& op) { return op.status != "kFailed"; });
          return failed.size() >= 2;
        },
        "two ops have failed"))
        << to_text(shown_ops(*daemon));
    EXPECT_GE(failed[1].started_ms, failed[0].ended_ms + 900) << to_text(failed);
    EXPECT_EQ(failed[0].type, "kReAddReplicaOP");
    EXPECT_THAT(failed[0].detail, HasSubstr(first));
    EXPECT_THAT(failed[1].detail, HasSubstr(second));
    EXPECT_THAT(cluster.rows("flow", 0), HasSubstr("A=L-"));
    // What a failed op did is taken back before the next one begins (SAFETY 11).
    EXPECT_TRUE(cluster.wait_until([&] { return left_behind(cluster).empty(); }, "taken back"))
        << testing::PrintToString(left_behind(cluster));
  }

  Cluster cluster{
      {.tablet_session = milliseconds{600}, .tablet_flags = {"--retry_send_file_wait_time_ms=50"}}};
  Daemon* daemon = nullptr;
  std::vector<testkit::AckedRow> rows;
  int leader = -1;
};

TEST_F(CopyFails, TheLeaderRefusesToSend) {
  lose_the_disk();
  cluster.fail(leader, "SendSnapshot", 128, 0);
  cluster.start_tablet(0);
  expect_it_is_tried_again("kSendSnapshot answered code=128", "kSendSnapshot answered code=128");
  cluster.release(leader);
  expect_all_is_well(cluster, *daemon, rows);
}

TEST_F(CopyFails, TheTargetsDiskIsFull) {
  lose_the_disk();
  cluster.hang(leader, "SendSnapshot");
  cluster.start_tablet(0);
  cluster.fill_disk(0, true);
  cluster.release(leader);
  // Then there is a directory, which cannot be loaded either.
  expect_it_is_tried_again("kSendSnapshot failed", "code=127");
  cluster.fill_disk(0, false);
  expect_all_is_well(cluster, *daemon, rows);
}

TEST_F(CopyFails, TheTargetCannotLoadIt) {
  lose_the_disk();
  cluster.hang(leader, "PauseSnapshot");
  cluster.start_tablet(0);
  ASSERT_TRUE(
      cluster.wait_until([&] { return cluster.hangs(leader, "PauseSnapshot"); }, "it begins"));
  cluster.fail(0, "LoadTable", 131, 0);
  cluster.release(leader);
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        const auto ops = shown_ops(*daemon, "flow", 0);
        return std::any_of(ops.begin(), ops.end(), [](const ShownOp& op) {
          return op.type == "kReAddReplicaOP" && op.status == "kFailed" &&
                 op.detail.find("LoadTable") != std::string::npos;
        });
      },
      "it has failed"))
      << to_text(shown_ops(*daemon));
  EXPECT_TRUE(cluster.wait_until([&] { return left_behind(cluster).empty(); }, "taken back"))
      << testing::PrintToString(left_behind(cluster));
  cluster.release(0);
  expect_all_is_well(cluster, *daemon, rows);
}

// The leader is killed in the middle of a copy: its successor sends everything anew.
TEST_F(CopyFails, TheSourceDies) {
  lose_the_disk();
  cluster.hang(leader, "SendSnapshot", Stage::kInside);
  cluster.start_tablet(0);
  ASSERT_TRUE(
      cluster.wait_until([&] { return cluster.hangs(leader, "SendSnapshot"); }, "it copies"));
  cluster.kill_tablet(leader);
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        return cluster.leader("flow", 0) == 3 - leader && cluster.rows("flow", 0).find("A=L-") == 0;
      },
      "the follower leads"));
  cluster.start_tablet(leader);
  expect_all_is_well(cluster, *daemon, rows);
}

}  // namespace
}  // namespace failoverd::e2e
