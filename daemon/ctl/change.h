// Commands that change something: what will be done is shown and, on a terminal, asked for; then
// the daemon is told, and the ops that it begins are followed if that is wished.
#pragma once

#include "daemon/ctl/options.h"
#include "daemon/ctl/servers.h"

namespace failoverd::ctl {

// Returns the exit status.
int change(Servers& servers, const Options& options);

}  // namespace failoverd::ctl
