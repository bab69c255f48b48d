#include "tests/chaos/log_excerpt.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <sstream>

namespace failoverd::chaos {
namespace {

// As failoverd's log has it; such texts are in order of time.
std::string utc(std::int64_t ms) {
  const std::time_t seconds = ms / 1000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char date[32];
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
  char text[48];
  std::snprintf(text, sizeof text, "%s.%03dZ", date, static_cast<int>(ms % 1000));
  return text;
}

}  // namespace

std::vector<std::string> excerpt(const std::string& log, const LogWish& wish) {
  const std::string from = utc(wish.from_ms);
  const std::string to = utc(wish.to_ms);
  std::vector<std::string> lines;
  std::size_t left_out = 0;
  std::istringstream in{log};
  for (std::string line; std::getline(in, line);) {
    const std::string time = line.substr(0, from.size());
    if (time < from || time > to || line.find(" debug ") == from.size()) continue;
    const bool wanted =
        std::any_of(wish.words.begin(), wish.words.end(),
                    [&](const std::string& word) { return line.find(word) != line.npos; });
    if (!wanted) continue;
    if (lines.size() < wish.at_most) {
      lines.push_back(line);
    } else {
      ++left_out;
    }
  }
  if (left_out > 0) lines.push_back("(" + std::to_string(left_out) + " more lines)");
  return lines;
}

}  // namespace failoverd::chaos
