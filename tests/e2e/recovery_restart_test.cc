// Everything went down, or nearly: tablets die together or in turn and come back in every order
// (SAFETY 1, 6, FEDB.md 7). What was on every replica is there in the end, nothing is deleted
// before the partition has a leader again, and nobody leads too early.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "proto/journal.pb.h"
#include "tests/e2e/recovery.h"
#include "tests/e2e/soundness.h"

namespace failoverd::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Contains;
using testing::HasSubstr;

using Order = std::array<int, 3>;
constexpr std::array<Order, 6> kOrders = {
    {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}};

std::string name_of(const Order& order) {
  std::string name;
  for (const int i : order) name += static_cast<char>('A' + i);
  return name;
}

void expect_nothing_destroyed(Cluster& cluster, int tablet) {
  for (const char* method : {"DropTable", "DeleteBinlog", "SendSnapshot"}) {
    EXPECT_EQ(cluster.calls(tablet, method), 0u) << cluster.tablet(tablet) << " " << method;
  }
}

// --- Two of three --------------------------------------------------------------------------------

class TwoOfThree : public testing::TestWithParam<bool> {};

TEST_P(TwoOfThree, DeadAndBack) {
  Cluster cluster(quick());
  cluster.create_table("flow", 3, 3);
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  const auto rows = cluster.settle_writer();
  cluster.start_writer();
  cluster.kill_tablets({0, 1});
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        return cluster.leader("flow", 0) == 2 && cluster.leader("flow", 1) == 2 &&
               cluster.leader("flow", 2) == 2;
      },
      "the third one leads everything"))
      << daemon.status();
  for (const int i : GetParam() ? std::array{0, 1} : std::array{1, 0}) cluster.start_tablet(i);
  expect_all_is_well(cluster, daemon, rows);
}

INSTANTIATE_TEST_SUITE_P(Recovery, TwoOfThree, testing::Bool(),
                         [](const auto& test) { return test.param ? "AB" : "BA"; });

// --- One after the other -------------------------------------------------------------------------

// SAFETY 1: A, B and C die in turn; only C's row is alive in the end, and only C may lead.
class InTurn : public testing::TestWithParam<std::size_t> {};

TEST_P(InTurn, OnlyTheLastMayLead) {
  const Order back = kOrders.at(GetParam());
  Cluster cluster(quick());
  cluster.create_table("flow", 2, 3);
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  for (const int dead : {0, 1}) {
    cluster.kill_tablet(dead);
    ASSERT_TRUE(cluster.is_led_without(dead));
  }
  const auto acks = cluster.writer().summary().acks;
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.writer().summary().acks > acks + 20; },
                                 "the last one has rows that nobody else has"));
  (void)cluster.compare(/*acked=*/false);
  std::vector<testkit::AckedRow> rows;  // Of its reign, and what it had before.
  for (const testkit::AckedRow& row : cluster.writer().acked()) {
    if (cluster.holds(2, "flow", row.pid, row.key, row.value)) rows.push_back(row);
  }
  EXPECT_GT(rows.size(), 20u);
  cluster.kill_tablet(2);
  bool last_is_back = false;
  for (const int i : back) {
    cluster.start_tablet(i);
    last_is_back = last_is_back || i == 2;
    if (last_is_back) continue;
    cluster.let_pass(milliseconds{500});
    for (const std::uint32_t pid : {0u, 1u}) {
      EXPECT_EQ(cluster.leader("flow", pid), 2) << cluster.rows("flow", pid);
      EXPECT_FALSE(word(cluster, i, "flow", pid).is_leader);
    }
    expect_nothing_destroyed(cluster, i);
  }
  expect_all_is_well(cluster, daemon, rows);
}

INSTANTIATE_TEST_SUITE_P(Recovery, InTurn, testing::Range<std::size_t>(0, 6),
                         [](const auto& test) { return name_of(kOrders.at(test.param)); });

// --- All of them ---------------------------------------------------------------------------------

enum class Also { kNobody, kZooKeeper, kFailoverd, kBoth };

class AllDown : public testing::TestWithParam<std::tuple<std::size_t, Also>> {};

TEST_P(AllDown, ComesBack) {
  const auto& [order, also] = GetParam();
  const bool zookeeper = also == Also::kZooKeeper || also == Also::kBoth;
  const bool failoverd = also == Also::kFailoverd || also == Also::kBoth;
  Cluster cluster(quick());
  cluster.create_table("flow", 3, 3);
  cluster.create_table("alone", 1, 1, {1});
  Daemon* daemon = &cluster.start_active_daemon();
  cluster.start_writer();
  const auto rows = cluster.settle_writer();
  cluster.start_writer();
  if (failoverd) daemon->kill();
  if (zookeeper) cluster.zookeeper().kill();
  cluster.kill_tablets({0, 1, 2});
  if (zookeeper) cluster.zookeeper().start();
  bool led = false;
  for (const int i : kOrders.at(order)) {
    cluster.start_tablet(i);
    if (failoverd && i == kOrders.at(order)[1]) daemon->start();
    // Nothing is deleted before there is a leader.
    led = led || cluster.everything_is_led_without(-1);
    if (!led) expect_nothing_destroyed(cluster, i);
  }
  expect_all_is_well(cluster, *daemon, rows);
  // One that began when the first of them died, and found the others gone, loads them itself.
  EXPECT_THAT(done_types(shown_ops(*daemon, "flow", 0)),
              Contains(testing::AnyOf("kFullRestartOP", "kChangeLeaderOP")));
}

