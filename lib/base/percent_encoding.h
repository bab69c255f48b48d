// Percent-encoding (RFC 3986) for what stands in a URL. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace failoverd {

// Everything but letters, digits and "-._~" as %XX: for one segment of a path or value of a query.
std::string percent_encoded(std::string_view text);

// Nothing when a % is not followed by two hexadecimal digits. In a query a plus is a blank.
std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_blank);

}  // namespace failoverd
