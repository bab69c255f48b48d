#include "lib/config/units.h"

#include <charconv>
#include <limits>
#include <utility>

namespace failoverd::config {
namespace {

// Splits "15min" into 15 and "min"; nullopt when it does not begin with a number that fits.
std::optional<std::pair<std::uint64_t, std::string_view>> number_and_rest(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  return std::pair{number, text.substr(static_cast<std::size_t>(end - text.data()))};
}

std::optional<std::uint64_t> times(std::uint64_t number, std::uint64_t unit, std::uint64_t limit) {
  if (number > limit / unit) return std::nullopt;
  return number * unit;
}

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  const auto parts = number_and_rest(text);
  if (!parts) return std::nullopt;
  const auto& [number, unit] = *parts;
  std::uint64_t microseconds = 0;
  if (unit == "ms") {
    microseconds = 1'000;
  } else if (unit == "s") {
    microseconds = 1'000'000;
  } else if (unit == "m") {
    microseconds = 60'000'000;
  } else if (unit == "h") {
    microseconds = 3'600'000'000;
  } else {
    return std::nullopt;
  }
  const auto all = times(number, microseconds,
                         static_cast<std::uint64_t>(std::numeric_limits<Duration::rep>::max()));
  if (!all) return std::nullopt;
  return Duration{static_cast<Duration::rep>(*all)};
}

std::string duration_text(Duration duration) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  if (ms == 0) return "0s";
  if (ms % 3'600'000 == 0) return std::to_string(ms / 3'600'000) + "h";
  if (ms % 60'000 == 0) return std::to_string(ms / 60'000) + "m";
  if (ms % 1'000 == 0) return std::to_string(ms / 1'000) + "s";
  return std::to_string(ms) + "ms";
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  const auto parts = number_and_rest(text);
  if (!parts) return std::nullopt;
  const auto& [number, unit] = *parts;
  constexpr auto kLimit = std::numeric_limits<std::uint64_t>::max();
  if (unit.empty()) return number;
  if (unit == "KiB") return times(number, 1ULL << 10, kLimit);
  if (unit == "MiB") return times(number, 1ULL << 20, kLimit);
  if (unit == "GiB") return times(number, 1ULL << 30, kLimit);
  return std::nullopt;
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  const auto parts = number_and_rest(text);
  if (!parts || !parts->second.empty()) return std::nullopt;
  return parts->first;
}

}  // namespace failoverd::config
