// A partition's history of terms, and how far a replica's log is known to be a part of it. Pure.
#pragma once

#include <optional>
#include <vector>

#include "lib/core/cluster/model.h"

namespace failoverd::core {

// The first offset that a log may not hold that followed the leader of this term last; none: no
// later term has begun.
std::optional<Offset> end_of_term(Term, const std::vector<TermPair>& history);

// The term that the entry at this offset is of, by the history; 0: it says nothing of it.
Term term_at(Offset, const std::vector<TermPair>& history);

// Up to where the log of a replica that holds `offset` is known to be the partition's, by the term
// that was kept when its row died; none: nobody knows whom it followed last.
std::optional<Offset> agrees_to(const Model&, PartitionKey, const Partition&, TabletIndex,
                                Offset offset);

}  // namespace failoverd::core
