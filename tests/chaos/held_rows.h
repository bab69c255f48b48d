// What the leaders of all partitions hold, read from minitablet's own Dump. Asks, and waits.
#pragma once

#include "tests/chaos/ledger.h"
#include "tests/e2e/cluster.h"

namespace failoverd::chaos {

// Throws std::runtime_error when a leader does not answer. A partition without an alive leader row
// is not in it.
HeldRows read_held_rows(e2e::Cluster& cluster);

}  // namespace failoverd::chaos
