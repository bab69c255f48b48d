// The daemon's log: one line an entry, to standard error, where systemd's journal takes it. Text
// ("2026-11-22T11:00:00.123Z warning failover: ..." ) or one JSON object a line.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/config/config.h"

namespace failoverd {

class Log {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  void configure(const config::Log& options) { options_ = options; }
  bool wants(config::LogLevel level) const { return level >= options_.level; }
  void write(config::LogLevel level, std::string_view kind, std::string_view text,
             const Fields& fields = {}) const;

 private:
  config::Log options_;
};

}  // namespace failoverd
