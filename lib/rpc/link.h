// One established connection that carries frames: the half that Channel and Server share. It reads
// all the time, so that a peer's death is seen at once also when nothing is asked; it writes what
// is queued in as few pieces as it can. It knows nothing of calls. Private to lib/rpc.
//
// Held by a shared_ptr: pending operations keep it alive, its owner may let go at any moment, also
// from inside a callback, after close(). The callbacks must not keep it or its owner alive.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lib/rpc/frame.h"

namespace failoverd::rpc {

class Link : public std::enable_shared_from_this<Link> {
 public:
  // How a connection ended by itself. malformed says why if the peer broke the protocol.
  struct End {
    boost::system::error_code error;
    std::string malformed;
  };

  // While more than pause_bytes wait to be sent nothing is read, until half of that is gone.
  Link(boost::asio::ip::tcp::socket socket, std::size_t pause_bytes);

  // Set before start().
  std::function<void(Frame)> on_frame;
  std::function<void(End)> on_end;  // Once, and nothing after it; not for close().

  void start();

  // Keys rise. The frame must fit (fits()). Nothing is called from inside it.
  void send(std::int64_t key, Frame frame);
  // Takes back a frame of which no byte was handed to the kernel; false if it is too late.
  bool withdraw(std::int64_t key);

  // The parser's limit from here on.
  void take_at_most(std::size_t bytes) { parser_.limit(bytes); }
  // A frame has begun to come, and is not whole.
  bool inside_a_frame() const { return !parser_.empty(); }

  // From inside on_frame: no more frames are handed out, and nothing is read, until go_on().
  void hold() { held_ = true; }
  // Soon: nothing is called from inside it.
  void go_on();
  // Of frames that were not taken yet.
  std::size_t queued_bytes() const { return queued_bytes_; }
  // The socket's descriptor.
  int descriptor() { return socket_.native_handle(); }

  // Closes the socket when all that is queued is sent: on_end follows then. No more frames are
  // handed out.
  void close_when_sent();
  // Closes the socket; no callback follows. What was not sent is not.
  void close();
  bool closed() const { return closed_; }

 private:
  struct Piece {
    std::string head;
    std::string payload;
    std::string attachment;

    std::size_t size() const { return head.size() + payload.size() + attachment.size(); }
  };

  void read();
  void on_read(boost::system::error_code error, std::size_t bytes);
  bool hand_out_frames();
  void look_whether_to_read();
  void write();
  void add_to_batch(Piece piece);
  void on_written(boost::system::error_code error);
  void end(boost::system::error_code error, std::string malformed = {});

  boost::asio::ip::tcp::socket socket_;
  const std::size_t pause_bytes_;

  FrameParser parser_;
  bool reading_ = false;
  bool paused_ = false;
  bool held_ = false;
  bool closed_ = false;
  bool closes_when_sent_ = false;
  std::map<std::int64_t, Piece> queue_;
  std::size_t queued_bytes_ = 0;    // In queue_ and batch_.
  std::vector<std::string> batch_;  // Being written.
  std::size_t batch_bytes_ = 0;
  boost::system::error_code write_error_;
};

// For every socket: small frames go at once, and no child process inherits it (an inherited
// descriptor would keep a connection open after its owner died).
void prepare_socket(boost::asio::ip::tcp::socket& socket);

// "127.0.0.1:9520", "[::1]:9520".
std::string text_of(const boost::asio::ip::tcp::endpoint& endpoint);

}  // namespace failoverd::rpc
