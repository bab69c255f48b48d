// What a brain shows of itself, beside what it does.
#include <optional>
#include <string>

#include "tests/unit/core/brain_test_rig.h"

namespace failoverd::core {
namespace {

using std::chrono::seconds;

class ShowingTest : public BrainTest {
 protected:
  void step_at(seconds at, const Event& event) {
    now_ = Instant{at};
    step(event);
  }
  // Since when it stands back for this reason; none: it does not.
  std::optional<Instant> since(const std::string& reason, seconds now) const {
    for (const StandsBack& s : brain_.stands_back(Instant{now})) {
      if (s.reason == reason) return s.since;
    }
    return std::nullopt;
  }
};

TEST_F(ShowingTest, SinceWhenItStandsBack) {
  EXPECT_EQ(since("not_read", seconds{9}), std::nullopt);  // It has heard of nothing yet.
  step_at(seconds{10}, TablesListed{});
  step_at(seconds{11}, NameserversListed{});
  EXPECT_EQ(since("not_read", seconds{12}), Instant{seconds{10}});
  step_at(seconds{12}, ClusterRead{});
  step_at(seconds{12}, SwitchRead{true, ""});
  step_at(seconds{13}, LockGained{1, {}, {}, {}, {}});
  step_at(seconds{14}, ContactMade{Instant{seconds{100}}});
  EXPECT_EQ(brain_.stands_back(now_).size(), 0u);
  step_at(seconds{14}, NameserverOpsRead{});
  step_at(seconds{20}, NameserversListed{{"N:1"}});
  step_at(seconds{20}, NameserverAnswered{"N:1"});
  step_at(seconds{25}, NameserversListed{{"N:2"}});
  step_at(seconds{25}, NameserverAnswered{"N:1"});  // That one is not asked any more.
  EXPECT_EQ(since("not_read", seconds{26}), Instant{seconds{25}});
  step_at(seconds{26}, NameserverAnswered{"N:2"});
  EXPECT_EQ(since("nameserver", seconds{30}), Instant{seconds{26}});
  step_at(seconds{30}, NameserversListed{});
  step_at(seconds{40}, NameserversListed{{"N:1"}});
  step_at(seconds{40}, NameserverAnswered{"N:1"});
  EXPECT_EQ(since("nameserver", seconds{50}), Instant{seconds{40}});
  // Contact runs out without an event, and what comes later does not move it.
  EXPECT_EQ(since("zookeeper", seconds{110}), Instant{seconds{100}});
  step_at(seconds{120}, ZookeeperLost{});
  EXPECT_EQ(since("zookeeper", seconds{130}), Instant{seconds{100}});
}

TEST_F(ShowingTest, AnObstacleStandsUntilItIsOver) {
  step_at(seconds{10}, Obstacle{"refused", "/a is refused"});
  step_at(seconds{20}, Obstacle{"refused", "/b is refused"});
  EXPECT_EQ(since("refused", seconds{30}), Instant{seconds{10}});
  EXPECT_EQ(brain_.obstacles().at("refused"), "/b is refused");
  step_at(seconds{40}, Obstacle{"refused", ""});
  EXPECT_EQ(since("refused", seconds{50}), std::nullopt);
  EXPECT_TRUE(brain_.obstacles().empty());
}

TEST_F(ShowingTest, WhatItWouldDoNamesTheDatabase) {
  TableShape table;
  table.znode = "table/db_table_data/2";
  table.name = "dbt";
  table.db = "mdb";
  table.tid = 2;
  table.partitions = {{0, {{"A:1", false, true}, {"B:1", false, true}}, {}}};
  TabletsListed tablets;
  for (const char* name : {"A:1", "B:1"}) tablets.children.push_back({name, 7, false});
  step_at(seconds{1}, tablets);
  step(TablesListed{{table.znode}});
  step(TableRead{table});
  step(NameserversListed{});
  step(SwitchRead{false, ""});
  step(ClusterRead{});
  step(LockGained{1, {}, {}, {}, {}});
  step(ContactMade{Instant{seconds{100}}});
  let_pass(seconds{5});
  ASSERT_EQ(brain_.would_do().size(), 1u);
  EXPECT_EQ(brain_.would_do()[0].partition, "mdb.dbt/0");
}

}  // namespace
}  // namespace failoverd::core
