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

// The daemons of one cluster, each by its status, and the active one that a standby names: as a
// table, or as JSON.
Result<std::string> daemons_table(const std::vector<std::string>& statuses);
Result<std::string> daemons_json(const std::vector<std::string>& statuses);

}  // namespace failoverd::ctl
