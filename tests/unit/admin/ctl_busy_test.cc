// A daemon that has no turn left for a reader says when to ask again: failoverctl does.
#include <gtest/gtest.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <string>
#include <thread>
#include <vector>

#include "daemon/ctl/http_client.h"

namespace failoverd::ctl {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

// Gives these answers, each on a connection of its own.
class Scripted {
 public:
  explicit Scripted(std::vector<std::string> answers) {
    asio::co_spawn(io_, serve(std::move(answers)), asio::detached);
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Scripted() {
    io_.stop();
    thread_.join();
  }

  unsigned status() {
    const auto port = std::to_string(acceptor_.local_endpoint().port());
    const Call call{"GET", "/api/v1/status", "", {}};
    const auto answer = http_call({"127.0.0.1", port}, call, std::chrono::seconds(10));
    return answer ? answer->status : 0;
  }

 private:
  asio::awaitable<void> serve(std::vector<std::string> answers) {
    for (const std::string& answer : answers) {
      auto [error, socket] = co_await acceptor_.async_accept(kTuple);
      std::string request;
      co_await asio::async_read_until(socket, asio::dynamic_buffer(request), "\r\n\r\n", kTuple);
      co_await asio::async_write(socket, asio::buffer(answer), kTuple);
    }
  }

  asio::io_context io_{1};
  tcp::acceptor acceptor_{io_, {asio::ip::address_v4::loopback(), 0}};
  std::thread thread_;
};

const std::string kDone = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

TEST(CtlBusy, IsAskedAgain) {
  Scripted daemon({"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", kDone});
  EXPECT_EQ(daemon.status(), 200U);
}

TEST(CtlBusy, WhatIsNotKnownYetIsAnAnswer) {
  Scripted daemon({"HTTP/1.1 503 Not yet\r\nContent-Length: 0\r\n\r\n", kDone});
  EXPECT_EQ(daemon.status(), 503U);
}

}  // namespace
}  // namespace failoverd::ctl
