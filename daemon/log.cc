#include "daemon/log.h"

#include <boost/json.hpp>
#include <cstdio>
#include <ctime>

#include "lib/base/boot_clock.h"

namespace failoverd {
namespace {

const char* word(config::LogLevel level) {
  switch (level) {
    case config::LogLevel::kDebug:
      return "debug";
    case config::LogLevel::kInfo:
      return "info";
    case config::LogLevel::kWarn:
      return "warning";
    case config::LogLevel::kError:
      return "error";
  }
  return "?";
}

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

// Nothing that came from outside may start a line of its own.
std::string one_line(std::string_view text) {
  std::string out{text};
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return out;
}

}  // namespace

void Log::write(config::LogLevel level, std::string_view kind, std::string_view text,
                const Fields& fields) const {
  if (!wants(level)) return;
  std::string line;
  if (options_.format == config::LogFormat::kJson) {
    boost::json::object o{{"time", utc(wall_now_ms())},
                          {"level", word(level)},
                          {"kind", kind},
                          {"text", one_line(text)}};
    for (const auto& [key, value] : fields) o[key] = value;
    line = boost::json::serialize(o);
  } else {
    line = utc(wall_now_ms()) + " " + word(level) + " " + std::string{kind} + ": " + one_line(text);
  }
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace failoverd
