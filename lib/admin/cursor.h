// Where a page of a list ends, as text that a caller hands back to get the next one. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "lib/admin/status_types.h"

namespace failoverd::admin {

// Everything but letters, digits and "-._~" as %XX: for one segment of a path or value of a query.
std::string percent_encoded(std::string_view text);
// Nothing when a % is not followed by two hexadecimal digits.
std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_blank);

// "db/name/pid/endpoint", each percent-encoded.
std::string to_cursor(const ReplicaKey& key);
std::optional<ReplicaKey> replica_key(std::string_view cursor);

}  // namespace failoverd::admin
