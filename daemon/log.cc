#include "daemon/log.h"

#include <unistd.h>

#include <boost/json.hpp>
#include <cstdio>
#include <ctime>

#include "lib/base/boot_clock.h"
#include "lib/base/utf8.h"

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

// What is kept in memory while nobody reads: a burst that a reader takes a while for.
constexpr std::size_t kKept = 64 * 1024;

}  // namespace

Log::Log() : out_(STDERR_FILENO, kKept) {}

void Log::write(config::LogLevel level, std::string_view kind, std::string_view text,
                const Fields& fields) {
  if (!wants(level)) return;
  flush();
  out_.write(to_line(level, kind, text, fields));
}

void Log::flush() {
  out_.flush();
  const std::uint64_t dropped = out_.dropped();
  if (dropped == told_ || out_.has_kept()) return;
  const std::string text =
      std::to_string(dropped - told_) + " lines were dropped: nobody read standard error in time";
  // Where the reader is gone this line is one more of them, and nobody will miss the next.
  out_.write(to_line(config::LogLevel::kWarn, "log", text, {}));
  told_ = out_.dropped();
}

std::string Log::to_line(config::LogLevel level, std::string_view kind, std::string_view text,
                         const Fields& fields) const {
  std::string line;
  if (options_.format == config::LogFormat::kJson) {
    boost::json::object o{{"time", utc(wall_now_ms())},
                          {"level", word(level)},
                          {"kind", kind},
                          {"text", shown_safely(text, ' ')}};
    for (const auto& [key, value] : fields) o[key] = shown_safely(value, ' ');
    line = boost::json::serialize(o);
  } else {
    line = utc(wall_now_ms()) + " " + word(level) + " " + std::string{kind} + ": " +
           shown_safely(text, ' ');
  }
  line += '\n';
  return line;
}

}  // namespace failoverd
