#include "lib/admin/metrics.h"

#include <prometheus/histogram.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "lib/admin/process_stats.h"
#include "lib/base/utf8.h"

namespace failoverd::admin {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr std::array kTabletStates = {"healthy", "suspect",   "crashed", "lost",
                                      "cut_off", "restarted", "hung",    "stranger"};
constexpr std::array kLeftAlone = {"unreadable", "too_large", "no_auth", "refused"};
constexpr std::array kPartitionStates = {"healthy", "degraded", "leaderless", "recovering", "held"};
constexpr std::array kHolds = {"known_loss", "operator"};
constexpr std::array kPhases = {"detect", "elect", "publish", "total"};
constexpr std::array kFinalStatus = {"kDone", "kFailed", "kCanceled"};

// Of each metric with a series per op; more would make the monitoring the next thing to fail.
constexpr std::size_t kMostSeries = 1000;

using Buckets = prometheus::Histogram::BucketBoundaries;

const Buckets& failover_buckets() {
  static const Buckets bounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                 0.5,   1,      2.5,   5,    10,    30,   60};
  return bounds;
}

// From an op that only changes a row to a copy of many gigabytes.
const Buckets& op_buckets() {
  static const Buckets bounds = {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1,    2.5,
                                 5,     10,    30,   60,   300, 600, 1800, 3600};
  return bounds;
}

const Buckets& entries_buckets() {
  static const Buckets bounds = {0, 1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7};
  return bounds;
}

using Labels = std::vector<ClientMetric::Label>;

// Collects the families of one scrape.
class Page {
 public:
  void family(const char* name, const char* help, MetricType type) {
    families_.push_back({name, help, type, {}});
  }
  void sample(Labels labels, double value) {
    ClientMetric metric;
    metric.label = std::move(labels);
    (families_.back().type == MetricType::Counter ? metric.counter.value : metric.gauge.value) =
        value;
    families_.back().metric.push_back(std::move(metric));
  }
  void sample(Labels labels, ClientMetric metric) {
    metric.label = std::move(labels);
    families_.back().metric.push_back(std::move(metric));
  }
  void gauge(const char* name, const char* help, double value) {
    family(name, help, MetricType::Gauge);
    sample({}, value);
  }
  void counter(const char* name, const char* help, double value) {
    family(name, help, MetricType::Counter);
    sample({}, value);
  }
  std::string text() const {
    std::ostringstream out;
    prometheus::TextSerializer().Serialize(out, families_);
    return out.str();
  }

 private:
  std::vector<MetricFamily> families_;
};

template <std::size_t N>
void count_by(const std::string& label, Page& page, const std::array<const char*, N>& words,
              const std::vector<Count>& counts) {
  std::map<std::string, std::uint64_t> by_word;
  for (const char* word : words) by_word[word] = 0;
  for (const Count& count : counts) by_word[count.word] += count.count;
  for (const auto& [word, count] : by_word) {
    page.sample({{label, word}}, static_cast<double>(count));
  }
}

void add_process(Page& page) {
  const ProcessStats stats = read_process_stats();
  page.counter("process_cpu_seconds_total", "User and system CPU time spent in seconds.",
               stats.cpu_seconds);
  page.gauge("process_resident_memory_bytes", "Resident memory size in bytes.",
             stats.resident_bytes);
  page.gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", stats.virtual_bytes);
  page.gauge("process_open_fds", "Number of open file descriptors.", stats.open_fds);
  page.gauge("process_max_fds", "Maximum number of open file descriptors.", stats.max_fds);
  page.gauge("process_threads", "Number of threads.", stats.threads);
  page.gauge("process_start_time_seconds", "Start time of the process since the Unix epoch.",
             stats.start_time_seconds);
}

}  // namespace

struct Metrics::State {
  std::string version;
  std::map<std::pair<std::string, std::string>, std::uint64_t> ops_total;  // (type, status).
  std::map<std::string, prometheus::Histogram> op_durations;               // By type.
  std::array<std::unique_ptr<prometheus::Histogram>, kPhases.size()> failovers;
  prometheus::Histogram possible_loss{entries_buckets()};
  std::uint64_t lost_entries = 0;
  std::uint64_t given_up_entries = 0;
  std::uint64_t http_refused = 0;
  // A reason that was shown once stays, as 0: a series that vanishes looks like one not scraped.
  std::set<std::string> reasons_seen;

