// The metadata against the tablet's word: an alive row whose tablet holds nothing, or has another
// role, is found within one refresh and healed by the same ops. The test plays somebody who changed
// a tablet by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/tablet.pb.h"
#include "tests/e2e/recovery.h"
#include "tests/e2e/soundness.h"

namespace failoverd::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Contains;
using testing::HasSubstr;

class ByHand : public testing::Test {
 protected:
  void SetUp() override {
    cluster.create_table("flow", 2, 3);
    daemon = &cluster.start_active_daemon();
    cluster.start_writer();
    rows = cluster.settle_writer();
    cluster.start_writer();
  }
  std::uint32_t tid() { return cluster.znodes().table("flow")->tid(); }
  int change_role(int tablet, fedb::TableMode mode, std::uint64_t term) {
    return e2e::change_role(cluster, tablet, "flow", 0, mode, term);
  }
  int drop(int tablet, const std::string& table = "flow") {
    fedb::DropTableRequest request;
    request.set_tid(static_cast<std::int32_t>(cluster.znodes().table(table)->tid()));
    request.set_pid(0);
    return cluster.client(tablet).ask<fedb::GeneralResponse>("DropTable", request)->code();
  }
  std::vector<std::string> done() { return done_types(shown_ops(*daemon, "flow", 0)); }
  // Something was done about it: else what is well was never seen to be otherwise.
  void expect_healed() {
    ASSERT_TRUE(cluster.wait_until([&] { return !shown_ops(*daemon, "flow", 0).empty(); },
                                   "something is done about it"))
        << daemon->status();
    expect_all_is_well(cluster, *daemon, rows);
  }

  Cluster cluster{{.tablet_session = milliseconds{600}}};
  Daemon* daemon = nullptr;
  std::vector<testkit::AckedRow> rows;
};

TEST_F(ByHand, AFollowersTableWasDropped) {
  ASSERT_EQ(drop(1), 0);
  expect_healed();
  EXPECT_THAT(done(), Contains("kOfflineReplicaOP"));
  EXPECT_THAT(done(), Contains("kReAddReplicaOP"));
}

TEST_F(ByHand, TheLeadersTableWasDropped) {
  ASSERT_EQ(drop(0), 0);
  expect_healed();
  EXPECT_THAT(done(), Contains("kChangeLeaderOP"));
  EXPECT_THAT(done(), Contains("kReAddReplicaOP"));
}

TEST_F(ByHand, TheLeaderFollows) {
  ASSERT_EQ(change_role(0, fedb::kTableFollower, 0), 0);
  expect_healed();
  EXPECT_THAT(done(), Contains("kChangeLeaderOP"));
}

// It has a term that is above its leader's: the leader is fenced by it as soon as it follows again.
TEST_F(ByHand, AFollowerLeadsWithAHigherTerm) {
  ASSERT_EQ(change_role(1, fedb::kTableLeader, 900), 0);
  expect_healed();
  EXPECT_GT(terms(cluster, "flow", 0).back(), 900u);
}

TEST_F(ByHand, AFollowerLeadsWithAnOldTerm) {
  ASSERT_EQ(change_role(1, fedb::kTableLeader, 1), 0);
  ASSERT_TRUE(cluster.wait_until([&] { return !word(cluster, 1, "flow", 0).is_leader; },
                                 "it is told to follow"))
      << daemon->status();
  expect_all_is_well(cluster, *daemon, rows);
}

// It took rows while it led: its log is another one from there on, and its offset tells nothing.
TEST_F(ByHand, AFollowerLedAndTookRows) {
  (void)cluster.compare(/*acked=*/true);
  ASSERT_EQ(change_role(1, fedb::kTableLeader, 1), 0);
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(cluster.put(1, "flow", 0, "nobody-else-has-" + std::to_string(i)), 0);
  }
  cluster.start_writer();
  ASSERT_TRUE(cluster.wait_until([&] { return !word(cluster, 1, "flow", 0).is_leader; },
                                 "it is told to follow"))
      << daemon->status();
  expect_all_is_well(cluster, *daemon, rows);
  EXPECT_FALSE(cluster.holds(1, "flow", 0, "nobody-else-has-0"));
}

TEST_F(ByHand, TheLeaderDoesNotSendToAFollower) {
  fedb::ReplicaRequest request;
  request.set_tid(tid());
  request.set_pid(0);
  request.set_endpoint(cluster.tablet(1));
  ASSERT_EQ(cluster.client(0).ask<fedb::GeneralResponse>("DelReplica", request)->code(), 0);
  expect_healed();
}

// The only copy was dropped: nobody can bring it back but an operator, and nothing else is touched.
// Nobody can confirm that it leads with the published term where none is published: it is elected,
// and what comes back is copied from the one that won.
TEST_F(ByHand, TheTermHistoryWasRemoved) {
  auto table = cluster.znodes().table("flow").value();
  for (auto& partition : *table.mutable_table_partition()) partition.clear_term_offset();
  cluster.znodes().set("table/table_data/flow", table.SerializeAsString());
  cluster.kill_tablet(2);
  ASSERT_TRUE(cluster.is_led_without(2)) << daemon->log();
  cluster.start_tablet(2);
  expect_healed();
}

TEST_F(ByHand, TheOnlyReplicaWasDropped) {
  cluster.create_table("alone", 1, 1, {2});
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        return daemon->ctl({"showtable", "alone"}).out.find("yes") != std::string::npos;
      },
      "the daemon knows the table"));
  ASSERT_EQ(drop(2, "alone"), 0);
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        for (const ShownOp& op : shown_ops(*daemon, "alone", 0)) {
          if (op.status == "kFailed" && op.detail.find("130") != std::string::npos) return true;
        }
        return false;
      },
      "it says that it cannot be loaded"))
      << to_text(shown_ops(*daemon));
  for (const char* method : {"DeleteBinlog", "CreateTable", "SendSnapshot"}) {
    EXPECT_EQ(cluster.calls(2, method), method == std::string{"CreateTable"} ? 3u : 0u);
  }
  EXPECT_EQ(cluster.calls(2, "DropTable"), 1u);  // Ours.
  EXPECT_EQ(cluster.leader("flow", 0), 0);
}

}  // namespace
}  // namespace failoverd::e2e
