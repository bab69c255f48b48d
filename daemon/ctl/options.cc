#include "daemon/ctl/options.h"

#include <algorithm>
#include <charconv>
#include <sstream>
#include <utility>

namespace failoverd::ctl {
namespace {

constexpr const char* kDefaultServer = "http://127.0.0.1:9650";
constexpr std::size_t kHelpWidth = 96;
// Every command takes these, so that a script need not know which of them they mean something to.
constexpr std::uint32_t kTakenEverywhere = kWithDb | kWithWait | kWithYes;

constexpr const char* kHead =
    "usage: failoverctl [--server URL[,URL...]] [--json] COMMAND [ARGUMENTS] [OPTIONS]\n"
    "\n"
    "Shows and steers failoverd. Options may stand anywhere on the line.\n";

constexpr const char* kExitStatus =
    "exit status: 0 done, 1 refused or failed (one line on standard error says why), 2 usage\n";

// Sentences as lines that begin at this column; the first is begun already.
std::string filled(const std::string& text, std::size_t column) {
  std::istringstream words{text};
  std::string out;
  std::size_t width = column;
  for (std::string word; words >> word;) {
    if (width > column && width + 1 + word.size() > kHelpWidth) {
      out += "\n" + std::string(column, ' ');
      width = column;
    } else if (width > column) {
      out += ' ';
      ++width;
    }
    out += word;
    width += word.size();
  }
  return out + "\n";
}

std::string described(const CommandInfo& command) {
  std::string text = "  " + shown(command) + "\n      " + filled(command.meaning, 6);
  std::string its;
  for (const OptionInfo& option : options()) {
    if ((option.goes_with & command.options) == 0) continue;
    its += (its.empty() ? "" : ", ") + shown(option);
  }
  if (!its.empty()) text += "      options: " + its + "\n";
  return text + "      example: " + command.example + "\n";
}

std::string described(const OptionInfo& option) {
  constexpr std::size_t kColumn = 25;
  std::string name = "  " + shown(option);
  name.resize(std::max(name.size() + 1, kColumn), ' ');
  return name + filled(option.meaning, kColumn);
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  for (std::size_t from = 0; from <= list.size();) {
    const std::size_t comma = std::min(list.find(',', from), list.size());
    if (comma > from) parts.push_back(list.substr(from, comma - from));
    from = comma + 1;
  }
  return parts;
}

// Walks over the words of the line.
class Parser {
 public:
  Parser(const std::vector<std::string>& words, Options& options)
      : words_(words), options_(options) {}

  Result<void> parse() {
    bool only_arguments = false;
    for (; at_ < words_.size(); ++at_) {
      const std::string& word = words_[at_];
      if (!only_arguments && word == "--") {
        only_arguments = true;
      } else if (!only_arguments && word.size() > 1 && word.front() == '-') {
        if (auto taken = option(word); !taken) return taken;
      } else if (options_.command.empty()) {
        options_.command = word;
      } else {
        options_.arguments.push_back(word);
      }
    }
    return {};
  }

  // Options of some commands only, as they were given.
  const std::vector<const OptionInfo*>& given() const { return given_; }

 private:
  Result<void> option(const std::string& word) {
    const std::size_t equals = word.find('=');
    const std::string name = word == "-h" ? "--help" : word.substr(0, equals);
    const auto all = ctl::options();
    const auto found = std::find_if(all.begin(), all.end(),
                                    [&](const OptionInfo& one) { return one.name == name; });
    if (found == all.end()) {
      return Failure{"unknown option " + name + " (see failoverctl --help)"};
    }
    if (found->goes_with != 0) given_.push_back(&*found);
    if (found->value == nullptr) {
      if (equals != std::string::npos) return Failure{name + " takes no value"};
      options_.*found->flag = true;
      return {};
    }
    if (equals == std::string::npos && at_ + 1 == words_.size()) {
      return Failure{name + " needs a value"};
    }
    return with_value(name, equals == std::string::npos ? words_[++at_] : word.substr(equals + 1));
  }

  Result<void> with_value(const std::string& name, const std::string& value) {
    if (given_.empty() || given_.back()->name != name || given_.back()->goes_with != kWithHold) {
      return with_common_value(name, value);
    }
    options_.hold[name.substr(2)] = value;
    return {};
  }

