// Every plan is cut: the daemon is killed before and after every task of every op, and another one
// goes on where it stands or takes it back (SAFETY 10, 11, 17). One run per op: each partition is
// cut at another task, because every partition goes at its own pace. Publishes and the journal are
// cut in runs of their own, between the daemon and ZooKeeper. What is cut of a change of leader is
// in takeover_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <tuple>

#include "tests/e2e/cut_plans.h"
#include "tests/e2e/recovery.h"
#include "tests/e2e/soundness.h"
#include "tests/harness/tcp_proxy.h"

namespace failoverd::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::IsSupersetOf;

// What the daemon was about when it was killed.
enum class What {
  kCalls,
  kPublishLost,
  kPublishAnswerLost,
  kKeepLost,  // What is kept of a replica before its leader sends to it, or what is on its disk.
  kKeepAnswerLost,
  kJournalLost,
  kJournalAnswerLost,
  kRowsAreAlive,  // All is done, and the journal says nothing of it yet.
  kAllIsDone,     // Also what the tablets had registered; the op is still in the journal.
};
constexpr const char* kWhat[] = {"",
                                 "PublishLost",
                                 "PublishAnswerLost",
                                 "KeepLost",
                                 "KeepAnswerLost",
                                 "JournalLost",
                                 "JournalAnswerLost",
                                 "RowsAreAlive",
                                 "AllIsDone"};

class CutPlan : public testing::Test {
 protected:
  void cut(const Plan& plan, What what, bool standby) {
    plan_ = &plan;
    what_ = what;
    begin(standby);
    go();
    if (what_ != What::kCalls) arm_proxy();
    if (what_ == What::kCalls) inject();
    come_back();
    ASSERT_TRUE(cluster.wait_until([&] { return reached(); }, "every cut is reached", seconds{15}))
        << to_text(shown_ops(*first)) << missing() << first->log();
    const std::set<std::uint64_t> begun = begun_ops();
    if (what_ == What::kCalls) expect_its_ops_run(begun);
    first->kill();
    for (int i = 0; i < 3; ++i) {
      if (cluster.lives(i)) cluster.release(i);
    }
    proxy.swallow_requests(false);
    proxy.swallow_answers(false);
    if (!second) {
      second = first;
      second->start();
    }
    ASSERT_TRUE(cluster.wait_until([&] { return second->active(); }, "the second one acts"));
    if (plan.way == Way::kFollowerDies) {
      ASSERT_TRUE(
          cluster.wait_until([&] { return all_rows_of_it_are_dead(); }, "its rows are dead"));
      cluster.start_tablet(0);
    }
    expect_all_is_well(cluster, *second, rows);
    expect_the_journal_was_heeded(begun);
  }

  Cluster cluster{{.tablet_session = milliseconds{600},
                   .tablet_flags = {"--zk_keep_alive_check_interval=100"}}};
  harness::TcpProxy proxy{cluster.io(), cluster.zookeeper().port()};
  Daemon* first = nullptr;
  Daemon* second = nullptr;
  std::vector<testkit::AckedRow> rows;

 private:
  std::uint32_t partitions() const {
    return what_ == What::kCalls ? static_cast<std::uint32_t>(plan_->cuts.size()) : 2;
  }

  void begin(bool standby) {
    // Tablet 0 leads them all, or follows in all of them.
    const std::vector<int> on = plan_->replicas == 1               ? std::vector{0}
                                : plan_->way == Way::kFollowerDies ? std::vector{1, 0, 2}
                                                                   : std::vector{0, 1, 2};
    cluster.create_table("flow", partitions(), plan_->replicas, on, /*spread=*/false);
    DaemonOptions options{.config = {"recovery: {max_copies_per_tablet: 64}"},
                          .cluster = "session_timeout: 600ms"};
    if (what_ != What::kCalls) options.zookeeper = proxy.endpoint();
    first = &cluster.start_active_daemon(options);
    if (standby) {
      options.zookeeper.clear();
      second = &cluster.start_daemon(options);
      ASSERT_TRUE(cluster.wait_until(
          [&] { return second->status().find("\"ready\":true") != std::string::npos; },
          "the standby is ready"));
    }
    cluster.start_writer();
    rows = cluster.settle_writer();
  }

  bool all_rows_of_it_are_dead() {
    for (std::uint32_t pid = 0; pid < partitions(); ++pid) {
      const std::string rows_now = cluster.rows("flow", pid);
      if (rows_now.find("A=L+") != std::string::npos || rows_now.find("A=F+") != std::string::npos)
        return false;
    }
    return true;
  }

