// What the daemon answered, as the tables that operators know. Each takes the JSON text of one API
// answer; a failure means that it was not what this program expects.
#pragma once

#include <string>
#include <vector>

#include "lib/base/result.h"

namespace failoverd::ctl {

Result<std::string> tablets_table(const std::string& json);
Result<std::string> replicas_table(const std::string& json);
Result<std::string> ops_table(const std::string& json);
Result<std::string> conf_table(const std::string& json);
// Of /api/v1/status: what operators hold.
Result<std::string> holds_table(const std::string& json);
// The same as a JSON list.
Result<std::string> holds_json(const std::string& json);

// Of /api/v1/status of a daemon with mode: shadow: each leader that was lost, what failoverd would
// have done and what came instead, and a line about all of them.
Result<std::string> shadow_report(const std::string& json);

// The daemons and nameservers of one cluster, by the statuses of its daemons; an active one that a
// standby names is among them, too.
Result<std::string> servers_table(const std::vector<std::string>& statuses);
Result<std::string> servers_json(const std::vector<std::string>& statuses);

}  // namespace failoverd::ctl
