// One run of the made-up world from one seed: a cluster is drawn, suffers, calms down, and must
// then be well again within bounded time.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "tests/simulation/world.h"

namespace failoverd::simulation {

struct RunOptions {
  std::uint64_t seed = 1;
  std::ostream* trace = nullptr;  // Everything that happens, a line each.
  // Breaks the daemon on purpose, before it starts.
  std::function<void(World&)> tamper;
};

struct RunResult {
  std::optional<Violation> violation;
  std::uint64_t steps = 0;  // Events of the world, each followed by the checkers.
};

RunResult run(const RunOptions&);

// What is not well yet, in sentences; empty: liveness holds. Only partitions that somebody can lead
// count.
std::vector<std::string> not_well(World&);
// Alive followers that do not have all that their leader has.
std::vector<std::string> not_equal(World&);

}  // namespace failoverd::simulation
