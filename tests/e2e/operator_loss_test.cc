// What an operator may decide against the rules that keep data, because somebody has to: who leads
// where no alive replica can (SAFETY 1), whether a wait goes on (SAFETY 6), and that a leader which
// hangs is not waited for (SAFETY 5, 8).
#include "tests/e2e/operator_cluster.h"
#include "tests/e2e/recovery.h"

namespace failoverd::e2e {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class AcceptLoss : public OperatorCluster {
 protected:
  AcceptLoss()
      : OperatorCluster({.tablets = 3, .tablet_session = std::chrono::milliseconds{600}}) {}

  // Its leader, which is another tablet than these.
  int led_without(const std::vector<int>& gone) {
    const auto is_led = [&] {
      const int leader = cluster.leader("flow", 0);
      return leader >= 0 && std::count(gone.begin(), gone.end(), leader) == 0 &&
             word(cluster, leader, "flow", 0).is_leader;
    };
    EXPECT_TRUE(cluster.wait_until(is_led, "another leads"));
    return cluster.leader("flow", 0);
  }
  // All three are killed in turn, each after it has taken a row that nobody before it has: "first",
  // "second", "third".
  std::vector<int> kill_in_turn() {
    std::vector<int> order;
    for (const char* key : {"first", "second", "third"}) {
      const int leader = led_without(order);
      EXPECT_EQ(cluster.put(leader, "flow", 0, key), 0);
      const auto everybody_has_it = [&] {
        for (int i = 0; i < 3; ++i) {
          const bool gone = std::count(order.begin(), order.end(), i) > 0;
          if (!gone && !cluster.holds(i, "flow", 0, key)) return false;
        }
        return true;
      };
      EXPECT_TRUE(cluster.wait_until(everybody_has_it, "it is replicated"));
      EXPECT_TRUE(knows_offset(cluster, *daemon, leader, "flow", 0, order.size() + 1));
      order.push_back(leader);
      cluster.kill_tablet(leader);
    }
    return order;
  }
  void begin() {
    cluster.create_table("flow", 1, 3);
    daemon = &cluster.start_active_daemon({.config = {"recovery: {full_restart_wait: 10m}"}});
  }
};

TEST_F(AcceptLoss, TheBestOfTheDeadRowsLeads) {
  begin();
  const std::vector<int> order = kill_in_turn();
  ASSERT_EQ(order.size(), 3u);
  const std::vector<int> back = {order[0], order[1]};
  for (const int i : back) start_tablet(i);
  expect_refused({"changeleader", "flow", "0", "auto"},
                 "failed to change leader. error msg: no alive follower");
  EXPECT_EQ(cluster.leader("flow", 0), order[2]) << "the last alive row stays alive";
  const auto plan = daemon->ctl({"changeleader", "flow", "0", "auto", "--accept-loss", "--plan"});
  EXPECT_EQ(plan.status, 0) << plan.err;
  EXPECT_THAT(plan.out, HasSubstr(cluster.tablet(order[2]) + " ("));
  EXPECT_THAT(plan.out, HasSubstr("are given up"));
  EXPECT_EQ(cluster.calls(order[0], "LoadTable"), 0u) << "a plan loads nothing";
  const std::string done = waited({"changeleader", "flow", "0", "auto", "--accept-loss"});
  EXPECT_THAT(done, HasSubstr("may have lost at least 1 entries"));
  EXPECT_THAT(done, HasSubstr("rows lost: at least 1, "));
  EXPECT_EQ(cluster.leader("flow", 0), order[1]) << "it holds more than the other";
  EXPECT_TRUE(cluster.holds(order[1], "flow", 0, "second"));
  EXPECT_EQ(daemon->metric("failoverd_given_up_entries_total").value_or(0), 1);
  start_tablet(order[2]);
  EXPECT_TRUE(cluster.wait_until([&] { return cluster.everything_is_alive(); }, "all is alive"))
      << daemon->log();
  EXPECT_THAT(wait_until_sound(cluster), IsEmpty());
  EXPECT_FALSE(cluster.holds(order[2], "flow", 0, "third")) << "it was given up";
  const testkit::Comparison c = cluster.compare(/*acked=*/false);
  EXPECT_TRUE(c.equal()) << c.to_text();
}

TEST_F(AcceptLoss, EndsTheWaitAfterARestart) {
  begin();
  const int leader = led_without({});
  put_unreplicated(cluster, "flow", 0, 5);
  ASSERT_TRUE(knows_offset(cluster, *daemon, leader, "flow", 0, 5));
  cluster.kill_tablets({0, 1, 2});
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(is_shown(i, "kTabletOffline"));
  const int away = leader;
  for (int i = 0; i < 3; ++i) {
    if (i != away) start_tablet(i);
  }
  const auto waits = [&] {
    return daemon->ctl({"status"}).out.find("waits for " + cluster.tablet(away)) !=
           std::string::npos;
  };
  EXPECT_TRUE(cluster.wait_until(waits, "the election waits for it")) << daemon->status();
  waited({"changeleader", "flow", "0", "--accept-loss"});
  EXPECT_NE(cluster.leader("flow", 0), away);
  EXPECT_GE(led_without({away}), 0);
}

class HungLeader : public OperatorCluster {
 protected:
  // Its znode outlives the test.
  HungLeader() : OperatorCluster({.tablets = 4, .tablet_session = std::chrono::seconds{40}}) {}
};

TEST_F(HungLeader, IsReplacedByForceAndFollowsWhenItGoesOn) {
  start(/*auto_failover=*/true);
  const int hung = cluster.leader("flow", 0);
  cluster.pause_tablet(hung);
  const auto handover = daemon->ctl({"changeleader", "flow", "0", "auto", "--wait"});
  EXPECT_EQ(handover.status, 1) << handover.out;
  EXPECT_THAT(handover.out, HasSubstr("kHandoverOP flow/0 kFailed: "));
  EXPECT_THAT(handover.out, HasSubstr(cluster.tablet(hung)));
  EXPECT_EQ(cluster.leader("flow", 0), hung) << "nobody else is elected without --force";
  const std::string forced = waited({"changeleader", "flow", "0", "auto", "--force"});
  EXPECT_THAT(forced, HasSubstr("rows lost: "));
  EXPECT_THAT(forced, Not(HasSubstr("rows lost: 0"))) << "nobody knows what it took at last";
  const int next = cluster.leader("flow", 0);
  EXPECT_NE(next, hung);
  EXPECT_GE(next, 0);
  EXPECT_EQ(row(hung, 0), "L-");
  EXPECT_TRUE(word(cluster, next, "flow", 0).is_leader);
  cluster.resume_tablet(hung);
  const auto follows = [&] {
    const Word said = word(cluster, hung, "flow", 0);
    return said.answered && !said.is_leader && row(hung, 0) == "F+";
  };
  EXPECT_TRUE(cluster.wait_until(follows, "it follows")) << daemon->log();
  EXPECT_THAT(wait_until_sound(cluster), IsEmpty());
  const testkit::Comparison c = cluster.compare(/*acked=*/false);
  EXPECT_TRUE(c.equal()) << c.to_text();
}

}  // namespace
}  // namespace failoverd::e2e
