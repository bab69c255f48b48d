// What failoverctl can do: its commands and its options, each with the words that --help, the man
// page and the shells' completions show. Constant.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace failoverd::ctl {

struct Options;

// Options that mean something to some commands only. --db, --wait and --yes are taken by the
// others, too, and do nothing there.
enum : std::uint32_t {
  kWithDb = 1U << 0U,
  kWithWait = 1U << 1U,
  kWithYes = 1U << 2U,
  kWithPlan = 1U << 3U,
  kWithAcceptLoss = 1U << 4U,
  kWithForce = 1U << 5U,
  kWithSince = 1U << 6U,
  kWithFollow = 1U << 7U,
  kWithHold = 1U << 8U,
};

// A row of the table of options.
struct OptionInfo {
  const char* name;         // "--db".
  const char* value;        // "NAME"; null: it takes none.
  const char* meaning;      // Sentences.
  std::uint32_t goes_with;  // One of kWith...; 0: it goes with every command.
  bool Options::*flag;      // What it sets; null where it takes a value.
};

// A row of the table of commands.
struct CommandInfo {
  const char* name;
  const char* arguments;  // As --help shows them.
  std::size_t least;      // How many arguments, at least and at most.
  std::size_t most;
  std::uint32_t options;  // kWith..., together.
  const char* meaning;
  const char* example;  // What one would type, with what it is good for.
  // For a command that changes something: the words before the reason when it is refused, with
  // {0}, {1}, ... for its arguments. Null for those that only show.
  const char* failure;
  // The daemon's names for the arguments, in their order, a blank between two.
  const char* keys;
  bool asks;  // It changes leaders, or copies or drops replicas: what it will do is shown first.
  const char* words;  // For completion: words that may stand for its arguments.
};

std::span<const CommandInfo> commands();
const CommandInfo* find_command(const std::string& name);  // Null: there is none.

std::span<const OptionInfo> options();

// "--db NAME".
std::string shown(const OptionInfo& option);
// "changeleader TABLE PID [ENDPOINT|auto]".
std::string shown(const CommandInfo& command);

}  // namespace failoverd::ctl
