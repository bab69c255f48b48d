// What a chaos run has done to the rows: whether every replica holds the same, which acknowledged
// rows are gone, and whether the ledger explains each. Asks the tablets, and changes nothing; the
// cluster is whole and nobody writes any more.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lib/base/time.h"
#include "tests/chaos/ledger.h"
#include "tests/chaos/result.h"
#include "tests/chaos/writers.h"
#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"

namespace failoverd::chaos {

// What the judgement rests on.
struct Evidence {
  const Writers& writers;
  const Ledger& ledger;
  const std::vector<e2e::Daemon*>& daemons;  // For what they logged.
  Instant began{};                           // The run's own zero,
  std::int64_t wall_began_ms = 0;            // and what the logs call it.
};

// Fills in `tables`, and what is `wrong`.
void judge_rows(e2e::Cluster& cluster, const Evidence& evidence, Result& result);

}  // namespace failoverd::chaos
