// The cluster that recovery is measured on: tablet 0 was killed, other leaders were elected, rows
// were written without it, and it may start again. Owned by one measurement.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/bench/figures.h"
#include "tests/bench/measure.h"
#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"

namespace failoverd::bench {

inline constexpr const char* kReturningTable = "flow";

class Returning {
 public:
  explicit Returning(const RecoveryCase& what);

  // Starts tablet 0 and waits for its znode: when it appeared.
  Clock::time_point start_again();
  // Every replica, tablet 0's too, has every row.
  void expect_all_rows();

  e2e::Cluster& cluster() { return cluster_; }
  e2e::Daemon& daemon() { return *daemon_; }
  fedb::TableInfo table() { return cluster_.znodes().table(kReturningTable).value(); }

 private:
  void kill();
  void write(std::uint32_t rows, std::uint32_t value_bytes);
  void make_snapshot(int tablet);
  bool has_all_rows(int tablet);
  void wait_for_rows(std::vector<int> tablets);

  const RecoveryCase what_;
  e2e::Cluster cluster_;
  e2e::Daemon* daemon_ = nullptr;
  std::uint64_t rows_ = 0;  // In each partition so far.
};

}  // namespace failoverd::bench
