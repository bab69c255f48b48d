// What grows with the number of partitions: four tablets, one of them killed and started again.
#include <algorithm>
#include <csignal>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/bench/measure.h"
#include "tests/bench/table_watch.h"
#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"

namespace failoverd::bench {
namespace {

constexpr int kTablets = 4;
constexpr std::uint32_t kPartitionsOfATable = 250;
constexpr std::chrono::minutes kPatience{5};

using Wanted = std::function<bool(const fedb::PartitionMeta&)>;

bool all_rows(const fedb::TableInfo& table, const Wanted& wanted) {
  for (const fedb::TablePartition& p : table.table_partition()) {
    for (const fedb::PartitionMeta& row : p.partition_meta()) {
      if (!wanted(row)) return false;
    }
  }
  return true;
}

bool all_led_without(const fedb::TableInfo& table, const std::string& dead) {
  for (const fedb::TablePartition& p : table.table_partition()) {
    const auto& rows = p.partition_meta();
    const bool led = std::any_of(rows.begin(), rows.end(), [&](const auto& row) {
      return row.is_leader() && row.is_alive() && row.endpoint() != dead;
    });
    if (!led) return false;
  }
  return true;
}

class Growing {
 public:
  // The tablets keep their files in memory: on ext4 a tablet that comes back makes thousands of
  // files where thousands were deleted a moment ago, and that grows with their product.
  explicit Growing(std::uint32_t partitions)
      : cluster_({.tablets = kTablets, .disks_below = "/dev/shm"}) {
    for (std::uint32_t made = 0; made < partitions; made += kPartitionsOfATable) {
      const int first = static_cast<int>(tables_.size());
      std::vector<int> on;
      for (int i = 0; i < 3; ++i) on.push_back((first + i) % kTablets);
      tables_.push_back("flow" + std::to_string(first));
      cluster_.create_table(tables_.back(), kPartitionsOfATable, 3, on);
    }
    daemon_ = &cluster_.start_active_daemon({.config = {"log: {level: info}"}});
    // Long enough for the daemon to have asked every tablet twice.
    cluster_.let_pass(std::chrono::milliseconds{4000});
  }

  Growth measure() {
    Growth growth;
    const std::string& dead = cluster_.tablet(0);
    const auto killed = Clock::now();
    cluster_.process(0).kill(SIGKILL);
    growth.leaders = milliseconds(
        when_all([&](const auto& table) { return all_led_without(table, dead); }, "new leaders") -
        killed);
    const auto is_dead = [&](const auto& row) {
      return row.is_alive() == (row.endpoint() != dead);
    };
    (void)when_all([&](const auto& table) { return all_rows(table, is_dead); }, "its rows' death");
    cluster_.let_pass(std::chrono::milliseconds{2000});
    cluster_.start_tablet(0);  // Until its znode is there.
    const auto returned = Clock::now();
    const auto alive = [](const auto& row) { return row.is_alive(); };
    growth.alive = milliseconds(
        when_all([&](const auto& table) { return all_rows(table, alive); }, "its rows' return") -
        returned);
    return growth;
  }

 private:
  // When the last table was as wanted.
  Clock::time_point when_all(const TableWatch::Wanted& wanted, const std::string& what) {
    const std::size_t first = watches_.size();
    for (const std::string& table : tables_) {
      watches_.push_back(std::make_unique<TableWatch>(cluster_.znodes(), table, wanted));
    }
    const auto begin = watches_.begin() + static_cast<std::ptrdiff_t>(first);
    const auto done = [&] {
      return std::all_of(begin, watches_.end(), [](const auto& w) { return w->done(); });
    };
    if (!cluster_.wait_until(done, what, kPatience)) {
      throw std::runtime_error("in vain: " + what + ": " + daemon_->status());
    }
    auto last = (*begin)->when();
    for (auto w = begin; w != watches_.end(); ++w) last = std::max(last, (*w)->when());
    return last;
  }

  e2e::Cluster cluster_;
  e2e::Daemon* daemon_ = nullptr;
  std::vector<std::string> tables_;
  std::vector<std::unique_ptr<TableWatch>> watches_;  // Each may fire once more: all are kept.
};

}  // namespace

Growth measure_growth(std::uint32_t partitions) { return Growing{partitions}.measure(); }

}  // namespace failoverd::bench
