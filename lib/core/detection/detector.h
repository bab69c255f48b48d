// Is this tablet alive? A pure function from what was seen to a verdict; its table is in
// ARCHITECTURE.md, row by row. It asks nothing and remembers nothing: TabletMonitor collects the
// evidence, the brain acts.
#pragma once

#include "lib/core/api/policy.h"
#include "lib/core/cluster/evidence.h"

namespace failoverd::core {

// The port has refused, and again long enough after.
bool refused_again(const Evidence&, const Detection&);
// How much later a refusal counts as "again" (SAFETY 15). After the tablet's side has closed our
// connection, which no packet filter and no full accept queue does, it may come sooner: what is
// left to be waited for is a listener that is closed for a moment by a process that lives, and that
// closes its connections only when it ends.
Duration refuses_again_after(const Evidence&, const Detection&);

Verdict judge(const Evidence&, const Detection&, Instant now);

}  // namespace failoverd::core
