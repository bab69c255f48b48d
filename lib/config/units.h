// How durations, sizes and whole numbers are written where people write them: in the configuration
// and in the arguments of failoverctl. Never rounds, never guesses a unit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/time.h"

namespace failoverd::config {

// N(ms|s|m|h), such as 3s. A number without a unit, a fraction, a sign, a space or more than
// Duration can hold: nullopt.
std::optional<Duration> parse_duration(std::string_view text);

// The shortest way to write it that parse_duration() reads back to the same value; what is finer
// than a millisecond is cut off.
std::string duration_text(Duration duration);

// Bytes, or N(KiB|MiB|GiB).
std::optional<std::uint64_t> parse_size(std::string_view text);

// Decimal digits only.
std::optional<std::uint64_t> parse_number(std::string_view text);

}  // namespace failoverd::config
