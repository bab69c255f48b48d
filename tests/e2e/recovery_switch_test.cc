// Recovery and what an operator decides: the switch, recovery.reuse_binlog, and the list of ops
// that outlives the daemon.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "proto/journal.pb.h"
#include "tests/e2e/recovery.h"
#include "tests/e2e/soundness.h"

namespace failoverd::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Stage = Cluster::Stage;

class Decided : public testing::Test {
 protected:
  void begin(const DaemonOptions& options, std::uint32_t partitions) {
    cluster.create_table("flow", partitions, 3);
    daemon = &cluster.start_active_daemon(options);
    cluster.start_writer();
    rows = cluster.settle_writer();
  }
  void kill_first_tablet() {
    cluster.start_writer();
    cluster.kill_tablet(0);
    ASSERT_TRUE(cluster.is_led_without(0));
  }
  void turn(const std::string& auto_failover) {
    ASSERT_EQ(daemon->ctl({"confset", "auto_failover", auto_failover}).status, 0);
    const double wanted = auto_failover == "true" ? 1 : 0;
    ASSERT_TRUE(cluster.wait_until(
        [&] { return daemon->metric("failoverd_auto_failover_enabled") == wanted; },
        "the switch is turned"));
  }
  bool has_snapshot(int tablet, std::uint32_t pid) {
    return std::filesystem::exists(cluster.disk(tablet, "flow", pid) / "snapshot" / "MANIFEST");
  }

  Cluster cluster{{.tablet_session = milliseconds{600},
                   .tablet_flags = {"--zk_keep_alive_check_interval=100",
                                    "--make_snapshot_threshold_offset=1"}}};
  Daemon* daemon = nullptr;
  std::vector<testkit::AckedRow> rows;
};

// --- The switch ----------------------------------------------------------------------------------

class Switch : public Decided {};

TEST_F(Switch, OffNothingIsRecovered) {
  begin({}, 2);
  kill_first_tablet();
  cluster.let_pass(milliseconds{300});
  turn("false");
  const std::size_t ops = shown_ops(*daemon).size();
  cluster.start_tablet(0);
  ASSERT_TRUE(cluster.wait_until(
      [&] { return daemon->status().find("bring back a replica") != std::string::npos; },
      "status says what would be done"))
      << daemon->status();
  cluster.let_pass(seconds{2});
  EXPECT_THAT(cluster.rows("flow", 0), HasSubstr("A=L-"));
  EXPECT_FALSE(word(cluster, 0, "flow", 0).has_table);
  EXPECT_EQ(shown_ops(*daemon).size(), ops);
  turn("true");
  expect_all_is_well(cluster, *daemon, rows);
}

TEST_F(Switch, OffNothingIsLoadedAfterEverythingWentDown) {
  begin({}, 2);
  turn("false");
  cluster.kill_tablets({0, 1, 2});
  for (const int i : {0, 1, 2}) cluster.start_tablet(i);
  ASSERT_TRUE(cluster.wait_until(
      [&] { return daemon->status().find("load the replicas") != std::string::npos; },
      "status says what would be done"))
      << daemon->status();
  cluster.let_pass(seconds{1});
  for (const int i : {0, 1, 2}) EXPECT_FALSE(word(cluster, i, "flow", 0).has_table);
  EXPECT_THAT(shown_ops(*daemon), IsEmpty());
  turn("true");
  cluster.start_writer();
  expect_all_is_well(cluster, *daemon, rows);
}

// A copy that has begun goes to its end; those that wait for their turn do not begin.
TEST_F(Switch, TurnedOffDuringACopy) {
  begin({.config = {"recovery: {max_copies_per_tablet: 1}"}}, 3);
  kill_first_tablet();
  std::filesystem::remove_all(cluster.disk(0));
  for (const int i : {1, 2}) cluster.hang(i, "SendSnapshot", Stage::kInside);
  cluster.start_tablet(0);
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        const auto ops = shown_ops(*daemon);
        const auto copies = std::count_if(ops.begin(), ops.end(), [](const ShownOp& op) {
          return op.type == "kReAddReplicaOP" && op.runs();
        });
        return copies == 3 &&
               (cluster.hangs(1, "SendSnapshot") || cluster.hangs(2, "SendSnapshot"));
      },
      "one copies, two wait"))
      << to_text(shown_ops(*daemon));
  turn("false");
  for (const int i : {1, 2}) cluster.release(i);
  const auto alive = [&] {
    int count = 0;
    for (std::uint32_t pid = 0; pid < 3; ++pid) {
      count += cluster.rows("flow", pid).find('-') == std::string::npos ? 1 : 0;
    }
    return count;
  };
  ASSERT_TRUE(cluster.wait_until([&] { return alive() == 1; }, "the copy goes to its end"))
      << to_text(shown_ops(*daemon));
  cluster.let_pass(seconds{2});
  EXPECT_EQ(alive(), 1);
  EXPECT_THAT(left_behind(cluster), IsEmpty());
  for (const ShownOp& op : shown_ops(*daemon)) EXPECT_FALSE(op.runs()) << op.type;
  turn("true");
  expect_all_is_well(cluster, *daemon, rows);
}

