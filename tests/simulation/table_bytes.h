// A table as the bytes of its znode (FEDB.md 3.1).
#pragma once

#include <cstdint>
#include <string>

#include "lib/core/api/types.h"

namespace failoverd::simulation {

// At least shape.bytes long: what the simulation does not draw is a field that nobody knows.
std::string to_bytes(const core::TableShape& shape);

// The table with another ttl, which is none of failoverd's business.
std::string with_ttl(const std::string& bytes, std::uint64_t ttl);

}  // namespace failoverd::simulation
