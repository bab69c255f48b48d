// Reads the clocks. lib/core never includes this; it is told the time (time.h).
#pragma once

#include "lib/base/time.h"

namespace failoverd {

// CLOCK_BOOTTIME.
Instant boot_now();

// Milliseconds since the Unix epoch; for people and records, never for decisions.
std::int64_t wall_now_ms();

}  // namespace failoverd
