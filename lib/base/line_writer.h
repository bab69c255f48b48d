// Lines to a descriptor whose reader may be slow, asleep or gone. It never waits: what the
// descriptor does not take now is kept, up to a bound, and what is beyond that is dropped whole and
// counted. The descriptor must not wait either (never_wait_to_write). One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace failoverd {

class LineWriter {
 public:
  LineWriter(int descriptor, std::size_t keeps) : descriptor_(descriptor), keeps_(keeps) {}

  // `line` ends with a line break.
  void write(std::string_view line);
  // Tries again what is kept; write() does that too.
  void flush();

  // Lines that nobody will read, so far.
  std::uint64_t dropped() const { return dropped_; }
  bool has_kept() const { return !kept_.empty(); }

 private:
  const int descriptor_;
  const std::size_t keeps_;  // Bytes.

  std::string kept_;
  std::uint64_t dropped_ = 0;
};

}  // namespace failoverd
