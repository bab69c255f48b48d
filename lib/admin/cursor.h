// Where a page of a list ends, as text that a caller hands back to get the next one. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "lib/admin/status_types.h"

namespace failoverd::admin {

// "db/name/pid/endpoint", each percent-encoded.
std::string to_cursor(const ReplicaKey& key);
// Nothing: to_cursor() never made that.
std::optional<ReplicaKey> replica_key(std::string_view cursor);

}  // namespace failoverd::admin
