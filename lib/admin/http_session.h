// One HTTP connection of the server: reads requests, sends answers, one after the other, or turns
// into an event stream. It keeps itself alive while it works; HttpServer owns the list of them.
// Internal to this library.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <functional>
#include <memory>
#include <optional>

#include "lib/admin/api.h"
#include "lib/admin/http_server.h"
#include "lib/admin/turns.h"

namespace failoverd::admin {

// What all connections of one server share.
struct HttpShared {
  const HttpOptions options;
  Api api;

  const std::shared_ptr<Turns> turns;  // Everybody's.
  const std::shared_ptr<Turns> quick;  // Of those whose answers cost next to nothing.

  bool open = true;  // The source may be used. False from the server's end on.
  std::size_t streams = 0;
  std::size_t remote_streams = 0;

  Source& source;  // Borrowed.
};

class HttpSession {
 public:
  virtual ~HttpSession() = default;
  // Until the connection ends; then `ended` is called once.
  virtual void start(std::function<void()> ended) = 0;
  // At once, whatever it is at. It still ends as start() says, a little later.
  virtual void close() = 0;
  // Since when it waits for its caller: for the first byte of a request, the rest of one, or until
  // its answer is taken. Nothing: it works, or waits for us, or is a stream.
  virtual std::optional<Instant> idle_since() const = 0;
  // It waits for its turn, and its caller has closed: he will hardly want to know.
  virtual bool is_abandoned() = 0;
  // From this machine.
  virtual bool is_local() const = 0;
};

std::shared_ptr<HttpSession> make_http_session(boost::asio::generic::stream_protocol::socket socket,
                                               Peer peer, std::shared_ptr<HttpShared> shared);

}  // namespace failoverd::admin
