#include "lib/admin/api.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "lib/admin/json.h"
#include "lib/base/boot_clock.h"
#include "lib/core/repair/states.h"

namespace failoverd::admin {
namespace {

constexpr std::string_view kCommands = "/api/v1/commands/";
constexpr std::string_view kName = "NAME";  // Ends a route that answers whatever stands there.
constexpr std::uint64_t kEventsAtOnce = 1000;
constexpr std::uint64_t kMostEventsAtOnce = 10000;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Nothing when a % is not followed by two hexadecimal digits.
std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_blank) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_blank) {
      decoded += ' ';
    } else if (text[i] != '%') {
      decoded += text[i];
    } else {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return decoded;
}

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

HttpResponse json_response(std::string body) {
  return {200, "application/json", std::move(body), {}};
}

HttpResponse text_response(unsigned status, std::string body) {
  return {status, "text/plain; charset=utf-8", std::move(body), {}};
}

HttpResponse not_allowed(const char* allow) {
  HttpResponse response = error_response(405, std::string("only ") + allow + " is answered here");
  response.headers.push_back({"Allow", allow});
  return response;
}

// What others wrote goes into records and headers: short, and nothing a terminal would obey.
constexpr std::size_t kLongestWho = 64;
constexpr std::size_t kLongestName = 300;  // A host's name has at most 255.
std::string printable(std::string_view text, std::size_t most) {
  std::string result(text.substr(0, most));
  std::erase_if(result, [](char c) { return c < ' ' || c > '~'; });
  return result;
}

// The rest of the sentence "this daemon is a standby".
std::string who_is_active(const HolderView& active) {
  if (!active.address.empty()) return ", the active one is " + active.address;
  if (active.name.empty()) return "";
  return ", the active one is " + active.name +
         ", which listens on loopback only there: run failoverctl on that host or set listen.http";
}

}  // namespace

struct Api::Target {
  std::string path;
  std::map<std::string, std::string> query;
  std::string name;  // What stands for NAME.

  // Absent when it is not there.
  std::optional<std::string> find(const std::string& key) const {
    const auto found = query.find(key);
    return found == query.end() ? std::nullopt : std::optional(found->second);
  }

  // Nothing when an escape is broken.
  static std::optional<Target> parse(std::string_view target) {
    Target parsed;
    const auto mark = target.find('?');
    const auto path = percent_decoded(target.substr(0, mark), false);
    if (!path) return std::nullopt;
    parsed.path = *path;
    std::string_view rest = mark == std::string_view::npos ? "" : target.substr(mark + 1);
    while (!rest.empty()) {
      const std::string_view pair = rest.substr(0, rest.find('&'));
      const auto equals = std::min(pair.find('='), pair.size());
      const auto key = percent_decoded(pair.substr(0, equals), true);
      const auto value = percent_decoded(pair.substr(std::min(equals + 1, pair.size())), true);
      if (!key || !value) return std::nullopt;
      if (!key->empty()) parsed.query[*key] = *value;
      rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    }
    return parsed;
  }
};

struct Api::Route {
  // What has to be read first: an empty list would say that there is nothing.
  enum class Needs : std::uint8_t { kNothing, kCluster, kSwitch };

  std::string_view path;
  Needs needs;
  Action (Api::*answer)(const Target&) const;

  // What stands for NAME; nothing: the path is another one.
  std::optional<std::string_view> match(std::string_view asked) const {
    if (!path.ends_with(kName))
      return asked == path ? std::optional{std::string_view{}} : std::nullopt;
    const std::string_view fixed = path.substr(0, path.size() - kName.size());
    if (!asked.starts_with(fixed)) return std::nullopt;
    return asked.substr(fixed.size());
  }
};

