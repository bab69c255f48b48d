// SAFETY 21: an address is not an identity. Two clusters on one ZooKeeper, below two roots; a
// tablet of the one dies, and a tablet of the other is started on its address, with a table of
// another name under the same tid and pid, and a client that writes to it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"
#include "tests/e2e/programs.h"
#include "tests/e2e/soundness.h"

namespace failoverd::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr int kTableIsFollower = 103;

// The other cluster: one tablet, on an address of ours.
class Neighbour {
 public:
  Neighbour(Cluster& cluster, int on)
      : cluster_(cluster),
        endpoint_(cluster.tablet(on)),
        znodes_(cluster.io(), cluster.zookeeper().hosts(), "/c2") {
    testkit::create_cluster_znodes(znodes_);
    harness::Process::Options options;
    options.arguments = {program("minitablet"),
                         "--endpoint=" + endpoint_,
                         "--zk_cluster=" + cluster.zookeeper().hosts(),
                         "--zk_root_path=/c2",
                         "--zk_session_timeout=1000",
                         "--db_root_path=" + (cluster.directory() / "theirs").string()};
    options.log_file = cluster.directory() / "theirs.log";
    tablet_ = std::make_unique<harness::Process>(options);
    registered_ = cluster.wait_until([&] { return znodes_.get("nodes/" + endpoint_).has_value(); },
                                     "the other cluster's tablet is registered");
  }
  bool registered() const { return registered_; }

  // One partition, which the tablet leads, and a client of it.
  void begin_to_write() {
    testkit::TableWish wish;
    wish.name = "theirs";
    wish.partitions = wish.replicas = 1;
    wish.endpoints = {endpoint_};
    tid_ = testkit::create_table(znodes_, wish).tid();
    testkit::Writer::Options options;
    options.zookeeper = cluster_.zookeeper().hosts();
    options.root = "/c2";
    writer_ = std::make_unique<testkit::Writer>(cluster_.io(), options);
    writer_->start();
    cluster_.wait_until([&] { return acks() > 0; }, "the other cluster's client writes");
  }
  std::uint64_t acks() const { return writer_->summary().acks; }
  std::uint64_t errors() const { return writer_->summary().errors; }
  std::uint32_t tid() const { return tid_; }
  void end() {
    writer_->stop();
    tablet_->kill(SIGKILL);
    tablet_->wait(seconds{10});
  }

 private:
  Cluster& cluster_;
  const std::string endpoint_;
  testkit::Znodes znodes_;
  std::unique_ptr<harness::Process> tablet_;
  std::unique_ptr<testkit::Writer> writer_;
  std::uint32_t tid_ = 0;
  bool registered_ = false;
};

// What whoever answers on that address was told since it was started, by us or by our tablets.
std::string told(Cluster& cluster, int i) {
  std::string all;
  for (const char* method :
       {"ChangeRole", "LoadTable", "DropTable", "SendSnapshot", "SendData", "DeleteBinlog",
        "AddReplica", "DelReplica", "PauseSnapshot", "RecoverSnapshot", "DeleteOPTask"}) {
    if (cluster.calls(i, method) > 0) all += std::string{method} + " ";
  }
  return all;
}

bool is_seen(Cluster& cluster, Daemon& daemon) {
  return cluster.wait_until(
      [&] { return daemon.metric("failoverd_tablets{state=\"stranger\"}") == 1; },
      "the stranger is seen");
}

// It is shown with what it says that it holds, and told nothing, and its client notices nothing.
void expect_left_alone(Cluster& cluster, Daemon& daemon, int on, const Neighbour& other) {
  EXPECT_EQ(other.tid(), cluster.znodes().table("flow")->tid());
  const std::uint64_t acks = other.acks();
  cluster.let_pass(seconds{3});
  EXPECT_EQ(told(cluster, on), "") << daemon.log();
  EXPECT_GT(other.acks(), acks + 50);
  EXPECT_EQ(other.errors(), 0u) << daemon.log();
  EXPECT_THAT(daemon.status(), HasSubstr("theirs/0"));
  const std::string shown = daemon.ctl({"status"}).out;
  EXPECT_THAT(shown, HasSubstr("stranger"));
  EXPECT_THAT(shown, HasSubstr("theirs/0"));
  EXPECT_THAT(daemon.ctl({"showtablet"}).out, HasSubstr("kTabletOffline"));
}

void expect_our_tablet_comes_back(Cluster& cluster, Daemon& daemon, int on, Neighbour& other) {
  other.end();
  cluster.start_tablet(on);
  EXPECT_TRUE(cluster.wait_until([&] { return cluster.everything_is_alive(); }, "all is alive"))
      << daemon.log();
  EXPECT_THAT(wait_until_sound(cluster), IsEmpty()) << daemon.log();
  const testkit::Comparison c = cluster.compare(/*acked=*/true);
  EXPECT_TRUE(c.equal()) << c.to_text() << daemon.log();
}

