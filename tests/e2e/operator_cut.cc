#include "tests/e2e/operator_cut.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>

#include "tests/e2e/soundness.h"

namespace failoverd::e2e {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::IsEmpty;

std::uint32_t OperatorCuts::partitions() const {
  if (scene_.partitions != 0) return scene_.partitions;
  return static_cast<std::uint32_t>(plan().cuts.size());
}

std::vector<int> OperatorCuts::tablets_at(Seat seat) const {
  switch (seat) {
    case Seat::kLeader:
      return {0};
    case Seat::kFollowers:
      return {1, 2};
    case Seat::kTarget:
      return {plan().target};
    case Seat::kSource:
      return {plan().source};
  }
  return {};
}

int OperatorCuts::tablet_at(Seat seat) const { return tablets_at(seat).front(); }

// --- Before --------------------------------------------------------------------------------------

void OperatorCuts::begin(const Scene& scene) {
  scene_ = scene;
  cluster_ = std::make_unique<Cluster>(ClusterOptions{
      .generation = scene.generation,
      .tablets = 4,
      .tablet_session = scene.tablet_session,
      .tablet_flags = {"--zk_keep_alive_check_interval=100", "--task_pool_size=16",
                       "--make_snapshot_threshold_offset=1", "--retry_send_file_wait_time_ms=50"}});
  proxy_ = std::make_unique<harness::TcpProxy>(cluster().io(), cluster().zookeeper().port());
  cluster().create_table("flow", partitions(), 3, {0, 1, 2}, /*spread=*/false);
  DaemonOptions options{
      .config = {scene.auto_failover ? "auto_failover: true" : "auto_failover: false",
                 "recovery: {max_copies_per_tablet: 64}", "handover: {pause: 5s}"},
      .cluster = "session_timeout: 600ms"};
  if (scene.through_proxy) options.zookeeper = proxy().endpoint();
  first_ = acts_ = &cluster().start_active_daemon(options);
  if (scene.standby) {
    options.zookeeper.clear();
    second_ = &cluster().start_daemon(options);
    ASSERT_TRUE(cluster().wait_until(
        [&] { return second_->status().find("\"ready\":true") != std::string::npos; },
        "the standby is ready"));
  }
  cluster().start_writer(scene.rate);
  const auto has_rows = [&] {
    const auto all = cluster().writer().summary().partitions;
    return all.size() == partitions() &&
           std::all_of(all.begin(), all.end(), [](const auto& p) { return p.acks >= 5; });
  };
  ASSERT_TRUE(cluster().wait_until(has_rows, "rows everywhere"));
  prepare();
}

void OperatorCuts::prepare() {
  if (plan().before == Before::kAllIsWell) return;
  const int target = plan().target;
  if (plan().before == Before::kWiped) {
    cluster().kill_tablet(target);
    const auto gone = [&] {
      return first().ctl({"showtablet"}).out.find("kTabletOffline") != std::string::npos;
    };
    ASSERT_TRUE(cluster().wait_until(gone, "it is known to be dead"));
  }
  const auto offline = order({"offlineendpoint", cluster().tablet(target), "8", "--wait"});
  ASSERT_EQ(offline.status, 0) << offline.err;
  if (plan().before == Before::kOffline) return;
  std::filesystem::remove_all(cluster().disk(target));
  cluster().start_tablet(target);
  const auto healthy = [&] {
    return first().ctl({"showtablet"}).out.find("kTabletOffline") == std::string::npos;
  };
  ASSERT_TRUE(cluster().wait_until(healthy, "it is known to be healthy"));
}

// --- The command ---------------------------------------------------------------------------------

void OperatorCuts::inject() {
  for (std::uint32_t pid = 0; pid < partitions(); ++pid) {
    const OperatorCut& c = plan().cuts[pid];
    for (const int i : tablets_at(c.at)) {
      cluster().inject(i, {.method = c.method, .pid = pid, .stage = c.stage, .skip = c.skip});
    }
  }
}

std::vector<std::string> OperatorCuts::words(std::uint32_t pid) const {
  std::vector<std::string> words = plan().command;
  for (std::string& word : words) {
    if (word == "PID") word = std::to_string(pid);
    if (word == "PIDS") word = "0-" + std::to_string(partitions() - 1);
    const bool is_tablet = word.size() == 1 && word[0] >= 'A' && word[0] <= 'D';
    if (is_tablet) word = cluster_->tablet(word[0] - 'A');
  }
  return words;
}

std::uint32_t OperatorCuts::times() const {
  const auto& command = plan().command;
  return std::find(command.begin(), command.end(), "PID") != command.end() ? partitions() : 1;
}

// One that has just begun to act changes nothing for a moment.
Daemon::Output OperatorCuts::order(const std::vector<std::string>& words) {
  Daemon::Output ran;
  cluster().wait_until(
      [&] {
        ran = first().ctl(words);
        return ran.err.find("set zk failed") == std::string::npos;
      },
      "it may change something");
  return ran;
}

void OperatorCuts::give_command() {
  cluster().writer().forget_gaps();
  for (std::uint32_t pid = 0; pid < times(); ++pid) {
    const auto ran = order(words(pid));
    // What is answered when it is written has no answer where that is what is cut.
    const bool is_cut = ran.err.find("it may still be carried out") != std::string::npos;
    ASSERT_TRUE(ran.status == 0 || is_cut) << ran.out << ran.err;
  }
}

void OperatorCuts::carry_out_command() {
  constexpr int kTries = 5;
  cluster().writer().forget_gaps();
  for (std::uint32_t pid = 0; pid < times(); ++pid) {
    auto waited = words(pid);
    waited.emplace_back("--wait");
    Daemon::Output ran = order(waited);
    for (int i = 1; i < kTries && ran.status != 0; ++i) ran = order(waited);
    EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
  }
}

void OperatorCuts::expect_rows_as_ordered() {
  for (std::uint32_t pid = 0; pid < partitions(); ++pid) {
    EXPECT_EQ(who_has_rows(pid), plan().outcomes.back());
  }
}

bool OperatorCuts::reached(std::uint32_t pid) {
  const OperatorCut& c = plan().cuts[pid];
  const auto all = tablets_at(c.at);
  return std::any_of(all.begin(), all.end(),
                     [&](int i) { return cluster().hangs(i, c.method, pid); });
}

std::string OperatorCuts::missing() {
  std::string text;
  for (std::uint32_t pid = 0; pid < partitions(); ++pid) {
    if (!reached(pid))
      text += std::string{plan().cuts[pid].method} + " of " + std::to_string(pid) + "\n";
  }
  return text;
}

// A handover whose last put came in too late fails, and its leader goes on: then once more.
void OperatorCuts::order_failed_handovers_again() {
  std::map<std::uint32_t, bool> failed;  // The last op of each partition.
  for (const ShownOp& op : shown_ops(first())) {
    failed[op.pid] = op.status == "kFailed" && op.detail.starts_with("nobody else held as much");
  }
  for (const auto& [pid, again] : failed) {
    if (again && pid < times() && !reached(pid)) order(words(pid));
  }
}

void OperatorCuts::wait_for_cuts() {
  ASSERT_TRUE(cluster().wait_until(
      [&] {
        if (missing().empty()) return true;
        if (times() > 1) order_failed_handovers_again();
        return false;
      },
      "every cut is reached", seconds{15}))
      << missing() << to_text(shown_ops(first())) << first().log();
}

void OperatorCuts::release_all() {
  for (int i = 0; i < cluster().tablets(); ++i) {
    if (cluster().lives(i)) cluster().release(i);
  }
  proxy().swallow_requests(false);
  proxy().swallow_answers(false);
}

void OperatorCuts::hand_on() {
  if (!second_) {
    second_ = first_;
    second_->start();
  }
  acts_ = second_;
  ASSERT_TRUE(cluster().wait_until([&] { return acts_->active(); }, "the second one acts"));
}

// --- Afterwards ----------------------------------------------------------------------------------

void OperatorCuts::expect_ops_have_ended() {
  const auto ended = [&] {
    const auto ops = shown_ops(*acts_);
    return acts_->active() &&
           std::none_of(ops.begin(), ops.end(), [](const ShownOp& op) { return op.runs(); });
  };
  EXPECT_TRUE(cluster().wait_until(ended, "every op has ended"))
      << to_text(shown_ops(*acts_)) << acts_->log();
}

std::string OperatorCuts::who_has_rows(std::uint32_t pid) {
  std::string who;
  const std::string rows = cluster().rows("flow", pid);
  for (std::size_t i = 0; i < rows.size(); i += 5) who += rows[i];
  std::sort(who.begin(), who.end());
  return who;
}

// That a dead row is still sent to is what kOfflineReplicaOP leaves to whoever brings it back.
std::vector<std::string> OperatorCuts::what_is_left(Died died) {
  std::vector<std::string> left = left_behind(cluster());
  const bool goes_offline = plan().target == 0 && !healed_;
  std::erase_if(left, [&](const std::string& line) {
    return (died == Died::kSource && line.find("is left in the journal") != std::string::npos) ||
           (goes_offline && line.ends_with(", a dead row"));
  });
  return left;
}

void OperatorCuts::expect_nothing_is_half_done(Died died) {
  std::vector<std::string> left;
  cluster().wait_until(
      [&] {
        left = what_is_left(died);
        return left.empty();
      },
      "nothing is left behind");
  EXPECT_THAT(left, IsEmpty()) << to_text(shown_ops(*acts_)) << acts_->log();
  for (std::uint32_t pid = 0; pid < partitions(); ++pid) {
    const std::string who = who_has_rows(pid);
    EXPECT_THAT(plan().outcomes, testing::Contains(who)) << pid;
    for (int i = 0; i < cluster().tablets() && died != Died::kLeader; ++i) {
      const bool has_row = who.find(static_cast<char>('A' + i)) != std::string::npos;
      EXPECT_TRUE(has_row || !word(cluster(), i, "flow", pid).has_table)
          << cluster().tablet(i) << " holds " << pid << " without a row\n"
          << to_text(shown_ops(*acts_, "flow", pid));
    }
  }
}

// What commands have left undone, or a death has done, automation or another command brings back.
void OperatorCuts::heal() {
  healed_ = true;
  if (!scene_.auto_failover) {
    EXPECT_EQ(acts_->ctl({"confset", "auto_failover", "true"}).status, 0);
  }
  const bool was_offline = plan().before != Before::kAllIsWell || plan().target == 0;
  if (!was_offline) return;
  Daemon::Output back;
  cluster().wait_until(
      [&] {
        back = acts_->ctl({"recoverendpoint", cluster().tablet(plan().target)});
        return back.status == 0;
      },
      "it is known to be healthy");
  EXPECT_EQ(back.status, 0) << back.err;
}

void OperatorCuts::expect_it_is_over(Died died) {
  expect_ops_have_ended();
  if (died != Died::kLeader || scene_.auto_failover) {
    EXPECT_THAT(wait_until_sound(cluster()), IsEmpty()) << acts_->log();
  }
  const auto pause = cluster().writer().summary().longest_gap;
  const auto in_ms = static_cast<int>(pause / milliseconds{1});
  std::printf("longest pause of writes: %d ms\n", in_ms);
  RecordProperty("longest_pause_ms", in_ms);
  expect_nothing_is_half_done(died);
  heal();
  EXPECT_TRUE(cluster().wait_until([&] { return cluster().everything_is_alive(); },
                                   "every replica is alive", seconds{30}))
      << to_text(shown_ops(*acts_)) << acts_->status();
  EXPECT_THAT(wait_until_sound(cluster()), IsEmpty()) << acts_->log();
  expect_nothing_is_half_done(died);
  const testkit::Comparison c = cluster().compare(/*acked=*/died != Died::kLeader);
  EXPECT_TRUE(c.equal()) << c.to_text() << to_text(shown_ops(*acts_));
  EXPECT_GT(c.rows, 0u);
}

}  // namespace failoverd::e2e
