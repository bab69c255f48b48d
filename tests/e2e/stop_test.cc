// SIGTERM ends failoverd soon, whatever hangs.
#include <gtest/gtest.h>

#include <csignal>

#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"

namespace failoverd::e2e {
namespace {

using std::chrono::seconds;

// Nobody answers the lock's removal, and the session lasts 40 s.
TEST(Stop, ZookeeperHangs) {
  Cluster cluster({.tablets = 0});
  harness::ZooKeeperServer slow({.tick = seconds{2}});
  Daemon& daemon =
      cluster.start_daemon({.zookeeper = slow.hosts(), .cluster = "session_timeout: 40s"});
  ASSERT_TRUE(cluster.wait_until([&] { return daemon.active(); }, "it acts"));
  slow.pause();
  daemon.process().kill(SIGTERM);
  EXPECT_EQ(daemon.process().wait(seconds{10}), 0) << daemon.log();
}

// And where it answers, the lock is given back.
TEST(Stop, TheLockIsGivenBack) {
  Cluster cluster({.tablets = 1});
  cluster.create_table("flow", 1, 1);
  Daemon& first = cluster.start_active_daemon({.cluster = "session_timeout: 4s"});
  Daemon& second = cluster.start_daemon();
  ASSERT_TRUE(cluster.wait_until([&] { return second.get("/readyz").status == 200; }, "ready"));
  EXPECT_EQ(first.stop(), 0);
  EXPECT_TRUE(cluster.wait_until([&] { return second.active(); }, "the other one acts"));
}

}  // namespace
}  // namespace failoverd::e2e
