// The daemon's log: one line an entry, to standard error, where systemd's journal takes it. Text
// ("2026-11-22T11:00:00.123Z warning failover: ..." ) or one JSON object a line. It never waits for
// whoever reads it: lines that nobody reads are dropped, and counted. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/base/line_writer.h"
#include "lib/config/config.h"

namespace failoverd {

class Log {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  Log();

  void configure(const config::Log& options) { options_ = options; }
  bool wants(config::LogLevel level) const { return level >= options_.level; }
  void write(config::LogLevel level, std::string_view kind, std::string_view text,
             const Fields& fields = {});

  // Tries again what has not been taken yet, and tells of what was dropped. To be called now and
  // then: a write() does it too, but there may be none for long.
  void flush();
  // Lines that nobody will read, so far.
  std::uint64_t dropped() const { return out_.dropped(); }

 private:
  std::string to_line(config::LogLevel level, std::string_view kind, std::string_view text,
                      const Fields& fields) const;

  config::Log options_;
  LineWriter out_;
  std::uint64_t told_ = 0;  // So many of the dropped lines have been told of.
};

}  // namespace failoverd
