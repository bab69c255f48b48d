// What http_session.cc makes of Beast's messages, and what it answers of its own. Part of that
// file.
#pragma once

#include <boost/beast/http.hpp>
#include <optional>
#include <string>

#include "lib/admin/api.h"
#include "lib/admin/http_server.h"

namespace failoverd::admin {

namespace http = boost::beast::http;
using Parser = http::request_parser<http::string_body>;

inline HttpRequest to_request(const Parser& parser, const Peer& peer) {
  const auto& message = parser.get();
  HttpRequest request;
  request.method = std::string(message.method_string());
  request.target = std::string(message.target());
  request.body = message.body();
  request.content_type = std::string(message[http::field::content_type]);
  request.has_body = parser.chunked() || parser.content_length().value_or(0) > 0;
  request.last_event_id = std::string(message["Last-Event-ID"]);
  request.credentials.host = std::string(message[http::field::host]);
  request.credentials.origin = std::string(message[http::field::origin]);
  request.credentials.authorization = std::string(message[http::field::authorization]);
  request.credentials.fetch_site = std::string(message["Sec-Fetch-Site"]);
  for (const auto& field : message) {
    if (tells_of_a_proxy(field.name_string())) {
      request.credentials.forwarded = std::string(field.name_string());
    }
  }
  request.peer = peer;
  return request;
}

template <class Body>
void fill_header(http::response<Body>& message, const HttpResponse& response) {
  message.result(response.status);
  message.set(http::field::server, "failoverd");
  message.set(http::field::content_type, response.content_type);
  message.set(http::field::cache_control, "no-store");
  message.set("X-Content-Type-Options", "nosniff");
  for (const Field& field : response.headers) message.set(field.key, field.value);
}

// The answer to a request that Beast could not read; nothing where no answer helps any more.
inline std::optional<HttpResponse> answer_to(const boost::system::error_code& error,
                                             const HttpOptions& options) {
  if (error == http::error::header_limit) {
    return error_response(
        431, "the header is larger than " + std::to_string(options.max_header) + " bytes");
  }
  if (error == http::error::body_limit) {
    return error_response(413,
                          "the body is larger than " + std::to_string(options.max_body) + " bytes");
  }
  // Beast's category of http::error: what came is not HTTP. All others are the connection's end.
  if (error == http::error::end_of_stream || error == http::error::partial_message) return {};
  if (error.category() == boost::system::error_code(http::error::bad_method).category()) {
    return error_response(400, "not HTTP: " + error.message());
  }
  return {};
}

inline HttpResponse too_busy() {
  HttpResponse response = error_response(
      503, "too many readers: answering them has its share of the loop already; try again");
  response.headers.push_back({"Retry-After", "1"});
  return response;
}

}  // namespace failoverd::admin
