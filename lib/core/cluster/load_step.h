// LoadTable, which answers at once and goes on in the background (FEDB.md 3.2): what a look at
// GetTableStatus means for whoever waits for it. Pure; elections and ops load by it alike.
#pragma once

#include <cstdint>
#include <optional>

#include "lib/core/api/calls.h"
#include "lib/core/api/timing.h"

namespace failoverd::core {

enum class LoadStep : std::uint8_t {
  kLoaded,
  kLoads,  // Look again.
  // Tell it to load. Also when it said that it would and nothing is to be seen: that load has
  // failed, and only code 130 (kTableDirIsNotExist) says for certain that there is nothing to load.
  kTell,
};

// status: of the partition, null if the tablet does not hold it. told: when the tablet said that it
// loads it; none: it never did, or that answer was lost.
inline LoadStep next_load_step(const ReplicaStatus* status, std::optional<Instant> told,
                               Instant now) {
  if (status) return is_loaded(status->state) ? LoadStep::kLoaded : LoadStep::kLoads;
  return told && now - *told < kLoadIsSeenWithin ? LoadStep::kLoads : LoadStep::kTell;
}

// Whether the answer to LoadTable says that it loads, or has loaded already.
inline bool says_it_loads(const Answer& answer) {
  return answer.ok() || answer.says(kTableAlreadyExists);
}

}  // namespace failoverd::core
