// Which op brings a returned replica back with the least work that is safe: a pure function of what
// was found (FEDB.md 4.3, SAFETY 9, 10). What was found is read before the replica is probed or
// added, and never read again.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lib/core/api/types.h"

namespace failoverd::core {

struct Findings {
  bool nothing_on_disk = false;  // Nothing could be loaded.
  bool was_in_memory = false;
  bool binlog_kept = true;  // recovery.reuse_binlog; false: FEDB.md 4.3 to the letter.
  Term term = 0;            // GetTermPair's; only FEDB.md 4.3 to the letter goes by it.
  // Its term is above the published one: it may have led by itself. Or it had one as soon as it
  // was loaded: somebody still sends to it.
  bool term_above = false;
  Offset offset = 0;  // Its last entry.
  Offset had = 0;     // It came up with nothing, where it had so many entries; 0: it did not.
  // Kept when its row died. 0: it may have led by itself; none: nothing is kept, its row died
  // before failoverd came.
  std::optional<Term> followed;
  bool or_later = false;  // Or a later leader, whose term was published only after that.
  Offset leader_offset = 0;
  Offset manifest_offset = 0;  // The leader's snapshot: its binlog holds what is above.
};

struct RecoveryPlan {
  OpType type{};
  // With kReAddReplicaWithDropOP: what its log holds beyond the partition's history; none: its
  // history, or its end, is not known, and so neither is this.
  std::optional<std::uint64_t> lost_entries;
  std::string why;  // One sentence.
  bool operator==(const RecoveryPlan&) const = default;
};

RecoveryPlan choose_recovery(const Findings&, const std::vector<TermPair>& history);

// FEDB.md 4.3: whether (term, offset) lies on the history.
bool matches(Term, Offset, const std::vector<TermPair>& history);

}  // namespace failoverd::core
