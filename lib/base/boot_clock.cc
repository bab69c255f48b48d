#include "lib/base/boot_clock.h"

#include <time.h>

namespace failoverd {

Instant boot_now() {
  timespec t{};
  clock_gettime(CLOCK_BOOTTIME, &t);
  return Instant{Duration{static_cast<std::int64_t>(t.tv_sec) * 1'000'000 + t.tv_nsec / 1000}};
}

std::int64_t wall_now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace failoverd
