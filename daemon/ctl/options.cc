#include "daemon/ctl/options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace failoverd::ctl {
namespace {

constexpr const char* kDefaultServer = "http://127.0.0.1:9650";

constexpr std::array kCommands = {
    CommandInfo{"status", "", 0, 0,
                "Who acts, how the cluster is, what is wrong first and what it waits for.",
                "failoverctl status", nullptr},
    CommandInfo{"showtablet", "", 0, 0, "The tablets and how long they have been so.",
                "failoverctl showtablet", nullptr},
    CommandInfo{"showtable", "[NAME]", 0, 1,
                "Every replica of every partition, or of one table: role, alive, offset.",
                "failoverctl showtable flow", nullptr},
    CommandInfo{"showopstatus", "[NAME [PID]]", 0, 2,
                "Operations under way and finished, of one table or one partition.",
                "failoverctl showopstatus flow 0", nullptr},
    CommandInfo{"confget", "", 0, 0, "The switches that confset changes.", "failoverctl confget",
                nullptr},
    CommandInfo{"confset", "auto_failover true|false", 2, 2,
                "Switches automatic failover on or off, for all daemons of the cluster.",
                "failoverctl confset auto_failover false", "failed to set {0}. error msg: "},
    CommandInfo{"fsm", "", 0, 0,
                "A partition's states, and what is done in each; ops, task by task.",
                "failoverctl fsm", nullptr},
    CommandInfo{"events", "[--since ID] [--follow]", 0, 0,
                "What has happened, oldest first; --follow goes on with what happens now.",
                "failoverctl events --follow", nullptr},
};

constexpr const char* kHead =
    "usage: failoverctl [--server URL[,URL...]] [--json] COMMAND [ARGUMENTS] [OPTIONS]\n"
    "\n"
    "Shows and steers failoverd. Options may stand anywhere on the line.\n";

constexpr const char* kOptions =
    "options:\n"
    "  --server URL[,URL...]  The daemons; with several the active one is found. Without it\n"
    "                         $FAILOVERD_SERVER, then http://127.0.0.1:9650.\n"
    "  --json                 Print JSON: the columns' names as keys, times as Unix milliseconds.\n"
    "  --db NAME              showtable, showopstatus: only tables of this database.\n"
    "  --since ID             events: only those after this one.\n"
    "  --follow               events: go on with those to come.\n"
    "  --token-file FILE      The token for changes, where the daemon asks for one. Without it\n"
    "                         $FAILOVERD_TOKEN_FILE.\n"
    "  --help, --version\n"
    "\n"
    "exit status: 0 done, 1 refused or failed (one line on standard error says why), 2 usage\n";

std::string described(const CommandInfo& command) {
  const std::string arguments =
      *command.arguments != '\0' ? std::string(" ") + command.arguments : "";
  return "  " + std::string(command.name) + arguments + "\n      " + command.meaning +
         "\n      example: " + command.example + "\n";
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

 private:
  Result<void> option(const std::string& word) {
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const std::array flags = {std::pair{"--json", &Options::json},
                              std::pair{"--help", &Options::help}, std::pair{"-h", &Options::help},
                              std::pair{"--version", &Options::version},
                              std::pair{"--follow", &Options::follow}};
    for (const auto& [flag, member] : flags) {
      if (name != flag) continue;
      if (equals != std::string::npos) return Failure{name + " takes no value"};
      options_.*member = true;
      return {};
    }
    if (name != "--server" && name != "--token-file" && name != "--since" && name != "--db") {
      return Failure{"unknown option " + name + " (see failoverctl --help)"};
    }
    if (equals == std::string::npos && at_ + 1 == words_.size()) {
      return Failure{name + " needs a value"};
    }
    return with_value(name, equals == std::string::npos ? words_[++at_] : word.substr(equals + 1));
  }

  Result<void> with_value(const std::string& name, const std::string& value) {
    if (name == "--server") {
      options_.servers = split(value);
      if (options_.servers.empty()) return Failure{"--server needs a URL"};
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
};

Result<void> check_arguments(const Options& options) {
  const CommandInfo* command = find_command(options.command);
  if (command == nullptr) {
    return Failure{"unknown command " + options.command + " (see failoverctl --help)"};
  }
  const std::size_t given = options.arguments.size();
  if (given < command->least || given > command->most) {
    return Failure{std::string("usage: failoverctl ") + command->name + " " + command->arguments};
  }
  const bool events = options.command == "events";
  if (!events && (options.follow || options.since)) {
    return Failure{"--follow and --since go with events only"};
  }
  if (options.db && options.command != "showtable" && options.command != "showopstatus") {
    return Failure{"--db goes with showtable and showopstatus only"};
  }
  if (options.command == "showopstatus" && given == 2) {
    const std::string& pid = options.arguments[1];
    const bool digits = !pid.empty() && pid.find_first_not_of("0123456789") == std::string::npos;
    if (!digits || pid.size() > 9) return Failure{"PID is a partition's number, not " + pid};
  }
  return {};
}

}  // namespace

std::span<const CommandInfo> commands() { return kCommands; }

const CommandInfo* find_command(const std::string& name) {
  const auto found = std::find_if(kCommands.begin(), kCommands.end(),
                                  [&](const CommandInfo& command) { return command.name == name; });
  return found == kCommands.end() ? nullptr : &*found;
}

Result<Options> parse_options(const std::vector<std::string>& words,
                              const Environment& environment) {
  Options options;
  options.servers = split(environment.servers);
  options.token_file = environment.token_file;
  if (auto parsed = Parser(words, options).parse(); !parsed) return parsed.error();
  if (options.servers.empty()) options.servers = {kDefaultServer};
  if (options.help || options.version) return options;
  if (options.command.empty()) return Failure{"a command is missing (see failoverctl --help)"};
  if (auto checked = check_arguments(options); !checked) return checked.error();
  return options;
}

std::string help_text(const std::string& command) {
  std::string text = kHead;
  if (const CommandInfo* one = find_command(command)) return text + "\n" + described(*one);
  text += "\ncommands:\n";
  for (const CommandInfo& each : commands()) text += described(each);
  return text + "\n" + kOptions;
}

}  // namespace failoverd::ctl
