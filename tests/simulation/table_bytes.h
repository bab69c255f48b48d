// A table as the bytes of its znode (FEDB.md 3.1).
#pragma once

#include <cstdint>
#include <string>

#include "lib/core/api/types.h"
#include "lib/fedb/wire/generation.h"

namespace failoverd::simulation {

// At least shape.bytes long: what the simulation does not draw is a field that nobody knows.
std::string to_bytes(const core::TableShape& shape, fedb::Numbering);

// The table with another value of a field that is none of failoverd's business; and that value.
std::string with_touch(const std::string& bytes, std::uint64_t value, fedb::Numbering);
std::uint64_t touch_of(const std::string& bytes, fedb::Numbering);

}  // namespace failoverd::simulation
