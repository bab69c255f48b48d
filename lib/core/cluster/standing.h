// How a replica stands, by its row, its tablet's verdict, its tablet's word and what belongs beside
// it: predicates over the model that detection, elections and repair share. Pure.
#pragma once

#include <cstdint>

#include "lib/core/cluster/model.h"

namespace failoverd::core {

// How one replica stands, by its tablet's verdict and word.
enum class Standing : std::uint8_t {
  kServes,   // Its tablet answers and holds it.
  kGone,     // Its tablet is dead, or answers and does not hold it, or holds nothing of it.
  kUnclear,  // Its tablet is suspect, not asked yet, or its word is too old to count.
};

Standing standing(const Model&, const Replica&);

// Its znode is there, and nothing says that it is dead.
inline bool is_there(const Tablet& tablet) {
  return tablet.evidence.registered && !tablet.verdict.dead();
}

// Whether its tablet answers, and what it said since the connection was made counts.
bool answers_freshly(const Model&, const Replica&);

// SAFETY 21: it holds nothing by which it could be known, so its znode must speak for it.
bool may_be_loaded(const Model&, const Replica&);

// Whether a follower's offset has not moved for seconds while its leader's did: as when an election
// that nobody remembers has fenced the leader (SAFETY 3).
bool stands_still(const Replica& leader, const Replica& follower);

// Whether a follower holds what its leader, asked later, does not: its log is its own.
bool is_ahead(const Replica& leader, const Replica& follower);

// Whether this replica can be brought back now: its row is dead and its tablet is back, not leading
// and with nothing to be told first (SAFETY 5, 8); or it is the only one and does not lead.
bool has_returned(const Model&, const Partition&, const Replica&);

// Whether somebody may take the lead: an alive row that serves, the leader's own included.
bool has_candidate(const Model&, const Partition&);

// Whether a leader that lives may hand over to it: an alive follower that serves, and whose row is
// not alive by an operator's word only.
bool can_take_over(const Model&, const Replica&);
// Of these the one that holds most, by what was last heard; among equals the one whose tablet leads
// fewest. Before all of that: one that does not stand still, one whose tablet leads what belongs
// beside it already (relatives.h), one whose tablet can take that over as well. Null: there is
// none.
const Replica* best_to_take_over(const Model&, PartitionKey);

// What only an election helps against: a lost leader waits for nothing.
constexpr bool elects(Condition c) {
  return c == Condition::kLeaderLost || c == Condition::kNoLeader || c == Condition::kUnfinished ||
         c == Condition::kAllDown;
}

}  // namespace failoverd::core
