// `failoverctl events`: what the active daemon keeps of the past, and with --follow what happens
// from now on, whoever is active then. When that is another one, or it was started again, its ids
// count anew: a line on standard error says so, and what it keeps comes first.
#pragma once

#include <string>

#include "daemon/ctl/options.h"
#include "daemon/ctl/servers.h"
#include "lib/base/result.h"

namespace failoverd::ctl {

// One event, given as the JSON text of the API, as one line for people.
Result<std::string> event_line(const std::string& json);

// Prints to standard output. Returns when there is nothing more to print; with --follow only when
// it could not begin.
Result<void> show_events(const Servers& servers, const Options& options);

}  // namespace failoverd::ctl
