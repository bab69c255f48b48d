#include "lib/base/line_writer.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace failoverd {

void LineWriter::write(std::string_view line) {
  flush();
  if (!kept_.empty() && kept_.size() + line.size() > keeps_) {
    ++dropped_;
    return;
  }
  kept_ += line;
  flush();
}

void LineWriter::flush() {
  std::size_t taken = 0;
  while (taken < kept_.size()) {
    const ssize_t now = ::write(descriptor_, kept_.data() + taken, kept_.size() - taken);
    if (now < 0 && errno == EINTR) continue;
    if (now < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (now < 0) {  // The reader is gone, the disk is full: what is kept has no other chance.
      const auto rest = kept_.begin() + static_cast<std::ptrdiff_t>(taken);
      dropped_ += static_cast<std::uint64_t>(std::count(rest, kept_.end(), '\n'));
      taken = kept_.size();
      break;
    }
    taken += static_cast<std::size_t>(now);
  }
  kept_.erase(0, taken);
}

}  // namespace failoverd
