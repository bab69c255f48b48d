// What an old writer makes of a partition that we have published since it read it, and how it was
// (SAFETY 13): a nameserver that came up just then, or went on after it had been stopped.
#pragma once

#include <vector>

#include "lib/core/api/journal_entry.h"
#include "lib/core/api/types.h"

namespace failoverd::core {

// The history as it is in the znode, and what is missing there.
std::vector<TermPair> history_of(const PublishedLeader& ours, std::vector<TermPair> written);
// A row as it was: one leads, and who did not answer it is dead.
Row row_of(const PublishedLeader& ours, Row written);

}  // namespace failoverd::core
