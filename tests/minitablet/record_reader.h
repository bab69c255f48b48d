// Reads the records of one binlog or snapshot file from its beginning, a chunk at a time. Reads
// only; the caller decides what a damaged or torn end means.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "tests/minitablet/disk.h"
#include "tests/minitablet/record.h"

namespace failoverd::minitablet {

class RecordReader {
 public:
  explicit RecordReader(const std::filesystem::path& path);

  bool is_open() const { return static_cast<bool>(fd_); }

  enum class Next {
    kRecord,
    kEnd,      // Exactly behind the last record.
    kTorn,     // The file ends inside a record.
    kDamaged,  // What follows is no record.
  };
  Next next(Record& record);

  // Where the last whole record ends.
  std::uint64_t good_bytes() const { return good_bytes_; }

 private:
  bool fill();

  Descriptor fd_;
  std::string buffer_;
  std::size_t used_ = 0;  // Of buffer_, by records already given out.
  std::uint64_t good_bytes_ = 0;
};

}  // namespace failoverd::minitablet
