#include "lib/rpc/frame.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <limits>
#include <utility>

#include "lib/base/check.h"
#include "proto/rpc_meta.pb.h"

namespace failoverd::rpc {
namespace {

constexpr std::string_view kMagic = "PRPC";
constexpr std::size_t kHeaderBytes = 12;
// What one read may bring at first, and what an idle connection keeps.
constexpr std::size_t kReadBytes = 16u << 10;
// A buffer that grew beyond this for one large frame is given back.
constexpr std::size_t kKeptBytes = 1u << 20;
// More than any meta of ours takes: names, a text, authentication data.
constexpr std::size_t kMetaAllowance = 64u << 10;

std::uint32_t read_be32(const char* at) {
  std::array<unsigned char, 4> b;
  std::memcpy(b.data(), at, b.size());
  return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
}

void write_be32(char* at, std::size_t value) {
  CHECK(value <= std::numeric_limits<std::uint32_t>::max());
  for (int shift = 24; shift >= 0; shift -= 8) *at++ = static_cast<char>(value >> shift & 0xff);
}

// What stands where the magic should, in hex: it may be anything.
std::string quoted(const char* at, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    std::array<char, 4> hex;
    std::snprintf(hex.data(), hex.size(), "%02x ", static_cast<unsigned char>(at[i]));
    text += hex.data();
  }
  if (!text.empty()) text.pop_back();
  return text;
}

brpc::RpcMeta meta_of(const Frame& frame) {
  brpc::RpcMeta meta;
  if (frame.is_request) {
    auto* request = meta.mutable_request();
    request->set_service_name(frame.service);
    request->set_method_name(frame.method);
    if (frame.log_id) request->set_log_id(*frame.log_id);
    if (frame.timeout_ms) request->set_timeout_ms(*frame.timeout_ms);
  } else {
    auto* response = meta.mutable_response();
    response->set_error_code(frame.error_code);
    if (!frame.error_text.empty()) response->set_error_text(frame.error_text);
  }
  meta.set_compress_type(0);
  meta.set_correlation_id(frame.correlation_id);
  if (!frame.attachment.empty()) {
    CHECK(frame.attachment.size() <= kMaxFrameBytes);
    meta.set_attachment_size(static_cast<std::int32_t>(frame.attachment.size()));
  }
  if (!frame.authentication_data.empty()) {
    meta.set_authentication_data(frame.authentication_data);
  }
  return meta;
}

void take_meta(brpc::RpcMeta& meta, Frame& out) {
  out = Frame{};
  out.is_request = meta.has_request();
  if (meta.has_request()) {
    auto& request = *meta.mutable_request();
    out.service = std::move(*request.mutable_service_name());
    out.method = std::move(*request.mutable_method_name());
    if (request.has_log_id()) out.log_id = request.log_id();
    if (request.has_timeout_ms()) out.timeout_ms = request.timeout_ms();
  }
  if (meta.has_response()) {
    out.error_code = meta.response().error_code();
    out.error_text = std::move(*meta.mutable_response()->mutable_error_text());
  }
  out.correlation_id = meta.correlation_id();
  out.authentication_data = std::move(*meta.mutable_authentication_data());
}

}  // namespace

bool fits(const Frame& frame) {
  const std::size_t texts = frame.service.size() + frame.method.size() + frame.error_text.size() +
                            frame.authentication_data.size();
  constexpr std::size_t room = kMaxFrameBytes - kMetaAllowance;
  return texts <= kMetaAllowance / 2 && frame.payload.size() <= room &&
         frame.attachment.size() <= room - frame.payload.size();
}

std::string encode_head(const Frame& frame) {
  std::string head(kHeaderBytes, '\0');
  const bool encoded = meta_of(frame).AppendToString(&head);
  CHECK(encoded);
  const std::size_t meta_size = head.size() - kHeaderBytes;
  kMagic.copy(head.data(), kMagic.size());
  write_be32(head.data() + 4, meta_size + frame.payload.size() + frame.attachment.size());
  write_be32(head.data() + 8, meta_size);
  return head;
}

