// What is measured, each on a cluster of its own: a real ZooKeeper that syncs to its disk, three
// minitablets, one table, one failoverd. Throws std::runtime_error when a cluster does not come up
// or no failover happens.
#pragma once

#include <chrono>
#include <cstdint>

#include "tests/bench/figures.h"

namespace failoverd::bench {

struct FailoverCase {
  std::uint32_t partitions = 8;
  bool stop = false;             // SIGSTOP instead of SIGKILL.
  double writes_per_second = 0;  // Puts into each partition meanwhile.
  std::chrono::milliseconds tablet_session{2000};
  std::chrono::milliseconds silence{3000};
};

// Tablet 0 gets its signal; until every partition that it led has a new leader.
Phases measure_failover(const FailoverCase& what);

// The same without failoverd, by somebody who knows the answer beforehand: two round trips to the
// two tablets that are left, one multi.
Limit measure_limit(std::uint32_t partitions);

struct Idle {
  double cpu_percent = 0;  // Of one core.
  double resident_mib = 0;
  double peak_mib = 0;
};
// A daemon with nothing to do but to watch.
Idle measure_idle(std::uint32_t partitions, std::chrono::seconds time);

}  // namespace failoverd::bench