// Whatever is read. Changes are commands, see post().
const std::vector<Api::Route>& Api::reading() {
  using Needs = Route::Needs;
  static const std::vector<Route> kRoutes = {
      {"/healthz", Needs::kNothing, &Api::healthy},
      {"/readyz", Needs::kNothing, &Api::ready},
      {"/metrics", Needs::kNothing, &Api::metrics},
      {"/api/v1/status", Needs::kNothing, &Api::status},
      {"/api/v1/tablets", Needs::kCluster, &Api::tablets},
      {"/api/v1/tables", Needs::kCluster, &Api::tables},
      {"/api/v1/tables/NAME", Needs::kCluster, &Api::table},
      {"/api/v1/ops", Needs::kCluster, &Api::ops},
      {"/api/v1/conf", Needs::kSwitch, &Api::conf},
      {"/api/v1/fsm", Needs::kNothing, &Api::fsm},
      {"/api/v1/events", Needs::kNothing, &Api::events},
      {"/api/v1/events/stream", Needs::kNothing, &Api::stream},
  };
  return kRoutes;
}

const Api::Route* Api::find(Target& target) {
  for (const Route& route : reading()) {
    const auto name = route.match(target.path);
    if (!name) continue;
    target.name = *name;
    return &route;
  }
  return nullptr;
}

std::vector<std::string> Api::routes() {
  std::vector<std::string> all;
  for (const Route& route : reading()) all.push_back("GET " + std::string{route.path});
  all.push_back("POST " + std::string{kCommands} + std::string{kName});
  return all;
}

HttpResponse error_response(unsigned status, std::string_view error) {
  return {status, "application/json", error_json(error), {}};
}

Api::Api(Source& source, AccessPolicy access) : access_(std::move(access)), source_(source) {}

std::optional<HttpResponse> Api::refuse(const HttpRequest& request) const {
  auto target = Target::parse(request.target);
  if (!target) return error_response(400, "the target has a % without two hexadecimal digits");
  if (!target->path.starts_with(kCommands)) {
    const bool reads = request.method == "GET" || request.method == "HEAD";
    if (reads || !find(*target)) return std::nullopt;
    return not_allowed("GET, HEAD");
  }
  if (request.method != "POST") return not_allowed("POST");
  const auto denial = judge_change(access_, request.peer, request.credentials);
  if (!denial) return std::nullopt;
  HttpResponse response = error_response(denial->status, denial->error);
  if (denial->status == 401) response.headers.push_back({"WWW-Authenticate", "Bearer"});
  return response;
}

Action Api::route(const HttpRequest& request) const {
  auto target = Target::parse(request.target);
  if (target->path.starts_with(kCommands)) return post(request, *target);
  Action action = list(*target);
  auto* stream = std::get_if<EventStream>(&action);
  if (stream == nullptr) return action;
  if (request.method == "HEAD") return with_role({200, "text/event-stream", "", {}});
  if (!request.last_event_id.empty()) {
    stream->since = parse_number<std::uint64_t>(request.last_event_id);
    if (!stream->since) return error_response(400, "Last-Event-ID is not a number");
  }
  return action;
}

Action Api::list(Target& target) const {
  const Route* route = find(target);
  if (!route) {
    std::string there;
    for (const std::string& one : routes()) there += (there.empty() ? "" : ", ") + one;
    return error_response(404, "no such route; there are " + there);
  }
  using Needs = Route::Needs;
  if (route->needs != Needs::kNothing) {
    const Readiness readiness = source_.readiness();
    const std::string& why =
        route->needs == Needs::kSwitch ? readiness.switch_unread : readiness.cluster_unread;
    if (!why.empty()) return with_role(error_response(503, why));
  }
  return (this->*route->answer)(target);
}

// --- Routes --------------------------------------------------------------------------------------

Action Api::healthy(const Target&) const { return text_response(200, "ok\n"); }

Action Api::ready(const Target&) const {
  const Readiness readiness = source_.readiness();
  if (!readiness.ready) {
    return with_role(text_response(503, "not ready: " + valid_utf8(readiness.reason) + "\n"));
  }
  return with_role(text_response(200, readiness.active ? "active\n" : "standby\n"));
}

Action Api::metrics(const Target&) const {
  return HttpResponse{200, "text/plain; version=0.0.4; charset=utf-8", source_.metrics(), {}};
}

Action Api::status(const Target&) const {
  return with_role(json_response(to_json(source_.status(), wall_now_ms())));
}

Action Api::tablets(const Target&) const {
  return with_role(json_response(to_json(source_.tablets())));
}

// The same for every daemon of this version.
Action Api::fsm(const Target&) const { return with_role(text_response(200, core::fsm_text())); }

Action Api::conf(const Target&) const { return with_role(json_response(to_json(source_.conf()))); }

