#include "tests/chaos/judge.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>

#include "tests/chaos/held_rows.h"
#include "tests/chaos/log_excerpt.h"
#include "tests/chaos/tables.h"
#include "tests/minitablet/testkit/compare.h"

namespace failoverd::chaos {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kShownIncidents = 5;
// Of each daemon's log, around rows that are gone.
constexpr Duration kLogBefore = seconds{3};
constexpr Duration kLogAfter = seconds{5};
constexpr std::size_t kLogLines = 20;

class Judge {
 public:
  Judge(e2e::Cluster& cluster, const Evidence& evidence, Result& result)
      : cluster_{cluster}, evidence_{evidence}, result_{result} {}

  void run() {
    compare_replicas();
    count_acknowledged();
    look_for_lost();
  }

 private:
  void compare_replicas();
  void count_acknowledged();
  void look_for_lost();
  void show(const Incident& incident);
  TableResult& table(std::uint32_t tid) { return result_.tables.at(index_.at(tid)); }

  e2e::Cluster& cluster_;
  const Evidence& evidence_;
  Result& result_;
  std::map<std::uint32_t, std::size_t> index_;  // Of result_.tables, by tid.
};

// By index and term: offsets can agree on logs that differ.
void Judge::compare_replicas() {
  testkit::CompareWish wish;
  wish.within = seconds{20};  // Replication lags.
  const testkit::Comparison comparison = testkit::compare_replicas(cluster_.znodes(), wish);
  if (!comparison.equal()) {
    result_.wrong.push_back("the replicas differ:\n" + comparison.to_text());
  }
}

void Judge::count_acknowledged() {
  for (const Table& table : kTables) {
    index_[cluster_.znodes().table(table.name).value().tid()] = result_.tables.size();
    TableResult& mine = result_.tables.emplace_back();
    mine.name = table.name;
    mine.replicas = table.replicas;
    mine.longest_gap.resize(table.partitions);
  }
  for (const auto& partition : evidence_.writers.partitions()) {
    TableResult& mine = table(partition.tid);
    mine.acknowledged += partition.acks;
    mine.longest_gap.at(partition.pid) = partition.longest_gap;
  }
}

void Judge::look_for_lost() {
  const HeldRows held = read_held_rows(cluster_);
  std::vector<testkit::AckedRow> unexplained;
  for (const testkit::AckedRow& row : lost_rows(evidence_.writers.acked(), held)) {
    TableResult& mine = table(row.tid);
    ++mine.lost;
    if (evidence_.ledger.explain(row, mine.replicas)) {
      ++mine.explained;
    } else {
      unexplained.push_back(row);
    }
  }
  if (unexplained.empty()) return;
  const std::vector<Incident> incidents = incidents_of(unexplained);
  result_.wrong.push_back(std::to_string(unexplained.size()) + " acknowledged rows are gone, in " +
                          std::to_string(incidents.size()) +
                          " incidents, and nothing explains it:");
  for (std::size_t i = 0; i < std::min(incidents.size(), kShownIncidents); ++i) show(incidents[i]);
}

// What is known of it, and what the daemons logged around it.
void Judge::show(const Incident& incident) {
  const testkit::AckedRow& first = incident.first;
  const testkit::AckedRow& last = incident.last;
  const Instant began = evidence_.began;
  char when[64];
  std::snprintf(when, sizeof when, "%.3f s to %.3f s", failoverd::seconds(first.acked - began),
                failoverd::seconds(last.acked - began));
  const std::string partition = table(first.tid).name + "/" + std::to_string(first.pid);
  result_.wrong.push_back(partition + ": " + std::to_string(incident.rows) + " rows, " + first.key +
                          " to " + last.key + ", which " + first.tablet + " acknowledged from " +
                          when + " in term " + std::to_string(first.term) +
                          "; seen from the last of them, that tablet was " +
                          evidence_.ledger.around(first.tablet, last.acked));
  const auto wall_ms = [&](Instant at) {
    return evidence_.wall_began_ms + (at - began) / milliseconds{1};
  };
  LogWish wish;
  wish.from_ms = wall_ms(first.acked - kLogBefore);
  wish.to_ms = wall_ms(last.acked + kLogAfter);
  wish.words = {partition, "tablet " + first.tablet};
  wish.at_most = kLogLines;
  for (const e2e::Daemon* daemon : evidence_.daemons) {
    for (const std::string& line : excerpt(daemon->log(), wish)) {
      result_.wrong.push_back("    " + line);
    }
  }
}

}  // namespace

void judge_rows(e2e::Cluster& cluster, const Evidence& evidence, Result& result) {
  Judge{cluster, evidence, result}.run();
}

}  // namespace failoverd::chaos
