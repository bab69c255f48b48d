// A TCP proxy on 127.0.0.1 between a client under test and its server, on the test's own loop: for
// losing an answer, or a request, at exactly the moment that a test is about. Owned by the test.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace failoverd::harness {

class TcpProxy {
 public:
  // Listens at once, and connects to the target for every connection that comes in.
  TcpProxy(boost::asio::io_context& io, std::uint16_t target_port);
  ~TcpProxy();  // Closes everything.
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  std::uint16_t port() const;
  std::string endpoint() const;  // "127.0.0.1:PORT"

  // Sees every piece of what clients send, before it is passed on or swallowed.
  std::function<void(std::string_view)> on_request;
  // From now on, on every connection, what goes that way gets lost while the connection stands.
  void swallow_requests(bool on);
  void swallow_answers(bool on);
  // Closes every connection on both sides. New ones are taken as before.
  void cut();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace failoverd::harness