TEST(Strangers, AFollowersAddressIsTaken) {
  Cluster cluster;
  cluster.create_table("flow", 1, 3, {0, 1, 2});
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  cluster.kill_tablet(2);
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.rows("flow", 0) == "A=L+ B=F+ C=F-"; },
                                 "its row is dead"));
  Neighbour other{cluster, 2};
  ASSERT_TRUE(other.registered());
  other.begin_to_write();
  ASSERT_TRUE(is_seen(cluster, daemon)) << daemon.log();
  expect_left_alone(cluster, daemon, 2, other);
  EXPECT_EQ(cluster.calls(2, "AppendEntries"), 0u);
  EXPECT_EQ(cluster.rows("flow", 0), "A=L+ B=F+ C=F-");
  expect_our_tablet_comes_back(cluster, daemon, 2, other);
}

// While the dead tablet's znode is still there, and before the other holds anything.
TEST(Strangers, AFollowersAddressIsTakenAtOnce) {
  Cluster cluster({.tablet_session = seconds{6}});
  cluster.create_table("flow", 1, 3, {0, 1, 2});
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  cluster.kill_tablet(2);
  Neighbour other{cluster, 2};
  ASSERT_TRUE(other.registered());
  ASSERT_TRUE(cluster.znodes().get("nodes/" + cluster.tablet(2))) << "too slow to show anything";
  cluster.let_pass(seconds{2});
  EXPECT_EQ(told(cluster, 2), "") << daemon.log();
  other.begin_to_write();
  ASSERT_TRUE(is_seen(cluster, daemon)) << daemon.log();
  expect_left_alone(cluster, daemon, 2, other);
  expect_our_tablet_comes_back(cluster, daemon, 2, other);
}

// Its row is alive and its leader sends to that address when failoverd starts.
TEST(Strangers, AnAddressWasTakenBeforeFailoverdStarts) {
  Cluster cluster;
  cluster.create_table("flow", 1, 3, {0, 1, 2});
  cluster.start_writer();
  cluster.kill_tablet(2);
  ASSERT_TRUE(cluster.wait_until(
      [&] { return !cluster.znodes().get("nodes/" + cluster.tablet(2)); }, "its znode is gone"));
  Neighbour other{cluster, 2};
  ASSERT_TRUE(other.registered());
  other.begin_to_write();
  Daemon& daemon = cluster.start_daemon();
  ASSERT_TRUE(is_seen(cluster, daemon)) << daemon.log();
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.rows("flow", 0) == "A=L+ B=F+ C=F-"; },
                                 "its row is dead"))
      << daemon.log();
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.calls(0, "DelReplica") > 0; },
                                 "its leader is told to let go"));
  cluster.let_pass(milliseconds{500});
  const std::uint64_t sent = cluster.calls(2, "AppendEntries");
  expect_left_alone(cluster, daemon, 2, other);
  EXPECT_EQ(cluster.calls(2, "AppendEntries"), sent);
  expect_our_tablet_comes_back(cluster, daemon, 2, other);
}

TEST(Strangers, ALeadersAddressIsTaken) {
  Cluster cluster;
  cluster.create_table("flow", 1, 3, {0, 1, 2});
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  cluster.kill_tablet(0);
  Neighbour other{cluster, 0};
  ASSERT_TRUE(other.registered());
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  other.begin_to_write();
  ASSERT_TRUE(is_seen(cluster, daemon)) << daemon.log();
  expect_left_alone(cluster, daemon, 0, other);
}

// SAFETY 5, 8: it has no znode either, but names the table itself.
TEST(Strangers, AnOldLeaderWithoutAZnodeIsDemoted) {
  Cluster cluster;
  cluster.create_table("flow", 1, 3, {0, 1, 2});
  Daemon& daemon = cluster.start_active_daemon({.config = {"detection: {silence: 1s}"}});
  cluster.lose_session(0, /*stay_lost=*/true);
  cluster.pause_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  cluster.resume_tablet(0);
  EXPECT_TRUE(cluster.wait_until(
      [&] { return cluster.put(0, "flow", 0, "late") == kTableIsFollower; }, "it follows"))
      << daemon.log();
  EXPECT_FALSE(cluster.znodes().get("nodes/" + cluster.tablet(0)));
  EXPECT_THAT(daemon.log(), Not(HasSubstr("is a stranger")));
}

}  // namespace
}  // namespace failoverd::e2e
