#include "tests/chaos/run.h"

#include <algorithm>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <stdexcept>
#include <utility>

#include "lib/base/boot_clock.h"
#include "tests/chaos/judge.h"
#include "tests/chaos/ledger.h"
#include "tests/chaos/result.h"
#include "tests/chaos/schedule.h"
#include "tests/chaos/supervisor.h"
#include "tests/chaos/tables.h"
#include "tests/chaos/writers.h"
#include "tests/e2e/beside_nameserver.h"
#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"
#include "tests/e2e/recovery.h"
#include "tests/e2e/soundness.h"

namespace failoverd::chaos {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kTablets = 4;
constexpr int kDaemons = 2;
// Every row is alive so long after the last fault.
constexpr Duration kCalm = seconds{60};
constexpr milliseconds kLookAgain{100};

e2e::ClusterOptions cluster_options(const RunOptions& run) {
  e2e::ClusterOptions options;
  options.generation = run.generation;
  options.tablets = kTablets;
  // As clusters are run; shorter ones expire where the machine is busy.
  options.tablet_session = milliseconds{2000};
  options.nameservers = run.nameservers;
  options.nameserver_session = milliseconds{2000};
  options.tablet_flags = {
      // Snapshots are made of few rows, and the binlog behind them goes: replicas that were away
      // for long must be copied.
      "--make_snapshot_threshold_offset=100",
      "--binlog_single_file_max_bytes=16384",
      "--binlog_delete_interval=2000",
  };
  return options;
}

e2e::DaemonOptions daemon_options() {
  e2e::DaemonOptions options;
  options.config = {"detection: {silence: 2s}"};
  options.cluster = "session_timeout: 2s";
  return options;
}

class Run {
 public:
  explicit Run(const RunOptions& options);
  ~Run();

  bool run();

 private:
  void say(const std::string& text) const;
  void inject();
  void act(const Step& step);
  void make_snapshots();
  void calm_down();
  std::vector<std::string> not_calm();
  void judge();
  void count_ops();
  e2e::Daemon& active_daemon();
  // Looks after the processes until then; false if it never came true, or if we are to end.
  bool wait(Duration deadline, const std::function<bool()>& predicate);