std::string all_down_name(const testing::TestParamInfo<std::tuple<std::size_t, Also>>& info) {
  const char* also[] = {"", "WithZooKeeper", "WithFailoverd", "WithBoth"};
  return name_of(kOrders.at(std::get<0>(info.param))) +
         also[static_cast<std::size_t>(std::get<1>(info.param))];
}

INSTANTIATE_TEST_SUITE_P(Recovery, AllDown,
                         testing::Combine(testing::Range<std::size_t>(0, 6),
                                          testing::Values(Also::kNobody, Also::kZooKeeper,
                                                          Also::kFailoverd)),
                         all_down_name);
INSTANTIATE_TEST_SUITE_P(RecoveryOfAll, AllDown,
                         testing::Combine(testing::Values<std::size_t>(0, 5),
                                          testing::Values(Also::kBoth)),
                         all_down_name);

// A cluster that shows "alive" rows whose tablets hold nothing is recognised at the start.
TEST(FullRestart, IsRecognisedAtTheStart) {
  Cluster cluster(quick());
  cluster.create_table("flow", 2, 3);
  cluster.create_table("alone", 1, 1, {0});
  cluster.start_writer();
  const auto rows = cluster.settle_writer();
  cluster.kill_tablets({0, 1, 2});
  for (const int i : {0, 1, 2}) cluster.start_tablet(i);
  EXPECT_TRUE(cluster.everything_is_alive());
  EXPECT_FALSE(word(cluster, 0, "flow", 0).has_table);
  Daemon& daemon = cluster.start_daemon();
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        return word(cluster, 0, "alone", 0).is_leader && unsound(cluster).empty() &&
               terms(cluster, "flow", 1).size() == 2;
      },
      "everything is led"))
      << daemon.log();
  for (const int i : {0, 1, 2}) expect_nothing_destroyed(cluster, i);
  expect_all_is_well(cluster, daemon, rows);
}

// --- recovery.full_restart_wait ------------------------------------------------------------------

// Tablet 0 leads the only partition; all go down at once, and it stays away.
class ThirdStaysAway : public testing::Test {
 protected:
  static constexpr int kRows = 9;

  // With `tail`, rows of the leader that nobody else has.
  void all_go_down(bool tail) {
    cluster.create_table("flow", 1, 3);
    cluster.start_writer();
    rows = cluster.settle_writer();
    if (tail) keys = put_unreplicated(cluster, "flow", 0, kRows);
    offset = word(cluster, 0, "flow", 0).offset;
  }
  void others_come_back() {
    for (const int i : {1, 2}) cluster.start_tablet(i);
  }
  // `why`: what is known of it. Until its session ends it is waited for as registered.
  bool waits_for_it(Daemon& daemon, const std::string& why) {
    const auto ops = shown_ops(daemon, "flow", 0);
    return std::any_of(ops.begin(), ops.end(), [&](const ShownOp& op) {
      return op.runs() && op.detail.find("waits for " + cluster.tablet(0)) != std::string::npos &&
             op.detail.find(why) != std::string::npos;
    });
  }
  bool its_offset_is_kept() {
    journal::KeptTable kept;
    const auto value = cluster.znodes().get("failoverd/replicas/" +
                                            std::to_string(cluster.znodes().table("flow")->tid()));
    if (!value || !kept.ParseFromString(value->bytes)) return false;
    for (const auto& partition : kept.partitions()) {
      for (const auto& replica : partition.replicas()) {
        if (replica.endpoint() == cluster.tablet(0) && replica.last_offset() == offset) return true;
      }
    }
    return false;
  }
  std::string its_offset() const { return "had offset " + std::to_string(offset); }
  void expect_it_holds_the_tail(int tablet) {
    for (const std::string& key : keys) EXPECT_TRUE(cluster.holds(tablet, "flow", 0, key)) << key;
  }

  Cluster cluster{quick()};
  std::vector<testkit::AckedRow> rows;
  std::vector<std::string> keys;
  std::uint64_t offset = 0;
};

