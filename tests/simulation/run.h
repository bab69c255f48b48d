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
  bool operators = false;         // Their commands come at any moment.
  std::ostream* trace = nullptr;  // Everything that happens, a line each.
  // Breaks the daemon on purpose, before it starts.
  std::function<void(World&)> tamper;
  std::string only;  // Only this rule is looked at; empty: all.
  // How long a cluster that is left alone may take, beside recovery.full_restart_wait and
  // election.wait_for_lost. The longest
  // honest waits are back-off (a minute) and a follower that stands still (half a minute), and some
  // replicas come back one after the other.
  Duration well_within = std::chrono::seconds{240};
};

struct RunResult {
  std::optional<Violation> violation;
  std::uint64_t steps = 0;  // Events of the world, each followed by the checkers.
};

RunResult run(const RunOptions&);

// The rules that are looked at once the faults have ended.
inline constexpr const char* kLedAgain = "liveness: well again";
inline constexpr const char* kFencesEnd = "SAFETY 3: a probe ends with a leader of a higher term";

// What is not well yet; empty: liveness holds. Only partitions that somebody can lead count.
std::vector<Violation> not_well(World&);
// Alive followers that do not have all that their leader has.
std::vector<Violation> not_equal(World&);

}  // namespace failoverd::simulation
