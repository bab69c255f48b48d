// A tablet returns, and its replicas come back by themselves with the least work that is safe:
// every numbered case of it, with a writer on every partition, and the rows compared on every
// replica in the end.
#include <gtest/gtest.h>

#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"
#include "tests/e2e/soundness.h"

namespace failoverd::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

void expect_all_is_well(Cluster& cluster, Daemon& daemon) {
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.everything_is_alive(); },
                                 "every replica is alive again", seconds{40}))
      << daemon.log();
  const auto wrong = wait_until_sound(cluster);
  EXPECT_TRUE(wrong.empty()) << testing::PrintToString(wrong);
  const testkit::Comparison c = cluster.compare(/*acked=*/false);
  EXPECT_TRUE(c.equal()) << c.to_text();
  EXPECT_GT(c.rows, 0u);
}

TEST(Recovery, KilledTabletComesBack) {
  Cluster cluster;
  cluster.create_table("flow", 8, 3);
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.everything_is_led_without(0); },
                                 "every partition has a new leader"))
      << daemon.log();
  cluster.start_tablet(0);
  expect_all_is_well(cluster, daemon);
  std::printf("%s\n", daemon.ctl({"showopstatus"}).out.c_str());
}

TEST(Recovery, AllTabletsAreKilledAndComeBack) {
  Cluster cluster;
  cluster.create_table("flow", 4, 3);
  cluster.create_table("alone", 1, 1);
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  for (int i = 0; i < 3; ++i) cluster.kill_tablet(i);
  for (int i = 0; i < 3; ++i) cluster.start_tablet(i);
  expect_all_is_well(cluster, daemon);
  std::printf("%s\n", daemon.ctl({"showopstatus"}).out.c_str());
}

}  // namespace
}  // namespace failoverd::e2e
