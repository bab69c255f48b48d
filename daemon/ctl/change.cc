#include "daemon/ctl/change.h"

#include <unistd.h>

#include <boost/json.hpp>
#include <charconv>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "daemon/ctl/data_recovery.h"
#include "daemon/ctl/output.h"
#include "daemon/ctl/partition_file.h"
#include "daemon/ctl/steering.h"
#include "daemon/ctl/table.h"
#include "daemon/ctl/wait.h"
#include "lib/base/utf8.h"

namespace failoverd::ctl {
namespace {

namespace json = boost::json;

// "{0}" and so on replaced by the arguments.
std::string filled_in(std::string text, const std::vector<std::string>& arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string place = "{" + std::to_string(i) + "}";
    if (const auto at = text.find(place); at != std::string::npos) {
      text.replace(at, place.size(), arguments[i]);
    }
  }
  return text;
}

// The daemon's name for what is asked.
std::string name_of(const Options& options) {
  return options.command == "hold" ? "hold" + options.arguments[0] : options.command;
}

json::object arguments_of_hold(const Options& options) {
  json::object object;
  if (options.arguments[0] == "remove") object["hold"] = options.arguments[1];
  for (const auto& [key, value] : options.hold) object[key == "table" ? "name" : key] = value;
  if (options.db && options.hold.contains("table")) object["db"] = *options.db;
  if (options.all) object["all"] = true;
  return object;
}

// All values are text: the daemon reads them, and says what is wrong with one.
Result<json::object> arguments_of(const CommandInfo& command, const Options& options) {
  if (options.command == "hold") return arguments_of_hold(options);
  json::object object;
  if (options.command == "settablepartition") {
    auto read = read_partition_file(options.arguments[0]);
    if (!read) return read.error();
    object = json::parse(*read).get_object();
  }
  std::istringstream keys{command.keys};
  std::string key;
  for (const std::string& argument : options.arguments) {
    if (keys >> key) object[key] = argument;
  }
  const bool names_a_table = (command.options & kWithDb) != 0;
  if (options.db && names_a_table) object["db"] = *options.db;
  if (options.accept_loss) object["accept_loss"] = true;
  if (options.force) object["force"] = true;
  return object;
}

struct Done {
  std::vector<std::string> plan;
  std::vector<std::uint64_t> ops;
};

// Of an answer with status 200. What is not there is empty.
Done read(const Answer& answer) {
  Done done;
  boost::system::error_code error;
  const json::value value = json::parse(answer.body, error);
  if (error || !value.is_object()) return done;
  const json::object& object = value.get_object();
  if (const json::value* plan = object.if_contains("plan"); plan && plan->is_array()) {
    for (const json::value& line : plan->get_array()) {
      if (line.is_string()) done.plan.emplace_back(line.get_string());
    }
  }
  if (const json::value* ops = object.if_contains("ops"); ops && ops->is_array()) {
    for (const json::value& op : ops->get_array()) {
      const auto id = op.to_number<std::uint64_t>(error);
      if (!error) done.ops.push_back(id);
    }
  }
  return done;
}

std::string to_lines(const std::vector<std::string>& plan) {
  std::string lines;
  for (const std::string& line : plan) lines += printable(line) + "\n";
  return lines;
}

bool says_yes() {
  std::fputs("go on? (yes or no) ", stderr);
  std::string word;
  std::getline(std::cin, word);
  return word == "yes" || word == "y";
}

class Change {
 public:
  Change(Servers& servers, const Options& options, json::object arguments)
      : servers_(servers),
        options_(options),
        command_(*find_command(options.command)),
        failure_(filled_in(command_.failure, options.arguments)),
        arguments_(std::move(arguments)) {}

  int run() {
    const bool looks = options_.command == "recoverdata" && !options_.plan;
    if (const int status = looks ? look() : kDone; status != kDone) return status;
    if (options_.plan || command_.asks) {
      const int status = plan();
      if (status != kDone || options_.plan) return status;
    }
    const auto answer = post(arguments_);
    if (!answer) return kFailed;
    if (options_.command == "recoverdata") {
      return follow_data_recovery(servers_, *answer, options_.json);
    }
    const std::vector<std::uint64_t> begun = read(*answer).ops;
    if (options_.wait && options_.command == "takeover") {
      print(printable(member(*answer, "message")) + "\n");
      return follow_takeover(servers_);
    }
    if (options_.wait && options_.command == "release") return release(*answer);
    const bool begins_ops = (command_.options & kWithWait) != 0;
    if (options_.wait && options_.command == "cancelop") return wait(*answer, {canceled()});
    if (options_.wait && begins_ops) return wait(*answer, begun);
    return print(options_.json ? json_shown_safely(answer->body)
                               : printable(member(*answer, "message")) + "\n");
  }

