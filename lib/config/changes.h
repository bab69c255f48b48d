// What a reload changes. Compares what was written, key by key; knows nothing of the daemon.
#pragma once

#include <string>
#include <vector>

#include "lib/config/config.h"

namespace failoverd::config {

struct Change {
  std::string key;
  std::string from;
  std::string to;
  bool at_start = false;  // Takes effect only when failoverd is started again.
};

// The keys whose values differ, in the order of the default file, and the token and the identity if
// only those do; they are not named.
std::vector<Change> changes(const Config& running, const Config& loaded);

// One line for the log, such as "cluster.root changed: restart failoverd to apply"; empty when
// none of the changes needs a restart.
std::string restart_notice(const std::vector<Change>& changes);

// `loaded` with the values of `running` for all that only a restart can change: what to run with
// after a reload. Compared with the file again, the outstanding changes are still changes.
Config reloaded(const Config& running, const Config& loaded);

}  // namespace failoverd::config
