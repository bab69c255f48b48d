// Serves the failover part of the nameserver's protocol (FEDB.md 3.3), so that the cluster's own
// client, pointed here with --endpoint, shows and does what it always did: the same numbers, words
// and codes, and refusals in the same order. docs/nameserver-protocol.md says what differs, and
// why. As the HTTP server it bounds what a caller may use: frames, connections, calls, time, and
// its share of the loop. Nothing that arrives ends the daemon. The daemon owns it; one thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "lib/admin/status_types.h"
#include "lib/base/result.h"
#include "lib/base/time.h"
#include "lib/rpc/server.h"

namespace failoverd::admin {

struct NameserverOptions {
  rpc::Limits limits;
  bool changes_from_anywhere = false;  // Else only from loopback (listen.rpc_changes).
  double share = 0.05;                 // Of the loop's time, for building and sending lists.
  Duration burst = std::chrono::milliseconds(10);         // Of that time at once, after a rest.
  Duration turn_timeout = std::chrono::seconds(5);        // So long a call waits for its turn.
  Duration command_timeout = std::chrono::seconds(9);     // Until the Source answers.
  std::function<void(const std::string&)> log = nullptr;  // One line, for what is our own fault.
};

class NameserverService {
 public:
  // `source` outlives the service.
  NameserverService(boost::asio::io_context& io, Source& source, NameserverOptions options);
  ~NameserverService();  // Closes everything; the source is not called any more.
  NameserverService(const NameserverService&) = delete;
  NameserverService& operator=(const NameserverService&) = delete;

  // "127.0.0.1:9622", "[::1]:9622"; port 0 takes a free one. Once only. Gives the port, or one line
  // that names the address and the reason.
  Result<std::uint16_t> listen(const std::string& address);

  // Open ones.
  std::size_t connections() const;
  // Closes all that wait for their caller, because their descriptors are needed.
  void close_idle();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace failoverd::admin
