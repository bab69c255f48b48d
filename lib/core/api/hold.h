// A partition that is left waiting on purpose: what for, since when, until when, and what lifts it.
// Plain data, for showing (`status`, failoverd_holds{reason}): nothing is decided by it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lib/core/api/types.h"

namespace failoverd::core {

struct Hold {
  // A tablet that is waited for.
  struct Lost {
    Endpoint tablet;
    // At least so many entries its replica was last known to hold beyond the best that is there.
    std::uint64_t entries = 0;
    bool loads = false;  // It is back, and loads what it holds.
    bool operator==(const Lost&) const = default;
  };

  std::string reason;  // Label of failoverd_holds{reason}: "known_loss" (SAFETY 20).
  PartitionKey at;
  std::vector<Lost> waits_for;
  Instant since;
  std::optional<Instant> until;  // None: as long as it takes.
  std::string text;              // One sentence: what is held, and why.
  std::string lifted_by;         // What ends it, after "lifted by".
};

// "A:1 (5000 entries), B:1 (1 entry; is back and loads)".
std::string to_text(const std::vector<Hold::Lost>&);

}  // namespace failoverd::core
