// Follows the ops that a command has begun until all have ended (--wait). Ctrl-C ends the program
// and leaves the ops alone.
#pragma once

#include "daemon/ctl/servers.h"
#include "daemon/ctl/watched_ops.h"

namespace failoverd::ctl {

// Shows how they go on, unless `quiet`: on a terminal in place, else a line for each change. A
// failure: the daemon did not tell for too long.
Result<void> wait_for(Servers& servers, WatchedOps& ops, bool quiet);

}  // namespace failoverd::ctl
