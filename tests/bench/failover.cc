// SIGKILL or SIGSTOP to the last new leader, as a client sees it that watches the table's znode.
#include <boost/json.hpp>
#include <csignal>
#include <optional>
#include <stdexcept>

#include "tests/bench/measure.h"
#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"

namespace failoverd::bench {
namespace {

namespace json = boost::json;
using zookeeper::Code;

constexpr const char* kTable = "flow";

// Reads the table again whenever its znode changes, until no partition is led by the dead tablet.
class LeaderWatch {
 public:
  LeaderWatch(testkit::Znodes& znodes, std::string dead)
      : znodes_{znodes}, path_{znodes.path("table/table_data/") + kTable}, dead_{std::move(dead)} {
    read();
  }

  bool done() const { return done_.has_value(); }
  Clock::time_point when() const { return *done_; }

 private:
  void read() {
    znodes_.session().get(
        path_,
        [this](Code code, const std::string& bytes, const zookeeper::Stat&) {
          fedb::TableInfo table;
          if (code != Code::kOk || !table.ParseFromString(bytes)) return;
          if (!done_ && is_led(table)) done_ = Clock::now();
        },
        [this] {
          if (!done_) read();
        });
  }

  bool is_led(const fedb::TableInfo& table) const {
    for (const fedb::TablePartition& partition : table.table_partition()) {
      bool led = false;
      for (const fedb::PartitionMeta& row : partition.partition_meta()) {
        led |= row.is_leader() && row.is_alive() && row.endpoint() != dead_;
      }
      if (!led) return false;
    }
    return true;
  }

  testkit::Znodes& znodes_;
  const std::string path_;
  const std::string dead_;
  std::optional<Clock::time_point> done_;
};

double number(const json::object& fields, const char* key) {
  return std::stod(std::string{fields.at(key).as_string()});
}

// The phases of the partition that was last, from the daemon's events.
void read_phases(e2e::Daemon& daemon, Phases& phases) {
  const json::value events = json::parse(daemon.ctl({"events", "--json"}).out);
  double longest = -1;
  for (const json::value& each : events.as_array()) {
    const json::object& fields = each.at("fields").as_object();
    if (!fields.contains("publish_ms")) continue;
    const double detect = number(fields, "detect_ms");
    const double elect = number(fields, "elect_ms");
    const double publish = number(fields, "publish_ms");
    if (detect + elect + publish <= longest) continue;
    longest = detect + elect + publish;
    phases.detect = detect;
    phases.elect = elect;
    phases.publish = publish;
  }
  if (longest < 0) throw std::runtime_error("failoverd tells of no failover: " + daemon.log());
  phases.sign = phases.total - longest;
}

}  // namespace

Phases measure_failover(const FailoverCase& what) {
  e2e::Cluster cluster({.tablet_session = what.tablet_session});
  cluster.create_table(kTable, what.partitions, 3);
  const std::string silence = std::to_string(what.silence.count()) + "ms";
  e2e::Daemon& daemon = cluster.start_active_daemon(
      {.config = {"detection: {silence: " + silence + "}", "log: {level: info}"}});
  if (what.writes_per_second > 0) cluster.start_writer(what.writes_per_second);
  // Long enough for the daemon to have asked every tablet twice.
  cluster.let_pass(std::chrono::milliseconds{2500});

  LeaderWatch watch{cluster.znodes(), cluster.tablet(0)};
  const auto began = Clock::now();
  cluster.process(0).kill(what.stop ? SIGSTOP : SIGKILL);
  if (!cluster.wait_until([&] { return watch.done(); }, "every partition has a new leader",
                          std::chrono::seconds{60})) {
    throw std::runtime_error("no failover: " + daemon.log());
  }
  Phases phases;
  phases.total = milliseconds(watch.when() - began);
  read_phases(daemon, phases);
  return phases;
}

}  // namespace failoverd::bench
