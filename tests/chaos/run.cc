#include "tests/chaos/run.h"

#include <algorithm>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>

#include "lib/base/boot_clock.h"
#include "tests/chaos/held_rows.h"
#include "tests/chaos/ledger.h"
#include "tests/chaos/log_excerpt.h"
#include "tests/chaos/result.h"
#include "tests/chaos/schedule.h"
#include "tests/chaos/supervisor.h"
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
// As clusters are run; shorter ones expire where the machine is busy.
constexpr milliseconds kTabletSession{2000};
constexpr double kRowsPerSecond = 20;  // For each partition.
constexpr std::size_t kValueBytes = 12;
// Every row is alive so long after the last fault.
constexpr Duration kCalm = seconds{60};
constexpr milliseconds kLookAgain{100};
constexpr std::size_t kShownIncidents = 5;
// Of a daemon's log, around a lost row.
constexpr Duration kLogBefore = seconds{3};
constexpr Duration kLogAfter = seconds{5};
constexpr std::size_t kLogLines = 20;

struct Table {
  const char* name;
  std::uint32_t partitions;
  std::uint32_t replicas;
};
constexpr Table kTables[] = {{"three", 4, 3}, {"two", 4, 2}, {"one", 8, 1}};

e2e::ClusterOptions cluster_options() {
  e2e::ClusterOptions options;
  options.tablets = kTablets;
  options.tablet_session = kTabletSession;
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
  void calm_down();
  std::vector<std::string> not_calm();
  bool all_partitions_take_rows();
  void judge_replicas();
  void judge_rows();
  void show(const Incident& incident, const TableResult& table);
  void count_ops();
  e2e::Daemon& active_daemon();
  void wrong(std::string line) { result_.wrong.push_back(std::move(line)); }
  // Looks after the processes until then; false if it never came true, or if we are to end.
  bool wait(Duration deadline, const std::function<bool()>& predicate);

  const RunOptions options_;
  e2e::Cluster cluster_;
  Ledger ledger_;
  std::optional<Supervisor> supervisor_;
  std::vector<e2e::Daemon*> daemons_;
  boost::asio::signal_set signals_;
  bool ended_ = false;   // By a signal.
  bool judged_ = false;  // Whether all holds is known.
  Instant began_{};
  std::int64_t wall_began_ms_ = 0;
  Instant last_fault_{};
  Result result_;
};

Run::Run(const RunOptions& options)
    : options_{options}, cluster_{cluster_options()}, signals_{cluster_.io(), SIGINT, SIGTERM} {
  signals_.async_wait([this](const boost::system::error_code& error, int) { ended_ = !error; });
  for (const Table& table : kTables) {
    cluster_.create_table(table.name, table.partitions, table.replicas);
  }
  daemons_.push_back(&cluster_.start_active_daemon(daemon_options()));
  for (int i = 1; i < kDaemons; ++i) daemons_.push_back(&cluster_.start_daemon(daemon_options()));
  supervisor_.emplace(cluster_, daemons_, ledger_);
}

Run::~Run() {
  if (!options_.keep && judged_ && result_.holds()) return;
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
  testkit::Writer::Options writer;
  writer.rate = kRowsPerSecond;
  writer.value_bytes = kValueBytes;
  cluster_.start_writer(writer);
  began_ = boot_now();
  if (!wait(seconds{20}, [this] { return all_partitions_take_rows(); })) {
    throw std::runtime_error("not every partition takes rows before the first fault");
  }
  cluster_.writer().forget_gaps();
  began_ = boot_now();
  wall_began_ms_ = wall_now_ms();
  inject();
  if (!ended_) calm_down();
  if (!ended_) judge_replicas();
  if (!ended_) judge_rows();
  if (!ended_) count_ops();
  if (ended_) return false;
  for (const std::string& line : supervisor_->surprises()) wrong(line);
  result_.starts = supervisor_->starts();
  judged_ = true;
  std::printf("\n%s", to_text(result_).c_str());
  if (options_.keep || !result_.holds()) {
    std::printf("logs: %s\n", cluster_.directory().c_str());
  }
  return result_.holds();
}

void Run::inject() {
  const auto faults = draw_schedule(
      {.seed = options_.seed, .length = options_.length, .tablets = kTablets, .daemons = kDaemons});
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
  }
}

bool Run::all_partitions_take_rows() {
  std::uint32_t wanted = 0;
  for (const Table& table : kTables) wanted += table.partitions;
  const auto summary = cluster_.writer().summary();
  std::uint32_t take = 0;
  for (const auto& partition : summary.partitions) take += partition.acks > 0 ? 1 : 0;
  return take == wanted;
}