  void go() {
    if (plan_->way == Way::kFollowerDies) return;  // It is its death that is cut.
    if (plan_->way == Way::kAllKilled) {
      cluster.kill_tablets({0, 1, 2});
      return;
    }
    if (plan_->way == Way::kKilledAhead) {
      for (std::uint32_t pid = 0; pid < partitions(); ++pid) {
        put_unreplicated(cluster, "flow", pid, 3);
      }
    }
    if (plan_->way == Way::kStopped) {
      cluster.pause_tablet(0);
    } else {
      cluster.kill_tablet(0);
    }
    for (const int i : {1, 2}) cluster.release(i);
    ASSERT_TRUE(cluster.wait_until([&] { return all_rows_of_it_are_dead(); }, "its rows are dead"));
    if (plan_->way == Way::kKilledWiped) std::filesystem::remove_all(cluster.disk(0));
    if (plan_->replicas > 1) cluster.start_writer();  // Rows that it will lack.
    ASSERT_TRUE(cluster.wait_until([&] { return begun_ops().empty(); }, "no op is under way"));
  }

  void inject() {
    for (std::uint32_t pid = 0; pid < partitions(); ++pid) {
      const Cut& c = plan_->cuts[pid];
      const Cluster::Fault fault{.method = c.method, .pid = pid, .stage = c.stage, .skip = c.skip};
      if (plan_->way == Way::kAllKilled) {
        for (const int i : {0, 1, 2}) cluster.inject_at_start(i, fault);
      } else if (!c.at_replica) {
        for (const int i : {1, 2}) cluster.inject(i, fault);
      } else if (plan_->way != Way::kStopped) {
        cluster.inject_at_start(0, fault);
      }
    }
    if (plan_->way != Way::kStopped) return;
    // It executes what it finds in its sockets in the order in which it was sent: this first.
    for (std::uint32_t pid = 0; pid < partitions(); ++pid) {
      const Cut& c = plan_->cuts[pid];
      if (c.at_replica) later_.push_back({c.method, pid, c.stage, c.skip});
    }
  }

  void come_back() {
    switch (plan_->way) {
      case Way::kFollowerDies:
        cluster.kill_tablet(0);
        return;
      case Way::kAllKilled:
        for (const int i : {0, 1, 2}) cluster.start_tablet(i);
        return;
      case Way::kStopped:
        cluster.resume_tablet(0);
        for (const Cluster::Fault& fault : later_) cluster.inject(0, fault);
        return;
      default:
        cluster.start_tablet(0);
    }
  }

  bool reached_at(std::uint32_t pid) {
    const Cut& c = plan_->cuts[pid];
    for (int i = 0; i < 3; ++i) {
      const bool there = plan_->way == Way::kAllKilled || c.at_replica == (i == 0);
      if (there && cluster.lives(i) && cluster.hangs(i, c.method, pid)) return true;
    }
    return false;
  }

  bool reached() {
    switch (what_) {
      case What::kCalls:
        return missing().empty();
      case What::kPublishAnswerLost:
        return seen_ && table_version() > version_;
      case What::kKeepAnswerLost:
        return seen_ && kept() != kept_;
      case What::kJournalAnswerLost:
        return seen_ && !begun_ops().empty();
      case What::kRowsAreAlive:
        return cluster.everything_is_alive();
      case What::kAllIsDone:
        return all_is_done();
      default:
        return seen_;
    }
  }

  // Removing what has ended is not urgent: it waits for half a second.
  bool all_is_done() {
    const auto left = left_behind(cluster);
    return cluster.everything_is_alive() &&
           std::all_of(left.begin(), left.end(), [](const std::string& line) {
             return line.find("is left in the journal") != std::string::npos;
           });
  }

  std::string missing() {
    std::string text;
    if (what_ != What::kCalls) return seen_ ? "it was sent\n" : "nothing was sent\n";
    for (std::uint32_t pid = 0; pid < partitions(); ++pid) {
      if (!reached_at(pid))
        text += std::string{plan_->cuts[pid].method} + " of " + std::to_string(pid) + "\n";
    }
    return text;
  }

  std::int32_t table_version() {
    return cluster.znodes().get("table/table_data/flow").value().version;
  }

  std::string kept() {
    const auto value = cluster.znodes().get("failoverd/replicas/" +
                                            std::to_string(cluster.znodes().table("flow")->tid()));
    return value ? value->bytes : std::string{};
  }

  void arm_proxy() {
    version_ = table_version();
    kept_ = kept();
    proxy.on_request = [this](std::string_view request) {
      if (seen_ || !is_cut(request)) return;
      seen_ = true;
      const bool lost =
          what_ == What::kPublishLost || what_ == What::kKeepLost || what_ == What::kJournalLost;
      lost ? proxy.swallow_requests(true) : proxy.swallow_answers(true);
    };
  }

