// The daemon's HTTP server: GET for what is, POST for commands, server-sent events (routes in
// api.h). It bounds what a caller may use: header, body, time, connections. An event stream holds
// no queue: it reads on in the source's log, and a reader who falls behind what that keeps, or
// takes nothing for a request's time, is dropped. It never blocks the loop: answers are built
// one at a time within their share of it, and who asks for more waits. Nothing that arrives ends
// the daemon: what goes wrong inside an answer is a 500 and a line for the log. The
// daemon owns it; one thread. Beast stays in http_*.cc.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "lib/admin/access.h"
#include "lib/admin/status_types.h"
#include "lib/base/result.h"
#include "lib/base/time.h"

namespace failoverd::admin {

struct HttpOptions {
  AccessPolicy access;
  std::size_t max_header = 16 * 1024;  // Bytes; 431 above.
  std::size_t max_body = 1024 * 1024;  // Bytes; 413 above.
  std::size_t max_connections = 256;   // Beyond: who keeps us waiting longest goes, or 503.
  std::size_t max_streams = 64;        // Event streams among them; 503 beyond. Of both an eighth
                                       // is kept for loopback: an operator gets in.
  double share = 0.1;                  // Of the loop's time, for building and sending answers.
  Duration burst = std::chrono::milliseconds(10);   // Of that time at once, after a rest.
  Duration turn_timeout = std::chrono::seconds(5);  // So long an answer waits for its turn; 503.
  Duration request_timeout = std::chrono::seconds(10);  // First byte to last of a request; for its
                                                        // answer the same, and again for each MiB.
  Duration idle_timeout = std::chrono::seconds(75);     // Between two requests.
  Duration command_timeout = std::chrono::seconds(9);   // Until Source::command answers; then 504.
  Duration stream_beat = std::chrono::seconds(15);      // A comment that keeps a stream alive.
  std::function<void(const std::string&)> log;          // One line, for what is our own fault.
  std::function<void()> on_refused;                     // A request was not answered in its turn.
};

class HttpServer {
 public:
  // `source` outlives the server.
  HttpServer(boost::asio::io_context& io, Source& source, HttpOptions options);
  ~HttpServer();  // Closes everything; the source is not called any more.
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // "127.0.0.1:9650", "[::1]:9650", "localhost:9650"; port 0 takes a free one. May be called for
  // several addresses. Gives the port, or one line that names the address and the reason.
  Result<std::uint16_t> listen(const std::string& address);

  // A unix socket of mode 0660. Whoever is let in there is a caller of this machine, whom the
  // kernel names. In place of a file that a dead process left. The Failure is one line that names
  // the path.
  Result<void> listen_socket(const std::string& path);

  // A change whose header comes from now on needs this token, on open connections too; empty: none
  // is needed.
  void set_token(std::string token);

  // Open connections, streams included.
  std::size_t connections() const;
  // Closes all that wait for their caller, because their descriptors are needed.
  void close_idle();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace failoverd::admin
