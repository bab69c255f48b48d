// The daemon is killed at each step of a failover, and another finishes it (SAFETY 3, 5, 8, 17):
// one that stood by from the start, or a fresh one. Real ZooKeeper, real processes, a writer on
// every partition, and in the end the rows on every replica.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <tuple>

#include "proto/journal.pb.h"
#include "proto/tablet.pb.h"
#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"
#include "tests/e2e/soundness.h"
#include "tests/harness/tcp_proxy.h"

namespace failoverd::e2e {
namespace {

using std::chrono::seconds;
using Stage = Cluster::Stage;
using testing::IsEmpty;

// Tablet 0 leads partitions 0 and 3 of the table, and dies.
constexpr std::uint32_t kPartitions = 4;

struct Scene {
  Cluster cluster;
  // Between the first daemon and ZooKeeper.
  harness::TcpProxy proxy{cluster.io(), cluster.zookeeper().port()};
  Daemon* first = nullptr;
  bool publish_seen = false;
  bool released = false;     // The follower that lags.
  std::int32_t version = 0;  // Of the table's znode, before the tablet died.

  std::int32_t table_version() {
    return cluster.znodes().get("table/table_data/flow").value().version;
  }
  bool first_is_at(const std::string& what) {
    return first->status().find(what) != std::string::npos;
  }
  // A record says that somebody may lead partition 0.
  bool possible_leader_is_recorded() {
    for (const std::string& name : cluster.znodes().children("failoverd/elections")) {
      const auto value = cluster.znodes().get("failoverd/elections/" + name);
      journal::ElectionRecord record;
      if (!value || !record.ParseFromString(value->bytes)) continue;
      for (const auto& election : record.elections()) {
        if (election.pid() == 0 && election.may_lead_size() > 0) return true;
      }
    }
    return false;
  }
  void remove_records() {
    for (const std::string& name : cluster.znodes().children("failoverd/elections")) {
      cluster.znodes().remove("failoverd/elections/" + name);
    }
  }
  std::uint64_t role_changes() {
    return cluster.calls(1, "ChangeRole") + cluster.calls(2, "ChangeRole");
  }
  void release_all() {
    for (const int i : {1, 2}) cluster.release(i);
  }
};

// A step of the failover at which the first daemon is killed.
struct Step {
  const char* name;
  std::vector<std::string> config;  // Of the first daemon.
  bool through_proxy;
  void (*before)(Scene&);       // All is well still.
  bool (*reached)(Scene&);      // The tablet is dead: the moment to kill the first daemon.
  void (*after)(Scene&);        // The first daemon is dead.
  void (*second_acts)(Scene&);  // The second one holds the lock.
};

void nothing(Scene&) {}
void release(Scene& s) { s.release_all(); }

void hang_probes(Scene& s) {
  for (const int i : {1, 2}) s.cluster.hang(i, "AppendEntries");
}

// Replica 1 of every partition lags behind replica 2, and the first daemon knows.
void let_one_lag(Scene& s) {
  s.cluster.hang(1, "AppendEntries");
  const auto known = [&](int tablet, std::uint32_t pid) {
    return word(s.cluster, tablet, "flow", pid).offset;
  };
  s.cluster.wait_until(
      [&] { return known(2, 0) > known(1, 0) + 20 && known(2, 3) > known(1, 3) + 20; },
      "one follower lags");
  s.cluster.let_pass(std::chrono::milliseconds{2200});  // Offsets are at most 2 s old.
  s.cluster.hang(2, "AppendEntries");
}

bool one_follower_is_probed(Scene& s) {
  if (!s.released && s.first_is_at("\"cur_task\":\"kSelectLeader\"")) {
    s.released = true;
    s.cluster.release(1);
  }
  return s.first_is_at("waits for " + s.cluster.tablet(2) + ", which had offset");
}

// SAFETY 2: the one that was ahead is not left out.
void the_better_one_answers(Scene& s) {
  s.cluster.release(2);
  EXPECT_TRUE(s.cluster.wait_until(
      [&] { return s.cluster.leader("flow", 0) == 2 && s.cluster.leader("flow", 3) == 2; },
      "the one that holds more leads"));
}

void hang_role_change(Scene& s) {
  for (const int i : {1, 2}) s.cluster.hang_pid(i, "ChangeRole", 0);
}
void hang_role_change_answers(Scene& s) {
  for (const int i : {1, 2}) s.cluster.hang_pid(i, "ChangeRole", 0, Stage::kAfter);
}
bool role_change_hangs(Scene& s) {
  return s.role_changes() >= 2 && s.possible_leader_is_recorded();
}
bool somebody_leads_unpublished(Scene& s) {
  return s.possible_leader_is_recorded() &&
         (word(s.cluster, 1, "flow", 0).is_leader || word(s.cluster, 2, "flow", 0).is_leader);
}
void lose_records(Scene& s) { s.remove_records(); }
void lose_records_and_release(Scene& s) {
  s.remove_records();
  s.release_all();
}
// The late ChangeRole is executed when the second daemon has done all it can.
void release_late(Scene& s) {
  s.cluster.wait_until([&] { return s.cluster.leader("flow", 3) > 0; }, "the other one is led");
  s.cluster.let_pass(seconds{1});
  s.release_all();
}

void swallow_publish(Scene& s) {
  s.proxy.on_request = [&s](std::string_view request) {
    if (s.publish_seen || !is_publish(request)) return;
    s.publish_seen = true;
    s.proxy.swallow_requests(true);
  };
}
void swallow_publish_answer(Scene& s) {
  s.proxy.on_request = [&s](std::string_view request) {
    if (s.publish_seen || !is_publish(request)) return;
    s.publish_seen = true;
    s.proxy.swallow_answers(true);
  };
}
bool publish_is_lost(Scene& s) { return s.publish_seen && s.table_version() == s.version; }
bool publish_is_written(Scene& s) { return s.publish_seen && s.table_version() > s.version; }

const std::vector<Step>& steps() {
  static const std::vector<Step> all = {
      {"Detected",
       {"detection: {crash: false, silence: 1s}"},
       false,
       nothing,
       [](Scene& s) { return s.first->metric("failoverd_tablets{state=\"suspect\"}") == 1; },
       nothing,
       nothing},
      {"ProbesHang",
       {},
       false,
       hang_probes,
       [](Scene& s) { return s.first_is_at("\"cur_task\":\"kSelectLeader\""); },
       nothing,
       release},
      {"OneFollowerProbed",
       {"election: {wait_for_better: 1m}"},
       false,
       let_one_lag,
       one_follower_is_probed,
       nothing,
       the_better_one_answers},
      {"ChangeRoleHangs", {}, false, hang_role_change, role_change_hangs, nothing, release_late},
      {"ChangeRoleHangsRecordLost",
       {},
       false,
       hang_role_change,
       role_change_hangs,
       lose_records,
       release_late},
      {"ChangeRoleAnswerHangs",
       {},
       false,
       hang_role_change_answers,
       somebody_leads_unpublished,
       release,
       nothing},
      {"ChangeRoleAnswerHangsRecordLost",
       {},
       false,
       hang_role_change_answers,
       somebody_leads_unpublished,
       lose_records_and_release,
       nothing},
      {"PublishLost", {}, true, swallow_publish, publish_is_lost, nothing, nothing},
      {"PublishAnswerLost", {}, true, swallow_publish_answer, publish_is_written, nothing, nothing},
      {"Published",
       {},
       false,
       nothing,
       [](Scene& s) { return s.cluster.everything_is_led_without(0); },
       nothing,
       nothing},
  };
  return all;
}

class Takeover : public testing::TestWithParam<std::tuple<std::size_t, bool>> {};

TEST_P(Takeover, AnotherDaemonFinishes) {
  const Step& step = steps().at(std::get<0>(GetParam()));
  const bool standby = std::get<1>(GetParam());
  Scene s;
  s.cluster.create_table("flow", kPartitions, 3);
  DaemonOptions options{.config = step.config};
  if (step.through_proxy) options.zookeeper = s.proxy.endpoint();
  s.first = &s.cluster.start_active_daemon(options);
  Daemon* second = nullptr;
  if (standby) {
    second = &s.cluster.start_daemon();
    ASSERT_TRUE(s.cluster.wait_until(
        [&] { return second->status().find("\"ready\":true") != std::string::npos; },
        "the standby is ready"));
  }
  s.cluster.start_writer();
  step.before(s);
  s.version = s.table_version();
  s.cluster.kill_tablet(0);
  ASSERT_TRUE(s.cluster.wait_until([&] { return step.reached(s); }, "the step is reached"))
      << s.first->log();
  s.first->kill();
  step.after(s);
  if (!standby) second = &s.cluster.start_daemon();
  ASSERT_TRUE(s.cluster.wait_until([&] { return second->active(); }, "the second one acts"))
      << second->log();
  step.second_acts(s);
  ASSERT_TRUE(s.cluster.is_led_without(0)) << second->log();
  EXPECT_THAT(wait_until_sound(s.cluster), IsEmpty()) << second->log();
  const testkit::Comparison c = s.cluster.compare(/*acked=*/false);
  EXPECT_TRUE(c.equal()) << c.to_text() << second->log();
  EXPECT_GT(c.rows, 0u);
}

std::string name_of(const testing::TestParamInfo<std::tuple<std::size_t, bool>>& info) {
  return std::string{steps().at(std::get<0>(info.param)).name} +
         (std::get<1>(info.param) ? "Standby" : "Fresh");
}

INSTANTIATE_TEST_SUITE_P(Killed, Takeover,
                         testing::Combine(testing::Range<std::size_t>(0, steps().size()),
                                          testing::Bool()),
                         name_of);

// Somebody has begun an election of partition 0 while its leader is well: followers were probed, so
// the leader is fenced and goes on acknowledging what reaches nobody (SAFETY 3).
struct Fence {
  const char* name;
  std::vector<int> probed;
  bool recorded;
};

class Fenced : public testing::TestWithParam<Fence> {
 protected:
  static constexpr std::uint64_t kTerm = 40;

