// What is wrong with a partition: a pure function of the model. What helps against it is the
// brain's (treat()). Looked at again whenever something changed, so nothing has to be remembered:
// what was not achieved is seen again.
#pragma once

#include "lib/core/model.h"

namespace failoverd::core {

// How one replica stands, by its tablet's verdict and word.
enum class Standing : std::uint8_t {
  kServes,   // Its tablet answers and holds it.
  kGone,     // Its tablet is dead, or answers and does not hold it.
  kUnclear,  // Its tablet is suspect, not asked yet, or its word is too old to count.
};

Standing standing(const Model&, const Replica&);

// How another row than its leader's stands in a partition that is served. Written in order, the
// best first: a partition is diagnosed by its worst replica, wherever its row stands.
enum class FollowerState : std::uint8_t {
  kFollows,        // Alive, and nothing speaks against it.
  kUnclear,        // Alive; its tablet's word does not count now.
  kDead,           // Its row is dead, and cannot be recovered now.
  kStalled,        // Alive, behind its leader, and does not move.
  kReturned,       // Its row is dead, and it can be recovered.
  kRival,          // Alive, and leads beside its leader, or may.
  kNotReplicated,  // Alive, and its leader does not send to it.
  kDiverged,       // Alive, and led, or is ahead of its leader: its log may be its own.
  kLost,           // Alive, and its tablet is dead or does not hold it.
};
FollowerState follower_state(const Model&, const Partition&, const Replica& leader,
                             const Replica& follower);

// Whether the row says alive of a replica that does not follow: it is set dead.
constexpr bool is_to_be_set_dead(FollowerState s) { return s >= FollowerState::kNotReplicated; }

// Half a sentence about a follower whose row is to be set dead: "a follower is on A:1 (crashed)".
std::string text_of_lost(const Model&, FollowerState, const Replica& follower);

// Whether a follower's offset has not moved for seconds while its leader's did: as when an election
// that nobody remembers has fenced the leader (SAFETY 3).
bool stands_still(const Replica& leader, const Replica& follower);

// Whether a follower holds what its leader, asked later, does not: its log is its own.
bool is_ahead(const Replica& leader, const Replica& follower);

// Whether this replica can be brought back now: its row is dead and its tablet is back, not leading
// and with nothing to be told first (SAFETY 5, 8); or it is the only one and lacks the table.
bool has_returned(const Model&, const Partition&, const Replica&);

Diagnosis diagnose(const Model&, const Partition&);

// What only an election helps against: a lost leader waits for nothing.
constexpr bool elects(Condition c) {
  return c == Condition::kLeaderLost || c == Condition::kNoLeader || c == Condition::kUnfinished ||
         c == Condition::kAllDown;
}

// Whether somebody may take the lead: an alive row that serves, the leader's own included.
bool has_candidate(const Model&, const Partition&);

}  // namespace failoverd::core
