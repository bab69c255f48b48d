// Calls over one connection to a server of our own: order, deadlines, attachments, letting go.
#include "lib/rpc/channel.h"

#include <gmock/gmock.h>

#include <optional>

#include "lib/rpc/server.h"
#include "tests/unit/rpc/sockets.h"

namespace failoverd::rpc {
namespace {

using testing::HasSubstr;

// A server that keeps what it was asked until the test answers.
struct Asked {
  Request request;
  Server::Reply reply;
};

class ChannelTest : public testing::Test {
 protected:
  void SetUp() override {
    server_.emplace(loop_.io, [this](Request request, Server::Reply reply) {
      asked_.push_back({std::move(request), std::move(reply)});
    });
    const auto port = server_->listen("127.0.0.1:0");
    ASSERT_TRUE(port) << port.error().text;
    endpoint_ = "127.0.0.1:" + std::to_string(*port);
    channel_.emplace(loop_.io, endpoint_, Channel::Options{});
  }

  void call(int number, Duration deadline = 20s) {
    channel_->call("TabletServer", "Get", std::to_string(number), deadline,
                   answers_.for_call(number));
  }

  static void answer(const Asked& asked) {
    Response response;
    response.payload = "answer to " + asked.request.payload;
    asked.reply(response);
  }

  void expect_answered(int number) {
    EXPECT_EQ(answers_.of(number).outcome, Outcome::kAnswered);
    EXPECT_EQ(answers_.of(number).payload, "answer to " + std::to_string(number));
    EXPECT_TRUE(answers_.of(number).sent);
  }

