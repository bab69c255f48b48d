// takeover and release: who steers, the nameserver or failoverd. Both go on step by step, and are
// followed with --wait until nothing is left to be waited for.
#pragma once

#include "daemon/ctl/servers.h"

namespace failoverd::ctl {

// Follows takeover until nothing keeps failoverd from acting, and names what does. The nameserver's
// ops are waited for without limit, anything else for half a minute. Returns the exit status.
int follow_takeover(Servers& servers);

}  // namespace failoverd::ctl
