// SIGKILL or SIGSTOP to the last new leader, as a client sees it that watches the table's znode.
#include <boost/json.hpp>
#include <csignal>
#include <stdexcept>

#include "tests/bench/measure.h"
#include "tests/bench/readers.h"
#include "tests/bench/table_watch.h"
#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"

namespace failoverd::bench {
namespace {

namespace json = boost::json;

constexpr const char* kTable = "flow";

bool is_led_without(const fedb::TableInfo& table, const std::string& dead) {
  for (const fedb::TablePartition& partition : table.table_partition()) {
    bool led = false;
    for (const fedb::PartitionMeta& row : partition.partition_meta()) {
      led |= row.is_leader() && row.is_alive() && row.endpoint() != dead;
    }
    if (!led) return false;
  }
  return true;
}

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

constexpr int kEvents = 1'500;  // More than one page of them.

std::vector<std::string> targets_of(const FailoverCase& what) {
  if (what.they_read_the_log) return {"/api/v1/events"};
  return {"/metrics", "/api/v1/tables", "/api/v1/events"};
}

void fill_the_log(e2e::Daemon& daemon) {
  for (int i = 0; i < kEvents; ++i) {
    const std::string value = i % 2 == 0 ? "false" : "true";
    daemon.post("/api/v1/commands/confset",
                R"({"key": "auto_failover", "value": ")" + value + "\"}");
  }
}

}  // namespace

Phases measure_failover(const FailoverCase& what) {
  e2e::ClusterOptions options{.tablet_session = what.tablet_session};
  if (what.nameserver) options.nameservers = 1;
  e2e::Cluster cluster(options);
  cluster.create_table(kTable, what.partitions, 3);
  const std::string silence = std::to_string(what.silence.count()) + "ms";
  e2e::Daemon& daemon = cluster.start_active_daemon(
      {.config = {"detection: {silence: " + silence + "}", "log: {level: info}"}});
  if (what.writes_per_second > 0) cluster.start_writer(what.writes_per_second);
  if (what.they_read_the_log) fill_the_log(daemon);
  Readers readers(daemon.http(), what.readers, targets_of(what));
  // Long enough for the daemon to have asked every tablet twice.
  cluster.let_pass(std::chrono::milliseconds{2500});

  // Until no partition is led by the dead tablet.
  TableWatch watch{cluster.znodes(), kTable, [dead = cluster.tablet(0)](const auto& table) {
                     return is_led_without(table, dead);
                   }};
  const auto began = Clock::now();
  cluster.process(0).kill(what.stop ? SIGSTOP : SIGKILL);
  if (!cluster.wait_until([&] { return watch.done(); }, "every partition has a new leader",
                          std::chrono::seconds{60})) {
    throw std::runtime_error("no failover: " + daemon.log());
  }
  Phases phases;
  phases.total = milliseconds(watch.when() - began);
  if (what.readers > 0 && readers.answers() == 0) throw std::runtime_error("nobody was answered");
  if (what.nameserver) cluster.let_pass(std::chrono::milliseconds{500});  // Until it is read back.
  read_phases(daemon, phases);
  return phases;
}

}  // namespace failoverd::bench
