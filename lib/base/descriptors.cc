#include "lib/base/descriptors.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>

namespace failoverd {

std::size_t raise_descriptor_limit() {
  constexpr std::size_t kAtLeast = 256;  // What to count on where the system does not say.
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kAtLeast;
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before;
}

bool no_descriptor_left() {
  const int trial = ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
  if (trial >= 0) ::close(trial);
  return trial < 0 && (errno == EMFILE || errno == ENFILE);
}

}  // namespace failoverd
