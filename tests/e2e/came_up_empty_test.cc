// OpenMLDB 0.8.4: a tablet whose disk is lost makes an empty table of what it is told to load, and
// answers 0. What it had is known, so it is never trusted as recovered (SAFETY 6, 9, 20).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/e2e/daemon.h"
#include "tests/e2e/recovery.h"
#include "tests/e2e/soundness.h"

namespace failoverd::e2e {
namespace {

class CameUpEmpty : public testing::Test {
 protected:
  CameUpEmpty() : cluster{{.generation = &minitablet::openmldb_0_8_4()}} {}
  // Rows are on every replica, and the daemon has heard of them.
  std::vector<testkit::AckedRow> write(Daemon& daemon, const std::string& table,
                                       std::uint32_t partitions) {
    cluster.start_writer();
    auto rows = cluster.settle_writer();
    for (std::uint32_t pid = 0; pid < partitions; ++pid) {
      const int leader = cluster.leader(table, pid);
      EXPECT_TRUE(knows_offset(cluster, daemon, leader, table, pid,
                               word(cluster, leader, table, pid).offset));
    }
    return rows;
  }
  void lose_disk(int tablet) {
    cluster.kill_tablet(tablet);
    std::filesystem::remove_all(cluster.disk(tablet));
  }

  Cluster cluster;
};

// Everything is copied to it.
TEST_F(CameUpEmpty, AReplicaAmongOthers) {
  cluster.create_table("flow", 3, 3);
  Daemon& daemon = cluster.start_active_daemon();
  const auto rows = write(daemon, "flow", 3);
  cluster.start_writer();
  lose_disk(0);
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  cluster.start_tablet(0);
  expect_all_is_well(cluster, daemon, rows);
  for (std::uint32_t pid = 0; pid < 3; ++pid) {
    EXPECT_THAT(done_types(shown_ops(daemon, "flow", pid)),
                testing::Contains("kReAddReplicaWithDropOP"));
  }
}

// All are down, and one has lost its disk: it does not lead those that have rows.
TEST_F(CameUpEmpty, TheFirstThatComesBack) {
  cluster.create_table("flow", 2, 3);
  Daemon& daemon = cluster.start_active_daemon();
  const auto rows = write(daemon, "flow", 2);
  cluster.kill_tablets({0, 1, 2});
  std::filesystem::remove_all(cluster.disk(0));
  cluster.start_tablet(0);
  ASSERT_TRUE(cluster.wait_until(
      [&] { return daemon.log().find("came up with nothing of flow/0") != std::string::npos; },
      "it has come up with nothing"))
      << daemon.log();
  EXPECT_FALSE(word(cluster, 0, "flow", 0).is_leader);
  cluster.start_tablet(1);
  cluster.start_tablet(2);
  expect_all_is_well(cluster, daemon, rows);
}

// Nobody else has it: it leads when an operator has said that its rows are lost.
TEST_F(CameUpEmpty, TheOnlyReplica) {
  cluster.create_table("single", 1, 1);
  Daemon& daemon = cluster.start_active_daemon();
  (void)write(daemon, "single", 1);
  lose_disk(0);
  cluster.start_tablet(0);
  ASSERT_TRUE(cluster.wait_until(
      [&] { return daemon.status().find("come up with nothing") != std::string::npos; },
      "it waits for an operator"))
      << daemon.status() << daemon.log();
  EXPECT_FALSE(word(cluster, 0, "single", 0).is_leader);
  const auto given_up =
      daemon.ctl({"changeleader", "single", "0", "--accept-loss", "--wait", "--yes"});
  EXPECT_EQ(given_up.status, 0) << given_up.out << given_up.err;
  cluster.start_writer();
  EXPECT_TRUE(cluster.wait_until(
      [&] {
        const Word said = word(cluster, 0, "single", 0);
        return said.is_leader && said.offset > 0;
      },
      "it leads and takes rows"))
      << daemon.log();
}

}  // namespace
}  // namespace failoverd::e2e
