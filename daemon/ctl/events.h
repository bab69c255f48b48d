// `failoverctl events`: what the daemon keeps of the past, and with --follow what happens from now
// on, until the daemon goes for longer than it takes to come back.
#pragma once

#include <string>

#include "daemon/ctl/options.h"
#include "daemon/ctl/servers.h"
#include "lib/base/result.h"

namespace failoverd::ctl {

// One event, given as the JSON text of the API, as one line for people.
Result<std::string> event_line(const std::string& json);

// Prints to standard output. Returns when there is nothing more to print; with --follow only a
// failure ends it.
Result<void> show_events(Servers& servers, const Options& options);

}  // namespace failoverd::ctl
