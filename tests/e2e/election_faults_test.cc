// Failovers in which more goes wrong: several tablets, replicas that hang, lag or have their
// snapshot paused, ZooKeeper restarted in the middle. With a writer on every partition, and the
// rows compared on every replica in the end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/tablet.pb.h"
#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"
#include "tests/e2e/recovery.h"
#include "tests/e2e/soundness.h"
#include "tests/harness/tcp_proxy.h"

namespace failoverd::e2e {
namespace {

using std::chrono::seconds;
using testing::IsEmpty;
using testing::SizeIs;

class ElectionFaults : public testing::Test {
 protected:
  static bool is_led(Cluster& cluster) {
    return cluster.wait_until(
        [&] {
          for (const auto& table : cluster.znodes().tables()) {
            for (const auto& p : table.table_partition()) {
              const int leader = cluster.leader(table.name(), p.pid());
              if (leader == -1 || !cluster.lives(leader)) return false;
            }
          }
          return true;
        },
        "every partition is led by one that lives");
  }
  static void expect_all_is_well(Cluster& cluster, const Daemon& daemon) {
    EXPECT_THAT(wait_until_sound(cluster), IsEmpty()) << daemon.log();
    const testkit::Comparison c = cluster.compare(/*acked=*/false);
    EXPECT_TRUE(c.equal()) << c.to_text() << daemon.log();
    EXPECT_GT(c.rows, 0u);
  }
  // From now on replica 1 lags behind replica 2 in partition 0 of table flow, and the daemon has
  // heard of it (it asks once a second).
  static void let_one_lag(Cluster& cluster) {
    cluster.hang(1, "AppendEntries");
    cluster.wait_until(
        [&] {
          return word(cluster, 2, "flow", 0).offset > word(cluster, 1, "flow", 0).offset + 20;
        },
        "one follower lags");
    cluster.let_pass(std::chrono::milliseconds{2200});
  }
  static bool is_at(Daemon& daemon, const std::string& what) {
    return daemon.status().find(what) != std::string::npos;
  }
  static fedb::GeneralRequest partition_0(Cluster& cluster) {
    fedb::GeneralRequest request;
    request.set_tid(static_cast<std::int32_t>(cluster.znodes().table("flow")->tid()));
    request.set_pid(0);
    return request;
  }
  static void pause_snapshot(Cluster& cluster, int tablet) {
    const auto answer =
        cluster.client(tablet).ask<fedb::GeneralResponse>("PauseSnapshot", partition_0(cluster));
    ASSERT_TRUE(answer && answer->code() == 0);
  }
  // Whom the leader of partition 0 sends to, by its own word.
  static std::vector<std::string> followers(Cluster& cluster, int leader) {
    fedb::GetTableFollowerRequest request;
    request.set_tid(cluster.znodes().table("flow")->tid());
    request.set_pid(0);
    const auto answer =
        cluster.client(leader).ask<fedb::GetTableFollowerResponse>("GetTableFollower", request);
    if (!answer || answer->code() != 0) return {"it does not say"};
    std::vector<std::string> all;
    for (const auto& info : answer->follower_info()) all.push_back(info.endpoint());
    return all;
  }
  static fedb::TableState state(Cluster& cluster, int tablet) {
    const auto answer = cluster.client(tablet).ask<fedb::GetTableStatusResponse>(
        "GetTableStatus", fedb::GetTableStatusRequest{});
    return answer && answer->all_table_status_size() == 1 ? answer->all_table_status(0).state()
                                                          : fedb::kTableUndefined;
  }
};

TEST_F(ElectionFaults, TwoOfThreeTabletsAtOnce) {
  Cluster cluster({.tablet_session = seconds{20}});  // The znodes will not tell.
  cluster.create_table("flow", 8, 3);
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  cluster.kill_tablet(0);
  cluster.kill_tablet(1);
  ASSERT_TRUE(is_led(cluster)) << daemon.log();
  for (std::uint32_t pid = 0; pid < 8; ++pid) EXPECT_EQ(cluster.leader("flow", pid), 2);
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        for (std::uint32_t pid = 0; pid < 8; ++pid) {
          const std::string rows = cluster.rows("flow", pid);
          if (std::count(rows.begin(), rows.end(), '+') != 1) return false;
        }
        return true;
      },
      "rows on the dead tablets are dead"));
  expect_all_is_well(cluster, daemon);
}

// 40 partitions on 5 tablets; the second tablet dies when it has just been told to lead.
TEST_F(ElectionFaults, WinnerDiesDuringItsElection) {
  Cluster cluster({.tablets = 5});
  cluster.create_table("flow", 40, 3);
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer(20);
  cluster.hang(1, "ChangeRole");
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.calls(1, "ChangeRole") > 0; },
                                 "the second tablet is told to lead"));
  cluster.kill_tablet(1);
  ASSERT_TRUE(is_led(cluster)) << daemon.log();
  expect_all_is_well(cluster, daemon);
}

