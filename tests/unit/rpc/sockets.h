// A loop to turn until something has happened, and a bare end of a TCP connection that does
// whatever a test wants of a peer: sends any bytes, stops reading, closes, resets.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lib/rpc/channel.h"
#include "lib/rpc/frame.h"

namespace failoverd::rpc {

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;

class Loop {
 public:
  asio::io_context io{1};

  // Whether it came true before the deadline.
  [[nodiscard]] bool until(const std::function<bool()>& predicate, Duration deadline = 20s) {
    const auto end = std::chrono::steady_clock::now() + deadline;
    while (!predicate()) {
      if (std::chrono::steady_clock::now() > end) return false;
      io.run_one_for(10ms);
    }
    return true;
  }

  // Everything that is ready now, and what follows from it at once.
  void drain() {
    while (io.poll() > 0) {
    }
  }

 private:
  asio::executor_work_guard<asio::io_context::executor_type> stays_{io.get_executor()};
};

// One end. Reads all the time, once told to.
class RawSocket : public std::enable_shared_from_this<RawSocket> {
 public:
  explicit RawSocket(tcp::socket socket) : socket_(std::move(socket)) {}

  std::vector<Frame> frames;  // What was received, as far as it is frames.
  bool ended = false;         // The other end closed or reset.

  void read() {
    socket_.async_read_some(
        asio::buffer(piece_),
        [self = shared_from_this()](boost::system::error_code error, std::size_t bytes) {
          self->on_read(error, bytes);
        });
  }

  void send(const std::string& bytes) {
    const auto held = std::make_shared<std::string>(bytes);
    asio::async_write(socket_, asio::buffer(*held),
                      [held](boost::system::error_code, std::size_t) {});
  }
  void send(const Frame& frame) { send(encode(frame)); }

  void answer(std::int64_t correlation_id, const std::string& payload) {
    Frame frame;
    frame.correlation_id = correlation_id;
    frame.payload = payload;
    send(frame);
  }

  // What has come and was not read.
  std::size_t unread() const { return socket_.available(); }

  void close() { socket_.close(); }
  void reset() {
    socket_.set_option(asio::socket_base::linger(true, 0));
    socket_.close();
  }

 private:
  void on_read(boost::system::error_code error, std::size_t bytes) {
    if (error) {
      ended = error != asio::error::operation_aborted;
      return;
    }
    parser_.feed({piece_.data(), bytes});
    Frame frame;
    while (parser_.next(frame) == FrameParser::State::kFrame) frames.push_back(frame);
    read();
  }

  tcp::socket socket_;
  std::vector<char> piece_ = std::vector<char>(64u << 10);
  FrameParser parser_;
};

// A listener on a free port of 127.0.0.1 that keeps the connections it accepts.
class RawPeer {
 public:
  explicit RawPeer(asio::io_context& io, bool reads = true)
      : acceptor_(io, {asio::ip::address_v4::loopback(), 0}), reads_(reads) {
    accept();
  }

  std::vector<std::shared_ptr<RawSocket>> sockets;

  std::string endpoint() const {
    return "127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
  }
  void stop_listening() { acceptor_.close(); }

 private:
  void accept() {
    acceptor_.async_accept([this](boost::system::error_code error, tcp::socket socket) {
      if (error) return;
      sockets.push_back(std::make_shared<RawSocket>(std::move(socket)));
      if (reads_) sockets.back()->read();
      accept();
    });
  }

  tcp::acceptor acceptor_;
  const bool reads_;
};

inline std::shared_ptr<RawSocket> connect_raw(asio::io_context& io, std::uint16_t port,
                                              bool reads = true) {
  tcp::socket socket(io);
  socket.connect({asio::ip::address_v4::loopback(), port});
  auto raw = std::make_shared<RawSocket>(std::move(socket));
  if (reads) raw->read();
  return raw;
}

// A port of 127.0.0.1 where nobody listens (any more).
inline std::string dead_endpoint(asio::io_context& io) { return RawPeer(io).endpoint(); }

// Where the answers of several calls are kept, in the order in which they came.
struct Answers {
  std::vector<std::pair<int, Answer>> came;

  Channel::Callback for_call(int number) {
    return [this, number](Answer answer) { came.emplace_back(number, std::move(answer)); };
  }
  const Answer& of(int number) const {
    for (const auto& [who, answer] : came) {
      if (who == number) return answer;
    }
    static const Answer none;
    ADD_FAILURE() << "no answer to call " << number;
    return none;
  }
  std::function<bool()> count_is(std::size_t count) const {
    return [this, count] { return came.size() >= count; };
  }
};

}  // namespace failoverd::rpc
