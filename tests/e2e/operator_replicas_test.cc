// Operators' commands that add, move and drop replicas, typed at failoverctl, while rows are put to
// every partition: what they lead to, and that none loses a row.
#include "tests/e2e/operator_cluster.h"

namespace failoverd::e2e {
namespace {

using testing::StartsWith;

INSTANTIATE_TEST_SUITE_P(OnAndOff, WithTheSwitch, testing::Bool(),
                         [](const auto& which) { return std::string{which.param ? "On" : "Off"}; });

TEST_P(WithTheSwitch, MigrateMovesFollowersAndNeverALeader) {
  const int from = follower(0);
  expect_refused(
      {"migrate", cluster.tablet(cluster.leader("flow", 0)), "flow", "0", cluster.tablet(3)},
      "failed to migrate partition. error msg: cannot migrate leader. name[flow] pid[0]");
  EXPECT_THAT(waited({"migrate", cluster.tablet(from), "flow", "0", cluster.tablet(3)}),
              StartsWith("partition migrate ok\n"));
  EXPECT_EQ(row(from, 0), "");
  EXPECT_EQ(row(3, 0), "F+");
  EXPECT_FALSE(word(cluster, from, "flow", 0).has_table);
  expect_nothing_is_lost();
}

TEST_P(WithTheSwitch, ReplicasAreAddedAndTakenAway) {
  EXPECT_THAT(waited({"addreplica", "flow", "0-2", cluster.tablet(3)}),
              StartsWith("AddReplica ok\n"));
  for (std::uint32_t pid = 0; pid < 3; ++pid) EXPECT_EQ(row(3, pid), "F+") << pid;
  expect_refused({"addreplica", "flow", "1", cluster.tablet(3)},
                 "Fail to addreplica. error msg:pid 1 is exist in " + cluster.tablet(3));
  EXPECT_THAT(waited({"delreplica", "flow", "0,2", cluster.tablet(3)}),
              StartsWith("DelReplica ok\n"));
  EXPECT_EQ(row(3, 0), "");
  EXPECT_EQ(row(3, 1), "F+");
  EXPECT_EQ(row(3, 2), "");
  EXPECT_FALSE(word(cluster, 3, "flow", 0).has_table);
  expect_nothing_is_lost();
}

TEST_P(WithTheSwitch, MakeSnapshot) {
  EXPECT_THAT(waited({"makesnapshot", "flow", "1"}), StartsWith("MakeSnapshot ok\n"));
  EXPECT_EQ(cluster.calls(cluster.leader("flow", 1), "MakeSnapshot"), 1u);
  expect_refused({"makesnapshot", "nosuch", "0"},
                 "Fail to makesnapshot. error msg:create op failed");
}

TEST_P(WithTheSwitch, ACanceledMigrateLeavesNothingBehind) {
  const int from = follower(0);
  cluster.hang(3, "LoadTable");
  const auto begun =
      daemon->ctl({"migrate", cluster.tablet(from), "flow", "0", cluster.tablet(3), "--json"});
  ASSERT_EQ(begun.status, 0) << begun.err;
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.hangs(3, "LoadTable"); }, "it loads"));
  const auto at = begun.out.find("\"ops\":[") + 7;
  const std::string id = begun.out.substr(at, begun.out.find(']', at) - at);
  const auto canceled = daemon->ctl({"cancelop", id});
  EXPECT_EQ(canceled.status, 0) << canceled.err;
  EXPECT_EQ(canceled.out, "Cancel op ok!\n");
  cluster.release(3);
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        return daemon->ctl({"showopstatus", "flow", "0"}).out.find("kCanceled") !=
               std::string::npos;
      },
      "it is canceled"));
  EXPECT_EQ(row(from, 0), "F+");
  EXPECT_EQ(row(3, 0), "");
  expect_refused({"cancelop", id}, "Cancel op failed! op status is not kDoing or kInited");
  expect_nothing_is_lost();
}

}  // namespace
}  // namespace failoverd::e2e
