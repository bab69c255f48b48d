// failoverctl's command line.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/ctl/command_table.h"
#include "lib/base/result.h"

namespace failoverd::ctl {

struct Options {
  std::vector<std::string> servers;  // As given; never empty.
  std::string token_file;            // Empty: no token.
  bool json = false;
  bool help = false;
  bool version = false;
  bool follow = false;                 // events
  std::optional<std::uint64_t> since;  // events
  std::optional<std::string> db;
  bool plan = false;
  bool yes = false;
  bool wait = false;
  bool accept_loss = false;  // changeleader
  bool force = false;        // changeleader
  bool all = false;          // hold add
  // hold add: "tablet", "table", "pid", "reason", "for", "by", as they were given.
  std::map<std::string, std::string> hold;
  std::string command;  // Empty with --help or --version only.
  std::vector<std::string> arguments;
};

// The environment's part of it.
struct Environment {
  std::string servers;     // $FAILOVERD_SERVER
  std::string token_file;  // $FAILOVERD_TOKEN_FILE
};

// Everything behind the program's name. A failure is a mistake in usage: exit status 2.
Result<Options> parse_options(const std::vector<std::string>& words,
                              const Environment& environment);

// All commands, or one.
std::string help_text(const std::string& command);

}  // namespace failoverd::ctl