// SAFETY 2: who did not answer the probe is dead in the publish, and nobody sends to it.
TEST_F(ElectionFaults, SecondTabletHangsDuringTheElection) {
  Cluster cluster;
  cluster.create_table("flow", 4, 3, {0, 1, 2});
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  cluster.hang(1, "*");
  cluster.kill_tablet(0);
  // Partitions 0 and 3 were led by the dead one, 1 by the one that hangs, which is only shown.
  ASSERT_TRUE(cluster.wait_until(
      [&] { return cluster.leader("flow", 0) == 2 && cluster.leader("flow", 3) == 2; },
      "those that can be are led"))
      << daemon.log();
  EXPECT_EQ(cluster.rows("flow", 0), "A=L- B=F- C=L+");
  EXPECT_EQ(cluster.leader("flow", 1), 1);
  EXPECT_THAT(followers(cluster, 2), IsEmpty());
  cluster.release(1);
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.rows("flow", 0) == "A=L- B=F+ C=L+"; },
                                 "it is brought back when it answers again"));
  expect_all_is_well(cluster, daemon);
}

// SAFETY 2: one that is known to hold more is waited for, and leads when it answers in time.
TEST_F(ElectionFaults, BetterFollowerThatHangsIsWaitedFor) {
  Cluster cluster;
  cluster.create_table("flow", 1, 3, {0, 1, 2});
  Daemon& daemon = cluster.start_active_daemon({.config = {"election: {wait_for_better: 1m}"}});
  cluster.start_writer();
  let_one_lag(cluster);
  cluster.hang(2, "AppendEntries");
  cluster.kill_tablet(0);
  ASSERT_TRUE(daemon.comes_to("kSelectLeader"));
  cluster.release(1);
  ASSERT_TRUE(cluster.wait_until(
      [&] { return is_at(daemon, "waits for " + cluster.tablet(2) + ", which had offset"); },
      "it says whom it waits for"))
      << daemon.status();
  cluster.let_pass(seconds{1});
  EXPECT_EQ(cluster.leader("flow", 0), 0);
  cluster.release(2);
  ASSERT_TRUE(is_led(cluster)) << daemon.log();
  EXPECT_EQ(cluster.leader("flow", 0), 2);
  expect_all_is_well(cluster, daemon);
}

// The same, and it does not answer in time: the others go on, and it is dead.
TEST_F(ElectionFaults, BetterFollowerThatHangsForLongIsLeftOut) {
  Cluster cluster;
  cluster.create_table("flow", 1, 3, {0, 1, 2});
  Daemon& daemon = cluster.start_active_daemon({.config = {"election: {wait_for_better: 1s}"}});
  cluster.start_writer();
  let_one_lag(cluster);
  cluster.hang(2, "AppendEntries");
  cluster.kill_tablet(0);
  cluster.let_pass(std::chrono::milliseconds{100});
  cluster.release(1);
  ASSERT_TRUE(is_led(cluster)) << daemon.log();
  EXPECT_EQ(cluster.rows("flow", 0), "A=L- B=L+ C=F-");
  cluster.release(2);
  expect_all_is_well(cluster, daemon);
  EXPECT_EQ(cluster.rows("flow", 0), "A=L- B=L+ C=F-");
}

// SAFETY 7: the best answers 105, since its snapshot is paused: the pause is ended. Nobody with a
// lower offset leads for impatience.
TEST_F(ElectionFaults, SnapshotOfTheBestIsPaused) {
  Cluster cluster;
  cluster.create_table("flow", 1, 3, {0, 1, 2});
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  let_one_lag(cluster);
  pause_snapshot(cluster, 2);
  cluster.kill_tablet(0);
  cluster.release(1);
  ASSERT_TRUE(is_led(cluster)) << daemon.log();
  EXPECT_EQ(cluster.leader("flow", 0), 2);
  EXPECT_EQ(state(cluster, 2), fedb::kTableNormal);
  expect_all_is_well(cluster, daemon);
}

// SAFETY 7: an equal one leads instead.
TEST_F(ElectionFaults, SnapshotOfOneAmongEqualsIsPaused) {
  Cluster cluster;
  cluster.create_table("flow", 1, 3, {0, 1, 2});
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  cluster.writer().stop();  // Followers are equal from here on.
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        const auto leader = word(cluster, 0, "flow", 0).offset;
        return cluster.writer().idle() && word(cluster, 1, "flow", 0).offset == leader &&
               word(cluster, 2, "flow", 0).offset == leader;
      },
      "the followers are equal"));
  pause_snapshot(cluster, 1);  // First by name: it would lead.
  cluster.kill_tablet(0);
  ASSERT_TRUE(is_led(cluster)) << daemon.log();
  EXPECT_EQ(cluster.leader("flow", 0), 2);
  EXPECT_EQ(state(cluster, 1), fedb::kSnapshotPaused);  // Not ours to end.
  expect_all_is_well(cluster, daemon);
}

