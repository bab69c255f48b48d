// failoverctl's command line and the list of its commands, which --help prints.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lib/base/result.h"

namespace failoverd::ctl {

struct CommandInfo {
  const char* name;
  const char* arguments;  // As --help shows them.
  std::size_t least;      // How many arguments, at least and at most.
  std::size_t most;
  const char* meaning;
  const char* example;  // What one would type, with what it is good for.
  // For a command that changes something: the words before the reason when it is refused, with
  // {0}, {1}, ... for its arguments. Null for those that only show.
  const char* failure;
};

std::span<const CommandInfo> commands();
const CommandInfo* find_command(const std::string& name);  // Null: there is none.

struct Options {
  std::vector<std::string> servers;  // As given; never empty.
  std::string token_file;            // Empty: no token.
  bool json = false;
  bool help = false;
  bool version = false;
  bool follow = false;                 // events
  std::optional<std::uint64_t> since;  // events
  std::optional<std::string> db;       // showtable, showopstatus
  std::string command;                 // Empty with --help or --version only.
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
