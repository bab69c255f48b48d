// Rows that do not say who holds what was acknowledged, because nobody who set them knew better,
// and what shows that a replica's log is not the partition's. Pure; recoverdata decides by it.
#pragma once

#include <string>
#include <vector>

#include "lib/core/cluster/model.h"

namespace failoverd::core {

struct LyingRows {
  // Dead rows that may hold what no alive row does: to be set alive, all of them together.
  std::vector<TabletIndex> set_alive;
  // No row is alive, and nobody can tell which of them held what was acknowledged: half a sentence.
  // Empty: it is known, or the alive rows name who does (SAFETY 1).
  std::string why_left;
};

// All dead rows where no row is alive, but for those that are known to have followed an earlier
// leader than another did; and the last leader's, where nobody was elected behind it and failoverd
// did not set it dead. None where somebody leads, or several may have led last (SAFETY 2).
LyingRows lying_rows(const Model&, PartitionKey, const Partition&);

// Its snapshot is of an earlier term than the history names at that offset: it went on alone while
// others followed the next leader.
bool has_parted(const Partition&, const Replica&);

// Its snapshot is of a later term than any that is published: the rows are older than its log.
bool is_newer_than_rows(const Partition&, const Replica&);

}  // namespace failoverd::core
