#include "lib/admin/metrics.h"

#include <prometheus/histogram.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "lib/admin/process_stats.h"

namespace failoverd::admin {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr std::array kTabletStates = {"healthy", "suspect",   "crashed", "lost",
                                      "cut_off", "restarted", "hung"};
constexpr std::array kPartitionStates = {"healthy", "degraded", "leaderless", "recovering", "held"};
constexpr std::array kPhases = {"detect", "elect", "publish", "total"};
constexpr std::array kFinalStatus = {"kDone", "kFailed", "kCanceled"};

const prometheus::Histogram::BucketBoundaries& buckets() {
  static const prometheus::Histogram::BucketBoundaries bounds = {
      0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
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
void count_states(Page& page, const std::array<const char*, N>& states,
                  const std::vector<Count>& counts) {
  std::map<std::string, std::uint64_t> by_state;
  for (const char* state : states) by_state[state] = 0;
  for (const Count& count : counts) by_state[count.word] += count.count;
  for (const auto& [state, count] : by_state) {
    page.sample({{"state", state}}, static_cast<double>(count));
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
  std::array<std::unique_ptr<prometheus::Histogram>, kPhases.size()> failovers;
  // A reason that was shown once stays, as 0: a series that vanishes looks like one not scraped.
  std::set<std::string> reasons_seen;

  void add_cluster(Page& page, const MetricsInput& now) const;
  void add_ops(Page& page, const MetricsInput& now) const;
  void add_daemon(Page& page, const MetricsInput& now);
};

void Metrics::State::add_cluster(Page& page, const MetricsInput& now) const {
  page.family("failoverd_tablets", "Tablets by what failoverd holds of them.", MetricType::Gauge);
  count_states(page, kTabletStates, now.tablets);
  page.family("failoverd_partitions", "Partitions by state.", MetricType::Gauge);
  count_states(page, kPartitionStates, now.partitions);
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

void Metrics::State::add_ops(Page& page, const MetricsInput& now) const {
  std::map<std::pair<std::string, std::string>, std::uint64_t> running;
  for (const OpCount& op : now.ops) running[{op.type, op.status}] += op.count;
  page.family("failoverd_ops", "Ops under way now.", MetricType::Gauge);
  for (const auto& [op, count] : running) {
    page.sample({{"type", op.first}, {"status", op.second}}, static_cast<double>(count));
  }
  page.family("failoverd_ops_total", "Ops that have ended.", MetricType::Counter);
  for (const auto& [op, count] : ops_total) {
    page.sample({{"type", op.first}, {"status", op.second}}, static_cast<double>(count));
  }
}

void Metrics::State::add_daemon(Page& page, const MetricsInput& now) {
  page.gauge("failoverd_auto_failover_enabled",
             "1: failoverd acts by itself; 0: it only says what it would do.",
             now.auto_failover_enabled);
  page.gauge("failoverd_active", "1: this daemon acts; 0: it is a standby.", now.active);
  page.gauge("failoverd_zookeeper_connected", "1: connected to ZooKeeper with a session.",
             now.zookeeper_connected);
  page.gauge("failoverd_config_last_reload_successful",
             "0: the configuration file on disk is refused and the old one holds.", now.config_ok);
  page.gauge("failoverd_config_last_reload_success_timestamp_seconds",
             "When the configuration in force was read.",
             static_cast<double>(now.config_success_ms) / 1000);
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
    histogram = std::make_unique<prometheus::Histogram>(buckets());
  }
  for (const std::string& type : op_types) {
    for (const char* status : kFinalStatus) state_->ops_total[{type, status}] = 0;
  }
}

Metrics::~Metrics() = default;

void Metrics::op_finished(const std::string& type, const std::string& status, Duration) {
  ++state_->ops_total[{type, status}];
}

void Metrics::entries_lost(std::uint64_t) {}

void Metrics::possible_loss(std::uint64_t) {}

void Metrics::failover_took(FailoverPhase phase, Duration duration) {
  state_->failovers[static_cast<std::size_t>(phase)]->Observe(seconds(duration));
}

std::string Metrics::text(const MetricsInput& now) {
  Page page;
  state_->add_daemon(page, now);
  state_->add_cluster(page, now);
  state_->add_ops(page, now);
  add_process(page);
  return page.text();
}

}  // namespace failoverd::admin
