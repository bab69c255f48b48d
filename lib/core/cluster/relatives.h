// Pre-aggregate tables and their bases (FEDB.md 8): the tablet that leads a base's partition writes
// into its own replica of the aggregate, whether that leads or not. So both leaders belong on one
// tablet, and the base is loaded first. Pure.
#pragma once

#include <vector>

#include "lib/core/cluster/model.h"

namespace failoverd::core {

// The same partition of the table's base, and of its pre-aggregates.
std::vector<PartitionKey> relatives(const Model&, PartitionKey);

// It is of a pre-aggregate, and its base's replica on this tablet has not been loaded yet.
bool base_comes_first(const Model&, PartitionKey, TabletIndex);

}  // namespace failoverd::core
