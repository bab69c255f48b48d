#include "lib/admin/api.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "lib/admin/cursor.h"
#include "lib/admin/json.h"
#include "lib/base/boot_clock.h"
#include "lib/base/lower_case.h"
#include "lib/base/percent_encoding.h"
#include "lib/base/utf8.h"
#include "lib/core/repair/states.h"

namespace failoverd::admin {
namespace {

constexpr std::string_view kCommands = "/api/v1/commands/";
constexpr std::string_view kName = "NAME";  // Ends a route that answers whatever stands there.

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

// "application/json", whatever parameters follow.
bool is_json(std::string_view content_type) {
  std::string type(content_type.substr(0, content_type.find(';')));
  std::erase_if(type, [](char c) { return c == ' ' || c == '\t'; });
  return lower_case(type) == "application/json";
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
  std::string raw_path;  // As it was sent.
  std::string path;
  std::map<std::string, std::string> query;
  std::string name;  // What stands for NAME.

  // Absent when it is not there.
  std::optional<std::string> find(const std::string& key) const {
    const auto found = query.find(key);
    return found == query.end() ? std::nullopt : std::optional(found->second);
  }

  // The same with another value for one key: how the next page is asked for.
  std::string with(const std::string& key, const std::string& value) const {
    std::map<std::string, std::string> next = query;
    next[key] = value;
    std::string text = raw_path;
    for (const auto& [word, its] : next) {
      text += (text.size() == raw_path.size() ? "?" : "&") + percent_encoded(word) + "=" +
              percent_encoded(its);
    }
    return text;
  }

  // Nothing when an escape is broken.
  static std::optional<Target> parse(std::string_view target) {
    Target parsed;
    const auto mark = target.find('?');
    const auto path = percent_decoded(target.substr(0, mark), false);
    if (!path) return std::nullopt;
    parsed.raw_path = target.substr(0, mark);
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
  bool is_quick;  // Costs next to nothing, and others watch this process by it.
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
      {"/healthz", true, Needs::kNothing, &Api::healthy},
      {"/readyz", true, Needs::kNothing, &Api::ready},
      {"/metrics", false, Needs::kNothing, &Api::metrics},
      {"/api/v1/status", false, Needs::kNothing, &Api::status},
      {"/api/v1/tablets", false, Needs::kCluster, &Api::tablets},
      {"/api/v1/tables", false, Needs::kCluster, &Api::tables},
      {"/api/v1/tables/NAME", false, Needs::kCluster, &Api::table},
      {"/api/v1/partitions/NAME", false, Needs::kCluster, &Api::partitions},
      {"/api/v1/ops", false, Needs::kCluster, &Api::ops},
      {"/api/v1/conf", true, Needs::kSwitch, &Api::conf},
      {"/api/v1/fsm", false, Needs::kNothing, &Api::fsm},
      {"/api/v1/events", false, Needs::kNothing, &Api::events},
      {"/api/v1/events/stream", false, Needs::kNothing, &Api::stream},
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
  const auto denied = [](const Denial& denial) {
    HttpResponse response = error_response(denial.status, denial.error);
    if (denial.status == 401) response.headers.push_back({"WWW-Authenticate", "Bearer"});
    return response;
  };
  if (!target->path.starts_with(kCommands)) {
    // Whether it lives anybody may know.
    const auto denial = judge_read(access_, request.peer, request.credentials);
    if (denial && target->path != "/healthz") return denied(*denial);
    const bool reads = request.method == "GET" || request.method == "HEAD";
    if (reads || !find(*target)) return std::nullopt;
    return not_allowed("GET, HEAD");
  }
  if (request.method != "POST") return not_allowed("POST");
  const auto denial = judge_change(access_, request.peer, request.credentials);
  if (denial) return denied(*denial);
  // What a page of any site may send without being asked is text or a form.
  if (request.has_body && !is_json(request.content_type)) {
    return error_response(415, "the body of a command is JSON: Content-Type: application/json");
  }
  return std::nullopt;
}

bool Api::is_quick(const HttpRequest& request) const {
  auto target = Target::parse(request.target);
  if (!target) return false;
  if (target->path.starts_with(kCommands)) return true;
  const Route* route = find(*target);
  return route && route->is_quick;
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

Action Api::tablets(const Target& target) const {
  std::size_t limit = 0;
  if (auto refusal = limit_of(target, limit)) return std::move(*refusal);
  const auto page = source_.tablets(target.find("after").value_or(""), limit);
  return list_response(to_json(page.rows), page.total,
                       page.more ? target.with("after", page.rows.back().endpoint) : "");
}

// The same for every daemon of this version.
Action Api::fsm(const Target&) const { return with_role(text_response(200, core::fsm_text())); }

Action Api::conf(const Target&) const { return with_role(json_response(to_json(source_.conf()))); }

Action Api::tables(const Target& target) const { return show_tables(target, std::nullopt); }

Action Api::table(const Target& target) const { return show_tables(target, target.name); }

Action Api::show_tables(const Target& target, std::optional<std::string> name) const {
  ShowTables show{{{std::move(name), target.find("db")}, std::nullopt}, target.raw_path, {}};
  if (auto refusal = limit_of(target, show.asked.limit)) return std::move(*refusal);
  if (const auto after = target.find("after")) {
    show.asked.after = replica_key(*after);
    if (!show.asked.after) return error_response(400, "after is not what a Link gave");
  }
  show.query = target.query;
  return show;
}

HttpResponse Api::to_response(const ShowTables& shown, const ListPage<ReplicaRow>& page) const {
  const auto& name = shown.asked.filter.name;
  if (!name || page.total > 0) {
    Target next;
    next.raw_path = shown.path;
    next.query = shown.query;
    std::string link;
    if (page.more) {
      const ReplicaRow& last = page.rows.back();
      link = next.with("after", to_cursor({last.db, last.name, last.pid, last.endpoint}));
    }
    return list_response(to_json(page.rows), page.total, link);
  }
  return no_table(*name);
}

HttpResponse Api::no_table(const std::string& name) const {
  const std::string why = source_.why_unreadable(name);
  return with_role(
      error_response(404, why.empty() ? "table is not exist" : "table cannot be read: " + why));
}

// As the znode has them: whoever edits one begins here.
Action Api::partitions(const Target& target) const {
  PartitionsAsked asked{target.name, target.find("db").value_or(""), {}, {}, kMostRows};
  if (auto refusal = limit_of(target, asked.limit)) return std::move(*refusal);
  for (const auto& [key, to] : {std::pair("pid", &asked.pid), std::pair("after", &asked.after)}) {
    const auto text = target.find(key);
    if (!text) continue;
    *to = parse_number<std::uint32_t>(*text);
    if (!*to) return error_response(400, std::string{key} + " is not a number");
  }
  const auto page = source_.partitions(asked);
  if (!page) return no_table(target.name);
  return list_response(
      to_json(page->rows), page->total,
      page->more ? target.with("after", std::to_string(page->rows.back().pid)) : "");
}

Action Api::ops(const Target& target) const {
  OpsAsked asked{target.find("name"), target.find("db"), std::nullopt};
  if (auto refusal = limit_of(target, asked.limit)) return std::move(*refusal);
  if (const auto text = target.find("pid")) {
    asked.pid = parse_number<std::uint32_t>(*text);
    if (!asked.pid) return error_response(400, "pid is not a number");
    if (!asked.name) return error_response(400, "pid without name");
  }
  if (const auto text = target.find("after")) {
    const auto after = parse_number<std::uint64_t>(*text);
    if (!after) return error_response(400, "after is not an op's id");
    asked.after = *after;
  }
  const ListPage<OpRow> page = source_.ops(asked);
  return list_response(
      to_json(page.rows, wall_now_ms()), page.total,
      page.more ? target.with("after", std::to_string(page.rows.back().op_id)) : "");
}

std::optional<HttpResponse> Api::limit_of(const Target& target, std::size_t& limit) {
  limit = kMostRows;
  const auto text = target.find("limit");
  if (!text) return std::nullopt;
  const auto number = parse_number<std::size_t>(*text);
  if (!number || *number == 0) return error_response(400, "limit is not a number above 0");
  limit = std::min(*number, kMostRows);
  return std::nullopt;
}

// `next`: where it goes on; empty: these are all.
HttpResponse Api::list_response(std::string body, std::optional<std::uint64_t> total,
                                const std::string& next) const {
  HttpResponse response = json_response(std::move(body));
  if (total) response.headers.push_back({"Failoverd-Total", std::to_string(*total)});
  if (!next.empty()) response.headers.push_back({"Link", "<" + next + ">; rel=\"next\""});
  return with_role(std::move(response));
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
  std::size_t limit = 0;
  if (auto refusal = limit_of(target, limit)) return std::move(*refusal);
  LoggedEvents events = source_.events(first.value_or(0), limit + 1);
  const bool more = events.size() > limit;
  if (more) events.pop_back();
  return list_response(to_json(events), std::nullopt,
                       more ? target.with("since", std::to_string(events.back()->row().id)) : "");
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
