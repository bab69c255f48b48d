// Is this tablet alive? A pure function from what was seen to a verdict; its table is in
// ARCHITECTURE.md, row by row. It asks nothing and remembers nothing: TabletMonitor collects the
// evidence, the brain acts.
#pragma once

#include "lib/core/api/policy.h"
#include "lib/core/cluster/evidence.h"

namespace failoverd::core {

// A refusal counts as "again" only this long after the first (SAFETY 15).
inline constexpr Duration kSecondRefusalAfter = std::chrono::milliseconds{20};

// A wrong verdict costs a tablet the benefit of early ones for this long (SAFETY 15).
inline constexpr Duration kNoEarlyVerdictFor = std::chrono::minutes{10};

Verdict judge(const Evidence&, const Detection&, Instant now);

}  // namespace failoverd::core