Action Api::tables(const Target& target) const {
  return ShowTables{{std::nullopt, target.find("db")}};
}

Action Api::table(const Target& target) const {
  return ShowTables{{target.name, target.find("db")}};
}

HttpResponse Api::to_response(const ShowTables& asked, const std::vector<ReplicaRow>& rows) const {
  const auto& name = asked.filter.name;
  if (!name || !rows.empty()) return with_role(json_response(to_json(rows)));
  for (const UnreadableTable& table : source_.status().unreadable) {
    if (table.name == *name) {
      return with_role(error_response(404, "table cannot be read: " + table.reason));
    }
  }
  return with_role(error_response(404, "table is not exist"));
}

Action Api::ops(const Target& target) const {
  const auto name = target.find("name");
  std::optional<std::uint32_t> pid;
  if (const auto text = target.find("pid")) {
    pid = parse_number<std::uint32_t>(*text);
    if (!pid) return error_response(400, "pid is not a number");
    if (!name) return error_response(400, "pid without name");
  }
  std::vector<OpRow> rows = source_.ops(name, pid);
  if (const auto db = target.find("db")) {
    std::erase_if(rows, [&](const OpRow& row) { return row.db != *db; });
  }
  return with_role(json_response(to_json(rows, wall_now_ms())));
}

std::optional<HttpResponse> Api::since(const Target& target, std::optional<std::uint64_t>& id) {
  const auto text = target.find("since");
  if (!text) return std::nullopt;
  id = parse_number<std::uint64_t>(*text);
  if (id) return std::nullopt;
  return error_response(400, "since is not an event's id");
}

Action Api::stream(const Target& target) const {
  EventStream stream;
  if (auto refusal = since(target, stream.since)) return std::move(*refusal);
  return stream;
}

Action Api::events(const Target& target) const {
  std::optional<std::uint64_t> first;
  if (auto refusal = since(target, first)) return std::move(*refusal);
  std::uint64_t limit = kEventsAtOnce;
  if (const auto text = target.find("limit")) {
    const auto number = parse_number<std::uint64_t>(*text);
    if (!number || *number == 0) return error_response(400, "limit is not a number above 0");
    limit = std::min(*number, kMostEventsAtOnce);
  }
  return with_role(
      json_response(to_json(source_.events(first.value_or(0), static_cast<std::size_t>(limit)))));
}

Action Api::post(const HttpRequest& request, const Target& target) const {
  const std::string name = target.path.substr(kCommands.size());
  auto arguments = parse_arguments(request.body);
  if (!arguments) return to_response(bad_arguments(arguments.error().text));
  return RunCommand{
      {name, std::move(*arguments), printable(request.who, kLongestWho), request.peer.address}};
}

std::vector<Field> Api::role() const {
  const Readiness readiness = source_.readiness();
  std::vector<Field> fields = {{"Failoverd-Role", readiness.active ? "active" : "standby"}};
  for (const auto& [name, value] : {std::pair("Failoverd-Active", &readiness.holder.address),
                                    std::pair("Failoverd-Active-Name", &readiness.holder.name),
                                    std::pair("Failoverd-Process", &readiness.process)}) {
    if (!value->empty()) fields.push_back({name, printable(*value, kLongestName)});
  }
  return fields;
}

HttpResponse Api::with_role(HttpResponse response) const {
  for (Field& field : role()) response.headers.push_back(std::move(field));
  return response;
}

HttpResponse Api::to_response(const CommandResult& result) const {
  using Kind = CommandResult::Kind;
  static const std::map<Kind, unsigned> kStatus = {
      {Kind::kOk, 200},      {Kind::kRefused, 409},   {Kind::kBadArguments, 400},
      {Kind::kStandby, 503}, {Kind::kForbidden, 403}, {Kind::kUnknown, 404}};
  CommandResult shown = result;
  if (shown.error.empty() && shown.kind == Kind::kStandby) {
    shown.error = "this daemon is a standby" + who_is_active(shown.active);
  }
  if (shown.error.empty() && shown.kind == Kind::kUnknown) shown.error = "no such command";
  return with_role({kStatus.at(result.kind), "application/json", to_json(shown), {}});
}

}  // namespace failoverd::admin
