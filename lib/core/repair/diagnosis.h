// What is wrong with a partition: a pure function of the model. Which op helps is decided in
// treatments.h. Every partition is diagnosed anew whenever something about it changed: what an op
// did not achieve is seen again.
#pragma once

#include <string>

#include "lib/core/cluster/model.h"
#include "lib/core/cluster/standing.h"

namespace failoverd::core {

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

Diagnosis diagnose(const Model&, const Partition&);

}  // namespace failoverd::core
