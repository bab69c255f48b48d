// Full copies take turns: at most recovery.max_copies_per_tablet from or to one tablet, the
// partitions with the fewest live replicas first, and what needs no copy is not held up by them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "proto/tablet.pb.h"
#include "tests/e2e/recovery.h"

namespace failoverd::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using Stage = Cluster::Stage;

class Copies : public testing::Test {
 protected:
  // Tablets from and to which SendSnapshot runs now, and how many.
  std::map<std::string, int> running_copies() {
    std::map<std::string, int> running;
    for (int i = 1; i < 3; ++i) {
      const auto tasks = cluster.client(i).ask<fedb::GetTaskStatusResponse>(
          "GetTaskStatus", fedb::GetTaskStatusRequest{});
      if (!tasks) continue;
      for (const auto& task : tasks->task()) {
        if (task.task_type() != fedb::kSendSnapshot || task.status() != fedb::kDoing) continue;
        ++running[cluster.tablet(i)];
        ++running[cluster.tablet(0)];  // The only one that is copied to.
      }
    }
    return running;
  }
  int most_running() {
    int most = 0;
    for (const auto& [tablet, copies] : running_copies()) most = std::max(most, copies);
    return most;
  }
  void wipe(const std::string& table) {
    const auto info = cluster.znodes().table(table).value();
    for (const auto& p : info.table_partition()) {
      std::filesystem::remove_all(cluster.disk(0, table, p.pid()));
    }
  }
  // With `writer`, rows come in meanwhile: an old leader may hold some that nobody else has.
  void kill_first_tablet(bool writer = true) {
    rows = cluster.settle_writer();
    if (writer) cluster.start_writer();
    cluster.kill_tablet(0);
    ASSERT_TRUE(cluster.is_led_without(0));
    if (!writer) cluster.start_writer();
  }
  std::vector<ShownOp> copies() {
    std::vector<ShownOp> ops = shown_ops(*daemon);
    std::erase_if(ops, [](const ShownOp& op) { return op.type != "kReAddReplicaOP"; });
    return ops;
  }

  Cluster cluster{{.tablet_session = milliseconds{600}}};
  Daemon* daemon = nullptr;
  std::vector<testkit::AckedRow> rows;
};

class AtMost : public Copies, public testing::WithParamInterface<int> {};

TEST_P(AtMost, SoManyFromOrToOneTablet) {
  cluster.create_table("flow", 6, 3);
  daemon = &cluster.start_active_daemon(
      {.config = {"recovery: {max_copies_per_tablet: " + std::to_string(GetParam()) + "}"}});
  cluster.start_writer();
  kill_first_tablet();
  wipe("flow");
  // Each takes long enough to be seen.
  for (const int i : {1, 2}) {
    cluster.hang(i, "SendSnapshot", Stage::kInside, milliseconds{200});
  }
  cluster.start_tablet(0);
  int most = 0;
  bool said = false;
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        most = std::max(most, most_running());
        if (most > 0 && !said) {
          const auto ops = copies();
          said = std::any_of(ops.begin(), ops.end(), [](const ShownOp& op) {
            return op.detail.find("waits for its turn") != std::string::npos;
          });
        }
        return cluster.everything_is_alive();
      },
      "every replica is alive again"))
      << to_text(shown_ops(*daemon));
  EXPECT_EQ(most, GetParam());
  EXPECT_TRUE(said);
  EXPECT_EQ(copies().size(), 6u);
  for (const int i : {1, 2}) cluster.release(i);
  expect_all_is_well(cluster, *daemon, rows);
}

INSTANTIATE_TEST_SUITE_P(Recovery, AtMost, testing::Values(1, 2),
                         testing::PrintToStringParamName());

TEST_F(Copies, WhatNeedsNoneIsNotHeldUp) {
  cluster.create_table("big", 6, 3);
  cluster.create_table("small", 3, 3);
  daemon = &cluster.start_active_daemon({.config = {"recovery: {max_copies_per_tablet: 1}"}});
  cluster.start_writer();
  kill_first_tablet(/*writer=*/false);
  wipe("big");
  for (const int i : {1, 2}) cluster.hang(i, "SendSnapshot", Stage::kInside);
  cluster.start_tablet(0);
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        for (std::uint32_t pid = 0; pid < 3; ++pid) {
          if (cluster.rows("small", pid).find('-') != std::string::npos) return false;
        }
        return true;
      },
      "the other table's replicas are alive"))
      << to_text(shown_ops(*daemon));
  for (std::uint32_t pid = 0; pid < 6; ++pid) {
    EXPECT_THAT(cluster.rows("big", pid), HasSubstr("-"));
  }
  // Another tablet dies and is back meanwhile: failover and recovery go on.
  for (const int i : {1, 2}) cluster.release(i);
  expect_all_is_well(cluster, *daemon, rows);
}

// "thin" has one replica left of two, "wide" two of three.
TEST_F(Copies, TheFewestLiveReplicasFirst) {
  cluster.create_table("wide", 4, 3);
  cluster.create_table("thin", 2, 2, {0, 1});
  daemon = &cluster.start_active_daemon({.config = {"recovery: {max_copies_per_tablet: 1}"}});
  cluster.start_writer();
  kill_first_tablet();
  wipe("wide");
  wipe("thin");
  // The first copy begins at once; it hangs until all the others wait for their turn.
  for (const int i : {1, 2}) cluster.hang(i, "SendSnapshot", Stage::kInside);
  cluster.start_tablet(0);
  ASSERT_TRUE(cluster.wait_until([&] { return copies().size() == 6; }, "all of them wait"))
      << to_text(shown_ops(*daemon));
  for (const int i : {1, 2}) cluster.release(i);
  expect_all_is_well(cluster, *daemon, rows);
  std::vector<ShownOp> ended = copies();
  ASSERT_EQ(ended.size(), 6u) << to_text(ended);
  std::sort(ended.begin(), ended.end(),
            [](const ShownOp& a, const ShownOp& b) { return a.ended_ms < b.ended_ms; });
  std::vector<std::string> order;
  for (const ShownOp& op : ended) order.push_back(op.table);
  if (order.front() == "wide") order.erase(order.begin());  // It was first of all.
  const auto thin_ends = std::find(order.begin(), order.end(), "wide");
  EXPECT_EQ(std::count(thin_ends, order.end(), "thin"), 0) << to_text(ended);
}

}  // namespace
}  // namespace failoverd::e2e
