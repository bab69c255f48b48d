// Tables on disk, which OpenMLDB has from 0.5 on (FEDB.md 8): every call that looks at the disk
// says where it is to look, and what loads is to be seen only when it has been loaded. The same
// stories as of tables in memory, which stand beside them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/e2e/recovery.h"

namespace failoverd::e2e {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::EndsWith;

class TablesOnDisk : public testing::Test {
 protected:
  std::vector<testkit::AckedRow> create_tables() {
    cluster.create_table("flow", 2, 3);
    testkit::TableWish wish;
    wish.name = "disk";
    wish.partitions = 3;
    wish.replicas = 3;
    wish.storage = fedb::kSSD;
    cluster.create_table(wish);
    wish.name = "only";
    wish.partitions = 1;
    wish.replicas = 1;
    wish.storage = fedb::kHDD;
    cluster.create_table(wish);
    cluster.start_writer();
    return cluster.settle_writer();
  }
  std::string directory_of(const std::string& table, std::uint32_t pid) {
    return std::to_string(cluster.znodes().table(table).value().tid()) + "_" + std::to_string(pid);
  }
  // Nothing of them is where tables in memory lie.
  void expect_disks_in_order() {
    for (int i = 0; i < cluster.tablets(); ++i) {
      for (std::uint32_t pid = 0; pid < 3; ++pid) {
        EXPECT_TRUE(fs::exists(cluster.disk(i) / "ssd" / directory_of("disk", pid))) << i;
        EXPECT_FALSE(fs::exists(cluster.disk(i) / directory_of("disk", pid))) << i;
      }
    }
    EXPECT_TRUE(fs::exists(cluster.disk(0) / "hdd" / directory_of("only", 0)));
  }
  // No load failed, and nothing was copied.
  void expect_nothing_dropped() {
    for (int i = 0; i < cluster.tablets(); ++i) {
      if (!fs::exists(cluster.disk(i) / "recycle")) continue;
      for (const auto& gone : fs::directory_iterator(cluster.disk(i) / "recycle")) {
        ADD_FAILURE() << gone.path() << " was dropped, or its load failed";
      }
    }
  }
  // How often this daemon has ordered a load of table disk, which is never repeated. One in memory
  // may be: where it is there already that does no harm.
  int loads_ordered(Daemon& daemon) {
    const std::string log = daemon.log();
    const std::string order =
        " LoadTable at=" + std::to_string(cluster.znodes().table("disk").value().tid()) + ":";
    int times = 0;
    for (auto at = log.find(order); at != std::string::npos; at = log.find(order, at + 1)) ++times;
    return times;
  }
  bool loads_hang(int i, const std::string& table, std::uint32_t pids) {
    return cluster.wait_until(
        [&] {
          for (std::uint32_t pid = 0; pid < pids; ++pid) {
            if (!cluster.hangs(i, "LoadTable", pid)) return false;
          }
          return true;
        },
        table + " loads on tablet " + std::to_string(i));
  }

  Cluster cluster{{.generation = &minitablet::openmldb(),
                   .tablet_session = milliseconds{600},
                   .tablet_flags = {"--task_pool_size=20"}}};
};

TEST_F(TablesOnDisk, KilledLeaderIsReplacedAndBroughtBack) {
  const auto rows = create_tables();
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.leader("disk", 0) > 0; }, "disk/0 is led"))
      << daemon.log();
  cluster.start_tablet(0);
  expect_all_is_well(cluster, daemon, rows);
  expect_disks_in_order();
  // Where its rows live is still in the znode that was written.
  EXPECT_THAT(cluster.znodes().get("table/table_data/disk")->bytes,
              testing::HasSubstr(std::string{"\x88\x01\x02"}));
}

TEST_F(TablesOnDisk, WholeClusterRestarts) {
  const auto rows = create_tables();
  Daemon& daemon = cluster.start_active_daemon();
  cluster.kill_tablets({0, 1, 2});
  for (const int i : {1, 2, 0}) cluster.start_tablet(i);
  expect_all_is_well(cluster, daemon, rows);
  expect_disks_in_order();
  expect_nothing_dropped();
}

