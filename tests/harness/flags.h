// Command-line flags as the originals have them (gflags style): --name=value, --bool, --nobool,
// --flagfile=FILE with one flag a line. What a program does not heed it accepts with a warning, so
// that a real server's command line works. For the tests' programs, each with a struct of Options.
#pragma once

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "lib/base/result.h"

namespace failoverd::harness {

template <class Options>
struct Flag {
  const char* name;
  const char* help;
  bool is_bool;
  std::function<bool(Options&, const std::string&)> set;  // False: not a value for it.
};

template <class Options>
struct ParsedFlags {
  Options options;
  bool help = false;
  std::vector<std::string> warnings;  // One per flag that was accepted and ignored.
};

// Decimal, and nothing else.
template <class Number>
bool parse_number(const std::string& text, Number& value) {
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  return error == std::errc{} && at == end;
}

template <class Options>
Flag<Options> text_flag(const char* name, std::string Options::*member, const char* help) {
  return {name, help, false, [member](Options& options, const std::string& value) {
            options.*member = value;
            return true;
          }};
}

template <class Options>
Flag<Options> bool_flag(const char* name, bool Options::*member, const char* help) {
  return {name, help, true, [member](Options& options, const std::string& value) {
            if (value != "true" && value != "false") return false;
            options.*member = value == "true";
            return true;
          }};
}

template <class Options>
Flag<Options> millis_flag(const char* name, std::chrono::milliseconds Options::*member,
                          const char* help) {
  return {name, help, false, [member](Options& options, const std::string& value) {
            std::uint64_t number = 0;
            if (!parse_number(value, number) || number > 1'000'000'000) return false;
            options.*member = std::chrono::milliseconds{number};
            return true;
          }};
}

// The member counts `unit`s less than the flag: --megabytes=1 with 1 << 20 is 1048576.
template <class Options, class T>
Flag<Options> number_flag(const char* name, T Options::*member, const char* help,
                          std::uint64_t unit = 1) {
  return {name, help, false, [member, unit](Options& options, const std::string& value) {
            std::uint64_t parsed = 0;
            if (!parse_number(value, parsed)) return false;
            if (parsed > std::numeric_limits<T>::max() / unit) return false;
            options.*member = static_cast<T>(parsed * unit);
            return true;
          }};
}

// All that main() has to do: says what is wrong with the flags (2) or prints the help (0); else
// says the warnings and runs the program. `say`: a line on standard error.
template <class Options>
int run_with_flags(const Result<ParsedFlags<Options>>& parsed, const std::string& help,
                   const std::function<void(const std::string&)>& say,
                   const std::function<int(const Options&)>& run) {
  if (!parsed) {
    say(parsed.error().text);
    return 2;
  }
  if (parsed.value().help) {
    std::fputs(help.c_str(), stdout);
    return 0;
  }
  for (const std::string& warning : parsed.value().warnings) say(warning);
  std::signal(SIGPIPE, SIG_IGN);
  return run(parsed.value().options);
}

template <class Options>
class FlagParser {
 public:
  // `program`: for the warnings. The flags have to be there as long as this.
  FlagParser(const char* program, const std::vector<Flag<Options>>& flags)
      : program_{program}, flags_{flags} {}

  // Arguments without the program's name.
  Result<ParsedFlags<Options>> parse(const std::vector<std::string>& arguments) {
    for (const std::string& argument : arguments) {
      if (auto done = parse_one(argument, 0); !done) return done.error();
    }
    return std::move(parsed_);
  }

 private:
  Result<void> parse_file(const std::string& path, int depth) {
    std::ifstream file{path};
    if (!file || depth > 4) return Failure{"--flagfile=" + path + ": cannot be read"};
    std::string line;
    while (std::getline(file, line)) {
      if (line.empty() || line[0] == '#') continue;
      if (auto done = parse_one(line, depth + 1); !done) return done;
    }
    return {};
  }

  auto find(const std::string& name) const {
    return std::find_if(flags_.begin(), flags_.end(),
                        [&](const Flag<Options>& flag) { return name == flag.name; });
  }

  Result<void> parse_one(std::string argument, int depth) {
    const std::size_t dashes = argument.find_first_not_of('-');
    if (dashes == std::string::npos || dashes == 0 || dashes > 2) {
      return Failure{"'" + argument + "' is no flag; flags look like --endpoint=127.0.0.1:9520"};
    }
    argument.erase(0, dashes);
    const std::size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    std::string value = equals == std::string::npos ? "" : argument.substr(equals + 1);
    if (name == "help") {
      parsed_.help = true;
      return {};
    }
    if (name == "flagfile") return parse_file(value, depth);
    auto flag = find(name);
    if (flag == flags_.end() && equals == std::string::npos && name.starts_with("no")) {
      flag = find(name.substr(2));
      value = "false";
    } else if (flag != flags_.end() && flag->is_bool && equals == std::string::npos) {
      value = "true";
    }
    if (flag == flags_.end()) {
      parsed_.warnings.push_back("--" + name + " is not heeded by " + program_);
      return {};
    }
    if (!flag->set(parsed_.options, value)) {
      return Failure{"--" + name + "=" + value + ": not a value for it (" + flag->help + ")"};
    }
    return {};
  }

  const char* program_;
  const std::vector<Flag<Options>>& flags_;
  ParsedFlags<Options> parsed_;
};

// What --help prints behind the first line.
template <class Options>
std::string flags_help(const std::vector<Flag<Options>>& flags) {
  std::string help;
  for (const Flag<Options>& flag : flags) {
    help += "  --" + std::string{flag.name} + "=  " + flag.help + "\n";
  }
  return help + "  --flagfile=  a file with one flag a line\n";
}

}  // namespace failoverd::harness
