// The lines of a daemon's log that tell what it did to a partition around some moment. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace failoverd::chaos {

struct LogWish {
  std::int64_t from_ms = 0;  // Unix time.
  std::int64_t to_ms = 0;
  std::vector<std::string> words;  // A line is wanted if it has one of them.
  std::size_t at_most = 20;        // The first ones.
};

// Lines of level debug are left out. A line that says more were left out comes last.
std::vector<std::string> excerpt(const std::string& log, const LogWish& wish);

}  // namespace failoverd::chaos
