// mode: shadow: what all losses together would have cost and have cost, also those that no list has
// room for.
#pragma once

#include <deque>

#include "lib/admin/status_types.h"
#include "lib/core/repair/shadow.h"

namespace failoverd {

// Of all of these.
admin::ShadowTotals shadow_totals(const std::deque<core::ShadowFailover>&);

}  // namespace failoverd
