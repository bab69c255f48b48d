// What in a real ZooKeeper keeps failoverd from acting: it says so, is not ready, and goes on by
// itself when that is mended.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"

namespace failoverd::e2e {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

class ObstaclesTest : public testing::Test {
 protected:
  bool stands_back(Daemon& daemon, const std::string& reason) {
    const std::string series = "failoverd_stands_back{reason=\"" + reason + "\"}";
    return cluster_.wait_until([&] { return daemon.metric(series) == 1; },
                               "stands back: " + reason);
  }
  bool acts(Daemon& daemon) {
    return cluster_.wait_until(
        [&] { return daemon.active() && daemon.get("/readyz").status == 200; }, "it acts",
        seconds{45});
  }
  int lines_with(Daemon& daemon, const std::string& what) {
    const std::string log = daemon.log();
    int lines = 0;
    for (auto at = log.find(what); at != std::string::npos; at = log.find(what, at + 1)) ++lines;
    return lines;
  }
  void set_acl(const std::string& znode, const std::string& letters) {
    cluster_.zookeeper().shell(
        {"setAcl", cluster_.znodes().path(znode), "world:anyone:" + letters});
  }
  // A tablet that dies is replaced.
  void expect_failover(Daemon& daemon) {
    cluster_.kill_tablet(0);
    EXPECT_TRUE(cluster_.is_led_without(0)) << daemon.log();
  }

  Cluster cluster_;
};

TEST_F(ObstaclesTest, AMistypedRootStaysEmpty) {
  testkit::Znodes mistyped{cluster_.io(), cluster_.zookeeper().hosts(), "/rtidb_clutser"};
  Daemon& daemon = cluster_.start_daemon({.cluster = "session_timeout: 1s, root: /rtidb_clutser"});
  ASSERT_TRUE(stands_back(daemon, "no_cluster")) << daemon.log();
  cluster_.let_pass(seconds{2});
  EXPECT_FALSE(daemon.active());
  EXPECT_EQ(daemon.get("/readyz").status, 503);
  EXPECT_THAT(daemon.get("/readyz").body, HasSubstr("there is no cluster below /rtidb_clutser"));
  EXPECT_THAT(daemon.ctl({"status"}).out, HasSubstr("there is no cluster below /rtidb_clutser"));
  const auto tables = daemon.ctl({"showtable"});
  EXPECT_EQ(tables.status, 1) << tables.out;
  EXPECT_THAT(tables.err, HasSubstr("there is no cluster"));
  EXPECT_EQ(lines_with(daemon, "changes nothing: there is no cluster"), 1) << daemon.log();
  EXPECT_FALSE(mistyped.get("")) << "it was created";
  // It was not mistyped after all: the cluster comes later.
  mistyped.create("nodes", "");
  EXPECT_TRUE(acts(daemon)) << daemon.log();
  EXPECT_EQ(daemon.metric("failoverd_stands_back{reason=\"no_cluster\"}"), 0);
}

TEST_F(ObstaclesTest, ZnodesThatMayNotBeRead) {
  cluster_.create_table("flow", 2, 3);
  set_acl("nodes", "cdwa");
  Daemon& daemon = cluster_.start_daemon();
  ASSERT_TRUE(stands_back(daemon, "refused")) << daemon.log();
  EXPECT_EQ(daemon.get("/readyz").status, 503);
  EXPECT_THAT(daemon.status(), HasSubstr("/rtidb_cluster/nodes (no auth)"));
  cluster_.let_pass(seconds{3});
  EXPECT_EQ(lines_with(daemon, "changes nothing: ZooKeeper does not let failoverd use"), 1)
      << daemon.log();
  set_acl("nodes", "cdrwa");
  ASSERT_TRUE(acts(daemon)) << daemon.log();
  expect_failover(daemon);
}

// A root that lets failoverd make nothing.
TEST_F(ObstaclesTest, ARootThatMayNotBeWritten) {
  cluster_.create_table("flow", 2, 3);
  set_acl("", "rwda");
  Daemon& daemon = cluster_.start_daemon();
  ASSERT_TRUE(stands_back(daemon, "refused")) << daemon.log();
  EXPECT_EQ(daemon.get("/readyz").status, 503);
  EXPECT_THAT(daemon.status(), HasSubstr("/rtidb_cluster/failoverd/leader (no auth)"));
  set_acl("", "cdrwa");
  ASSERT_TRUE(acts(daemon)) << daemon.log();
  expect_failover(daemon);
}

// As a restored backup leaves them.
TEST_F(ObstaclesTest, OldZnodesOfFailoverd) {
  cluster_.create_table("flow", 2, 3);
  cluster_.znodes().create("failoverd/leader/00ff-lock-0000000000", "db0:9650 127.0.0.1:9650");
  cluster_.znodes().create("failoverd/op_index", "18446744073709551615");
  Daemon& daemon = cluster_.start_active_daemon();
  EXPECT_EQ(lines_with(daemon, "00ff-lock-0000000000 is not ephemeral"), 1) << daemon.log();
  expect_failover(daemon);
  EXPECT_THAT(cluster_.znodes().get("failoverd/op_index")->bytes, Not(HasSubstr("184467")));
  EXPECT_TRUE(cluster_.znodes().get("failoverd/leader/00ff-lock-0000000000"));
}

// After a restart of ZooKeeper all watches are named in one request. One that is too long ends
// every connection, which renews the session: nobody would ever act.
TEST(ManyTables, OutliveARestartOfZookeeper) {
  Cluster cluster{{.zookeeper_properties = {"jute.maxbuffer=20000"}}};
  cluster.create_table("flow", 2, 3);
  const std::string znode = "table/table_data/" + std::string(80, 'x');
  for (int i = 0; i < 300; ++i) cluster.znodes().create(znode + std::to_string(i), "no table");
  Daemon& daemon = cluster.start_active_daemon();
  const auto acts_again = [&](const std::string& word) {
    return cluster.wait_until(
        [&] {
          const std::string log = daemon.log();
          const auto lost = log.rfind("connection lost");
          return lost != std::string::npos && log.find(word, lost) != std::string::npos &&
                 daemon.active() && daemon.get("/readyz").status == 200;
        },
        "it acts again", seconds{30});
  };
  cluster.zookeeper().restart();
  ASSERT_TRUE(acts_again("new session")) << daemon.log();
  const std::string log = daemon.log();
  EXPECT_THAT(log, HasSubstr("is given up: 5 connections in a row"));
  // Fewer are watched now.
  cluster.zookeeper().restart();
  ASSERT_TRUE(acts_again("same session")) << daemon.log();
  EXPECT_EQ(daemon.log().rfind("is given up"), log.rfind("is given up"));
  cluster.kill_tablet(0);
  EXPECT_TRUE(cluster.is_led_without(0)) << daemon.log();
}

}  // namespace
}  // namespace failoverd::e2e
