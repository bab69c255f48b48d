// A baidu_std server: accepts connections, hands each request to a handler, sends the answers in
// the order in which they come. A malformed frame closes that connection and no other. Used by
// failoverd's NameServer service and by the tests' tablet. One thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "lib/base/result.h"

namespace failoverd::rpc {

struct Request {
  std::string service;  // As sent: "TabletServer" or "rtidb.api.TabletServer".
  std::string method;
  std::string payload;
  std::string attachment;
  std::string peer;  // "ip:port" of the caller.
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
  using Reply = std::function<void(Response)>;
  using Handler = std::function<void(Request, Reply)>;

  Server(boost::asio::io_context& io, Handler handler);
  ~Server();  // Closes every connection.
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // "ip:port"; port 0 takes a free one. Fails with one line that names the address and the reason.
  Result<std::uint16_t> listen(const std::string& endpoint);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace failoverd::rpc