std::string encode(const Frame& frame) {
  std::string bytes = encode_head(frame);
  bytes += frame.payload;
  bytes += frame.attachment;
  return bytes;
}

std::span<char> FrameParser::room() {
  if (begin_ == end_) {
    begin_ = end_ = 0;
    if (buffer_.size() > kKeptBytes) {
      buffer_.clear();
      buffer_.shrink_to_fit();
    }
  }
  if (buffer_.size() - end_ < kReadBytes / 2 && begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() - end_ < kReadBytes / 2) {
    buffer_.resize(std::max(kReadBytes, buffer_.size() * 2));
  }
  return {buffer_.data() + end_, buffer_.size() - end_};
}

void FrameParser::filled(std::size_t bytes) {
  CHECK(bytes <= buffer_.size() - end_);
  end_ += bytes;
}

void FrameParser::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::span<char> into = room();
    const std::size_t count = std::min(bytes.size(), into.size());
    bytes.copy(into.data(), count);
    filled(count);
    bytes.remove_prefix(count);
  }
}

FrameParser::State FrameParser::next(Frame& out) {
  if (!reason_.empty()) return State::kMalformed;
  const std::size_t there = end_ - begin_;
  const char* at = buffer_.data() + begin_;
  // As early as it can be told: a peer that speaks something else may never send twelve bytes.
  const std::size_t magic = std::min(there, kMagic.size());
  if (std::string_view(at, magic) != kMagic.substr(0, magic)) {
    return malformed("no baidu_std frame: it begins with the bytes " + quoted(at, magic));
  }
  if (there < kHeaderBytes) return State::kNeedsMore;
  const std::size_t body_size = read_be32(at + 4);
  const std::size_t meta_size = read_be32(at + 8);
  if (body_size > limit_) {
    return malformed("a frame with a body of " + std::to_string(body_size) +
                     " bytes, above the limit of " + std::to_string(limit_));
  }
  if (meta_size > body_size) {
    return malformed("a frame whose meta of " + std::to_string(meta_size) +
                     " bytes is larger than its body of " + std::to_string(body_size));
  }
  if (there - kHeaderBytes < body_size) return State::kNeedsMore;
  return cut(meta_size, body_size, out);
}

// All of the frame is there.
FrameParser::State FrameParser::cut(std::size_t meta_size, std::size_t body_size, Frame& out) {
  const char* body = buffer_.data() + begin_ + kHeaderBytes;
  brpc::RpcMeta meta;
  if (!meta.ParseFromArray(body, static_cast<int>(meta_size))) {
    return malformed("a frame whose RpcMeta of " + std::to_string(meta_size) +
                     " bytes does not parse");
  }
  if (meta.compress_type() != 0) {
    return malformed("a frame with compress_type " + std::to_string(meta.compress_type()) +
                     ", only 0 (none) is supported");
  }
  const std::size_t rest = body_size - meta_size;
  const std::int64_t attachment = meta.attachment_size();
  if (attachment < 0 || attachment > static_cast<std::int64_t>(rest)) {
    return malformed("a frame with attachment_size " + std::to_string(attachment) + ", but " +
                     std::to_string(rest) + " bytes behind its meta");
  }
  const auto attached = static_cast<std::size_t>(attachment);
  take_meta(meta, out);
  out.payload.assign(body + meta_size, rest - attached);
  out.attachment.assign(body + body_size - attached, attached);
  begin_ += kHeaderBytes + body_size;
  return State::kFrame;
}

FrameParser::State FrameParser::malformed(std::string reason) {
  reason_ = std::move(reason);
  buffer_.clear();
  buffer_.shrink_to_fit();
  begin_ = end_ = 0;
  return State::kMalformed;
}

}  // namespace failoverd::rpc
