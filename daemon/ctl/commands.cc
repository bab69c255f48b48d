#include "daemon/ctl/commands.h"

#include <boost/json.hpp>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <sstream>
#include <utility>

#include "daemon/ctl/change.h"
#include "daemon/ctl/events.h"
#include "daemon/ctl/output.h"
#include "daemon/ctl/partition_file.h"
#include "daemon/ctl/servers.h"
#include "daemon/ctl/show.h"
#include "daemon/ctl/status_text.h"
#include "daemon/ctl/table.h"
#include "lib/base/percent_encoding.h"
#include "lib/base/utf8.h"

namespace failoverd::ctl {
namespace {

namespace json = boost::json;

const std::string kStatus = "status";  // Of the daemon that was asked, whether it acts or not.

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

// The daemons that are asked and those that they name.
int showns(Servers& servers, const Options& options) {
  std::vector<std::string> statuses;
  std::string failures;
  for (const auto& answer : servers.get_all("/api/v1/status")) {
    if (answer && answer->status == 200) {
      statuses.push_back(answer->body);
    } else {
      failures += (failures.empty() ? "" : "; ") + (answer ? why(*answer) : answer.error().text);
    }
  }
  if (statuses.empty()) return fail("failed to show ns. error msg: " + failures);
  if (!failures.empty()) std::fprintf(stderr, "%s\n", printable(failures).c_str());
  const auto shown = options.json ? servers_json(statuses) : servers_table(statuses);
  return shown ? print(options.json ? json_shown_safely(*shown) : *shown)
               : fail(shown.error().text);
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

// Those that only show.
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
      {"gettablepartition", get_table_partition},
      {"showns", showns},
      {"fsm", fsm},
      {"shadow",
       [](Servers& servers, const Options& options) {
         return show(servers.get("/api/v1/status"), options.json, "the shadow's report",
                     shadow_report);
       }},
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
  if (options.command == "hold" && options.arguments[0] == "list") {
    // The status has more in it than holds.
    return show(servers.get("/api/v1/status"), /*as_json=*/false, "holds", [&](const auto& status) {
      return options.json ? holds_json(status) : holds_table(status);
    });
  }
  if (find_command(options.command)->failure != nullptr) return change(servers, options);
  return handlers().at(options.command)(servers, options);
}

}  // namespace failoverd::ctl