  bool is_cut(std::string_view request) const {
    switch (what_) {
      case What::kPublishLost:
      case What::kPublishAnswerLost:
        return is_publish(request);
      case What::kKeepLost:
      case What::kKeepAnswerLost:
        return request.find("failoverd/replicas") != request.npos;
      case What::kJournalLost:
      case What::kJournalAnswerLost:
        return begins_op(request);
      default:
        return false;
    }
  }

  std::set<std::uint64_t> begun_ops() {
    std::set<std::uint64_t> ops;
    for (const std::string& name : cluster.znodes().children("failoverd/ops")) {
      if (!name.starts_with("finished-")) ops.insert(std::stoull(name));
    }
    return ops;
  }

  // Who finds out late that the others are down as well has begun an election, which does the same.
  bool is_its_op(const ShownOp& op) const {
    return op.type == plan_->op || (plan_->way == Way::kAllKilled && op.type == "kChangeLeaderOP");
  }

  // Every partition's op is of the plan's type; those that must be taken back are written down.
  void expect_its_ops_run(const std::set<std::uint64_t>& begun) {
    const auto ops = shown_ops(*first);
    std::set<std::uint32_t> there;
    for (const ShownOp& op : ops) {
      if (!op.runs() || !is_its_op(op)) continue;
      there.insert(op.pid);
      EXPECT_EQ(begun.contains(op.id), plan_->in_journal) << to_text(ops);
    }
    EXPECT_EQ(there.size(), plan_->cuts.size()) << to_text(ops);
  }

  // Every op that had begun was ended by the successor.
  void expect_the_journal_was_heeded(const std::set<std::uint64_t>& begun) {
    std::set<std::uint64_t> ended;
    const auto ops = shown_ops(*second);
    for (const ShownOp& op : ops) {
      if (!op.runs()) ended.insert(op.id);
    }
    for (const std::uint64_t id : begun) EXPECT_TRUE(ended.contains(id)) << id << to_text(ops);
  }

  const Plan* plan_ = nullptr;
  What what_{};
  bool seen_ = false;
  std::int32_t version_ = 0;
  std::string kept_;
  std::vector<Cluster::Fault> later_;
};

// --- At a call -----------------------------------------------------------------------------------

class CutAtCalls : public CutPlan,
                   public testing::WithParamInterface<std::tuple<std::size_t, bool>> {};

TEST_P(CutAtCalls, AnotherDaemonGoesOn) {
  const auto& [plan, standby] = GetParam();
  cut(plans().at(plan), What::kCalls, standby);
}

std::vector<std::size_t> plans_with(bool (*wanted)(const Plan&)) {
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < plans().size(); ++i) {
    if (wanted(plans()[i])) all.push_back(i);
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Recovery, CutAtCalls,
                         testing::Combine(testing::ValuesIn(plans_with([](const Plan& p) {
                                            return !p.cuts.empty();
                                          })),
                                          testing::Bool()),
                         [](const auto& test) {
                           return std::string{plans().at(std::get<0>(test.param)).name} +
                                  (std::get<1>(test.param) ? "Standby" : "Restarted");
                         });

// --- At a write ----------------------------------------------------------------------------------

class CutAtWrites : public CutPlan,
                    public testing::WithParamInterface<std::tuple<std::size_t, What>> {};

TEST_P(CutAtWrites, AnotherDaemonGoesOn) {
  const auto& [plan, what] = GetParam();
  cut(plans().at(plan), what, /*standby=*/what == What::kPublishAnswerLost);
}

std::string write_name(const testing::TestParamInfo<std::tuple<std::size_t, What>>& test) {
  return std::string{plans().at(std::get<0>(test.param)).name} +
         kWhat[static_cast<std::size_t>(std::get<1>(test.param))];
}

INSTANTIATE_TEST_SUITE_P(Recovery, CutAtWrites,
                         testing::Combine(testing::ValuesIn(plans_with([](const Plan& p) {
                                            return p.way != Way::kKilled || p.in_journal ||
                                                   p.replicas == 1;
                                          })),
                                          testing::Values(What::kPublishLost,
                                                          What::kPublishAnswerLost)),
                         write_name);
INSTANTIATE_TEST_SUITE_P(
    RecoveryJournal, CutAtWrites,
    testing::Combine(testing::ValuesIn(plans_with([](const Plan& p) { return p.in_journal; })),
                     testing::Values(What::kKeepLost, What::kKeepAnswerLost, What::kJournalLost,
                                     What::kJournalAnswerLost, What::kRowsAreAlive,
                                     What::kAllIsDone)),
    write_name);

}  // namespace
}  // namespace failoverd::e2e
