// What operators plan: leaders that live are handed over, a tablet goes offline and comes back.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <future>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/bench/measure.h"
#include "tests/bench/table_watch.h"
#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"
#include "tests/e2e/recovery.h"

namespace failoverd::bench {
namespace {

using std::chrono::seconds;

constexpr const char* kTable = "flow";
constexpr seconds kPatience{120};
// A handover that has not led to another leader by then was taken back.
constexpr seconds kTakenBackAfter{2};

const fedb::PartitionMeta* leader_of(const fedb::TablePartition& partition) {
  for (const fedb::PartitionMeta& row : partition.partition_meta()) {
    if (row.is_leader() && row.is_alive()) return &row;
  }
  return nullptr;
}

using Leaders = std::map<std::uint32_t, std::string>;

// Of those partitions that are whole: led, and all rows alive.
Leaders leaders_of(const fedb::TableInfo& table) {
  Leaders leaders;
  for (const fedb::TablePartition& partition : table.table_partition()) {
    const auto& rows = partition.partition_meta();
    const auto* leader = leader_of(partition);
    const bool whole =
        leader && std::all_of(rows.begin(), rows.end(), [](const auto& r) { return r.is_alive(); });
    if (whole) leaders[partition.pid()] = leader->endpoint();
  }
  return leaders;
}

void check(const e2e::Daemon::Http& answer) {
  if (answer.status == 200) return;
  throw std::runtime_error("refused: " + std::to_string(answer.status) + " " + answer.body);
}

// Like operators who type at as many terminals: the writers' loop goes on meanwhile.
void ask_for_all(e2e::Cluster& cluster, e2e::Daemon& daemon, std::uint32_t partitions) {
  auto asked = std::async(std::launch::async, [&daemon, partitions] {
    for (std::uint32_t pid = 0; pid < partitions; ++pid) {
      check(daemon.post(
          "/api/v1/commands/changeleader",
          R"({"name": "flow", "candidate": "auto", "pid": )" + std::to_string(pid) + "}"));
    }
  });
  cluster.wait_until([&] { return asked.wait_for(seconds{0}) == std::future_status::ready; },
                     "it is asked for", kPatience);
  asked.get();
}

// From one tablet's last acknowledged row to the next one's first.
void add_pauses(const std::vector<testkit::AckedRow>& acked, Series& pauses) {
  std::map<std::uint32_t, const testkit::AckedRow*> last;
  for (const testkit::AckedRow& row : acked) {
    const testkit::AckedRow*& before = last[row.pid];
    if (before && before->tablet != row.tablet) {
      pauses.add(std::chrono::duration<double, std::milli>(row.acked - before->acked).count());
    }
    before = &row;
  }
}

}  // namespace

HandoversTaken measure_handovers(const HandoverCase& what) {
  HandoversTaken taken;
  e2e::Cluster cluster({.tablet_flags = {std::string{"--binlog_notify_on_put="} +
                                         (what.notify_on_put ? "true" : "false")}});
  cluster.create_table(kTable, what.partitions, 3);
  e2e::Daemon& daemon = cluster.start_active_daemon({.config = {"log: {level: info}"}});
  cluster.start_writer(what.writes_per_second);
  cluster.let_pass(std::chrono::milliseconds{1000});
  for (std::uint32_t round = 0; round < what.rounds; ++round) {
    const Leaders before = leaders_of(cluster.znodes().table(kTable).value());
    const auto moved = [&](const fedb::TableInfo& table) {
      const Leaders now = leaders_of(table);
      return now.size() == what.partitions &&
             std::all_of(now.begin(), now.end(), [&](const auto& leader) {
               const auto was = before.find(leader.first);
               return was == before.end() || was->second != leader.second;
             });
    };
    TableWatch watch{cluster.znodes(), kTable, moved};
    ask_for_all(cluster, daemon, what.partitions);
    if (cluster.wait_until([&] { return watch.done(); }, "they have moved", kTakenBackAfter)) {
      continue;
    }
    for (const auto& [pid, now] : leaders_of(cluster.znodes().table(kTable).value())) {
      const auto was = before.find(pid);
      if (was != before.end() && was->second == now) ++taken.taken_back;
    }
  }
  for (const e2e::ShownOp& op : e2e::shown_ops(daemon)) {
    if (op.status != "kDone") std::fprintf(stderr, "%s", e2e::to_text({op}).c_str());
  }
  const testkit::Comparison rows = cluster.compare(/*acked=*/true);
  taken.acked = rows.acked_rows;
  taken.lost = rows.acked_missing;
  if (!rows.equal()) throw std::runtime_error(rows.to_text());
  add_pauses(cluster.writer().acked(), taken.pauses);
  return taken;
}

namespace {

class Absence {
 public:
  explicit Absence(const PlannedCase& what) : what_(what) {
    cluster_.create_table(kTable, what.partitions, 3, {}, /*spread=*/!what.leads_all);
    daemon_ =
        &cluster_.start_active_daemon({.config = {"auto_failover: false", "log: {level: info}"}});
    if (what.writes_per_second > 0) cluster_.start_writer(what.writes_per_second);
    // Long enough for the daemon to have asked every tablet twice.
    cluster_.let_pass(std::chrono::milliseconds{2500});
  }

