// The binlog of one partition: numbered files, each beginning behind some offset. Appending writes
// before it returns; several readers follow with positions of their own. As in the original, the
// files are found by their first record when the partition is loaded, a new file is begun at
// the first append after that, and a file whose directory was moved away goes on being written.
// Owned by its Partition.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "lib/base/result.h"
#include "tests/minitablet/disk.h"
#include "tests/minitablet/record.h"

namespace failoverd::minitablet {

class Binlog {
 public:
  // directory: the partition's binlog directory, created at open().
  Binlog(const Disk& disk, std::filesystem::path directory, std::uint64_t max_file_bytes);

  // Finds the files. Empty ones (the tablet died before the first record) are deleted.
  Result<void> open();

  struct File {
    std::uint32_t number = 0;
    std::uint64_t start_offset = 0;  // The offset behind which it begins.
    std::uint64_t bytes = 0;         // Up to the end of its last record.
  };
  // Oldest first.
  const std::vector<File>& files() const { return files_; }
  std::filesystem::path path_of(const File& file) const;
  // Begun since open(), and what append() writes to.
  bool writes_to(const File& file) const { return writer_ && file.number == files_.back().number; }
  // Cuts off what is behind the last whole record; for loading.
  void truncate(std::size_t which, std::uint64_t bytes);

  // The files below a binlog directory, oldest first, whoever owns it.
  static std::vector<std::filesystem::path> files_in(const std::filesystem::path& directory);
  // Those that loading reads behind a snapshot at `offset`: the newest that begins at or below it
  // and all after that one; all if none does.
  static std::vector<std::filesystem::path> files_behind(const std::filesystem::path& directory,
                                                         std::uint64_t offset);

  // Begins the first file since open(), unless append() has; false if it could not.
  bool begin(std::uint64_t offset) { return writer_ || roll(offset); }
  // `offset`: the log's last index before these frames, which a new file is filed under. False if
  // they could not be written; then nothing was.
  bool append(const std::string& frames, std::uint64_t offset);

  struct Cursor {
    static constexpr std::int64_t kNowhere = -1;
    std::int64_t file = kNowhere;  // Its number.
    std::uint64_t byte = 0;
  };
  enum class Read {
    kRecords,  // At least one.
    kNothing,  // The log holds no further record yet.
    kMissing,  // The record behind `offset` is not in the log (any more).
  };
  // Up to `limit` records that follow `offset` without a gap.
  Read read(Cursor& cursor, std::uint64_t offset, std::size_t limit, std::vector<Record>& records);

  // The file that holds the record behind `offset`; kNowhere if it is gone.
  std::int64_t file_behind(std::uint64_t offset) const;
  // Deletes the files whose number is below this one; the newest always stays.
  void delete_below(std::int64_t number);

 private:
  bool roll(std::uint64_t offset);
  bool fetch(const File& file, std::uint64_t byte, std::string& chunk) const;

  const Disk& disk_;
  const std::filesystem::path directory_;
  const std::uint64_t max_file_bytes_;
  std::vector<File> files_;
  std::uint32_t next_number_ = 0;
  Descriptor writer_;  // Of files_.back(); none before the first append.
};

}  // namespace failoverd::minitablet
