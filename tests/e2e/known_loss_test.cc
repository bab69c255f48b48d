// SAFETY 20: a known loss waits for who has it. A leader whose followers are some 2,000 entries
// behind it is killed: what it holds is waited for, visibly, and nobody is probed meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/e2e/recovery.h"
#include "tests/e2e/soundness.h"

namespace failoverd::e2e {
namespace {

using std::chrono::seconds;
using testing::ContainsRegex;
using testing::HasSubstr;

constexpr std::uint64_t kAhead = 2'000;  // guards.max_lost_entries is 1,000.
constexpr const char* kHolds = "failoverd_holds{reason=\"known_loss\"}";

class KnownLoss : public testing::Test {
 protected:
  // Nothing passes on the links to both followers, and tablet 0 leads with so much more than they
  // have. The daemon has heard of it.
  void let_the_leader_be_ahead(const DaemonOptions& options = {}) {
    cluster.create_table("flow", 1, 3, {0, 1, 2});
    daemon = &cluster.start_active_daemon(options);
    cluster.start_writer();
    (void)cluster.settle_writer();
    for (const int follower : {1, 2}) cluster.fail(follower, "AppendEntries", -1, 0);
    cluster.start_writer(1'000);
    ASSERT_TRUE(cluster.wait_until([&] { return offset(0) > best_follower() + kAhead; },
                                   "the leader is ahead"));
    cluster.writer().stop();
    ASSERT_TRUE(cluster.wait_until([&] { return cluster.writer().idle(); }, "nothing is written"));
    acked = cluster.writer().acked();
    ASSERT_GT(acked.size(), kAhead);
    lacks = offset(0) - best_follower();
    ASSERT_TRUE(knows_offset(cluster, *daemon, 0, "flow", 0, offset(0)));
  }
  void kill_the_leader() {
    terms_before = {word(cluster, 1, "flow", 0).term, word(cluster, 2, "flow", 0).term};
    cluster.kill_tablet(0);
    for (const int follower : {1, 2}) cluster.release(follower);
  }
  void expect_it_waits() {
    ASSERT_TRUE(cluster.wait_until([&] { return daemon->metric(kHolds) == 1; }, "it is held"))
        << daemon->status();
    const std::string who = cluster.tablet(0) + " [(]" + std::to_string(lacks) + " entries[)]";
    EXPECT_THAT(daemon->ctl({"status"}).out, ContainsRegex("held for .*flow 0: waits for " + who));
    EXPECT_THAT(daemon->status(), HasSubstr(R"("endpoint":")" + cluster.tablet(0) +
                                            R"(","entries":)" + std::to_string(lacks)));
    // SAFETY 3: a probe could not be taken back.
    EXPECT_EQ(cluster.rows("flow", 0), "A=L+ B=F+ C=F+");
    for (const int follower : {1, 2}) {
      EXPECT_EQ(word(cluster, follower, "flow", 0).term,
                terms_before.at(static_cast<std::size_t>(follower - 1)));
    }
  }
  void expect_it_waits_no_more() {
    EXPECT_TRUE(
        cluster.wait_until([&] { return daemon->metric(kHolds) == 0; }, "it is held no more"));
    EXPECT_EQ(daemon->ctl({"status"}).out.find("held for"), std::string::npos);
  }
  std::uint64_t offset(int tablet) { return word(cluster, tablet, "flow", 0).offset; }
  std::uint64_t best_follower() { return std::max(offset(1), offset(2)); }

  Cluster cluster{quick()};
  Daemon* daemon = nullptr;
  std::uint64_t lacks = 0;  // So many entries more than the followers had the leader.
  std::vector<testkit::AckedRow> acked;
  std::vector<std::uint64_t> terms_before;  // Of the followers.
};

TEST_F(KnownLoss, WhoHasItReturnsInTime) {
  ASSERT_NO_FATAL_FAILURE(let_the_leader_be_ahead());
  kill_the_leader();
  ASSERT_NO_FATAL_FAILURE(expect_it_waits());
  cluster.start_tablet(0);
  ASSERT_TRUE(cluster.wait_until([&] { return word(cluster, 0, "flow", 0).is_leader; },
                                 "who has most leads again"))
      << daemon->log();
  expect_it_waits_no_more();
  expect_all_is_well(cluster, *daemon, acked);
  EXPECT_EQ(cluster.leader("flow", 0), 0);
  EXPECT_EQ(daemon->metric("failoverd_given_up_entries_total"), 0);
}

TEST_F(KnownLoss, WhoHasItStaysAway) {
  ASSERT_NO_FATAL_FAILURE(let_the_leader_be_ahead({.config = {"election: {wait_for_lost: 8s}"}}));
  kill_the_leader();
  ASSERT_NO_FATAL_FAILURE(expect_it_waits());
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon->log();
  expect_it_waits_no_more();
  // What is lost is said, at least.
  const std::string without = "flow/0 goes on without " + cluster.tablet(0) + " (" +
                              std::to_string(lacks) + " entries), which may be lost: ";
  EXPECT_THAT(daemon->log(), HasSubstr(without + "election.wait_for_lost is over"));
  EXPECT_EQ(daemon->metric("failoverd_given_up_entries_total"), static_cast<double>(lacks));
  EXPECT_THAT(to_text(shown_ops(*daemon)), HasSubstr(std::to_string(lacks)));
  // Nobody holds what nobody but the lost one had; it is copied anew when it is back.
  cluster.start_tablet(0);
  expect_all_is_well(cluster, *daemon);
  EXPECT_FALSE(cluster.holds(0, "flow", 0, acked.back().key, acked.back().value));
  EXPECT_TRUE(lies_below(cluster.disk(0) / "recycle", acked.back().key));
}

}  // namespace
}  // namespace failoverd::e2e
