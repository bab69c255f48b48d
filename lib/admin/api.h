// What an HTTP request means: routes, arguments, status codes and bodies, without sockets. Reads
// the Source; commands are only prepared here, whoever owns the connection runs them. Pure but for
// the Source it borrows.
//
//   GET  /healthz /readyz /metrics
//   GET  /api/v1/status /api/v1/tablets /api/v1/conf /api/v1/fsm
//   GET  /api/v1/tables[?db=DB] /api/v1/tables/NAME[?db=DB]
//   GET  /api/v1/partitions/NAME[?pid=PID][&db=DB]
//   GET  /api/v1/ops[?name=NAME[&pid=PID]][&db=DB]
//   GET  /api/v1/events[?since=ID]
//   GET  /api/v1/events/stream[?since=ID]        server-sent events; Last-Event-ID beats since
//   POST /api/v1/commands/NAME                   body: JSON object of the command's arguments, as
//                                                application/json; 415 otherwise
//
// Lists are cut to 1,000 rows, or to ?limit=N if that is less. One that was cut has a header Link
// with rel="next": where it goes on. Failoverd-Total is how many rows there are; events have none.
//
// HEAD where GET is. Errors are one line of JSON {"error": "..."}. Before the cluster has been read
// tablets, tables and ops are 503, conf before the switch has been. Answers of /readyz and /api/v1
// carry Failoverd-Role: active|standby, Failoverd-Process: whose event ids these are, and where
// they are known Failoverd-Active-Name: the active's name, Failoverd-Active: the address that it
// can be reached at from this host. A stream ends when any of it changes, or whether it is ready.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "lib/admin/access.h"
#include "lib/admin/status_types.h"

namespace failoverd::admin {

struct HttpRequest {
  std::string method;
  std::string target;  // As sent: path and query, percent-encoded.
  std::string body;
  std::string content_type;  // Of the body.
  bool has_body = false;
  std::string who;            // Who the connection shows the caller to be; may be empty.
  std::string last_event_id;  // Last-Event-ID.
  Credentials credentials;
  Peer peer;
};

struct HttpResponse {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<Field> headers;
};

// Keep the connection and send events as they come.
struct EventStream {
  std::optional<std::uint64_t> since;  // First those after this id; absent: only new ones.
};

// Give it to Source::command and answer with to_response.
struct RunCommand {
  CommandRequest request;
};

// Give it to Source::tables and answer with to_response.
struct ShowTables {
  TablesAsked asked;
  std::string path;  // The request's, and its query: for the next page.
  std::map<std::string, std::string> query;
};

using Action = std::variant<HttpResponse, EventStream, RunCommand, ShowTables>;

class Api {
 public:
  Api(Source& source, AccessPolicy access);

  // In place of the one so far; empty: none is needed.
  void set_token(std::string token) { access_.token = std::move(token); }

  // The answer to a request that need not be read further than its header: wrong method, no access.
  std::optional<HttpResponse> refuse(const HttpRequest& request) const;
  // Answered though others wait for theirs: what costs next to nothing, and commands.
  bool is_quick(const HttpRequest& request) const;
  // refuse() has let it pass.
  Action route(const HttpRequest& request) const;
  HttpResponse to_response(const CommandResult& result) const;
  HttpResponse to_response(const ShowTables& shown, const ListPage<ReplicaRow>& page) const;
  // The headers that say who answers.
  std::vector<Field> role() const;

  // Every route, with the method that it answers: "GET /api/v1/tables/NAME".
  static std::vector<std::string> routes();

 private:
  struct Target;
  struct Route;

  static const std::vector<Route>& reading();
  static const Route* find(Target& target);
  Action post(const HttpRequest& request, const Target& target) const;
  Action list(Target& target) const;
  // The routes.
  Action healthy(const Target& target) const;
  Action ready(const Target& target) const;
  Action metrics(const Target& target) const;
  Action fsm(const Target& target) const;
  Action status(const Target& target) const;
  Action tablets(const Target& target) const;
  Action tables(const Target& target) const;
  Action table(const Target& target) const;
  Action partitions(const Target& target) const;
  Action ops(const Target& target) const;
  Action conf(const Target& target) const;
  Action events(const Target& target) const;
  Action stream(const Target& target) const;

  Action show_tables(const Target& target, std::optional<std::string> name) const;
  HttpResponse no_table(const std::string& name) const;
  HttpResponse list_response(std::string body, std::optional<std::uint64_t> total,
                             const std::string& next) const;
  static std::optional<HttpResponse> limit_of(const Target& target, std::size_t& limit);
  static std::optional<HttpResponse> since(const Target& target, std::optional<std::uint64_t>& id);
  HttpResponse with_role(HttpResponse response) const;

  AccessPolicy access_;
  Source& source_;  // Borrowed.
};

HttpResponse error_response(unsigned status, std::string_view error);

}  // namespace failoverd::admin
