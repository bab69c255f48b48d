// CHECK: an assertion about our own code that stays on in every build. What the data of a cluster
// can cause is never a CHECK: that quarantines one partition (SAFETY 16).
#pragma once

#include <cstdio>
#include <cstdlib>

namespace failoverd {

[[noreturn]] inline void check_failed(const char* file, int line, const char* what) {
  std::fprintf(stderr, "%s:%d: CHECK failed: %s\n", file, line, what);
  std::abort();
}

}  // namespace failoverd

#define CHECK(condition)                                       \
  do {                                                         \
    if (condition) [[likely]]                                  \
      break;                                                   \
    ::failoverd::check_failed(__FILE__, __LINE__, #condition); \
  } while (false)
