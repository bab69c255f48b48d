// recoverdata, followed to its end.
#pragma once

#include "daemon/ctl/http_client.h"
#include "daemon/ctl/servers.h"

namespace failoverd::ctl {

// `answer`: the daemon's to recoverdata. Shows how far it is, and what is left at the end. Returns
// the exit status: 0 where every partition is healthy then.
int follow_data_recovery(Servers& servers, const Answer& answer, bool as_json);

}  // namespace failoverd::ctl
