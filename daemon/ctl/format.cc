#include "daemon/ctl/format.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

namespace failoverd::ctl {
namespace {

std::string formatted(std::int64_t unix_ms, const char* format) {
  const auto seconds = static_cast<std::time_t>(unix_ms / 1000);
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  std::strftime(text.data(), text.size(), format, &parts);
  return text.data();
}

}  // namespace

std::string short_duration(std::int64_t ms) {
  const std::int64_t seconds = std::max<std::int64_t>(ms, 0) / 1000;
  if (seconds < 60) return std::to_string(seconds) + "s";
  if (seconds < 3600) return std::to_string(seconds / 60) + "m";
  if (seconds < 86400) return std::to_string(seconds / 3600) + "h";
  return std::to_string(seconds / 86400) + "d";
}

std::string short_size(std::uint64_t bytes) {
  constexpr std::array kUnits = {"", " K", " M", " G", " T", " P", " E"};
  std::size_t unit = 0;
  auto value = static_cast<double>(bytes);
  for (; bytes >= 1024 && unit + 1 < kUnits.size(); bytes >>= 10) {
    value /= 1024;
    ++unit;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3f%s", value, kUnits[unit]);
  return text.data();
}

std::string local_time(std::int64_t unix_ms) {
  return unix_ms == 0 ? "-" : formatted(unix_ms, "%Y%m%d%H%M%S");
}

std::string readable_time(std::int64_t unix_ms) {
  std::array<char, 8> ms{};
  std::snprintf(ms.data(), ms.size(), ".%03d", static_cast<int>(unix_ms % 1000));
  return formatted(unix_ms, "%Y-%m-%d %H:%M:%S") + ms.data();
}

}  // namespace failoverd::ctl
