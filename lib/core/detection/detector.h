// Is this tablet alive? A pure function from what was seen to a verdict; its table is in
// ARCHITECTURE.md, row by row. It asks nothing and remembers nothing: TabletMonitor collects the
// evidence, the brain acts.
#pragma once

#include "lib/core/api/policy.h"
#include "lib/core/cluster/evidence.h"

namespace failoverd::core {

Verdict judge(const Evidence&, const Detection&, Instant now);

}  // namespace failoverd::core
