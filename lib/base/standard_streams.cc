#include "lib/base/standard_streams.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace failoverd {

void open_standard_streams() {
  // The lowest number that is free is given out: with 0 looked at first it is the one that is
  // missing.
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    [[maybe_unused]] const int opened = ::open("/dev/null", O_RDWR);
  }
}

void never_wait_to_write(int descriptor) {
  struct stat status {};
  const int flags = ::fcntl(descriptor, F_GETFL);
  if (flags < 0 || ::fstat(descriptor, &status) != 0 || S_ISREG(status.st_mode)) return;
  // O_NONBLOCK belongs to what was opened, which others may share: so it is opened anew.
  if (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode)) {
    const std::string name = "/proc/self/fd/" + std::to_string(descriptor);
    const int own = ::open(name.c_str(), (flags & (O_ACCMODE | O_APPEND)) | O_NONBLOCK | O_NOCTTY);
    if (own >= 0) {
      const bool replaced = ::dup2(own, descriptor) == descriptor;
      ::close(own);
      if (replaced) return;
    }
  }
  // A socket, or one that may not be opened again.
  ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
}

}  // namespace failoverd