 private:
  // Empty: it was not done, and that has been said.
  std::optional<Answer> post(const json::object& arguments) {
    const auto answer =
        servers_.post("/api/v1/commands/" + name_of(options_), json::serialize(arguments));
    if (!answer) {
      fail(failure_ + answer.error().text);
      return {};
    }
    if (answer->status != 200) {
      if (options_.json) print(json_shown_safely(answer->body));
      fail(failure_ + why(*answer));
      return {};
    }
    return *answer;
  }

  // What nobody leads is loaded before the plan is made, so that it says what there is.
  int look() {
    json::object arguments = arguments_;
    arguments["look"] = true;
    const auto answer = post(arguments);
    if (!answer) return kFailed;
    const std::string lines = to_lines(read(*answer).plan);
    std::fputs(lines.c_str(), stderr);
    return lines.empty() ? kDone : follow_data_look(servers_);
  }

  // What will be done is told on standard error: standard output is the same bytes as ever. It is
  // the answer itself with --plan.
  int plan() {
    json::object arguments = arguments_;
    arguments["plan"] = true;
    const auto answer = post(arguments);
    if (!answer) return kFailed;
    const std::string lines = to_lines(read(*answer).plan);
    if (options_.plan) {
      if (options_.json) return print(json_shown_safely(answer->body));
      return print(lines.empty() ? "nothing is to be done\n" : lines);
    }
    std::fputs(lines.c_str(), stderr);
    const bool asks = !lines.empty() && !options_.yes && ::isatty(STDIN_FILENO) != 0;
    const bool loaded = options_.command == "recoverdata";
    return asks && !says_yes()
               ? fail(loaded
                          ? "nothing has been done but loading: what was loaded follows, and stays "
                            "in memory, which harms nothing"
                          : "nothing has been done")
               : kDone;
  }

  // The daemon has taken it for an op's id.
  std::uint64_t canceled() const {
    const std::string& id = options_.arguments[0];
    std::uint64_t op = 0;
    std::from_chars(id.data(), id.data() + id.size(), op);
    return op;
  }

  WatchedOps::Followed followed() const {
    if (options_.command == "cancelop") return WatchedOps::Followed::kNothing;
    const json::value* restore = arguments_.if_contains("need_restore");
    const bool restores = restore != nullptr && (*restore == "true" || *restore == "yes");
    return restores || options_.command == "offlineendpoint" ? WatchedOps::Followed::kPartition
                                                             : WatchedOps::Followed::kReplica;
  }

  int wait(const Answer& answer, const std::vector<std::uint64_t>& begun) {
    if (!options_.json) {
      if (const int status = print(printable(member(answer, "message")) + "\n"); status != kDone)
        return status;
    }
    WatchedOps ops(begun, followed());
    const auto waited = wait_for(servers_, ops, options_.json);
    if (options_.json) {
      std::string body = answer.body.substr(0, answer.body.rfind('}'));
      print(json_shown_safely(body + ",\"ended\":" + ops.json() + "}") + "\n");
    } else {
      const std::string cost = ops.what_it_cost();
      print((cost.empty() ? "" : cost + "\n") + ops.summary() + "\n");
    }
    if (!waited) return fail(waited.error().text);
    // What is canceled may be done before, or fail at it: it has ended, as was asked for.
    if (options_.command == "cancelop") {
      return ops.are_all_over() ? kDone : fail("nobody knows how the op has ended");
    }
    return ops.are_all_done() ? kDone : fail("not all ops have ended well");
  }

  // What was begun before is waited for; then it is asked for again.
  int release(Answer answer) {
    for (auto running = read(answer).ops; !running.empty(); running = read(answer).ops) {
      print(printable(member(answer, "message")) + "\n");
      WatchedOps ops(running, WatchedOps::Followed::kReplica);
      if (const auto waited = wait_for(servers_, ops, options_.json); !waited) {
        return fail(waited.error().text);
      }
      auto again = post(arguments_);
      if (!again) return kFailed;
      answer = std::move(*again);
    }
    return print(options_.json ? json_shown_safely(answer.body)
                               : printable(member(answer, "message")) + "\n");
  }

  Servers& servers_;
  const Options& options_;
  const CommandInfo& command_;
  const std::string failure_;
  const json::object arguments_;
};

}  // namespace

int change(Servers& servers, const Options& options) {
  const CommandInfo& command = *find_command(options.command);
  auto arguments = arguments_of(command, options);
  if (!arguments) return fail(command.failure + arguments.error().text);
  return Change(servers, options, std::move(*arguments)).run();
}

}  // namespace failoverd::ctl
