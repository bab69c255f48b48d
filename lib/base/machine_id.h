// Which machine this is.
#pragma once

#include <string>

namespace failoverd {

// The same after a restart, and another on another machine, unless one is a copy of the other.
// Derived from /etc/machine-id, which itself is to be shown to nobody. Empty where there is none.
std::string machine_id();

}  // namespace failoverd
