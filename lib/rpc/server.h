// A baidu_std server: accepts connections, hands each request to a handler, sends the answers in
// the order in which the handler gives them. A malformed frame closes that connection and no other;
// of a peer that takes no answers no more requests are read once kMaxQueuedBytes wait for it. Where
// anybody may call, Limits bound what callers may use. It knows no services: who is called, and
// whether it exists, is the handler's to judge. It looks at no authentication unless it is told to.
// Used by failoverd's NameServer service and by the tests' tablet and nameserver. One thread; the
// io_context must outlive it.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "lib/base/result.h"
#include "lib/base/time.h"

namespace failoverd::rpc {

// Of answers, for one connection.
inline constexpr std::size_t kMaxQueuedBytes = 64u << 20;

// What callers may use of a server that anybody may reach.
struct Limits {
  // Beyond: who keeps us waiting longest goes, or the newcomer. An eighth is kept for loopback: an
  // operator gets in.
  std::size_t connections = 128;
  std::size_t frame_bytes = 1u << 20;   // Of a request; a longer one ends its connection.
  std::size_t queued_bytes = 1u << 20;  // Of answers that one caller has not taken.
  // Of one caller, not yet answered: then no more of him is read. Few: answers may be large.
  std::size_t calls = 1;
  // First byte to last of a request; for answers to be taken the same, and again for each MiB.
  Duration request_timeout = std::chrono::seconds(10);
  // Between two requests. Long: an interactive client keeps its connection while it runs.
  Duration idle_timeout = std::chrono::hours(1);
};

struct Request {
  std::string service;  // As sent: "TabletServer" or "rtidb.api.TabletServer".
  std::string method;
  std::string payload;
  std::string attachment;
  std::string peer;       // "ip:port" of the caller.
  bool is_local = false;  // He comes from this machine, through loopback.
  int socket = -1;        // His connection's descriptor, for as long as the handler runs.
};

struct Response {
  int error_code = 0;      // != 0: a transport-level failure (1001 no such service, 1002 no such
  std::string error_text;  // method, 1003 bad request, 2004 over its limit, ...).
  std::string payload;
  std::string attachment;
};

class Server {
 public:
  // Answer now or later, from the io_context's thread, exactly once; dropping it answers nothing.
  // It may outlive the connection and the server: then it does nothing. An answer too large for a
  // frame becomes error 2001.
  using Reply = std::function<void(Response)>;
  // May do with the server what it likes, its destruction included.
  using Handler = std::function<void(Request, Reply)>;

  // Without limits: for a server among its own.
  Server(boost::asio::io_context& io, Handler handler, std::optional<Limits> limits = {});
  ~Server();  // Closes every connection.
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Whether who shows this is served: asked of the first request of each connection. Where it says
  // no, that one is answered with error 1004, and the connection is closed. Unset: all are served,
  // whatever they show. Set before listen().
  using Authenticate = std::function<bool(const std::string& authentication_data)>;
  void authenticate(Authenticate);

  // "ip:port"; port 0 takes a free one. Gives the port. Fails with one line that names the address
  // and the reason. Once only.
  Result<std::uint16_t> listen(const std::string& endpoint);

  // Open ones.
  std::size_t connections() const;
  // Closes all that wait for their caller, because their descriptors are needed.
  void close_idle();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace failoverd::rpc
