// What people do with the nameserver while failoverd acts beside it: tables come, go and move. It
// is noticed within two seconds, nothing of it is undone (SAFETY 13), and ops on what is gone end
// kCanceled.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/beside_nameserver.h"

namespace failoverd::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr milliseconds kNoticed{2000};

class NameserverHands : public testing::TestWithParam<const char*>, protected WrittenCluster {
 protected:
  NameserverHands() : WrittenCluster{beside(1, GetParam())} {}

  // The partitions that the daemon knows of.
  int partitions(Daemon& daemon, const std::string& table) {
    const std::string shown = daemon.ctl({"showtable", table}).out;
    int lines = 0;
    for (std::size_t at = shown.find(table); at != std::string::npos;
         at = shown.find(table, at + 1))
      ++lines;
    return lines;
  }
  int migrate(int from, int to, std::uint32_t pid) {
    fedb::MigrateRequest request;
    request.set_name("flow");
    request.set_src_endpoint(cluster.tablet(from));
    request.set_des_endpoint(cluster.tablet(to));
    request.add_pid(pid);
    return nameservers().code(0, "Migrate", request);
  }
};
INSTANTIATE_TEST_SUITE_P(Generations, NameserverHands, testing::Values("rtidb", "openmldb"),
                         [](const auto& one) { return std::string{one.param}; });

// A table that it made is failed over like any other.
TEST_P(NameserverHands, ATableIsMadeAndFailsOver) {
  Daemon& daemon = cluster.start_active_daemon();
  cluster.create_table("flow", 3, 3);
  EXPECT_TRUE(
      cluster.wait_until([&] { return partitions(daemon, "flow") == 9; }, "it is known", kNoticed))
      << daemon.log();
  write();
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  cluster.start_tablet(0);
  expect_all_is_well(daemon);
}

// One that is dropped in the middle of its failover ends it, and nothing of it comes back.
TEST_P(NameserverHands, ATableIsDroppedInItsFailover) {
  cluster.create_table("flow", 1, 3);
  cluster.create_table("other", 2, 3);
  Daemon& daemon = cluster.start_active_daemon();
  for (const int i : {1, 2}) cluster.hang_pid(i, "ChangeRole", 0);
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.wait_until(
      [&] { return cluster.hangs(1, "ChangeRole") || cluster.hangs(2, "ChangeRole"); },
      "it is elected"));
  // Once it knows that a tablet is gone, it does not ask that one.
  ASSERT_TRUE(cluster.wait_until([&] { return nameservers().drop_table(0, "flow") == 0; },
                                 "it is dropped"));
  const auto ended = [&] {
    const auto ops = shown_ops(daemon, "flow", 0);
    return !ops.empty() && ops.back().status == "kCanceled";
  };
  EXPECT_TRUE(cluster.wait_until(ended, "its op is canceled", kNoticed))
      << to_text(shown_ops(daemon, "flow", 0));
  for (const int i : {1, 2}) cluster.release(i);
  EXPECT_THAT(shown_ops(daemon, "flow", 0).back().detail, HasSubstr("gone"));
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  cluster.start_tablet(0);
  cluster.start_writer();
  e2e::expect_all_is_well(cluster, daemon);
  EXPECT_FALSE(cluster.znodes().table("flow"));
  EXPECT_FALSE(nameservers().table(0, "flow"));
}

// A replica that it moves is its own until it is where it should be; the one that is gone is not
// brought back, and the new one is failed over to.
TEST_P(NameserverHands, AReplicaMoves) {
  cluster.create_table("flow", 2, 2, {0, 1}, false);
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  ASSERT_EQ(migrate(1, 2, 1), 0);
  const auto moved = [&] { return cluster.rows("flow", 1) == "A=L+ C=F+"; };
  ASSERT_TRUE(cluster.wait_until(moved, "it has moved"))
      << cluster.rows("flow", 1) << testing::PrintToString(nameservers().ops(0)) << daemon.log();
  EXPECT_TRUE(cluster.wait_until(
      [&] {
        return daemon.ctl({"showtable", "flow"}).out.find(cluster.tablet(2)) != std::string::npos;
      },
      "it is known", kNoticed));
  rows = cluster.settle_writer();
  cluster.start_writer();
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  EXPECT_EQ(cluster.leader("flow", 1), 2);
  cluster.start_tablet(0);
  expect_all_is_well(daemon);
}

// A move in whose middle the leader dies: the nameserver's op fails, and the partition is led.
TEST_P(NameserverHands, ALeaderDiesWhileAReplicaMoves) {
  cluster.create_table("flow", 1, 2, {0, 1}, false);
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  rows = cluster.settle_writer();
  cluster.hang(2, "LoadTable");
  ASSERT_EQ(migrate(1, 2, 0), 0);
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.hangs(2, "LoadTable"); }, "it loads"));
  cluster.kill_tablet(0);
  cluster.release(2);
  ASSERT_TRUE(cluster.is_led_without(0))
      << testing::PrintToString(nameservers().ops(0)) << daemon.log();
  cluster.start_tablet(0);
  expect_all_is_well(daemon);
}

}  // namespace
}  // namespace failoverd::e2e