  void add_cluster(Page& page, const MetricsInput& now) const;
  void add_losses(Page& page) const;
  void add_ops(Page& page, const MetricsInput& now) const;
  static void add_each_op(Page& page, const MetricsInput& now);
  prometheus::Histogram& op_duration(const std::string& type) {
    return op_durations.try_emplace(type, op_buckets()).first->second;
  }
  void add_daemon(Page& page, const MetricsInput& now);
};

void Metrics::State::add_cluster(Page& page, const MetricsInput& now) const {
  page.family("failoverd_tablets", "Tablets by what failoverd holds of them.", MetricType::Gauge);
  count_by("state", page, kTabletStates, now.tablets);
  page.family("failoverd_partitions", "Partitions by state.", MetricType::Gauge);
  count_by("state", page, kPartitionStates, now.partitions);
  page.family("failoverd_holds", "What is left waiting on purpose, by reason.", MetricType::Gauge);
  count_by("reason", page, kHolds, now.holds);
  page.family(
      "failoverd_tables_left_alone",
      "Tables for which nothing is done: their znodes cannot be read, or ZooKeeper does not "
      "take them.",
      MetricType::Gauge);
  count_by("reason", page, kLeftAlone, now.tables_left_alone);
  page.family("failoverd_needless_verdicts_total", "Tablets that were judged dead and were not.",
              MetricType::Counter);
  page.sample({}, static_cast<double>(now.needless_verdicts));
  page.family("failoverd_failover_duration_seconds",
              "Failover of one partition by phase: detect (first sign to verdict), elect (to "
              "ChangeRole answered), publish (to the multi answered), total.",
              MetricType::Histogram);
  for (std::size_t i = 0; i < kPhases.size(); ++i) {
    page.sample({{"phase", kPhases[i]}}, failovers[i]->Collect());
  }
}

void Metrics::State::add_losses(Page& page) const {
  page.counter("failoverd_lost_entries_total",
               "Entries of replicas beyond their partition's history, dropped by a full copy.",
               static_cast<double>(lost_entries));
  page.counter(
      "failoverd_given_up_entries_total",
      "Entries, at least, that a lost replica was known to hold and its partition's leader "
      "was elected without.",
      static_cast<double>(given_up_entries));
  page.family("failoverd_possible_loss_entries",
              "Acknowledged entries that may be gone, by the dead leader's last known offset, one "
              "observation per leader change; what it took after that comes on top.",
              MetricType::Histogram);
  page.sample({}, possible_loss.Collect());
}

void Metrics::State::add_ops(Page& page, const MetricsInput& now) const {
  std::map<std::pair<std::string, std::string>, std::uint64_t> running;
  for (const OpRow& op : now.running) ++running[{op.op_type, op.status}];
  page.family("failoverd_ops", "Ops under way now.", MetricType::Gauge);
  for (const auto& [op, count] : running) {
    page.sample({{"type", op.first}, {"status", op.second}}, static_cast<double>(count));
  }
  page.family("failoverd_ops_total", "Ops that have ended.", MetricType::Counter);
  for (const auto& [op, count] : ops_total) {
    page.sample({{"type", op.first}, {"status", op.second}}, static_cast<double>(count));
  }
  page.family("failoverd_op_duration_seconds", "Ops from their start to their end.",
              MetricType::Histogram);
  for (const auto& [type, took] : op_durations) page.sample({{"type", type}}, took.Collect());
}