// It was known to hold more: it is waited for, and leads.
TEST_F(ThirdStaysAway, AndHeldMore) {
  all_go_down(/*tail=*/true);
  Daemon& daemon = cluster.start_active_daemon();
  ASSERT_TRUE(knows_offset(cluster, daemon, 0, "flow", 0, offset));
  cluster.kill_tablets({0, 1, 2});
  others_come_back();
  ASSERT_TRUE(
      cluster.wait_until([&] { return waits_for_it(daemon, its_offset()); }, "it is waited for"))
      << to_text(shown_ops(daemon));
  EXPECT_THAT(daemon.status(), HasSubstr("waits for " + cluster.tablet(0)));
  cluster.let_pass(seconds{1});
  EXPECT_THAT(cluster.rows("flow", 0), HasSubstr("A=L+"));
  cluster.start_tablet(0);
  expect_all_is_well(cluster, daemon, rows);
  EXPECT_EQ(cluster.leader("flow", 0), 0);
  for (const int i : {0, 1, 2}) expect_it_holds_the_tail(i);
  EXPECT_EQ(daemon.metric("failoverd_lost_entries_total").value_or(0), 0);
}

// The same, where the daemon that knew it is gone, too: it was written down.
TEST_F(ThirdStaysAway, AndHeldMoreByThePredecessorsWord) {
  all_go_down(/*tail=*/true);
  Daemon& daemon = cluster.start_active_daemon();
  ASSERT_TRUE(knows_offset(cluster, daemon, 0, "flow", 0, offset));
  cluster.kill_tablets({0, 1, 2});
  ASSERT_TRUE(
      cluster.wait_until([&] { return its_offset_is_kept(); }, "its last offset is written"));
  daemon.kill();
  others_come_back();
  Daemon& second = cluster.start_daemon();
  ASSERT_TRUE(
      cluster.wait_until([&] { return waits_for_it(second, its_offset()); }, "it is waited for"))
      << to_text(shown_ops(second));
  cluster.start_tablet(0);
  expect_all_is_well(cluster, second, rows);
  for (const int i : {0, 1, 2}) expect_it_holds_the_tail(i);
}

// Nobody knows what it held: it may hold more.
TEST_F(ThirdStaysAway, AndNobodyKnowsWhatItHeld) {
  all_go_down(/*tail=*/true);
  cluster.kill_tablets({0, 1, 2});
  others_come_back();
  Daemon& daemon = cluster.start_daemon();
  ASSERT_TRUE(
      cluster.wait_until([&] { return waits_for_it(daemon, "may hold more"); }, "it is waited for"))
      << to_text(shown_ops(daemon));
  cluster.let_pass(seconds{1});
  EXPECT_THAT(cluster.rows("flow", 0), HasSubstr("A=L+"));
  cluster.start_tablet(0);
  expect_all_is_well(cluster, daemon, rows);
  for (const int i : {0, 1, 2}) expect_it_holds_the_tail(i);
}

// It held no more than those that are back: they go on without it, far sooner than in 5 minutes.
TEST_F(ThirdStaysAway, AndHeldNoMore) {
  all_go_down(/*tail=*/false);
  Daemon& daemon = cluster.start_active_daemon();
  ASSERT_TRUE(knows_offset(cluster, daemon, 0, "flow", 0, offset));
  cluster.kill_tablets({0, 1, 2});
  others_come_back();
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.leader("flow", 0) > 0; },
                                 "it is led by one of those that are back"))
      << to_text(shown_ops(daemon));
  EXPECT_THAT(cluster.rows("flow", 0), HasSubstr("A=L-"));
  cluster.start_writer();
  cluster.start_tablet(0);
  expect_all_is_well(cluster, daemon, rows);
}

// It held more, and the wait is over: what only it has is lost, and counted.
TEST_F(ThirdStaysAway, ForTooLong) {
  all_go_down(/*tail=*/true);
  Daemon& daemon = cluster.start_active_daemon({.config = {"recovery: {full_restart_wait: 3s}"}});
  ASSERT_TRUE(knows_offset(cluster, daemon, 0, "flow", 0, offset));
  cluster.kill_tablets({0, 1, 2});
  others_come_back();
  ASSERT_TRUE(
      cluster.wait_until([&] { return waits_for_it(daemon, its_offset()); }, "it is waited for"))
      << to_text(shown_ops(daemon));
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.leader("flow", 0) > 0; },
                                 "it is led by one of those that are back"))
      << to_text(shown_ops(daemon));
  cluster.start_writer();
  cluster.start_tablet(0);
  expect_all_is_well(cluster, daemon, rows);
  for (const std::string& key : keys) {
    for (const int i : {0, 1, 2}) EXPECT_FALSE(cluster.holds(i, "flow", 0, key));
    EXPECT_TRUE(lies_below(cluster.disk(0) / "recycle", key));
  }
  EXPECT_EQ(daemon.metric("failoverd_lost_entries_total"), kRows);
}

}  // namespace
}  // namespace failoverd::e2e
