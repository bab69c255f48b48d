// A cluster whose servers have names (use_name): those stand in nodes/, leader/ and the rows, and
// tablets have to be told each other's addresses. failoverd does that while no nameserver leads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/beside_nameserver.h"

namespace failoverd::e2e {
namespace {

using testing::HasSubstr;
using testing::Not;

ClusterOptions named(int nameservers) {
  ClusterOptions options = beside(nameservers, "openmldb");
  options.use_name = true;
  return options;
}

class UseName : public testing::TestWithParam<int>, protected WrittenCluster {
 protected:
  UseName() : WrittenCluster{named(GetParam())} {}
};
INSTANTIATE_TEST_SUITE_P(Beside, UseName, testing::Values(0, 1), [](const auto& one) {
  return one.param == 0 ? "NoNameserver" : "ANameserver";
});

TEST_P(UseName, AKilledLeaderIsReplacedAndBroughtBack) {
  Daemon& daemon = begin(4);
  EXPECT_THAT(daemon.ctl({"showtablet"}).out, HasSubstr(cluster.tablet(0)));
  EXPECT_THAT(daemon.ctl({"showtable", "flow"}).out, HasSubstr(cluster.tablet(0)));
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  cluster.start_tablet(0);
  expect_all_is_well(daemon);
  EXPECT_GT(cluster.calls(0, "UpdateRealEndpointMap"), 0u);
  EXPECT_THAT(daemon.log(), Not(HasSubstr("is ignored")));
}

// Nobody remembers a name: who is to lead has to be told them.
TEST_P(UseName, TheWholeClusterRestarts) {
  Daemon& daemon = begin(3);
  cluster.kill_tablets({0, 1, 2});
  for (const int i : {1, 2, 0}) cluster.start_tablet(i);
  expect_all_is_well(daemon);
}

// The leaders replicate to where it is now.
TEST_P(UseName, ATabletComesBackAtAnotherAddress) {
  Daemon& daemon = begin(3);
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  cluster.move_tablet(0);
  cluster.start_tablet(0);
  expect_all_is_well(daemon);
}

TEST_P(UseName, HandsOver) {
  Daemon& daemon = begin(2);
  const auto done = daemon.ctl({"changeleader", "flow", "0", cluster.tablet(2), "--wait", "--yes"});
  EXPECT_EQ(done.status, 0) << done.out << done.err;
  EXPECT_EQ(cluster.leader("flow", 0), 2);
  expect_all_is_well(daemon);
}

class UseNameBeside : public testing::Test, protected WrittenCluster {
 protected:
  UseNameBeside() : WrittenCluster{named(1)} {}
};

// Before it, the nameserver has told the tablets of each other; then nobody else does.
TEST_F(UseNameBeside, ANameserverThatDies) {
  Daemon& daemon = begin(4);
  EXPECT_EQ(cluster.znodes().get("leader/" + cluster.znodes().children("leader").at(0))->bytes,
            "nameserver0");
  EXPECT_THAT(daemon.ctl({"showns"}).out, HasSubstr("nameserver0"));
  cluster.nameservers().kill(0);
  ASSERT_TRUE(cluster.wait_until([&] { return nameserver_znodes(cluster) == 0; }, "it is gone"));
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  cluster.start_tablet(0);
  e2e::expect_all_is_well(cluster, daemon, rows);  // None leads.
  EXPECT_GT(cluster.calls(0, "UpdateRealEndpointMap"), 0u);
}

// It steers by itself: failoverd has found that out by its name.
TEST_F(UseNameBeside, ANameserverThatSteers) {
  cluster.create_table("flow", 2, 3);
  const std::size_t first = cluster.nameservers().wait_for_leader();
  ASSERT_EQ(cluster.nameservers().set_auto_failover(first, true), 0);
  Daemon& daemon = cluster.start_active_daemon();
  EXPECT_TRUE(cluster.wait_until(
      [&] {
        return daemon.status().find("the nameserver's auto_failover is on") != std::string::npos;
      },
      "it stands back"))
      << daemon.status();
}

}  // namespace
}  // namespace failoverd::e2e
