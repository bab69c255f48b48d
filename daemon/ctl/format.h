// Numbers and times as operators know them.
#pragma once

#include <cstdint>
#include <string>

namespace failoverd::ctl {

// "2s", "1m", "5h", "3d": the largest unit that fits, rounded down.
std::string short_duration(std::int64_t ms);

// "702.000", "1.135 K", "3.000 M", ...: of 1024 each.
std::string short_size(std::uint64_t bytes);

// yyyymmddHHMMSS, local time; "-" for 0.
std::string local_time(std::int64_t unix_ms);

// 2026-11-22 06:34:51.123, local time.
std::string readable_time(std::int64_t unix_ms);

}  // namespace failoverd::ctl
