// A cluster beside nameservers: what tests of failoverd beside living nameservers stand on.
#include <gmock/gmock.h>

#include "tests/e2e/cluster.h"

namespace failoverd::e2e {
namespace {

class BesideNameservers : public testing::TestWithParam<const char*> {
 protected:
  ClusterOptions options(int nameservers) const {
    ClusterOptions options;
    options.generation = minitablet::generation_named(GetParam());
    options.nameservers = nameservers;
    return options;
  }
};
INSTANTIATE_TEST_SUITE_P(Generations, BesideNameservers, testing::Values("rtidb", "openmldb"),
                         [](const auto& one) { return std::string{one.param}; });

TEST_P(BesideNameservers, TablesAreTheirsAndTheNextOneLeads) {
  Cluster cluster{options(2)};
  cluster.create_table("flow", 3, 3);
  EXPECT_EQ(cluster.rows("flow", 1), "B=L+ C=F+ A=F+");
  EXPECT_EQ(cluster.znodes().get("config/auto_failover")->bytes, "false");
  EXPECT_EQ(cluster.put(1, "flow", 1, "row"), 0);
  EXPECT_TRUE(cluster.compare(/*acked=*/false).equal());
  const std::size_t first = cluster.nameservers().wait_for_leader();
  cluster.nameservers().pause(first);
  const std::size_t second = cluster.nameservers().wait_for_leader();
  EXPECT_NE(second, first);
  cluster.nameservers().resume(first);
  EXPECT_EQ(cluster.nameservers().change_leader(second, "flow", 1, cluster.tablet(0)), 0);
  EXPECT_TRUE(cluster.wait_until([&] { return cluster.leader("flow", 1) == 0; }, "A leads"));
  EXPECT_EQ(cluster.rows("flow", 1), "B=L- C=F+ A=L+");
  EXPECT_TRUE(cluster.wait_until([&] { return cluster.nameservers().idle(second); }, "it is done"));
  cluster.nameservers().kill(second);
  EXPECT_EQ(cluster.nameservers().wait_for_leader(), first);
  const auto partition = cluster.nameservers().partition(first, "flow", 1);
  ASSERT_TRUE(partition);
  ASSERT_EQ(partition->term_offset_size(), 2);
  EXPECT_EQ(partition->term_offset(1).offset(), 2u);
}

}  // namespace
}  // namespace failoverd::e2e