  bool probe(int follower) {
    fedb::AppendEntriesRequest request;
    request.set_tid(cluster.znodes().table("flow")->tid());
    request.set_pid(0);
    request.set_pre_log_index(0);
    request.set_term(kTerm);
    const auto answer =
        cluster.client(follower).ask<fedb::AppendEntriesResponse>("AppendEntries", request);
    return answer && answer->code() == 0;
  }
  void write_record() {
    journal::ElectionRecord record;
    record.set_version(1);
    auto& election = *record.add_elections();
    election.set_tid(cluster.znodes().table("flow")->tid());
    election.set_pid(0);
    election.set_probe_term(kTerm);
    cluster.znodes().create("failoverd/elections/7-1", record.SerializeAsString());
  }

  Cluster cluster;
};

TEST_P(Fenced, LeaderThatLivesLosesNothing) {
  cluster.create_table("flow", 2, 3);
  cluster.start_writer();
  const int probed = GetParam().probed.front();
  for (const int follower : GetParam().probed) ASSERT_TRUE(probe(follower));
  if (GetParam().recorded) write_record();
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        return word(cluster, 0, "flow", 0).offset > word(cluster, probed, "flow", 0).offset + 20;
      },
      "the leader runs ahead of those that refuse it"));
  Daemon& daemon = cluster.start_daemon();
  ASSERT_TRUE(cluster.wait_until([&] { return terms(cluster, "flow", 0).size() == 2; },
                                 "partition 0 has a new term"))
      << daemon.log();
  EXPECT_GT(terms(cluster, "flow", 0).back(), kTerm);
  EXPECT_THAT(wait_until_sound(cluster), IsEmpty()) << daemon.log();
  // The old leader holds most; a follower that was not probed may hold as much.
  EXPECT_NE(cluster.leader("flow", 0), probed);
  EXPECT_EQ(cluster.rows("flow", 0).find('-'), std::string::npos);
  EXPECT_EQ(terms(cluster, "flow", 1).size(), 1u);
  const testkit::Comparison c = cluster.compare(/*acked=*/true);
  EXPECT_TRUE(c.equal()) << c.to_text() << daemon.log();
}

std::string fence(const testing::TestParamInfo<Fence>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Probed, Fenced,
                         testing::Values(Fence{"OneFollower", {1}, true},
                                         Fence{"BothFollowers", {1, 2}, true},
                                         Fence{"BothFollowersRecordLost", {1, 2}, false}),
                         fence);

}  // namespace
}  // namespace failoverd::e2e
