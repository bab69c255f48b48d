#include "tests/minitablet/binlog.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "tests/minitablet/record_reader.h"

namespace failoverd::minitablet {

namespace fs = std::filesystem;

Binlog::Binlog(const Disk& disk, fs::path directory, std::uint64_t max_file_bytes)
    : disk_{disk}, directory_{std::move(directory)}, max_file_bytes_{max_file_bytes} {}

fs::path Binlog::path_of(const File& file) const {
  char name[32];
  std::snprintf(name, sizeof name, "%08u.log", file.number);
  return directory_ / name;
}

std::vector<fs::path> Binlog::files_in(const fs::path& directory) {
  std::error_code error;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator{directory, error}) {
    if (entry.path().extension() == ".log") found.push_back(entry.path());
  }
  // Their numbers have leading zeros.
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<fs::path> Binlog::files_behind(const fs::path& directory, std::uint64_t offset) {
  std::vector<fs::path> found = files_in(directory);
  auto first = found.begin();
  for (auto at = found.begin(); at != found.end(); ++at) {
    RecordReader reader{*at};
    Record record;
    if (!reader.is_open() || reader.next(record) != RecordReader::Next::kRecord) continue;
    if (record.index <= offset + 1) first = at;
  }
  found.erase(found.begin(), first);
  return found;
}

Result<void> Binlog::open() {
  std::error_code error;
  fs::create_directories(directory_, error);
  if (error) return Failure{directory_.string() + ": " + error.message()};
  std::vector<File> found;
  for (const fs::path& path : files_in(directory_)) {
    File& file = found.emplace_back();
    file.number = static_cast<std::uint32_t>(std::strtoul(path.stem().c_str(), nullptr, 10));
  }
  files_.clear();
  for (std::size_t i = 0; i < found.size(); ++i) {
    File& file = found[i];
    next_number_ = file.number + 1;
    RecordReader reader{path_of(file)};
    Record first;
    const auto next = reader.is_open() ? reader.next(first) : RecordReader::Next::kDamaged;
    if (next == RecordReader::Next::kRecord && first.index > 0) {
      file.start_offset = first.index - 1;
      file.bytes = fs::file_size(path_of(file), error);
      files_.push_back(file);
    } else if (next == RecordReader::Next::kEnd ||
               (next == RecordReader::Next::kTorn && i + 1 == found.size())) {
      fs::remove(path_of(file), error);
    } else {
      return Failure{path_of(file).string() + ": no record at its beginning"};
    }
  }
  return {};
}

void Binlog::truncate(std::size_t which, std::uint64_t bytes) {
  File& file = files_.at(which);
  if (file.bytes <= bytes) return;
  file.bytes = bytes;
  (void)!::truncate(path_of(file).c_str(), static_cast<off_t>(bytes));
}

bool Binlog::roll(std::uint64_t offset) {
  if (disk_.full()) return false;
  File file;
  file.number = next_number_;
  file.start_offset = offset;
  Descriptor fd{::open(path_of(file).c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644)};
  if (!fd) return false;
  writer_ = std::move(fd);
  ++next_number_;
  files_.push_back(file);
  return true;
}

bool Binlog::append(const std::string& frames, std::uint64_t offset) {
  if ((!writer_ || files_.back().bytes > max_file_bytes_) && !roll(offset)) return false;
  if (!disk_.write(writer_.get(), frames)) return false;
  files_.back().bytes += frames.size();
  return true;
}

std::int64_t Binlog::file_behind(std::uint64_t offset) const {
  std::int64_t number = Cursor::kNowhere;
  for (const File& file : files_) {
    if (file.start_offset <= offset) number = file.number;
  }
  return number;
}

bool Binlog::fetch(const File& file, std::uint64_t byte, std::string& chunk) const {
  constexpr std::uint64_t kChunk = 64u << 10;
  Descriptor opened;
  int fd = writer_.get();
  if (!writer_ || file.number != files_.back().number) {
    opened = Descriptor{::open(path_of(file).c_str(), O_RDONLY | O_CLOEXEC)};
    fd = opened.get();
  }
  if (fd < 0) return false;
  std::uint64_t want = std::min(kChunk, file.bytes - byte);
  for (;;) {
    chunk.resize(want);
    const ssize_t n = ::pread(fd, chunk.data(), want, static_cast<off_t>(byte));
    if (n < 0 || static_cast<std::uint64_t>(n) != want) return false;
    std::string_view peek = chunk;
    Record record;
    // A record that is larger than the chunk is read whole.
    if (want == file.bytes - byte || take_frame(peek, record) != Frame::kPart) return true;
    want = std::min(want * 4, file.bytes - byte);
  }
}

Binlog::Read Binlog::read(Cursor& cursor, std::uint64_t offset, std::size_t limit,
                          std::vector<Record>& records) {
  records.clear();
  if (cursor.file == Cursor::kNowhere) cursor.file = file_behind(offset);
  if (cursor.file == Cursor::kNowhere) return Read::kMissing;
  std::uint64_t expected = offset + 1;
  std::string chunk;
  while (records.size() < limit) {
    const auto at = std::find_if(files_.begin(), files_.end(),
                                 [&](const File& file) { return file.number == cursor.file; });
    if (at == files_.end()) break;
    if (cursor.byte >= at->bytes) {
      if (at + 1 == files_.end()) break;
      cursor = Cursor{(at + 1)->number, 0};
      continue;
    }
    if (!fetch(*at, cursor.byte, chunk)) break;
    std::string_view rest = chunk;
    Record record;
    bool any = false;
    while (records.size() < limit && take_frame(rest, record) == Frame::kWhole) {
      if (record.index > expected) return records.empty() ? Read::kMissing : Read::kRecords;
      any = true;
      cursor.byte += kRecordHeaderBytes + record.entry.size();
      if (record.index < expected) continue;
      records.push_back(std::move(record));
      ++expected;
    }
    if (!any) break;
  }
  return records.empty() ? Read::kNothing : Read::kRecords;
}

void Binlog::delete_below(std::int64_t number) {
  std::error_code error;
  while (files_.size() > 1 && files_.front().number < number) {
    fs::remove(path_of(files_.front()), error);
    files_.erase(files_.begin());
  }
}

}  // namespace failoverd::minitablet
