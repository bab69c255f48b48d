// Frames as bytes: what comes in pieces, what is no frame, and how big it may be.
#include "lib/rpc/frame.h"

#include <gmock/gmock.h>

#include <random>

#include "proto/rpc_meta.pb.h"
#include "tests/unit/rpc/golden.h"

namespace failoverd::rpc {
namespace {

using State = FrameParser::State;
using testing::HasSubstr;

std::string be32(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
          static_cast<char>(value >> 8), static_cast<char>(value)};
}

std::string frame_of(const std::string& meta, const std::string& rest) {
  return "PRPC" + be32(static_cast<std::uint32_t>(meta.size() + rest.size())) +
         be32(static_cast<std::uint32_t>(meta.size())) + meta + rest;
}

std::string frame_of(const brpc::RpcMeta& meta, const std::string& rest) {
  return frame_of(meta.SerializeAsString(), rest);
}

Frame a_request() {
  Frame frame;
  frame.is_request = true;
  frame.service = "TabletServer";
  frame.method = "Put";
  frame.correlation_id = 77;
  frame.payload = "payload";
  return frame;
}

void expect_malformed(const std::string& bytes, const std::string& why) {
  FrameParser parser;
  parser.feed(bytes);
  Frame frame;
  EXPECT_EQ(parser.next(frame), State::kMalformed);
  EXPECT_THAT(parser.reason(), HasSubstr(why));
  // For good, whatever follows.
  parser.feed(encode(a_request()));
  EXPECT_EQ(parser.next(frame), State::kMalformed);
}

TEST(Frames, KeepEveryFieldOnTheWay) {
  Frame request = a_request();
  request.log_id = 5;
  request.timeout_ms = 250;
  request.authentication_data = std::string("s\0default", 9);
  request.attachment = "attached";
  FrameParser parser;
  parser.feed(encode(request));
  Frame got;
  ASSERT_EQ(parser.next(got), State::kFrame);
  EXPECT_TRUE(got.is_request);
  EXPECT_EQ(got.service, "TabletServer");
  EXPECT_EQ(got.method, "Put");
  EXPECT_EQ(got.log_id, 5);
  EXPECT_EQ(got.timeout_ms, 250);
  EXPECT_EQ(got.correlation_id, 77);
  EXPECT_EQ(got.authentication_data, request.authentication_data);
  EXPECT_EQ(got.payload, "payload");
  EXPECT_EQ(got.attachment, "attached");

  Frame refusal;
  refusal.error_code = 1002;
  refusal.error_text = "no such method";
  refusal.correlation_id = -3;
  parser.feed(encode(refusal));
  ASSERT_EQ(parser.next(got), State::kFrame);
  EXPECT_FALSE(got.is_request);
  EXPECT_EQ(got.error_code, 1002);
  EXPECT_EQ(got.error_text, "no such method");
  EXPECT_EQ(got.correlation_id, -3);
  EXPECT_EQ(got.service, "");
  EXPECT_EQ(got.payload, "");
}

TEST(Frames, ComeByteByByte) {
  Frame request = a_request();
  request.attachment = std::string(300, 'a');
  const std::string bytes = encode(request);
  FrameParser parser;
  Frame got;
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      ASSERT_EQ(parser.next(got), State::kNeedsMore) << i;
      parser.feed(std::string_view(bytes).substr(i, 1));
    }
    ASSERT_EQ(parser.next(got), State::kFrame);
    EXPECT_EQ(encode(got), bytes);
  }
}

TEST(Frames, ComeManyAtOnce) {
  std::string stream;
  for (int i = 0; i < 5000; ++i) {
    Frame request = a_request();
    request.correlation_id = i;
    request.payload = std::string(i % 97, 'p');
    stream += encode(request);
  }
  FrameParser parser;
  parser.feed(stream);
  Frame got;
  for (int i = 0; i < 5000; ++i) {
    ASSERT_EQ(parser.next(got), State::kFrame);
    EXPECT_EQ(got.correlation_id, i);
    EXPECT_EQ(got.payload.size(), i % 97u);
  }
  EXPECT_EQ(parser.next(got), State::kNeedsMore);
}

TEST(Frames, LargeOnesLeaveNoLargeBuffer) {
  Frame large = a_request();
  large.attachment = std::string(8u << 20, 'x');
  FrameParser parser;
  parser.feed(encode(large));
  Frame got;
  ASSERT_EQ(parser.next(got), State::kFrame);
  EXPECT_EQ(got.attachment, large.attachment);
  EXPECT_LE(parser.room().size(), 1u << 20);
  parser.feed(encode(a_request()));
  ASSERT_EQ(parser.next(got), State::kFrame);
  EXPECT_EQ(got.payload, "payload");
}

