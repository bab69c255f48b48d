#include "tests/bench/readers.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cstdlib>
#include <exception>

namespace failoverd::bench {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

tcp::endpoint endpoint_of(const std::string& address) {
  const auto colon = address.rfind(':');
  return {asio::ip::make_address(address.substr(0, colon)),
          static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1)))};
}

// One request on a connection, and its whole answer. False: the connection is over.
asio::awaitable<bool> ask(tcp::socket& socket, std::string target, std::string& buffer) {
  const std::string request = "GET " + target + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
  const auto [write_error, written] =
      co_await asio::async_write(socket, asio::buffer(request), kTuple);
  if (write_error) co_return false;
  const auto [head_error, head] =
      co_await asio::async_read_until(socket, asio::dynamic_buffer(buffer), "\r\n\r\n", kTuple);
  if (head_error) co_return false;
  const std::string length = "Content-Length: ";
  const auto at = buffer.find(length);
  if (at == std::string::npos || at > head) co_return false;
  const std::size_t all = head + std::strtoul(buffer.c_str() + at + length.size(), nullptr, 10);
  if (buffer.size() < all) {
    const auto [body_error, body] = co_await asio::async_read(
        socket, asio::dynamic_buffer(buffer), asio::transfer_exactly(all - buffer.size()), kTuple);
    if (body_error) co_return false;
  }
  buffer.erase(0, all);
  co_return true;
}

// Coroutine parameters are copies: they outlive whoever started it.
asio::awaitable<void> read_on(asio::io_context& io, tcp::endpoint to,
                              std::vector<std::string> targets,
                              std::atomic<std::uint64_t>& answers) {
  asio::steady_timer pause(io);
  for (;;) {
    tcp::socket socket(io);
    std::string buffer;
    const auto [error] = co_await socket.async_connect(to, kTuple);
    for (std::size_t i = 0; !error && co_await ask(socket, targets[i % targets.size()], buffer);
         ++i) {
      ++answers;
    }
    pause.expires_after(std::chrono::milliseconds(10));
    co_await pause.async_wait(kTuple);
  }
}

}  // namespace

Readers::Readers(const std::string& address, int count, std::vector<std::string> targets) {
  for (int i = 0; i < count; ++i) {
    asio::co_spawn(io_, read_on(io_, endpoint_of(address), targets, answers_),
                   [](std::exception_ptr) {});
  }
  if (count > 0) thread_ = std::thread([this] { io_.run(); });
}

Readers::~Readers() {
  io_.stop();
  if (thread_.joinable()) thread_.join();
}

}  // namespace failoverd::bench