// --- recovery.reuse_binlog: false ----------------------------------------------------------------

class ToTheLetter : public Decided {
 protected:
  DaemonOptions options{.config = {"recovery: {reuse_binlog: false}"}};
};

// Without its binlog it has nothing: (0, 0) is on no history.
TEST_F(ToTheLetter, WithoutASnapshotEverythingIsCopied) {
  begin(options, 2);
  kill_first_tablet();
  cluster.start_tablet(0);
  expect_all_is_well(cluster, *daemon, rows);
  for (const std::uint32_t pid : {0u, 1u}) {
    EXPECT_EQ(done_types(shown_ops(*daemon, "flow", pid)).back(), "kReAddReplicaOP");
  }
  EXPECT_EQ(cluster.calls(0, "DeleteBinlog"), 2u);
  EXPECT_EQ(cluster.calls(0, "DropTable"), 0u);
  EXPECT_EQ(cluster.calls(1, "SendSnapshot") + cluster.calls(2, "SendSnapshot"), 2u);
}

// Its snapshot lies on the history, and the leader's binlog goes on from there.
TEST_F(ToTheLetter, ItsSnapshotIsKept) {
  begin(options, 2);
  for (const std::uint32_t pid : {0u, 1u}) {
    ASSERT_EQ(make_snapshot(cluster, 0, pid), 0);
    ASSERT_TRUE(cluster.wait_until([&] { return has_snapshot(0, pid); }, "the snapshot is made"));
  }
  kill_first_tablet();
  cluster.start_tablet(0);
  expect_all_is_well(cluster, *daemon, rows);
  for (const std::uint32_t pid : {0u, 1u}) {
    EXPECT_EQ(done_types(shown_ops(*daemon, "flow", pid)).back(), "kReAddReplicaNoSendOP");
  }
  EXPECT_EQ(cluster.calls(0, "DeleteBinlog"), 2u);
  EXPECT_EQ(cluster.calls(1, "SendSnapshot") + cluster.calls(2, "SendSnapshot"), 0u);
}

TEST_F(ToTheLetter, WhatIsInMemoryIsOnlyAdded) {
  begin(options, 2);
  cluster.pause_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0));
  cluster.start_writer();
  cluster.resume_tablet(0);
  expect_all_is_well(cluster, *daemon, rows);
  for (const std::uint32_t pid : {0u, 1u}) {
    EXPECT_EQ(done_types(shown_ops(*daemon, "flow", pid)).back(), "kReAddReplicaSimplifyOP");
  }
  for (const char* method : {"DeleteBinlog", "DropTable", "LoadTable"}) {
    EXPECT_EQ(cluster.calls(0, method), 0u) << method;
  }
}

// Rows that nobody else has, in memory: everything is dropped and copied.
TEST_F(ToTheLetter, ATailInMemoryIsDropped) {
  begin(options, 2);
  const auto keys = put_unreplicated(cluster, "flow", 0, 4);
  cluster.pause_tablet(0);
  for (const int i : {1, 2}) cluster.release(i);
  ASSERT_TRUE(cluster.is_led_without(0));
  cluster.start_writer();
  cluster.resume_tablet(0);
  expect_all_is_well(cluster, *daemon, rows);
  EXPECT_EQ(done_types(shown_ops(*daemon, "flow", 0)).back(), "kReAddReplicaWithDropOP");
  for (const std::string& key : keys) EXPECT_FALSE(cluster.holds(0, "flow", 0, key));
}

// The tail is in its snapshot: deleting the binlog does not delete it.
TEST_F(ToTheLetter, ATailInItsSnapshotDoesNotSurvive) {
  begin(options, 2);
  const auto keys = put_unreplicated(cluster, "flow", 0, 4);
  ASSERT_EQ(make_snapshot(cluster, 0, 0), 0);
  ASSERT_TRUE(cluster.wait_until([&] { return has_snapshot(0, 0); }, "the snapshot is made"));
  cluster.kill_tablet(0);
  for (const int i : {1, 2}) cluster.release(i);
  ASSERT_TRUE(cluster.is_led_without(0));
  cluster.start_writer();
  cluster.start_tablet(0);
  expect_all_is_well(cluster, *daemon, rows);
  for (const std::string& key : keys) EXPECT_FALSE(cluster.holds(0, "flow", 0, key));
}

