// How a log entry lies in a binlog or snapshot file: a checksummed frame around the serialized
// LogEntry, with its index and term in the clear. The format is minitablet's own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace failoverd::minitablet {

struct Record {
  std::uint64_t index = 0;
  std::uint64_t term = 0;
  std::string entry;  // A serialized LogEntry.
};

// uint32 length | uint32 crc | uint64 index | uint64 term | entry; little-endian.
inline constexpr std::size_t kRecordHeaderBytes = 24;
inline constexpr std::size_t kMaxEntryBytes = 64u << 20;

void append_frame(std::string& out, const Record& record);

enum class Frame {
  kWhole,    // `record` is filled and the frame removed from `in`.
  kPart,     // More bytes are needed.
  kDamaged,  // The length cannot be or the checksum does not match.
};
Frame take_frame(std::string_view& in, Record& record);

}  // namespace failoverd::minitablet
