// A process that was told to stop ends, whatever it hangs in: a look-up, a disk, a library that
// waits for a server. One per process.
#pragma once

#include <initializer_list>

#include "lib/base/time.h"

namespace failoverd {

// From now on each of these signals, beside what its handler does, lets the process end with status
// 0 so long afterwards if it still runs then. Call it when the handlers are in place: one that is
// installed later knows nothing of it.
void end_after(std::initializer_list<int> signals, Duration deadline);

}  // namespace failoverd
