// Operators' commands on a real cluster, typed at failoverctl, while rows are put to every
// partition: what they lead to, and that a planned one loses no row (SAFETY 12).
#include "tests/e2e/operator_cluster.h"

namespace failoverd::e2e {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;
using Words = std::vector<std::string>;

INSTANTIATE_TEST_SUITE_P(OnAndOff, WithTheSwitch, testing::Bool(),
                         [](const auto& which) { return std::string{which.param ? "On" : "Off"}; });

TEST_P(WithTheSwitch, ChangeLeaderHandsOver) {
  const int old = cluster.leader("flow", 0);
  EXPECT_THAT(waited({"changeleader", "flow", "0", "auto"}), StartsWith("change leader ok\n"));
  const int next = cluster.leader("flow", 0);
  EXPECT_NE(next, old);
  EXPECT_EQ(row(old, 0), "F+") << "the old leader is an alive follower";
  EXPECT_THAT(waited({"changeleader", "flow", "0", cluster.tablet(old)}),
              StartsWith("change leader ok\n"));
  EXPECT_EQ(cluster.leader("flow", 0), old);
  EXPECT_EQ(row(next, 0), "F+");
  EXPECT_TRUE(cluster.everything_is_alive());
  expect_nothing_is_lost();
}

TEST_P(WithTheSwitch, OfflineEndpointThenRecoverEndpoint) {
  EXPECT_THAT(waited({"offlineendpoint", cluster.tablet(0)}), StartsWith("offline endpoint ok\n"));
  for (std::uint32_t pid = 0; pid < 3; ++pid) {
    EXPECT_EQ(row(0, pid), "F-") << pid;
    EXPECT_GE(cluster.leader("flow", pid), 1) << pid;
  }
  EXPECT_THAT(waited({"recoverendpoint", cluster.tablet(0)}), StartsWith("recover endpoint ok\n"));
  EXPECT_TRUE(cluster.everything_is_alive());
  expect_nothing_is_lost();
}

TEST_P(WithTheSwitch, RecoverEndpointRestoresWhatItLed) {
  kill_tablet(0);
  if (GetParam()) {
    ASSERT_TRUE(cluster.is_led_without(0));
  } else {
    waited({"offlineendpoint", cluster.tablet(0)});
  }
  start_tablet(0);
  waited({"recoverendpoint", cluster.tablet(0), "true"});
  EXPECT_TRUE(cluster.wait_until([&] { return cluster.everything_is_alive(); }, "all is alive"));
  expect_nothing_is_lost();
}

TEST_P(WithTheSwitch, WhatIsRefusedIsSaidInTheOriginalsWords) {
  expect_refused({"changeleader", "nosuch", "0"},
                 "failed to change leader. error msg: table is not exist");
  expect_refused({"changeleader", "flow", "9"},
                 "failed to change leader. error msg: pid is not exist");
  expect_refused({"changeleader", "flow", "0"},
                 "failed to change leader. error msg: leader is alive");
  expect_refused({"offlineendpoint", "127.0.0.1:1"},
                 "failed to offline endpoint. error msg: endpoint is not exist");
  expect_refused({"offlineendpoint", cluster.tablet(0), "9"},
                 "failed to offline endpoint. error msg: invalid parameter");
  expect_refused({"recoverendpoint", "127.0.0.1:1"},
                 "failed to recover endpoint. error msg: endpoint is not exist");
  expect_refused({"recovertable", "flow", "0", cluster.tablet(0)},
                 "Fail to recover table. error msg:table is alive, need not recover");
  expect_refused({"recovertable", "flow", "x", cluster.tablet(0)},
                 "Fail to recover table. error msg:invalid parameter: pid is a partition's number");
  EXPECT_TRUE(cluster.everything_is_alive());
}

TEST_P(WithTheSwitch, APlanIsOnlyShown) {
  const int leader = cluster.leader("flow", 0);
  const auto plan = daemon->ctl({"changeleader", "flow", "0", "auto", "--plan"});
  EXPECT_EQ(plan.status, 0) << plan.err;
  EXPECT_THAT(plan.out, HasSubstr(cluster.tablet(leader)));
  EXPECT_EQ(daemon->ctl({"showopstatus", "--json"}).out, "[]\n");
  EXPECT_EQ(cluster.leader("flow", 0), leader);
}

TEST_F(OperatorCluster, RecoverTableBringsOneReplicaBack) {
  start(/*auto_failover=*/false);
  kill_tablet(0);
  waited({"offlineendpoint", cluster.tablet(0)});
  start_tablet(0);
  EXPECT_THAT(waited({"recovertable", "flow", "1", cluster.tablet(0)}),
              StartsWith("recover table ok\n"));
  EXPECT_EQ(row(0, 1), "F+");
  EXPECT_EQ(row(0, 0), "L-") << "the others wait";
  EXPECT_THAT(wait_until_sound(cluster), IsEmpty());
}

// What edits rows by hand is refused while somebody else edits them.
TEST_F(OperatorCluster, UpdateTableAliveEditsRowsWhileTheSwitchIsOff) {
  start(/*auto_failover=*/true);
  const int tablet = follower(0);
  const Words no = {"updatetablealive", "flow", "0", cluster.tablet(tablet), "no"};
  expect_refused(no, "Fail to update table alive. error msg: auto_failover is enabled");
  EXPECT_EQ(daemon->ctl({"confset", "auto_failover", "false"}).status, 0);
  ASSERT_TRUE(cluster.wait_until(
      [&] { return daemon->ctl({"confget"}).out.find("false") != std::string::npos; }, "off"));
  const auto set = daemon->ctl(no);
  EXPECT_EQ(set.out, "update ok\n") << set.err;
  EXPECT_TRUE(cluster.wait_until([&] { return row(tablet, 0) == "F-"; }, "its row is dead"));
  expect_refused({"updatetablealive", "flow", "9", cluster.tablet(tablet), "no"},
                 "Fail to update table alive. error msg: no pid has update");
}

// SAFETY 11. A tablet that returns is loaded when the recovery is cancelled.
TEST_F(OperatorCluster, ACanceledRecoveryLeavesNothingBehind) {
  start(/*auto_failover=*/false);
  kill_tablet(0);
  waited({"offlineendpoint", cluster.tablet(0)});
  cluster.inject_at_start(0, {.method = "LoadTable"});
  start_tablet(0);
  ASSERT_EQ(daemon->ctl({"recovertable", "flow", "0", cluster.tablet(0)}).out,
            "recover table ok\n");
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.hangs(0, "LoadTable"); }, "it loads"));
  const auto ops = daemon->ctl({"showopstatus", "flow", "0", "--json"}).out;
  const auto at = ops.rfind("\"op_id\":") + 8;
  const std::string id = ops.substr(at, ops.find(',', at) - at);
  const auto canceled = daemon->ctl({"cancelop", id});
  EXPECT_EQ(canceled.status, 0) << canceled.err;
  EXPECT_EQ(canceled.out, "Cancel op ok!\n");
  cluster.release(0);
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        return daemon->ctl({"showopstatus", "flow", "0"}).out.find("kCanceled") !=
               std::string::npos;
      },
      "it is canceled"));
  EXPECT_EQ(row(0, 0).back(), '-');
  expect_refused({"cancelop", id}, "Cancel op failed! op status is not kDoing or kInited");
  EXPECT_TRUE(cluster.wait_until([&] { return left_behind(cluster).empty(); }, "nothing is left"));
}

}  // namespace
}  // namespace failoverd::e2e