// A single replica's binlog is never deleted.
TEST_F(ToTheLetter, ASingleReplicaIsOnlyLoaded) {
  cluster.create_table("flow", 1, 1, {0});
  daemon = &cluster.start_active_daemon(options);
  cluster.start_writer();
  rows = cluster.settle_writer();
  cluster.kill_tablet(0);
  cluster.start_tablet(0);
  ASSERT_TRUE(cluster.wait_until(
      [&] { return word(cluster, 0, "flow", 0).is_leader && cluster.everything_is_alive(); },
      "it leads again"));
  expect_all_is_well(cluster, *daemon, rows);
  EXPECT_EQ(cluster.calls(0, "DeleteBinlog"), 0u);
}

// --- Ops that have ended -------------------------------------------------------------------------

class Journal : public Decided {
 protected:
  std::vector<std::string> groups() {
    std::vector<std::string> names = cluster.znodes().children("failoverd/ops");
    std::erase_if(names, [](const std::string& n) { return !n.starts_with("finished-"); });
    return names;
  }
  // As many as are kept, of a year ago.
  void fill() {
    std::uint64_t id = 1;
    for (std::uint64_t number = 0; number < 100; ++number) {
      journal::FinishedOps group;
      group.set_version(1);
      group.set_number(number);
      for (int i = 0; i < 100; ++i) {
        journal::FinishedOp& op = *group.add_ops();
        op.set_id(id++);
        op.set_type(9);
        op.set_table("old");
        op.set_tid(77);
        op.set_pid(static_cast<std::uint32_t>(id % 1000));
        op.set_status(3);
        op.set_started(1'700'000'000'000);
        op.set_ended(1'700'000'000'500);
      }
      cluster.znodes().create("failoverd/ops/finished-" + std::to_string(number),
                              group.SerializeAsString());
    }
  }
};

TEST_F(Journal, OpsThatEndedAreListedByTheNextDaemon) {
  begin({}, 4);
  kill_first_tablet();
  cluster.start_tablet(0);
  expect_all_is_well(cluster, *daemon, rows);
  const auto before = shown_ops(*daemon);
  ASSERT_GE(before.size(), 12u);
  ASSERT_EQ(daemon->stop(), 0);
  daemon->start();
  ASSERT_TRUE(cluster.wait_until([&] { return daemon->active(); }, "it acts again"));
  const auto after = shown_ops(*daemon);
  ASSERT_EQ(after.size(), before.size()) << to_text(after);
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(after[i].id, before[i].id);
    EXPECT_EQ(after[i].type, before[i].type);
    EXPECT_EQ(after[i].table, before[i].table);
    EXPECT_EQ(after[i].pid, before[i].pid);
    EXPECT_EQ(after[i].status, before[i].status);
    EXPECT_EQ(after[i].detail, before[i].detail);
    // Kept to the millisecond; the daemon's own clock is another one.
    EXPECT_LE(std::abs(after[i].ended_ms - before[i].ended_ms), 50);
  }
}

TEST_F(Journal, NoMoreThanAHundredZnodes) {
  fill();
  begin({}, 4);
  EXPECT_EQ(shown_ops(*daemon).size(), 10'000u);
  kill_first_tablet();
  cluster.start_tablet(0);
  expect_all_is_well(cluster, *daemon, rows);
  const auto newest = shown_ops(*daemon).back();
  const auto first_group = [&] {
    journal::FinishedOps group;
    group.ParseFromString(cluster.znodes().get("failoverd/ops/finished-0").value().bytes);
    return group;
  };
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        const auto group = first_group();  // In the order in which they ended.
        return group.number() == 100 &&
               std::any_of(group.ops().begin(), group.ops().end(),
                           [&](const auto& op) { return op.id() == newest.id; });
      },
      "the oldest group has made room for the newest"));
  EXPECT_EQ(groups().size(), 100u);
  daemon->kill();
  daemon->start();
  ASSERT_TRUE(cluster.wait_until([&] { return daemon->active(); }, "it acts again"));
  const auto after = shown_ops(*daemon);
  EXPECT_LE(after.size(), 10'000u);
  EXPECT_GT(after.size(), 9'900u);
  EXPECT_EQ(after.back().id, newest.id);
  EXPECT_EQ(after.back().type, newest.type);
}

}  // namespace
}  // namespace failoverd::e2e
