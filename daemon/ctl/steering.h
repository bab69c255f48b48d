// takeover and release: who steers, the nameserver or failoverd. Both go on step by step, and are
// followed with --wait until nothing is left to be waited for.
#pragma once

#include "daemon/ctl/servers.h"

namespace failoverd::ctl {

// Follows takeover until nothing that is the nameserver's keeps failoverd from acting. Returns the
// exit status.
int follow_takeover(Servers& servers);

}  // namespace failoverd::ctl