// One series for each op under way, as far as kMostSeries goes.
void Metrics::State::add_each_op(Page& page, const MetricsInput& now) {
  std::size_t shown = 0;
  std::size_t dropped = 0;
  const auto has_room = [&] {
    const bool has = shown < kMostSeries;
    ++(has ? shown : dropped);
    return has;
  };
  const auto labels = [](const OpRow& op) {
    return Labels{{"op_id", std::to_string(op.op_id)},
                  {"table", valid_utf8(op.name)},
                  {"pid", std::to_string(op.pid)}};
  };
  page.family("failoverd_op_task", "The task that an op under way is at; always 1.",
              MetricType::Gauge);
  for (const OpRow& op : now.running) {
    if (!has_room()) continue;
    Labels of_op = labels(op);
    of_op.push_back({"type", op.op_type});
    of_op.push_back({"task", op.cur_task.empty() ? "-" : op.cur_task});
    page.sample(std::move(of_op), 1);
  }
  page.family("failoverd_op_progress_ratio",
              "Of an op under way that copies or catches up: how much is done, 0 to 1.",
              MetricType::Gauge);
  shown = 0;
  for (const OpRow& op : now.running) {
    if (op.progress && has_room()) page.sample(labels(op), *op.progress);
  }
  page.gauge("failoverd_series_dropped", "Series left out of this page: above 1,000 of a kind.",
             static_cast<double>(dropped));
}

void Metrics::State::add_daemon(Page& page, const MetricsInput& now) {
  if (now.auto_failover_enabled) {
    page.gauge("failoverd_auto_failover_enabled",
               "1: failoverd acts by itself; 0: it only says what it would do.",
               *now.auto_failover_enabled);
  }
  page.gauge("failoverd_active", "1: this daemon acts; 0: it is a standby.", now.active);
  page.gauge("failoverd_zookeeper_connected", "1: connected to ZooKeeper with a session.",
             now.zookeeper_connected);
  page.gauge("failoverd_config_last_reload_successful",
             "0: the configuration file on disk is refused and the old one holds.", now.config_ok);
  page.gauge("failoverd_config_last_reload_success_timestamp_seconds",
             "When the configuration in force was read.",
             static_cast<double>(now.config_success_ms) / 1000);
  page.counter("failoverd_log_lines_dropped_total",
               "Lines of the log that were dropped because nobody read standard error.",
               static_cast<double>(now.log_lines_dropped));
  page.counter("failoverd_http_refused_total",
               "HTTP requests that were not answered: readers had their share of the loop already.",
               static_cast<double>(http_refused));
  std::map<std::string, double> reasons;
  for (const std::string& reason : reasons_seen) reasons[reason] = 0;
  for (const std::string& reason : now.stands_back) {
    reasons[reason] = 1;
    reasons_seen.insert(reason);
  }
  page.family("failoverd_stands_back", "1: failoverd changes nothing, for this reason.",
              MetricType::Gauge);
  for (const auto& [reason, value] : reasons) page.sample({{"reason", reason}}, value);
  page.family("failoverd_build_info", "The version that runs; always 1.", MetricType::Gauge);
  page.sample({{"version", version}}, 1);
}

Metrics::Metrics(std::string version, const std::vector<std::string>& op_types)
    : state_(std::make_unique<State>()) {
  state_->version = std::move(version);
  for (auto& histogram : state_->failovers) {
    histogram = std::make_unique<prometheus::Histogram>(failover_buckets());
  }
  for (const std::string& type : op_types) {
    state_->op_duration(type);
    for (const char* status : kFinalStatus) state_->ops_total[{type, status}] = 0;
  }
}

Metrics::~Metrics() = default;

void Metrics::op_finished(const std::string& type, const std::string& status, Duration took) {
  ++state_->ops_total[{type, status}];
  state_->op_duration(type).Observe(seconds(took));
}

void Metrics::entries_lost(std::uint64_t count) { state_->lost_entries += count; }

void Metrics::entries_given_up(std::uint64_t count) { state_->given_up_entries += count; }

void Metrics::http_refused() { ++state_->http_refused; }

void Metrics::possible_loss(std::uint64_t entries) {
  state_->possible_loss.Observe(static_cast<double>(entries));
}

void Metrics::failover_took(FailoverPhase phase, Duration duration) {
  state_->failovers[static_cast<std::size_t>(phase)]->Observe(seconds(duration));
}

std::string Metrics::text(const MetricsInput& now) {
  Page page;
  state_->add_daemon(page, now);
  state_->add_cluster(page, now);
  state_->add_losses(page);
  state_->add_ops(page, now);
  State::add_each_op(page, now);
  add_process(page);
  return page.text();
}

}  // namespace failoverd::admin
