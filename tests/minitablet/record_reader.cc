#include "tests/minitablet/record_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace failoverd::minitablet {

RecordReader::RecordReader(const std::filesystem::path& path)
    : fd_{::open(path.c_str(), O_RDONLY | O_CLOEXEC)} {}

RecordReader::Next RecordReader::next(Record& record) {
  for (;;) {
    std::string_view rest = std::string_view{buffer_}.substr(used_);
    const std::size_t before = rest.size();
    switch (take_frame(rest, record)) {
      case Frame::kWhole:
        used_ += before - rest.size();
        good_bytes_ += before - rest.size();
        return Next::kRecord;
      case Frame::kDamaged:
        return Next::kDamaged;
      case Frame::kPart:
        if (!fill()) return before == 0 ? Next::kEnd : Next::kTorn;
    }
  }
}

bool RecordReader::fill() {
  buffer_.erase(0, used_);
  used_ = 0;
  constexpr std::size_t kChunk = 256u << 10;
  const std::size_t old = buffer_.size();
  buffer_.resize(old + kChunk);
  ssize_t n = 0;
  do {
    n = ::read(fd_.get(), buffer_.data() + old, kChunk);
  } while (n < 0 && errno == EINTR);
  buffer_.resize(old + static_cast<std::size_t>(n > 0 ? n : 0));
  return n > 0;
}

}  // namespace failoverd::minitablet
