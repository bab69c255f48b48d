// One partition of a table as a text that people read, edit and compare: protobuf's JSON of the
// whole TablePartition, with the names of docs/wire.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lib/base/result.h"
#include "lib/core/api/types.h"
#include "lib/fedb/wire/generation.h"

namespace failoverd::fedb {

struct PartitionText {
  std::uint32_t pid = 0;
  std::string etag;  // Of all that it holds, fields that have no names included.
  std::string json;  // An object, in one line.
};

// By pid, of a table's value. A value that does not parse has none.
std::vector<PartitionText> partitions_of(const std::string& value, Numbering numbering);

struct ParsedPartition {
  core::PartitionShape shape;
  std::string message;  // A TablePartition's bytes.
};

// The Failure is one line: what is no TablePartition about it. A name that no field has is refused.
Result<ParsedPartition> parse_partition(const std::string& json);

// What another message in its place would change, a line each, such as "127.0.0.1:9520: is_alive
// true -> false"; where only what has no names differs, nothing. Of a partition that is not there
// nothing is known, so nothing changes.
std::vector<std::string> what_changes(const std::string& value, Numbering numbering,
                                      std::uint32_t pid, const std::string& message);

}  // namespace failoverd::fedb
