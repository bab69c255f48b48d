// baidu_std frames as bytes: "PRPC" | uint32 BE body_size | uint32 BE meta_size | RpcMeta |
// payload | attachment, with body_size counting everything behind the twelve bytes. Pure: no
// sockets, no clock. It does not judge what a frame asks for; channel.h and server.h do. Fields of
// RpcMeta that Frame does not name are dropped: nothing of ours passes a meta on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace failoverd::rpc {

// The largest body_size that is read or sent, on either side.
inline constexpr std::size_t kMaxFrameBytes = 64u << 20;

struct Frame {
  bool is_request = false;  // Otherwise an answer.
  // Of a request.
  std::string service;
  std::string method;
  std::optional<std::int64_t> log_id;
  std::optional<std::int32_t> timeout_ms;
  // Of an answer; 0: the method ran and the payload is its response message.
  int error_code = 0;
  std::string error_text;
  // Of both. Payloads are uncompressed: anything else is malformed here.
  std::int64_t correlation_id = 0;
  std::string authentication_data;
  std::string payload;
  std::string attachment;
};

// Whether it may be sent: payload and attachment leave room for the meta within kMaxFrameBytes.
bool fits(const Frame& frame);

// Everything in front of the payload, which is sent from where it lies.
std::string encode_head(const Frame& frame);

// The whole frame.
std::string encode(const Frame& frame);

// Cuts a stream of bytes into frames. Feed it what arrives, in pieces of any size; it keeps what is
// not yet a whole frame, and grows only with bytes that have come, never with a size announced.
class FrameParser {
 public:
  enum class State {
    kNeedsMore,
    kFrame,
    kMalformed,  // For good: the stream cannot be understood any more. See reason().
  };

  explicit FrameParser(std::size_t limit = kMaxFrameBytes) : limit_(limit) {}

  // A longer body is malformed from here on; in bytes.
  void limit(std::size_t bytes) { limit_ = bytes; }
  // Nothing is kept that is not yet a whole frame.
  bool empty() const { return begin_ == end_; }

  // Where the next bytes may be read into; never empty. filled() says how many were. Valid until
  // the next call of anything here.
  std::span<char> room();
  void filled(std::size_t bytes);

  // room() and filled() in one.
  void feed(std::string_view bytes);

  // The next frame, if it is complete.
  State next(Frame& out);

  // In one line, why it is malformed: what was found, and what the limit is.
  const std::string& reason() const { return reason_; }

 private:
  State malformed(std::string reason);
  State cut(std::size_t meta_size, std::size_t body_size, Frame& out);

  std::size_t limit_;
  std::vector<char> buffer_;  // Bytes [begin_, end_) are there.
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::string reason_;
};

}  // namespace failoverd::rpc
