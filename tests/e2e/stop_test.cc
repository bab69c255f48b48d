// SIGTERM ends failoverd soon, whatever hangs.
#include <gtest/gtest.h>

#include <csignal>

#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"

namespace failoverd::e2e {
namespace {

using std::chrono::seconds;

class Stop : public testing::Test {
 protected:
  Stop() {
    testkit::Znodes znodes{cluster_.io(), zookeeper_.hosts(), "/rtidb_cluster"};
    testkit::create_cluster_znodes(znodes);
  }
  // Its session outlasts whatever is waited for here.
  Daemon& start_daemon() {
    return cluster_.start_daemon(
        {.zookeeper = zookeeper_.hosts(), .cluster = "session_timeout: 40s"});
  }

  Cluster cluster_{{.tablets = 0}};
  harness::ZooKeeperServer zookeeper_{{.tick = seconds{2}}};
};

// Nobody answers the lock's removal.
TEST_F(Stop, ZookeeperHangs) {
  Daemon& daemon = start_daemon();
  ASSERT_TRUE(cluster_.wait_until([&] { return daemon.active(); }, "it acts"));
  zookeeper_.pause();
  daemon.process().kill(SIGTERM);
  EXPECT_EQ(daemon.process().wait(seconds{10}), 0) << daemon.log();
}

// A name server that does not answer delays neither its start nor its end.
TEST_F(Stop, NamesThatNobodyAnswersFor) {
  testkit::Znodes znodes{cluster_.io(), zookeeper_.hosts(), "/rtidb_cluster"};
  for (int i = 0; i < 40; ++i) {
    const std::string name = "tablet" + std::to_string(i) + ".invalid:9527";
    znodes.create("nodes/" + name, name);
  }
  Daemon& daemon =
      cluster_.start_daemon({.zookeeper = "localhost:" + std::to_string(zookeeper_.port()),
                             .cluster = "session_timeout: 40s"});
  ASSERT_TRUE(cluster_.wait_until(
      [&] { return daemon.metric("failoverd_tablets{state=\"suspect\"}") == 40; }, "it asks them"));
  EXPECT_EQ(daemon.stop(), 0);
  EXPECT_EQ(daemon.log().find("something hangs"), std::string::npos);
}

// And where it answers, the lock is given back: nobody waits for the session's end.
TEST_F(Stop, TheLockIsGivenBack) {
  Daemon& first = start_daemon();
  ASSERT_TRUE(cluster_.wait_until([&] { return first.active(); }, "it acts"));
  Daemon& second = start_daemon();
  ASSERT_TRUE(cluster_.wait_until([&] { return second.get("/readyz").status == 200; }, "ready"));
  EXPECT_EQ(first.stop(), 0);
  EXPECT_TRUE(cluster_.wait_until([&] { return second.active(); }, "the other one acts"));
}

}  // namespace
}  // namespace failoverd::e2e