  const RunOptions options_;
  e2e::Cluster cluster_;
  Ledger ledger_;
  std::vector<e2e::Daemon*> daemons_;
  std::optional<Supervisor> supervisor_;
  std::optional<Writers> writers_;
  boost::asio::signal_set signals_;
  bool ended_ = false;   // By a signal.
  bool judged_ = false;  // Whether all holds is known.
  Instant began_{};
  std::int64_t wall_began_ms_ = 0;
  Instant last_fault_{};
  Result result_;
};

Run::Run(const RunOptions& options)
    : options_{options},
      cluster_{cluster_options(options)},
      signals_{cluster_.io(), SIGINT, SIGTERM} {
  signals_.async_wait([this](const boost::system::error_code& error, int) { ended_ = !error; });
  for (const Table& table : kTables) {
    cluster_.create_table(table.name, table.partitions, table.replicas);
  }
  daemons_.push_back(&cluster_.start_active_daemon(daemon_options()));
  for (int i = 1; i < kDaemons; ++i) daemons_.push_back(&cluster_.start_daemon(daemon_options()));
  supervisor_.emplace(cluster_, daemons_, ledger_);
  writers_.emplace(cluster_.io(), cluster_.zookeeper().hosts(), *options.generation);
}

Run::~Run() {
  if (!options_.keep && (ended_ || (judged_ && result_.holds()))) return;
  // For the directories of the cluster and of its ZooKeeper, which go after us.
  ::setenv("FAILOVERD_KEEP_FILES", "1", 1);
}

void Run::say(const std::string& text) const {
  std::printf("%7.1f s  %s\n", failoverd::seconds(boot_now() - began_), text.c_str());
  std::fflush(stdout);
}

bool Run::wait(Duration deadline, const std::function<bool()>& predicate) {
  const Instant end = boot_now() + deadline;
  while (!ended_) {
    supervisor_->look();
    if (predicate()) return true;
    if (boot_now() >= end) return false;
    cluster_.let_pass(milliseconds{5});
  }
  return false;
}

bool Run::run() {
  if (!wait(seconds{20}, [this] { return writers_->without_new_rows().empty(); }) && !ended_) {
    throw std::runtime_error("no rows before the first fault: " + writers_->without_new_rows());
  }
  began_ = boot_now();
  wall_began_ms_ = wall_now_ms();
  writers_->begin();
  for (const auto& phase : {&Run::inject, &Run::calm_down, &Run::judge}) {
    if (!ended_) (this->*phase)();
  }
  if (ended_) {
    std::printf("ended by a signal: nothing is known\n");
    return false;
  }
  judged_ = true;
  std::printf("\n%s", to_text(result_).c_str());
  if (options_.keep || !result_.holds()) {
    std::printf("logs and data: %s\n", cluster_.directory().c_str());
  }
  std::fflush(stdout);  // Before what our directories say on stderr.
  return result_.holds();
}

void Run::inject() {
  const auto faults = draw_schedule({.seed = options_.seed,
                                     .length = options_.length,
                                     .tablets = kTablets,
                                     .daemons = kDaemons,
                                     .nameservers = options_.nameservers});
  for (const Fault& fault : faults) {
    bool is_first = true;
    for (const Step& step : fault.steps) {
      const Instant due = began_ + step.at;
      wait(options_.length + seconds{60}, [&] { return boot_now() >= due; });
      if (ended_) return;
      if (std::exchange(is_first, false)) say(fault.to_text());
      act(step);
    }
    ++result_.faults[fault.kind];
  }
  last_fault_ = boot_now();
}

void Run::act(const Step& step) {
  switch (step.act) {
    case Act::kKillTablet:
      return supervisor_->kill_tablet(step.who, step.down);
    case Act::kStopTablet:
      return supervisor_->stop_tablet(step.who);
    case Act::kContinueTablet:
      return supervisor_->continue_tablet(step.who);
    case Act::kMakeSnapshots:
      return make_snapshots();
    case Act::kKillDaemon:
      return supervisor_->kill_daemon(step.who, step.down);
    case Act::kStopDaemon:
      return supervisor_->stop_daemon(step.who);
    case Act::kContinueDaemon:
      return supervisor_->continue_daemon(step.who);
    case Act::kKillZooKeeper:
      return cluster_.zookeeper().kill();
    case Act::kStartZooKeeper:
      return cluster_.zookeeper().start_without_waiting();
    case Act::kSwitchOff:
      return cluster_.znodes().set("failoverd/auto_failover", "false");
    case Act::kSwitchOn:
      return cluster_.znodes().set("failoverd/auto_failover", "true");
    case Act::kKillNameserver:
      return supervisor_->kill_nameserver(step.who, step.down);
    case Act::kStopNameserver:
      return supervisor_->stop_nameserver(step.who);
    case Act::kContinueNameserver:
      return supervisor_->continue_nameserver(step.who);
  }
}

// On every replica, as tablets do by themselves once a day. Who is down or busy makes none.
void Run::make_snapshots() {
  for (const fedb::TableInfo& table : cluster_.znodes().tables()) {
    for (const fedb::TablePartition& partition : table.table_partition()) {
      for (int i = 0; i < kTablets; ++i) {
        fedb::GeneralRequest request;
        request.set_tid(static_cast<std::int32_t>(table.tid()));
        request.set_pid(static_cast<std::int32_t>(partition.pid()));
        cluster_.client(i).ask_async<fedb::GeneralResponse>("MakeSnapshot", request, [](auto) {});
      }
    }
  }
}

// What is left to be done before the cluster is whole again; empty: nothing.
std::vector<std::string> Run::not_calm() {
  if (!supervisor_->all_run()) return {"not every process runs"};
  std::vector<std::string> lines;
  for (const Table& table : kTables) {
    for (std::uint32_t pid = 0; pid < table.partitions; ++pid) {
      const std::string rows = cluster_.rows(table.name, pid);
      if (cluster_.leader(table.name, pid) < 0 || rows.find('-') != std::string::npos) {
        lines.push_back(std::string{table.name} + "/" + std::to_string(pid) + ": " + rows);
      }
    }
  }
  if (!lines.empty()) return lines;
  lines = e2e::unsound(cluster_);
  for (std::string& line : e2e::left_behind(cluster_)) lines.push_back(std::move(line));
  if (options_.nameservers == 0) return lines;
  // What it holds in its memory is what the znodes say (SAFETY 13).
  for (const Table& table : kTables) {
    for (std::string& line : e2e::disagreements(cluster_, table.name)) {
      lines.push_back(std::move(line));
    }
  }
  return lines;
}

// Everything is whole within a bound, and then every partition takes rows.
void Run::calm_down() {
  say("calm");
  std::vector<std::string> left;
  Instant next{};
  const auto is_calm = [&] {
    if (boot_now() < next) return false;
    left = not_calm();
    next = boot_now() + kLookAgain;
    return left.empty();
  };
  const bool is_whole = wait(kCalm, is_calm);
  if (ended_) return;
  if (is_whole) {
    result_.calm = boot_now() - last_fault_;
  } else {
    result_.wrong.push_back("after " + std::to_string(kCalm / seconds{1}) + " s of calm:");
    for (const std::string& line : left) result_.wrong.push_back("  " + line);
    result_.wrong.push_back(active_daemon().ctl({"status"}).out);
  }
  writers_->expect_new_rows();
  if (!wait(seconds{10}, [this] { return writers_->without_new_rows().empty(); }) && !ended_) {
    result_.wrong.push_back("take no rows in the end: " + writers_->without_new_rows());
  }
}

void Run::judge() {
  writers_->stop();
  wait(seconds{20}, [this] { return writers_->idle(); });
  judge_rows(cluster_, {*writers_, ledger_, daemons_, began_, wall_began_ms_}, result_);
  count_ops();
  for (const std::string& line : supervisor_->surprises()) result_.wrong.push_back(line);
  result_.starts = supervisor_->starts();
}

void Run::count_ops() {
  for (const e2e::ShownOp& op : e2e::shown_ops(active_daemon())) {
    if (op.status == "kDone") ++result_.ops[op.type];
  }
}

e2e::Daemon& Run::active_daemon() {
  for (e2e::Daemon* daemon : daemons_) {
    if (daemon->active()) return *daemon;
  }
  return *daemons_.front();
}

}  // namespace

std::string RunOptions::command() const {
  return "build/bin/chaos --seed " + std::to_string(seed) + " --seconds " +
         std::to_string(length / std::chrono::seconds{1}) + " --generation " + generation->name +
         (nameservers > 0 ? " --nameservers " + std::to_string(nameservers) : "");
}

bool run(const RunOptions& options) {
  Run run{options};
  return run.run();
}

}  // namespace failoverd::chaos
