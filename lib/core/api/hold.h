// What is left waiting on purpose: what for, since when, until when, and what lifts it. Plain data:
// Hold is for showing (`status`, failoverd_holds{reason}), OperatorHold is what an operator
// ordered.
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

  // Label of failoverd_holds{reason}: "known_loss" (SAFETY 20); "lost_disk", "cannot_load":
  // nothing but a person brings a replica back.
  std::string reason;
  PartitionKey at;
  std::vector<Lost> waits_for;
  Instant since;
  std::optional<Instant> until;  // None: as long as it takes.
  std::string text;              // One sentence: what is held, and why.
  std::string lifted_by;         // What ends it, after "lifted by".
};

// "A:1 (5000 entries), B:1 (1 entry; is back and loads)".
std::string to_text(const std::vector<Hold::Lost>&);

// Automatic failover leaves something alone because an operator said so; what operators order, and
// an old leader's demotion, it does not hold back. Kept in <root>/failoverd/holds/<id>.
struct OperatorHold {
  std::uint64_t id = 0;  // Counts from 1.
  // What: a tablet's replicas, a table, one partition of it, or, where all are empty, everything.
  Endpoint tablet = {};
  std::string table = {};
  std::string db = {};  // The table's; empty: outside every database.
  std::optional<std::uint32_t> pid = {};
  // The tablet went offline by offlineendpoint: nothing is brought back there until
  // recoverendpoint, and all else goes on.
  bool offline = false;
  std::vector<PartitionKey> led = {};  // Then: what the tablet handed over,
  // and where its rows were still alive when it was ordered; a successor goes on with these.
  std::vector<PartitionKey> pending = {};
  std::string reason = {};
  std::string by = {};
  Instant since = {};
  std::optional<Instant> until = {};  // None: until it is removed.
  bool operator==(const OperatorHold&) const = default;
};

// What it keeps: "tablet A:1", "shop.flow/3", "everything".
std::string held_text(const OperatorHold&);
// One sentence: "hold 3 of ann on tablet A:1: its disk is replaced".
std::string to_text(const OperatorHold&);

}  // namespace failoverd::core
