// The active daemon as the others know it. Its lock's znode holds its name, HOST:PORT, and the
// address that clients reach it at; both are judged by text alone, no name is resolved. Pure.
#pragma once

#include <string>

#include "lib/admin/status_types.h"

namespace failoverd::admin {

// Value of the lock's znode. `listen` is listen.http; where that is every interface (0.0.0.0, [::])
// the host of `name` stands for it, because nobody can connect to a wildcard.
std::string lock_value(const std::string& name, const std::string& listen);

// The same read by the daemon `me`, which is named alike. An address that is loopback on another
// host leads nowhere, or to `me` itself: it is left out.
HolderView holder_from(const std::string& value, const std::string& me);

}  // namespace failoverd::admin