// What was there is copied from the leader's disk to where it belongs.
TEST_F(TablesOnDisk, TabletComesBackWithAnotherDisk) {
  const auto rows = create_tables();
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  cluster.kill_tablet(1);
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.everything_is_led_without(1); },
                                 "led without tablet 1"))
      << daemon.log();
  fs::remove_all(cluster.disk(1));
  cluster.start_tablet(1);
  expect_all_is_well(cluster, daemon, rows);
  expect_disks_in_order();
  expect_nothing_dropped();
}

// A load that takes longer than anybody would wait for one in memory: a second one would fail, and
// the replica with it. Nor does a daemon order one that comes meanwhile.
TEST_F(TablesOnDisk, ALoadIsNeverOrderedTwice) {
  const auto rows = create_tables();
  Daemon& first = cluster.start_active_daemon();
  cluster.kill_tablet(1);
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.everything_is_led_without(1); },
                                 "led without tablet 1"))
      << first.log();
  cluster.inject_at_start(1, {.method = "LoadTable", .stage = Cluster::Stage::kInside});
  cluster.start_tablet(1);
  ASSERT_TRUE(loads_hang(1, "disk", 3)) << first.log();
  cluster.let_pass(seconds{4});
  first.kill();
  Daemon& second = cluster.start_active_daemon();
  cluster.let_pass(seconds{4});
  EXPECT_EQ(loads_ordered(first), 3);
  EXPECT_EQ(loads_ordered(second), 0);
  cluster.release(1);
  expect_all_is_well(cluster, second, rows);
  EXPECT_EQ(loads_ordered(second), 0) << second.log();
  expect_disks_in_order();
  expect_nothing_dropped();
}

// The same where everything has to be loaded before anybody can be elected.
TEST_F(TablesOnDisk, ALoadIsNeverOrderedTwiceAfterARestartOfAll) {
  const auto rows = create_tables();
  Daemon& first = cluster.start_active_daemon();
  cluster.kill_tablets({0, 1, 2});
  for (const int i : {0, 1, 2}) {
    cluster.inject_at_start(i, {.method = "LoadTable", .stage = Cluster::Stage::kInside});
  }
  for (const int i : {1, 2, 0}) cluster.start_tablet(i);
  for (const int i : {1, 2, 0}) ASSERT_TRUE(loads_hang(i, "disk", 3)) << first.log();
  cluster.let_pass(seconds{4});
  first.kill();
  Daemon& second = cluster.start_active_daemon();
  cluster.let_pass(seconds{4});
  EXPECT_EQ(cluster.calls(0, "LoadTable"), 6u) << second.log();
  EXPECT_EQ(cluster.calls(1, "LoadTable"), 5u);
  for (const int i : {0, 1, 2}) cluster.release(i);
  expect_all_is_well(cluster, second, rows);
  expect_disks_in_order();
}

// The leader's binlog does not reach back to what the returned one holds.
TEST(TablesOnDiskCopy, BehindTheLeadersSnapshot) {
  Cluster cluster({.generation = &minitablet::openmldb(), .tablet_flags = small_binlogs()});
  testkit::TableWish wish;
  wish.name = "flow";
  wish.partitions = 1;
  wish.replicas = 3;
  wish.storage = fedb::kSSD;
  cluster.create_table(wish);
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  const auto rows = cluster.settle_writer();
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0));
  cluster.start_writer();
  ASSERT_TRUE(
      cluster.wait_until([&] { return cluster.writer().summary().acks > 40; }, "more rows"));
  const int leader = cluster.leader("flow", 0);
  const std::string name = std::to_string(cluster.znodes().table("flow")->tid()) + "_0";
  const fs::path first = cluster.disk(leader) / "ssd" / name / "binlog" / "00000000.log";
  ASSERT_TRUE(fs::exists(first));
  ASSERT_EQ(make_snapshot(cluster, leader, 0), 0);
  ASSERT_TRUE(cluster.wait_until([&] { return !fs::exists(first); },
                                 "the binlog behind the snapshot is gone"));
  cluster.start_tablet(0);
  expect_all_is_well(cluster, daemon, rows);
  EXPECT_EQ(done_types(shown_ops(daemon, "flow", 0)).back(), "kReAddReplicaWithDropOP");
  EXPECT_EQ(cluster.calls(leader, "SendSnapshot"), 1u);
}

}  // namespace
}  // namespace failoverd::e2e
