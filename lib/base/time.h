// Moments and durations. The clock is CLOCK_BOOTTIME: it never jumps and goes on while the machine
// is suspended, so that a lease that was slept through has run out (SAFETY 14). This header only
// names the types; boot_clock.h reads the clock, and lib/core never includes that one.
#pragma once

#include <chrono>
#include <cstdint>

namespace failoverd {

using Duration = std::chrono::microseconds;

struct BootClock {
  using rep = Duration::rep;
  using period = Duration::period;
  using duration = Duration;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
};

using Instant = BootClock::time_point;

inline double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }
inline double milliseconds(Duration d) {
  return std::chrono::duration<double, std::milli>(d).count();
}

}  // namespace failoverd
