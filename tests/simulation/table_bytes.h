// A table as the bytes of its znode (FEDB.md 3.1).
#pragma once

#include <string>

#include "lib/core/api/types.h"

namespace failoverd::simulation {

// At least shape.bytes long: what the simulation does not draw is a field that nobody knows.
std::string to_bytes(const core::TableShape& shape);

}  // namespace failoverd::simulation
