// At which calls each op is cut, one partition per call (recovery_cut_test.cc): data, no
// conditions.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/e2e/cluster.h"

namespace failoverd::e2e {

// How tablet 0 goes and comes back, so that this op follows.
enum class Way {
  kFollowerDies,  // And stays away.
  kKilled,        // With what all have.
  kKilledAhead,   // With rows that nobody else has.
  kKilledWiped,   // Its disk is lost.
  kStopped,       // SIGSTOP, and goes on.
  kAllKilled,
};

// Where a partition's op stands when its daemon is killed.
struct Cut {
  const char* method;
  bool at_replica;  // Tablet 0; else at the others.
  Cluster::Stage stage;
  std::uint32_t skip = 0;
};

struct Plan {
  const char* name;
  const char* op;
  Way way;
  std::uint32_t replicas;
  bool in_journal;
  std::vector<Cut> cuts;  // One per partition.
};

// Of every op but kChangeLeaderOP (takeover_test.cc).
const std::vector<Plan>& plans();

}  // namespace failoverd::e2e