// What is left to be done before the cluster is whole again; empty: nothing.
std::vector<std::string> Run::not_calm() {
  if (!supervisor_->all_run()) return {"not every process runs"};
  std::vector<std::string> lines;
  for (const Table& table : kTables) {
    for (std::uint32_t pid = 0; pid < table.partitions; ++pid) {
      const std::string rows = cluster_.rows(table.name, pid);
      if (cluster_.leader(table.name, pid) < 0 || rows.find('-') != std::string::npos) {
        lines.push_back(std::string{table.name} + " " + std::to_string(pid) + ": " + rows);
      }
    }
  }
  if (!lines.empty()) return lines;
  lines = e2e::unsound(cluster_);
  for (std::string& line : e2e::left_behind(cluster_)) lines.push_back(std::move(line));
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
  if (!wait(kCalm, is_calm)) {
    wrong("after " + std::to_string(kCalm / seconds{1}) + " s of calm:");
    for (const std::string& line : left) wrong("  " + line);
    wrong(active_daemon().ctl({"status"}).out);
    return;
  }
  result_.calm = boot_now() - last_fault_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint64_t> before;
  for (const auto& p : cluster_.writer().summary().partitions) before[{p.tid, p.pid}] = p.acks;
  std::string quiet;
  const auto all_written = [&] {
    quiet.clear();
    for (const auto& p : cluster_.writer().summary().partitions) {
      if (p.acks > before[{p.tid, p.pid}]) continue;
      quiet += " " + p.table + " " + std::to_string(p.pid) + " (" + p.last_error + ")";
    }
    return quiet.empty();
  };
  if (!wait(seconds{10}, all_written)) wrong("take no rows although they are led:" + quiet);
}

// Every replica holds the same rows, by index and term.
void Run::judge_replicas() {
  const testkit::Comparison comparison = cluster_.compare(/*acked=*/false);
  if (!comparison.equal()) wrong("the replicas differ:\n" + comparison.to_text());
}

void Run::judge_rows() {
  const HeldRows held = read_held_rows(cluster_);
  const auto& acked = cluster_.writer().acked();
  std::map<std::uint32_t, std::size_t> index;  // By tid.
  for (const Table& table : kTables) {
    index[cluster_.znodes().table(table.name).value().tid()] = result_.tables.size();
    TableResult& mine = result_.tables.emplace_back();
    mine.name = table.name;
    mine.replicas = table.replicas;
    mine.longest_gap.resize(table.partitions);
  }
  for (const auto& p : cluster_.writer().summary().partitions) {
    TableResult& table = result_.tables.at(index.at(p.tid));
    table.acknowledged += p.acks;
    table.longest_gap.at(p.pid) = p.longest_gap;
  }
  std::vector<testkit::AckedRow> unexplained;
  for (const testkit::AckedRow& row : lost_rows(acked, held)) {
    TableResult& table = result_.tables.at(index.at(row.tid));
    ++table.lost;
    if (ledger_.explain(row, table.replicas)) {
      ++table.explained;
    } else {
      unexplained.push_back(row);
    }
  }
  const std::vector<Incident> incidents = incidents_of(unexplained);
  for (std::size_t i = 0; i < std::min(incidents.size(), kShownIncidents); ++i) {
    show(incidents[i], result_.tables.at(index.at(incidents[i].first.tid)));
  }
  if (unexplained.empty()) return;
  wrong(std::to_string(unexplained.size()) + " acknowledged rows are gone, in " +
        std::to_string(incidents.size()) + " incidents, and nothing explains it");
}

// What is known of it, and what the daemons logged around it.
void Run::show(const Incident& incident, const TableResult& table) {
  const testkit::AckedRow& first = incident.first;
  char when[64];
  std::snprintf(when, sizeof when, "%.3f s to %.3f s", failoverd::seconds(first.acked - began_),
                failoverd::seconds(incident.last.acked - began_));
  const std::string partition = table.name + "/" + std::to_string(first.pid);
  wrong(partition + ": " + std::to_string(incident.rows) + " rows are gone, " + first.key + " to " +
        incident.last.key + ", which " + first.tablet + " acknowledged from " + when + " in term " +
        std::to_string(first.term) + "; from the last of them, that tablet was " +
        ledger_.around(first.tablet, incident.last.acked));
  const auto wall_ms = [this](Instant at) {
    return wall_began_ms_ + (at - began_) / milliseconds{1};
  };
  const LogWish wish{.from_ms = wall_ms(first.acked - kLogBefore),
                     .to_ms = wall_ms(incident.last.acked + kLogAfter),
                     .words = {partition, first.tablet},
                     .at_most = kLogLines};
  for (const e2e::Daemon* daemon : daemons_) {
    for (const std::string& line : excerpt(daemon->log(), wish)) wrong("    " + line);
  }
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
         std::to_string(length / std::chrono::seconds{1}) + " --generation " + generation;
}

bool run(const RunOptions& options) {
  Run run{options};
  return run.run();
}

}  // namespace failoverd::chaos
