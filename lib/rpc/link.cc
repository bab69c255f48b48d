#include "lib/rpc/link.h"

#include <fcntl.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "lib/rpc/endpoint.h"

namespace failoverd::rpc {
namespace asio = boost::asio;
using boost::system::error_code;

namespace {

// Texts shorter than this are copied together; longer ones are sent from where they lie.
constexpr std::size_t kCopiedBytes = 16u << 10;
// One piece of copied texts, and one write. What is in no write yet can still be withdrawn.
constexpr std::size_t kPieceBytes = 64u << 10;
constexpr std::size_t kBatchBytes = 1u << 20;

// A dead peer's errors, which the reading side reports, too, once it has read all that had come.
bool left_to_reader(const error_code& error) {
  return error == asio::error::connection_reset || error == asio::error::broken_pipe;
}

}  // namespace

Link::Link(asio::ip::tcp::socket socket, std::size_t pause_bytes)
    : socket_(std::move(socket)), pause_bytes_(pause_bytes) {}

void Link::start() {
  prepare_socket(socket_);
  read();
}

void Link::send(std::int64_t key, Frame frame) {
  if (closed_) return;
  Piece piece{encode_head(frame), std::move(frame.payload), std::move(frame.attachment)};
  queued_bytes_ += piece.size();
  queue_.emplace_hint(queue_.end(), key, std::move(piece));
  if (batch_.empty()) write();
}

bool Link::withdraw(std::int64_t key) {
  const auto found = queue_.find(key);
  if (found == queue_.end()) return false;
  queued_bytes_ -= found->second.size();
  queue_.erase(found);
  return true;
}

void Link::close_when_sent() {
  held_ = closes_when_sent_ = true;
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    if (!self->closed_ && self->queued_bytes_ == 0) self->end({});
  });
}

void Link::close() {
  if (closed_) return;
  closed_ = true;
  error_code ignored;
  socket_.close(ignored);
}

void Link::read() {
  reading_ = true;
  const std::span<char> into = parser_.room();
  socket_.async_read_some(asio::buffer(into.data(), into.size()),
                          [self = shared_from_this()](error_code error, std::size_t bytes) {
                            self->on_read(error, bytes);
                          });
}

void Link::on_read(error_code error, std::size_t bytes) {
  reading_ = false;
  if (closed_) return;
  if (error) {
    // After a reset the reader sees a plain end of the stream if the writer took the error first.
    end(error == asio::error::eof && write_error_ ? write_error_ : error);
    return;
  }
  parser_.filled(bytes);
  if (hand_out_frames()) read();
}

// Whether to read on.
bool Link::hand_out_frames() {
  Frame frame;
  while (true) {
    paused_ = held_ || queued_bytes_ > pause_bytes_;
    if (paused_ && write_error_) end(write_error_);  // It would wait for ever.
    if (paused_) return false;
    const FrameParser::State state = parser_.next(frame);
    if (state == FrameParser::State::kNeedsMore) return true;
    if (state == FrameParser::State::kMalformed) {
      end({}, parser_.reason());
      return false;
    }
    on_frame(std::exchange(frame, {}));
    if (closed_) return false;
  }
}

void Link::write() {
  while (!queue_.empty() && batch_bytes_ < kBatchBytes) {
    add_to_batch(std::move(queue_.extract(queue_.begin()).mapped()));
  }
  if (batch_.empty()) return;
  std::vector<asio::const_buffer> buffers;
  buffers.reserve(batch_.size());
  for (const std::string& piece : batch_) buffers.push_back(asio::buffer(piece));
  asio::async_write(socket_, buffers, [self = shared_from_this()](error_code error, std::size_t) {
    self->on_written(error);
  });
}

void Link::add_to_batch(Piece piece) {
  batch_bytes_ += piece.size();
  for (std::string* text : {&piece.head, &piece.payload, &piece.attachment}) {
    if (text->empty()) continue;
    const bool joins = !batch_.empty() && text->size() < kCopiedBytes &&
                       batch_.back().size() + text->size() <= kPieceBytes;
    if (joins) {
      batch_.back() += *text;
    } else {
      batch_.push_back(std::move(*text));
    }
  }
}

void Link::on_written(error_code error) {
  if (closed_) return;
  queued_bytes_ -= batch_bytes_;
  batch_bytes_ = 0;
  if (error) {
    // batch_ stays: nothing is written any more. Answers may have come before the peer died.
    write_error_ = error;
    if (!left_to_reader(error) || !reading_) end(error);
    return;
  }
  batch_.clear();
  write();
  if (closes_when_sent_ && queued_bytes_ == 0) return end({});
  look_whether_to_read();
}

void Link::look_whether_to_read() {
  if (paused_ && queued_bytes_ <= pause_bytes_ / 2 && hand_out_frames()) read();
}

void Link::go_on() {
  held_ = closes_when_sent_;
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    if (!self->closed_) self->look_whether_to_read();
  });
}

void Link::end(error_code error, std::string malformed) {
  close();
  on_end({error, std::move(malformed)});
}

void prepare_socket(asio::ip::tcp::socket& socket) {
  error_code ignored;  // Neither is worth losing the connection for.
  socket.set_option(asio::ip::tcp::no_delay{true}, ignored);
  ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
}

std::string text_of(const asio::ip::tcp::endpoint& endpoint) {
  return to_text(HostPort{endpoint.address().to_string(), endpoint.port()});
}

}  // namespace failoverd::rpc