TEST(Frames, AnnouncedBytesTakeNoMemory) {
  FrameParser parser;
  parser.feed("PRPC" + be32(kMaxFrameBytes) + be32(10));
  Frame got;
  EXPECT_EQ(parser.next(got), State::kNeedsMore);
  EXPECT_LE(parser.room().size(), 1u << 20);
}

TEST(Frames, LimitIsOnTheBody) {
  const std::string bytes = encode(a_request());
  const std::size_t body = bytes.size() - 12;
  Frame got;
  FrameParser fits_exactly(body);
  fits_exactly.feed(bytes);
  EXPECT_EQ(fits_exactly.next(got), State::kFrame);
  FrameParser too_small(body - 1);
  too_small.feed(std::string_view(bytes).substr(0, 12));
  EXPECT_EQ(too_small.next(got), State::kMalformed);
  EXPECT_THAT(too_small.reason(), HasSubstr("above the limit of " + std::to_string(body - 1)));
  expect_malformed("PRPC" + be32(kMaxFrameBytes + 1) + be32(10), "above the limit of 67108864");
}

TEST(Frames, WhatIsNoneIsToldEarly) {
  expect_malformed("GET / HTTP/1.1\r\n\r\n", "47 45 54 20");
  expect_malformed("Q", "begins with the bytes 51");
  expect_malformed("PRPX", "50 52 50 58");
  FrameParser parser;
  parser.feed(encode(a_request()) + "\n");
  Frame got;
  EXPECT_EQ(parser.next(got), State::kFrame);
  EXPECT_EQ(parser.next(got), State::kMalformed);
}

TEST(Frames, BrokenOnes) {
  expect_malformed("PRPC" + be32(10) + be32(11), "meta of 11 bytes is larger than its body of 10");
  expect_malformed(frame_of("\x0a\xff", ""), "RpcMeta of 2 bytes does not parse");
  brpc::RpcMeta meta;
  meta.set_attachment_size(-1);
  expect_malformed(frame_of(meta, "payload"), "attachment_size -1");
  meta.set_attachment_size(8);
  expect_malformed(frame_of(meta, "payload"), "attachment_size 8, but 7 bytes");
  meta.set_attachment_size(7);
  meta.set_compress_type(1);
  expect_malformed(frame_of(meta, "payload"), "compress_type 1");
}

TEST(Frames, AllOfTheBodyMayBeAttached) {
  brpc::RpcMeta meta;
  meta.set_attachment_size(7);
  FrameParser parser;
  parser.feed(frame_of(meta, "payload"));
  Frame got;
  ASSERT_EQ(parser.next(got), State::kFrame);
  EXPECT_EQ(got.payload, "");
  EXPECT_EQ(got.attachment, "payload");
}

TEST(Frames, EmptyIsAnAnswerOfNothing) {
  FrameParser parser;
  parser.feed(frame_of("", ""));
  Frame got;
  ASSERT_EQ(parser.next(got), State::kFrame);
  EXPECT_FALSE(got.is_request);
  EXPECT_EQ(got.correlation_id, 0);
}

TEST(Frames, FitBelowTheLimit) {
  Frame frame = a_request();
  frame.payload.assign(40u << 20, 'p');
  frame.attachment.assign(20u << 20, 'a');
  EXPECT_TRUE(fits(frame));
  EXPECT_LE(encode(frame).size(), kMaxFrameBytes);
  frame.attachment.assign(24u << 20, 'a');
  EXPECT_FALSE(fits(frame));
  frame.attachment.clear();
  frame.error_text.assign(1u << 20, 'e');
  EXPECT_FALSE(fits(frame));
}

// Damaged real frames, in pieces of any size: an answer every time, and never more frames than
// there is room for.
TEST(Frames, SurviveDamage) {
  std::string stream;
  for (const GoldenCall& call : golden_calls()) stream += call.request_bytes();
  std::mt19937 random(20);  // The same every time.
  const auto below = [&](std::size_t n) { return random() % n; };
  for (int round = 0; round < 2000; ++round) {
    std::string bytes = stream.substr(0, 1 + below(stream.size()));
    for (std::size_t hits = below(4); hits > 0; --hits) {
      bytes[below(bytes.size())] = static_cast<char>(random());
    }
    FrameParser parser;
    Frame frame;
    std::size_t at = 0;
    State state = State::kNeedsMore;
    while (at < bytes.size() && state != State::kMalformed) {
      const std::size_t count = std::min(bytes.size() - at, 1 + below(500));
      parser.feed(std::string_view(bytes).substr(at, count));
      at += count;
      while ((state = parser.next(frame)) == State::kFrame) {
        EXPECT_LE(frame.payload.size() + frame.attachment.size(), bytes.size());
      }
    }
    EXPECT_EQ(state == State::kMalformed, !parser.reason().empty());
  }
}

}  // namespace
}  // namespace failoverd::rpc