  Result<void> with_common_value(const std::string& name, const std::string& value) {
    if (name == "--server") {
      options_.servers = split(value);
      if (options_.servers.empty()) return Failure{"--server needs a URL"};
    } else if (name == "--socket") {
      if (!value.starts_with('/')) return Failure{"--socket needs an absolute path, not " + value};
      options_.servers = {"unix:" + value};
    } else if (name == "--token-file") {
      options_.token_file = value;
    } else if (name == "--db") {
      options_.db = value;
    } else {
      std::uint64_t id = 0;
      const auto [end, bad] = std::from_chars(value.data(), value.data() + value.size(), id);
      if (bad != std::errc{} || end != value.data() + value.size()) {
        return Failure{"--since needs an event's id, not " + value};
      }
      options_.since = id;
    }
    return {};
  }

  const std::vector<std::string>& words_;
  Options& options_;
  std::size_t at_ = 0;
  std::vector<const OptionInfo*> given_;
};

// What it would not heed is not taken: a list that is longer than was asked for misleads.
Result<void> check_hold(const Options& options, const CommandInfo& command,
                        const std::vector<const OptionInfo*>& options_given) {
  const std::string& what = options.arguments[0];
  if (what == "add" && options.arguments.size() == 1) return {};
  const bool lists = what == "list" && options.arguments.size() == 1;
  const bool removes = what == "remove" && options.arguments.size() == 2;
  if (!lists && !removes) return Failure{"usage: failoverctl " + shown(command)};
  const std::uint32_t unheeded = lists ? kWithHold | kWithPlan : kWithHold;
  for (const OptionInfo* option : options_given) {
    if ((option->goes_with & unheeded) == 0) continue;
    return Failure{"hold " + what + " takes no " + option->name +
                   (lists ? ": it lists all holds" : ": a hold's number is all it needs")};
  }
  return {};
}

Result<void> check_arguments(const Options& options,
                             const std::vector<const OptionInfo*>& options_given) {
  const CommandInfo* command = find_command(options.command);
  if (command == nullptr) {
    return Failure{"unknown command " + options.command + " (see failoverctl --help)"};
  }
  const std::size_t given = options.arguments.size();
  if (given < command->least || given > command->most) {
    return Failure{"usage: failoverctl " + shown(*command)};
  }
  for (const OptionInfo* option : options_given) {
    if ((option->goes_with & (command->options | kTakenEverywhere)) != 0) continue;
    return Failure{options.command + " takes no " + option->name + " (see failoverctl " +
                   options.command + " --help)"};
  }
  if (options.command == "hold") {
    if (auto checked = check_hold(options, *command, options_given); !checked) return checked;
  }
  const bool names_pid =
      options.command == "showopstatus" || options.command == "gettablepartition";
  if (names_pid && given >= 2) {
    const std::string& pid = options.arguments[1];
    const bool digits = !pid.empty() && pid.find_first_not_of("0123456789") == std::string::npos;
    if (!digits || pid.size() > 9) return Failure{"PID is a partition's number, not " + pid};
  }
  return {};
}

}  // namespace

Result<Options> parse_options(const std::vector<std::string>& words,
                              const Environment& environment) {
  Options options;
  options.servers = split(environment.servers);
  options.token_file = environment.token_file;
  Parser parser(words, options);
  if (auto parsed = parser.parse(); !parsed) return parsed.error();
  if (options.servers.empty()) options.servers = {kDefaultServer};
  if (options.help || options.version) return options;
  if (options.command.empty()) return Failure{"a command is missing (see failoverctl --help)"};
  if (auto checked = check_arguments(options, parser.given()); !checked) return checked.error();
  return options;
}

std::string help_text(const std::string& command) {
  std::string text = kHead;
  if (const CommandInfo* one = find_command(command)) {
    text += "\n" + described(*one) + "\n";
    for (const OptionInfo& option : options()) {
      if ((option.goes_with & one->options) != 0) text += described(option);
    }
    return text;
  }
  text += "\ncommands:\n";
  for (const CommandInfo& each : commands()) text += described(each);
  text += "\noptions:\n";
  for (const OptionInfo& option : options()) text += described(option);
  return text + "\n" + kExitStatus;
}

}  // namespace failoverd::ctl
