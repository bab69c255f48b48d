// Carries out one command line of failoverctl.
#pragma once

#include "daemon/ctl/options.h"

namespace failoverd::ctl {

// Prints the answer to standard output, or one line to standard error that says why there is none.
// Returns the exit status: 0 done, 1 refused or failed, 2 usage.
int run(const Options& options);

}  // namespace failoverd::ctl
