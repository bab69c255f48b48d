// SAFETY 13: beside a nameserver that lives nothing is changed, and it is said why; when it is
// gone, or the operator says that it does not count, failoverd acts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"
#include "tests/e2e/soundness.h"

namespace failoverd::e2e {
namespace {

using std::chrono::seconds;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kMetric = "failoverd_stands_back{reason=\"nameserver\"}";
constexpr const char* kNameserver = "leader/lock_request0000000007";

class StandsBack : public testing::Test {
 protected:
  void nameserver_lives() { cluster.znodes().create(kNameserver, "127.0.0.1:9822"); }
  void nameserver_is_gone() { cluster.znodes().remove(kNameserver); }
  bool tablet_is_crashed(Daemon& daemon) {
    return cluster.wait_until(
        [&] { return daemon.metric("failoverd_tablets{state=\"crashed\"}") == 1; }, "crashed");
  }
  void expect_all_is_well() {
    EXPECT_THAT(wait_until_sound(cluster), IsEmpty());
    const testkit::Comparison c = cluster.compare(/*acked=*/false);
    EXPECT_TRUE(c.equal()) << c.to_text();
    EXPECT_GT(c.rows, 0u);
  }

  Cluster cluster;
};

TEST_F(StandsBack, WhileANameserverLives) {
  cluster.create_table("flow", 4, 3);
  nameserver_lives();
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  EXPECT_EQ(daemon.metric(kMetric), 1);
  EXPECT_THAT(daemon.status(), HasSubstr("the nameserver's auto_failover is on (127.0.0.1:9822"));
  EXPECT_THAT(daemon.ctl({"status"}).out, HasSubstr("STANDS BACK"));
  EXPECT_THAT(daemon.ctl({"showns"}).out,
              ContainsRegex("\n  127.0.0.1:9822 +leader  nameserver\n"));
  EXPECT_THAT(daemon.ctl({"status"}).out,
              ContainsRegex("changes nothing for [0-9]+s: the nameserver"));
  EXPECT_THAT(daemon.log(), HasSubstr("changes nothing: the nameserver's auto_failover is on"));
  cluster.kill_tablet(0);
  ASSERT_TRUE(tablet_is_crashed(daemon));
  cluster.let_pass(seconds{2});
  for (std::uint32_t pid = 0; pid < 4; ++pid) {
    EXPECT_EQ(cluster.rows("flow", pid).find('-'), std::string::npos);
    EXPECT_EQ(terms(cluster, "flow", pid).size(), 1u);
  }
  EXPECT_EQ(cluster.znodes().get("table/table_data/flow")->version, 0);
  EXPECT_EQ(cluster.znodes().get("table/term")->bytes, "1");
  EXPECT_FALSE(cluster.znodes().get("failoverd/op_index"));
  EXPECT_EQ(cluster.calls(1, "ChangeRole") + cluster.calls(2, "ChangeRole"), 0u);
  nameserver_is_gone();
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  EXPECT_EQ(daemon.metric(kMetric), 0);
  EXPECT_THAT(daemon.log(), HasSubstr("nothing stands in the way any more"));
  expect_all_is_well();
}

// cluster.metadata: zookeeper.
TEST_F(StandsBack, NotWhereItIsKnownToBePassive) {
  cluster.create_table("flow", 2, 3);
  nameserver_lives();
  Daemon& daemon =
      cluster.start_active_daemon({.cluster = "session_timeout: 1s, metadata: zookeeper"});
  cluster.start_writer();
  EXPECT_NE(daemon.metric(kMetric), 1);
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  expect_all_is_well();
}

// A probe cannot be taken back (SAFETY 3): an election that has probed goes on to its end, also
// when a nameserver comes up; but nothing is published past that one's znode (SAFETY 13). What had
// not begun does not begin.
TEST_F(StandsBack, ElectionThatHasProbedIsFinished) {
  cluster.create_table("flow", 1, 3, {0, 1, 2});
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  for (const int i : {1, 2}) cluster.hang(i, "AppendEntries");
  cluster.kill_tablet(0);
  ASSERT_TRUE(daemon.comes_to("kSelectLeader"));
  nameserver_lives();
  ASSERT_TRUE(cluster.wait_until([&] { return daemon.metric(kMetric) == 1; }, "it stands back"));
  for (const int i : {1, 2}) cluster.release(i);
  const auto leads = [&](int i) { return word(cluster, i, "flow", 0).is_leader; };
  ASSERT_TRUE(cluster.wait_until([&] { return leads(1) || leads(2); }, "it is promoted"))
      << daemon.log();
  cluster.let_pass(seconds{1});
  EXPECT_EQ(cluster.znodes().get("table/table_data/flow")->version, 0);
  const int other = leads(1) ? 2 : 1;
  nameserver_is_gone();
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  EXPECT_NE(cluster.leader("flow", 0), other);
  expect_all_is_well();
  nameserver_lives();
  ASSERT_TRUE(cluster.wait_until([&] { return daemon.metric(kMetric) == 1; }, "it stands back"));
  const int leader = cluster.leader("flow", 0);
  cluster.kill_tablet(leader);
  cluster.let_pass(seconds{3});
  EXPECT_EQ(cluster.leader("flow", 0), leader);
}

// A cluster that has no znode leader/ at all.
TEST_F(StandsBack, NameserverThatComesFirst) {
  cluster.create_table("flow", 2, 3);
  cluster.znodes().remove("leader");
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  EXPECT_NE(daemon.metric(kMetric), 1);
  nameserver_lives();
  ASSERT_TRUE(cluster.wait_until([&] { return daemon.metric(kMetric) == 1; }, "it stands back"))
      << daemon.log();
  nameserver_is_gone();
  ASSERT_TRUE(cluster.wait_until([&] { return daemon.metric(kMetric) == 0; }, "it is gone"));
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  expect_all_is_well();
}

}  // namespace
}  // namespace failoverd::e2e
