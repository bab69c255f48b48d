#include "daemon/ctl/commands.h"

#include <boost/json.hpp>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <sstream>
#include <utility>

#include "daemon/ctl/events.h"
#include "daemon/ctl/servers.h"
#include "daemon/ctl/show.h"
#include "daemon/ctl/status_text.h"
#include "daemon/ctl/table.h"
#include "lib/base/percent_encoding.h"
#include "lib/base/utf8.h"

namespace failoverd::ctl {
namespace {

namespace json = boost::json;

constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kUsage = 2;
const std::string kStatus = "status";  // Of the daemon that was asked, whether it acts or not.

int fail(const std::string& why, int status = kFailed) {
  std::fprintf(stderr, "%s\n", printable(why).c_str());
  return status;
}

int print(const std::string& text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  return written && std::fflush(stdout) == 0 ? kDone : fail("cannot write to standard output");
}

Result<std::string> read_token(const std::string& file) {
  if (file.empty()) return {boost::system::in_place_value};
  std::ifstream in(file);
  if (!in) return Failure{"cannot read the token file " + file};
  std::string token{std::istreambuf_iterator<char>(in), {}};
  const auto white = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
  while (!token.empty() && white(token.back())) token.pop_back();
  while (!token.empty() && white(token.front())) token.erase(0, 1);
  if (token.empty()) return Failure{"the token file " + file + " is empty"};
  return {boost::system::in_place_value, token};
}

// A string of the answer's object; empty if it is not there or the answer is not such an object.
std::string member(const Answer& answer, const char* key) {
  boost::system::error_code error;
  const json::value value = json::parse(answer.body, error);
  if (error || !value.is_object()) return "";
  const json::value* found = value.get_object().if_contains(key);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : "";
}

// Why the daemon did not do it: its words, and what would be right.
std::string why(const Answer& answer) {
  std::string error = member(answer, "error");
  const std::string hint = member(answer, "hint");
  if (error.empty()) {
    error = answer.from.address() + " answered with HTTP status " + std::to_string(answer.status);
  }
  return hint.empty() ? error : error + ": " + hint;
}

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

int show(const Result<Answer>& answer, bool as_json, const std::string& what,
         const std::function<Result<std::string>(const std::string&)>& to_text) {
  if (!answer) return fail(answer.error().text);
  if (answer->status != 200) return fail("failed to show " + what + ". error msg: " + why(*answer));
  const std::string view = standbys_view(*answer);
  if (!view.empty() && what != kStatus) std::fprintf(stderr, "%s\n", printable(view).c_str());
  if (as_json) return print(json_shown_safely(answer->body));
  const auto text = to_text(answer->body);
  return text ? print(*text) : fail(answer->from.address() + ": " + text.error().text);
}

std::string table_path(const Options& options) {
  std::string path = "/api/v1/tables";
  if (!options.arguments.empty()) path += "/" + percent_encoded(options.arguments[0]);
  if (options.db) path += "?db=" + percent_encoded(*options.db);
  return path;
}

std::string ops_path(const Options& options) {
  std::string query;
  const auto add = [&](const char* key, const std::string& value) {
    query += (query.empty() ? "?" : "&") + std::string(key) + "=" + percent_encoded(value);
  };
  if (!options.arguments.empty()) add("name", options.arguments[0]);
  if (options.arguments.size() > 1) add("pid", options.arguments[1]);
  if (options.db) add("db", *options.db);
  return "/api/v1/ops" + query;
}

int change(Servers& servers, const Options& options, const json::object& arguments) {
  const CommandInfo& command = *find_command(options.command);
  const auto answer =
      servers.post("/api/v1/commands/" + options.command, json::serialize(arguments));
  const std::string failure = filled_in(command.failure, options.arguments);
  if (!answer) return fail(failure + answer.error().text);
  if (options.json) {
    if (const int printed = print(json_shown_safely(answer->body)); printed != kDone)
      return printed;
  }
  if (answer->status != 200) return fail(failure + why(*answer));
  return options.json ? kDone : print(printable(member(*answer, "message")) + "\n");
}

int confset(Servers& servers, const Options& options) {
  return change(servers, options, {{"key", options.arguments[0]}, {"value", options.arguments[1]}});
}

int fsm(Servers& servers, const Options& options) {
  const auto answer = servers.get_here("/api/v1/fsm");
  if (!answer) return fail("failed to show fsm. error msg: " + answer.error().text);
  if (answer->status != 200) return fail("failed to show fsm. error msg: " + why(*answer));
  if (options.json) {
    const json::object whole{{"text", answer->body}};
    return print(json_shown_safely(json::serialize(whole)) + "\n");
  }
  std::string text;
  std::istringstream lines{answer->body};
  for (std::string line; std::getline(lines, line);) text += printable(line) + "\n";
  return print(text);
}

int events(Servers& servers, const Options& options) {
  const auto shown = show_events(servers, options);
  return shown ? kDone : fail(shown.error().text);
}

using Handler = std::function<int(Servers&, const Options&)>;

const std::map<std::string, Handler>& handlers() {
  static const std::map<std::string, Handler> all = {
      {"status",
       [](Servers& servers, const Options& options) {
         return show(servers.get_here("/api/v1/status"), options.json, kStatus, status_text);
       }},
      {"showtablet",
       [](Servers& servers, const Options& options) {
         return show(servers.get("/api/v1/tablets"), options.json, "tablets", tablets_table);
       }},
      {"showtable",
       [](Servers& servers, const Options& options) {
         return show(servers.get(table_path(options)), options.json, "table", replicas_table);
       }},
      {"showopstatus",
       [](Servers& servers, const Options& options) {
         return show(servers.get(ops_path(options)), options.json, "op status", ops_table);
       }},
      {"confget",
       [](Servers& servers, const Options& options) {
         return show(servers.get("/api/v1/conf"), options.json, "conf", conf_table);
       }},
      {"confset", confset},
      {"fsm", fsm},
      {"events", events}};
  return all;
}

}  // namespace

int run(const Options& options) {
  if (options.help) return print(help_text(options.command));
  if (options.version) return print("failoverctl " FAILOVERD_VERSION "\n");
  std::vector<Url> urls;
  for (const std::string& server : options.servers) {
    const auto url = parse_url(server);
    if (!url) return fail(url.error().text, kUsage);
    urls.push_back(*url);
  }
  const auto token = read_token(options.token_file);
  if (!token) return fail(token.error().text);
  Servers servers(std::move(urls), *token);
  return handlers().at(options.command)(servers, options);
}

}  // namespace failoverd::ctl
