// A table as the bytes of its znode (FEDB.md 3.1).
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "lib/core/api/types.h"
#include "lib/fedb/wire/generation.h"
#include "proto/table_info.pb.h"

namespace failoverd::simulation {

// At least shape.bytes long: what the simulation does not draw is a field that nobody knows.
std::string to_bytes(const core::TableShape& shape, fedb::Numbering);

// The table with another value of a field that is none of failoverd's business; and that value.
std::string with_touch(const std::string& bytes, std::uint64_t value, fedb::Numbering);
std::uint64_t touch_of(const std::string& bytes, fedb::Numbering);

// A partition as JSON, which the daemon's own code reads.
std::string json_of(const core::PartitionShape&);
// The table with that partition changed; as it was where it has no such pid.
std::string with_partition(const std::string& bytes, std::uint32_t pid, fedb::Numbering,
                           const std::function<void(fedb::TablePartition&)>& change);

}  // namespace failoverd::simulation