  Loop loop_;
  std::vector<Asked> asked_;
  std::optional<Server> server_;
  std::string endpoint_;
  std::optional<Channel> channel_;
  Answers answers_;
};

TEST_F(ChannelTest, ConnectsWithTheFirstCall) {
  int connected = 0;
  channel_->on_connected = [&] { ++connected; };
  loop_.drain();
  EXPECT_FALSE(channel_->connected());
  EXPECT_EQ(channel_->endpoint(), endpoint_);
  call(1);
  EXPECT_EQ(channel_->calls_in_flight(), 1u);
  ASSERT_TRUE(loop_.until([&] { return asked_.size() == 1; }));
  EXPECT_TRUE(channel_->connected());
  EXPECT_EQ(connected, 1);
  EXPECT_EQ(asked_[0].request.service, "TabletServer");
  EXPECT_EQ(asked_[0].request.method, "Get");
  EXPECT_THAT(asked_[0].request.peer, HasSubstr("127.0.0.1:"));
  answer(asked_[0]);
  ASSERT_TRUE(loop_.until(answers_.count_is(1)));
  expect_answered(1);
  EXPECT_EQ(channel_->calls_in_flight(), 0u);
}

TEST_F(ChannelTest, TenThousandInFlightAnsweredBackwards) {
  constexpr int kCalls = 10'000;
  for (int i = 0; i < kCalls; ++i) call(i, 20s + i * 1us);
  ASSERT_TRUE(loop_.until([&] { return asked_.size() == kCalls; }));
  EXPECT_EQ(channel_->calls_in_flight(), kCalls);
  for (auto it = asked_.rbegin(); it != asked_.rend(); ++it) answer(*it);
  ASSERT_TRUE(loop_.until(answers_.count_is(kCalls)));
  for (int i = 0; i < kCalls; ++i) {
    EXPECT_EQ(answers_.came[i].first, kCalls - 1 - i);
    EXPECT_EQ(answers_.came[i].second.payload, "answer to " + std::to_string(kCalls - 1 - i));
  }
}

TEST_F(ChannelTest, ADeadlineEndsTheCallAndNotTheConnection) {
  int lost = 0;
  channel_->on_lost = [&](Lost) { ++lost; };
  call(1);
  ASSERT_TRUE(loop_.until([&] { return asked_.size() == 1; }));
  loop_.drain();
  call(2, 10ms);
  ASSERT_TRUE(loop_.until(answers_.count_is(1)));
  EXPECT_EQ(answers_.of(2).outcome, Outcome::kTimeout);
  EXPECT_TRUE(answers_.of(2).sent);
  EXPECT_EQ(answers_.of(2).error_text, endpoint_ + ": no answer within 10 ms");
  EXPECT_TRUE(channel_->connected());
  ASSERT_TRUE(loop_.until([&] { return asked_.size() == 2; }));
  // The late answer goes nowhere, the other one where it belongs.
  answer(asked_[1]);
  answer(asked_[0]);
  ASSERT_TRUE(loop_.until(answers_.count_is(2)));
  expect_answered(1);
  EXPECT_EQ(answers_.came.size(), 2u);
  EXPECT_EQ(lost, 0);
}

TEST_F(ChannelTest, TenThousandDeadlinesAtOnce) {
  constexpr int kCalls = 10'000;
  for (int i = 0; i < kCalls; ++i) call(i, i % 2 == 0 ? 100ms : 20s);
  ASSERT_TRUE(loop_.until(answers_.count_is(kCalls / 2)));
  EXPECT_EQ(channel_->calls_in_flight(), kCalls / 2);
  for (const auto& [number, answer] : answers_.came) {
    EXPECT_EQ(number % 2, 0);
    EXPECT_EQ(answer.outcome, Outcome::kTimeout);
  }
}

TEST_F(ChannelTest, DeadlinesOfAnyOrder) {
  call(4, Duration::max());
  call(1, 0ms);
  call(2, 15ms);
  call(3, 30ms);
  ASSERT_TRUE(loop_.until(answers_.count_is(3)));
  EXPECT_EQ(answers_.came[0].first, 1);
  EXPECT_EQ(answers_.came[1].first, 2);
  EXPECT_EQ(answers_.came[2].first, 3);
  EXPECT_EQ(channel_->calls_in_flight(), 1u);
}

TEST_F(ChannelTest, AttachmentsBothWays) {
  channel_->call_with_attachment("TabletServer", "SendData", "request", std::string(5u << 20, 'b'),
                                 20s, answers_.for_call(1));
  ASSERT_TRUE(loop_.until([&] { return asked_.size() == 1; }));
  EXPECT_EQ(asked_[0].request.payload, "request");
  EXPECT_EQ(asked_[0].request.attachment, std::string(5u << 20, 'b'));
  Response response;
  response.payload = "response";
  response.attachment = std::string(3u << 20, 'c');
  asked_[0].reply(response);
  ASSERT_TRUE(loop_.until(answers_.count_is(1)));
  EXPECT_EQ(answers_.of(1).payload, "response");
  EXPECT_EQ(answers_.of(1).attachment, std::string(3u << 20, 'c'));
}

TEST_F(ChannelTest, ServerErrorsAreNoAnswers) {
  call(1);
  ASSERT_TRUE(loop_.until([&] { return asked_.size() == 1; }));
  Response response;
  response.error_code = 1002;
  response.error_text = "no such method";
  asked_[0].reply(response);
  ASSERT_TRUE(loop_.until(answers_.count_is(1)));
  EXPECT_EQ(answers_.of(1).outcome, Outcome::kServerError);
  EXPECT_EQ(answers_.of(1).error_code, 1002);
  EXPECT_EQ(answers_.of(1).error_text, endpoint_ + ": error 1002: no such method");
  EXPECT_TRUE(answers_.of(1).sent);
}

TEST_F(ChannelTest, TooLargeARequestIsNotSent) {
  call(1);
  channel_->call("TabletServer", "Put", std::string(kMaxFrameBytes, 'x'), 20s,
                 answers_.for_call(2));
  EXPECT_TRUE(answers_.came.empty());  // Never from inside call().
  ASSERT_TRUE(loop_.until(answers_.count_is(1)));
  EXPECT_EQ(answers_.of(2).outcome, Outcome::kMalformed);
  EXPECT_FALSE(answers_.of(2).sent);
  ASSERT_TRUE(loop_.until([&] { return asked_.size() == 1; }));
  answer(asked_[0]);
  ASSERT_TRUE(loop_.until(answers_.count_is(2)));
  expect_answered(1);
}

TEST_F(ChannelTest, DropEndsCallsAndTheNextOneConnectsAnew) {
  int lost = 0;
  int connected = 0;
  channel_->on_lost = [&](Lost) { ++lost; };
  channel_->on_connected = [&] { ++connected; };
  call(1);
  ASSERT_TRUE(loop_.until([&] { return asked_.size() == 1; }));
  channel_->drop();
  EXPECT_FALSE(channel_->connected());
  EXPECT_EQ(channel_->calls_in_flight(), 0u);
  EXPECT_TRUE(answers_.came.empty());  // Never from inside drop().
  call(2);
  ASSERT_TRUE(loop_.until([&] { return asked_.size() == 2; }));
  EXPECT_EQ(answers_.of(1).outcome, Outcome::kClosed);
  EXPECT_TRUE(answers_.of(1).sent);
  answer(asked_[0]);  // To a connection that is no more.
  answer(asked_[1]);
  ASSERT_TRUE(loop_.until(answers_.count_is(2)));
  expect_answered(2);
  EXPECT_EQ(connected, 2);
  EXPECT_EQ(lost, 0);
}

TEST_F(ChannelTest, DropWhileConnecting) {
  call(1);
  channel_->drop();
  channel_->drop();
  ASSERT_TRUE(loop_.until(answers_.count_is(1)));
  EXPECT_EQ(answers_.of(1).outcome, Outcome::kClosed);
  EXPECT_FALSE(answers_.of(1).sent);
  EXPECT_FALSE(channel_->connected());
  loop_.drain();
  EXPECT_TRUE(asked_.empty());
}

TEST_F(ChannelTest, DestructionEndsCallsFromTheLoop) {
  call(1);
  ASSERT_TRUE(loop_.until([&] { return asked_.size() == 1; }));
  call(2);
  channel_.reset();
  EXPECT_TRUE(answers_.came.empty());
  ASSERT_TRUE(loop_.until(answers_.count_is(2)));
  EXPECT_EQ(answers_.of(1).outcome, Outcome::kClosed);
  EXPECT_EQ(answers_.of(2).outcome, Outcome::kClosed);
}

TEST_F(ChannelTest, DestructionWhileConnecting) {
  call(1);
  channel_.reset();
  ASSERT_TRUE(loop_.until(answers_.count_is(1)));
  EXPECT_EQ(answers_.of(1).outcome, Outcome::kClosed);
  EXPECT_FALSE(answers_.of(1).sent);
}

TEST_F(ChannelTest, DestructionFromInsideAnAnswer) {
  bool answered = false;
  channel_->call("TabletServer", "Get", "0", 20s, [&](Answer) {
    answered = true;
    channel_.reset();
  });
  call(1);
  ASSERT_TRUE(loop_.until([&] { return asked_.size() == 2; }));
  answer(asked_[0]);
  answer(asked_[1]);  // Both answers may come in one piece.
  ASSERT_TRUE(loop_.until(answers_.count_is(1)));
  EXPECT_TRUE(answered);
  EXPECT_EQ(answers_.of(1).outcome, Outcome::kClosed);
}

TEST_F(ChannelTest, DestructionFromInsideADeadline) {
  channel_->call("TabletServer", "Get", "0", 5ms, [&](Answer) { channel_.reset(); });
  call(1, 5ms);
  call(2, 20s);
  ASSERT_TRUE(loop_.until(answers_.count_is(2)));
  EXPECT_FALSE(channel_);
  EXPECT_EQ(answers_.of(2).outcome, Outcome::kClosed);
}

TEST_F(ChannelTest, DestructionFromInsideOnConnected) {
  channel_->on_connected = [&, guard = std::make_shared<int>(0)] {
    channel_.reset();
    EXPECT_EQ(*guard, 0);  // What runs is not destroyed with the channel.
  };
  call(1);
  ASSERT_TRUE(loop_.until(answers_.count_is(1)));
  EXPECT_EQ(answers_.of(1).outcome, Outcome::kClosed);
}

TEST_F(ChannelTest, CallsFromInsideAnswers) {
  int rounds = 0;
  std::function<void(Answer)> again = [&](Answer got) {
    EXPECT_EQ(got.outcome, Outcome::kAnswered);
    if (++rounds < 1000) channel_->call("TabletServer", "Get", "r", 20s, again);
  };
  channel_->call("TabletServer", "Get", "r", 20s, again);
  ASSERT_TRUE(loop_.until([&] {
    for (const Asked& asked : std::exchange(asked_, {})) answer(asked);
    return rounds == 1000;
  }));
}

TEST_F(ChannelTest, NamesAreResolved) {
  Channel by_name(loop_.io, "localhost:" + endpoint_.substr(endpoint_.rfind(':') + 1), {});
  by_name.call("TabletServer", "Get", "1", 20s, answers_.for_call(1));
  ASSERT_TRUE(loop_.until([&] { return asked_.size() == 1; }));
  answer(asked_[0]);
  ASSERT_TRUE(loop_.until(answers_.count_is(1)));
  expect_answered(1);
}

TEST(ChannelFrames, AuthenticationComesWithEachConnectionsFirst) {
  Loop loop;
  RawPeer peer(loop.io);
  Channel channel(loop.io, peer.endpoint(), Channel::Options{});
  Answers answers;
  for (int i = 0; i < 3; ++i) channel.call("TabletServer", "Get", "", 20s, answers.for_call(i));
  ASSERT_TRUE(loop.until([&] { return peer.sockets.size() == 1; }));
  ASSERT_TRUE(loop.until([&] { return peer.sockets[0]->frames.size() == 3; }));
  EXPECT_EQ(peer.sockets[0]->frames[0].authentication_data, "sdefault");
  EXPECT_EQ(peer.sockets[0]->frames[1].authentication_data, "");
  EXPECT_EQ(peer.sockets[0]->frames[2].authentication_data, "");
  channel.drop();
  channel.call("TabletServer", "Get", "", 20s, answers.for_call(4));
  ASSERT_TRUE(loop.until([&] { return peer.sockets.size() == 2; }));
  ASSERT_TRUE(loop.until([&] { return peer.sockets[1]->frames.size() == 1; }));
  EXPECT_EQ(peer.sockets[1]->frames[0].authentication_data, "sdefault");
}

TEST(ChannelFrames, SaysItsNamesForPeople) {
  EXPECT_STREQ(to_text(Outcome::kAnswered), "answered");
  EXPECT_STREQ(to_text(Outcome::kServerError), "server_error");
  EXPECT_STREQ(to_text(Outcome::kClosed), "closed");
  EXPECT_STREQ(to_text(Lost::kReset), "reset");
  EXPECT_STREQ(to_text(Lost::kClosedByPeer), "closed_by_peer");
}

}  // namespace
}  // namespace failoverd::rpc
