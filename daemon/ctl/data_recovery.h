// recoverdata, followed: its look at the data first, then to its end.
#pragma once

#include "daemon/ctl/http_client.h"
#include "daemon/ctl/servers.h"

namespace failoverd::ctl {

// Shows on standard error how far the look is that the daemon has begun, and what could not be
// loaded. Returns the exit status.
int follow_data_look(Servers& servers);

// `answer`: the daemon's to recoverdata. Shows how far it is, and what is left at the end. Returns
// the exit status: 0 where every partition is healthy then.
int follow_data_recovery(Servers& servers, const Answer& answer, bool as_json);

}  // namespace failoverd::ctl