// SAFETY 1: a follower's row dies beside an alive leader, whichever rows stand before it. One whose
// tablet leads beside the leader, and neither says by what term nor can be told to follow, stands
// before it in one order of the znode's rows, and behind it in the other.
class RivalBesideTheLost : public ElectionFaults, public testing::WithParamInterface<int> {
 protected:
  // Somebody promotes it by hand, with the term that is published.
  static int promote_by_hand(Cluster& cluster, int tablet) {
    return change_role(cluster, tablet, "flow", 0, fedb::kTableLeader,
                       terms(cluster, "flow", 0).back());
  }
};

TEST_P(RivalBesideTheLost, ALostFollowerIsNotHiddenByARival) {
  const int rival = GetParam();
  const int lost = rival == 1 ? 2 : 1;
  Cluster cluster;
  cluster.create_table("flow", 1, 3, {0, 1, 2});
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  cluster.hang(rival, "GetTermPair");
  ASSERT_EQ(promote_by_hand(cluster, rival), 0);
  cluster.hang(rival, "ChangeRole");
  const std::string leads = cluster.tablet(rival) + " says that it leads beside ";
  ASSERT_TRUE(cluster.wait_until([&] { return is_at(daemon, leads); }, "it is seen to lead"));
  ASSERT_EQ(cluster.rows("flow", 0), "A=L+ B=F+ C=F+");
  cluster.kill_tablet(lost);
  const std::string dead = lost == 1 ? "A=L+ B=F- C=F+" : "A=L+ B=F+ C=F-";
  EXPECT_TRUE(cluster.wait_until([&] { return cluster.rows("flow", 0) == dead; },
                                 "the row of the one that was killed is dead"))
      << cluster.rows("flow", 0) << daemon.status();
  EXPECT_TRUE(cluster.wait_until([&] { return is_at(daemon, leads); }, "it is still said to lead"))
      << daemon.status();
  EXPECT_TRUE(cluster.wait_until(
      [&] { return followers(cluster, 0) == std::vector{cluster.tablet(rival)}; },
      "its leader does not send to it any more"));
  cluster.release(rival);
  cluster.start_tablet(lost);
  EXPECT_TRUE(cluster.wait_until([&] { return cluster.everything_is_alive(); }, "both are back"))
      << daemon.status();
  expect_all_is_well(cluster, daemon);
}

std::string rows_order(const testing::TestParamInfo<int>& info) {
  return info.param == 1 ? "TheRivalFirst" : "TheLostFirst";
}

INSTANTIATE_TEST_SUITE_P(Rows, RivalBesideTheLost, testing::Values(1, 2), rows_order);

// SAFETY 17: ZooKeeper goes while a publish is on its way, before or after it was executed; the
// outcome is unknown, and read back.
class ZooKeeperRestarted : public ElectionFaults, public testing::WithParamInterface<bool> {};

TEST_P(ZooKeeperRestarted, DuringThePublish) {
  const bool executed = GetParam();
  Cluster cluster({.tablet_session = seconds{20}});
  cluster.create_table("flow", 4, 3);
  harness::TcpProxy proxy(cluster.io(), cluster.zookeeper().port());
  bool seen = false;
  DaemonOptions options;
  options.zookeeper = proxy.endpoint();
  options.cluster = "session_timeout: 10s";
  Daemon& daemon = cluster.start_active_daemon(options);
  cluster.start_writer();
  const std::int32_t version = cluster.znodes().get("table/table_data/flow")->version;
  proxy.on_request = [&](std::string_view request) {
    if (seen || !is_publish(request)) return;
    seen = true;
    if (executed) {
      proxy.swallow_answers(true);
    } else {
      cluster.zookeeper().kill();
    }
  };
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.wait_until([&] { return seen; }, "it publishes"));
  if (executed) {
    ASSERT_TRUE(cluster.wait_until(
        [&] { return cluster.znodes().get("table/table_data/flow")->version > version; },
        "the publish is executed"));
    cluster.zookeeper().kill();
    proxy.swallow_answers(false);
  }
  proxy.cut();
  cluster.zookeeper().start();
  ASSERT_TRUE(is_led(cluster)) << daemon.log();
  expect_all_is_well(cluster, daemon);
  // What is there already is not published again; and nobody is elected twice.
  for (const std::uint32_t pid : {0u, 3u}) EXPECT_THAT(terms(cluster, "flow", pid), SizeIs(2));
  for (const std::uint32_t pid : {1u, 2u}) EXPECT_THAT(terms(cluster, "flow", pid), SizeIs(1));
}

std::string when(const testing::TestParamInfo<bool>& info) {
  return info.param ? "Executed" : "NotExecuted";
}

INSTANTIATE_TEST_SUITE_P(Publish, ZooKeeperRestarted, testing::Bool(), when);

}  // namespace
}  // namespace failoverd::e2e