  Planned measure() {
    Planned planned;
    const std::string& away = cluster_.tablet(0);
    TableWatch led{cluster_.znodes(), kTable, of_all([&](const auto& partition) {
                     const auto* leader = leader_of(partition);
                     return leader && leader->endpoint() != away;
                   })};
    TableWatch dead{cluster_.znodes(), kTable, of_all([&](const auto& partition) {
                      const auto& rows = partition.partition_meta();
                      return std::all_of(rows.begin(), rows.end(), [&](const auto& row) {
                        return row.is_alive() == (row.endpoint() != away);
                      });
                    })};
    const auto offline = ask("offlineendpoint");
    wait_for(dead, "its rows are dead");
    planned.leaders = milliseconds(led.when() - offline);
    planned.dead = milliseconds(dead.when() - offline);
    cluster_.wait_until([&] { return ops_have_ended(); }, "its ops have ended", kPatience);
    TableWatch alive{cluster_.znodes(), kTable, of_all([](const auto& partition) {
                       const auto& rows = partition.partition_meta();
                       return std::all_of(rows.begin(), rows.end(),
                                          [](const auto& row) { return row.is_alive(); });
                     })};
    const auto back = ask("recoverendpoint");
    wait_for(alive, "its rows are alive");
    planned.alive = milliseconds(alive.when() - back);
    if (what_.writes_per_second == 0) return planned;
    const testkit::Comparison rows = cluster_.compare(/*acked=*/true);
    if (!rows.equal()) throw std::runtime_error(rows.to_text());
    return planned;
  }

 private:
  static TableWatch::Wanted of_all(std::function<bool(const fedb::TablePartition&)> wanted) {
    return [wanted = std::move(wanted)](const fedb::TableInfo& table) {
      const auto& all = table.table_partition();
      return std::all_of(all.begin(), all.end(), wanted);
    };
  }

  Clock::time_point ask(const std::string& command) {
    std::string body = R"({"endpoint": ")" + cluster_.tablet(0) + '"';
    if (what_.concurrency > 0) body += R"(, "concurrency": )" + std::to_string(what_.concurrency);
    const auto asked = Clock::now();
    check(daemon_->post("/api/v1/commands/" + command, body + "}"));
    return asked;
  }

  void wait_for(TableWatch& watch, const std::string& what) {
    if (cluster_.wait_until([&] { return watch.done(); }, what, kPatience)) return;
    throw std::runtime_error("in vain: " + what + "\n" + e2e::to_text(e2e::shown_ops(*daemon_)));
  }

  bool ops_have_ended() {
    const auto ops = e2e::shown_ops(*daemon_);
    return std::none_of(ops.begin(), ops.end(), [](const auto& op) { return op.runs(); });
  }

  const PlannedCase what_;
  e2e::Cluster cluster_;
  e2e::Daemon* daemon_ = nullptr;
};

}  // namespace

Planned measure_planned(const PlannedCase& what) { return Absence{what}.measure(); }

}  // namespace failoverd::bench
