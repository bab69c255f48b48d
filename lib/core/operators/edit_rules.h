// Whether a partition may become what somebody has written by hand. Pure.
#pragma once

#include <optional>
#include <string>

#include "lib/core/cluster/model.h"

namespace failoverd::core {

// What makes no partition of it, whatever it was: no rows, two for one tablet, two alive leaders.
std::optional<std::string> what_is_wrong_with(const PartitionShape& wanted);

// Which rule of docs/safety.md it would break, and what does the same without; none: it may. Its
// rows name tablets that are known. The partition is at rest: no op, no election works on it.
std::optional<std::string> rule_broken_by(const Model&, const Partition&,
                                          const PartitionShape& wanted);

}  // namespace failoverd::core
