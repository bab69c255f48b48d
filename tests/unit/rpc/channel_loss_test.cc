// How connections fail: refused, reset, closed, silent, malformed. What is told as evidence of a
// dead process must be evidence (SAFETY 15), and what may have been carried out must say so.
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <optional>

#include "lib/rpc/channel.h"
#include "tests/unit/rpc/sockets.h"

namespace failoverd::rpc {
namespace {

using testing::HasSubstr;

class ChannelLoss : public testing::Test {
 protected:
  void open(const std::string& endpoint, Channel::Options options = {}) {
    channel_.emplace(loop_.io, endpoint, options);
    channel_->on_lost = [this](Lost lost) {
      lost_ = lost;
      answers_before_loss_ = answers_.came.size();
    };
  }
  void call(int number, Duration deadline = 20s, std::string request = {}) {
    channel_->call("TabletServer", "Get", std::move(request), deadline, answers_.for_call(number));
  }
  // Connects, and gives the other end after it has got `calls` requests.
  std::shared_ptr<RawSocket> connected(RawPeer& peer, int calls) {
    open(peer.endpoint());
    for (int i = 1; i <= calls; ++i) call(i);
    EXPECT_TRUE(loop_.until([&] { return !peer.sockets.empty(); }));
    const auto socket = peer.sockets.front();
    EXPECT_TRUE(
        loop_.until([&] { return socket->frames.size() == static_cast<std::size_t>(calls); }));
    return socket;
  }
  void expect_all(std::size_t calls, Outcome outcome, bool sent) {
    ASSERT_TRUE(loop_.until(answers_.count_is(calls)));
    for (const auto& [number, answer] : answers_.came) {
      EXPECT_EQ(to_text(answer.outcome), std::string(to_text(outcome))) << answer.error_text;
      EXPECT_EQ(answer.sent, sent) << number;
    }
    EXPECT_EQ(channel_->calls_in_flight(), 0u);
    EXPECT_FALSE(channel_->connected());
  }

  Loop loop_;
  std::optional<Channel> channel_;
  Answers answers_;
  std::optional<Lost> lost_;
  std::size_t answers_before_loss_ = 0;
};

TEST_F(ChannelLoss, RefusedEndsAllThatWait) {
  const std::string endpoint = dead_endpoint(loop_.io);
  open(endpoint);
  for (int i = 0; i < 5; ++i) call(i);
  EXPECT_TRUE(answers_.came.empty());
  expect_all(5, Outcome::kRefused, false);
  EXPECT_FALSE(lost_);  // It was never established.
  EXPECT_EQ(answers_.of(0).error_text, endpoint + ": Connection refused");
  call(6);
  expect_all(6, Outcome::kRefused, false);
}

TEST_F(ChannelLoss, ResetWithCallsInFlight) {
  RawPeer peer(loop_.io);
  connected(peer, 3)->reset();
  expect_all(3, Outcome::kReset, true);
  EXPECT_EQ(lost_, Lost::kReset);
  EXPECT_EQ(answers_before_loss_, 0u);
}

TEST_F(ChannelLoss, ClosedWithCallsInFlight) {
  RawPeer peer(loop_.io);
  connected(peer, 3)->close();
  expect_all(3, Outcome::kReset, true);
  EXPECT_EQ(lost_, Lost::kClosedByPeer);
  EXPECT_EQ(answers_before_loss_, 0u);
}

TEST_F(ChannelLoss, ClosedInTheMiddleOfAnAnswer) {
  RawPeer peer(loop_.io);
  const auto socket = connected(peer, 1);
  Frame answer;
  answer.correlation_id = socket->frames[0].correlation_id;
  answer.payload = "half of it never comes";
  socket->send(encode(answer).substr(0, 30));
  loop_.drain();
  socket->close();
  expect_all(1, Outcome::kReset, true);
}

// A packet filter answers what we send; nobody resets what says nothing but the system itself.
TEST_F(ChannelLoss, AResetThatAnswersNothingIsToldApart) {
  RawPeer peer(loop_.io);
  const auto socket = connected(peer, 1);
  socket->answer(socket->frames[0].correlation_id, "done");
  ASSERT_TRUE(loop_.until(answers_.count_is(1)));
  socket->reset();
  ASSERT_TRUE(loop_.until([&] { return lost_.has_value(); }));
  EXPECT_EQ(lost_, Lost::kQuietReset);
}

// It would hold up everything behind it for ever, a byte at a time. Whoever waits for a moment only
// cannot tell it from a long answer.
TEST_F(ChannelLoss, AnAnswerThatTricklesInEndsTheConnection) {
  RawPeer peer(loop_.io);
  open(peer.endpoint());
  call(1, 1s);
  ASSERT_TRUE(
      loop_.until([&] { return !peer.sockets.empty() && !peer.sockets[0]->frames.empty(); }));
  Frame answer;
  answer.correlation_id = peer.sockets[0]->frames[0].correlation_id;
  answer.payload = std::string(1000, '.');
  peer.sockets[0]->send(encode(answer).substr(0, 500));
  call(2, 20ms);
  ASSERT_TRUE(loop_.until(answers_.count_is(1)));
  EXPECT_EQ(answers_.of(2).outcome, Outcome::kTimeout);
  EXPECT_FALSE(lost_.has_value());
  ASSERT_TRUE(loop_.until(answers_.count_is(2)));
  EXPECT_EQ(answers_.of(1).outcome, Outcome::kTimeout);
  ASSERT_TRUE(loop_.until([&] { return lost_.has_value(); }));
  EXPECT_EQ(lost_, Lost::kMalformed);
}

// Its length is known from its first bytes: nothing of it is kept.
TEST_F(ChannelLoss, AnAnswerAboveTheLimitIsCutOff) {
  RawPeer peer(loop_.io);
  const auto socket = connected(peer, 1);
  channel_->take_at_most(1'000);
  socket->answer(socket->frames[0].correlation_id, std::string(2'000, '.'));
  expect_all(1, Outcome::kMalformed, true);
  EXPECT_THAT(answers_.of(1).error_text, HasSubstr("above the limit of 1000"));
}

TEST_F(ChannelLoss, AnIdleConnectionIsWatchedToo) {
  RawPeer peer(loop_.io);
  const auto socket = connected(peer, 1);
  socket->answer(socket->frames[0].correlation_id, "done");
  ASSERT_TRUE(loop_.until(answers_.count_is(1)));
  loop_.drain();
  EXPECT_FALSE(lost_);
  socket->close();
  ASSERT_TRUE(loop_.until([&] { return lost_.has_value(); }));
  EXPECT_EQ(lost_, Lost::kClosedByPeer);
  EXPECT_FALSE(channel_->connected());
}

// What was answered before the peer died is an answer, though the reset overtook it in the kernel.
TEST_F(ChannelLoss, AnswersBeforeTheResetCount) {
  RawPeer peer(loop_.io, false);
  open(peer.endpoint());
  call(1);
  call(2);
  Frame request;
  request.is_request = true;
  request.service = "TabletServer";
  request.method = "Get";
  request.correlation_id = 1;
  std::size_t both = encode(request).size();
  request.authentication_data = kServiceAuthentication;  // Of the first one only.
  both += encode(request).size();
  ASSERT_TRUE(loop_.until([&] { return !peer.sockets.empty(); }));
  ASSERT_TRUE(loop_.until([&] { return peer.sockets[0]->unread() == both; }));
  peer.sockets[0]->answer(1, "in time");
  peer.sockets[0]->close();  // With the requests unread: a reset.
  ASSERT_TRUE(loop_.until(answers_.count_is(2)));
  EXPECT_EQ(answers_.of(1).outcome, Outcome::kAnswered);
  EXPECT_EQ(answers_.of(1).payload, "in time");
  EXPECT_EQ(answers_.of(2).outcome, Outcome::kReset);
  EXPECT_EQ(lost_, Lost::kReset);
}

// SIGKILL of a process: its kernel closes what it had.
TEST_F(ChannelLoss, AKilledProcessIsNoticed) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_GE(listener, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener, 5), 0);
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::accept(listener, nullptr, nullptr) < 0) ::_exit(1);
    while (true) ::pause();
  }
  ::close(listener);
  open("127.0.0.1:" + std::to_string(ntohs(address.sin_port)));
  call(1);
  ASSERT_TRUE(loop_.until([&] { return channel_->connected(); }));
  loop_.drain();
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  expect_all(1, Outcome::kReset, true);
  EXPECT_TRUE(lost_);
  call(2);
  ASSERT_TRUE(loop_.until(answers_.count_is(2)));
  EXPECT_EQ(answers_.of(2).outcome, Outcome::kRefused);
}

TEST_F(ChannelLoss, ConnectsAnewAfterALoss) {
  RawPeer peer(loop_.io);
  connected(peer, 1)->reset();
  expect_all(1, Outcome::kReset, true);
  call(2);
  ASSERT_TRUE(loop_.until([&] { return peer.sockets.size() == 2; }));
  ASSERT_TRUE(loop_.until([&] { return peer.sockets[1]->frames.size() == 1; }));
  peer.sockets[1]->answer(peer.sockets[1]->frames[0].correlation_id, "second life");
  ASSERT_TRUE(loop_.until(answers_.count_is(2)));
  EXPECT_EQ(answers_.of(2).payload, "second life");
}

TEST_F(ChannelLoss, ACallFromInsideOnLostIsTheNextConnections) {
  RawPeer peer(loop_.io);
  const auto socket = connected(peer, 1);
  channel_->on_lost = [&](Lost) { call(2); };
  socket->close();
  ASSERT_TRUE(loop_.until([&] { return peer.sockets.size() == 2; }));
  EXPECT_EQ(answers_.of(1).outcome, Outcome::kReset);
  EXPECT_EQ(channel_->calls_in_flight(), 1u);
  ASSERT_TRUE(loop_.until([&] { return peer.sockets[1]->frames.size() == 1; }));
}

TEST_F(ChannelLoss, DestructionFromInsideOnLost) {
  RawPeer peer(loop_.io);
  const auto socket = connected(peer, 2);
  channel_->on_lost = [&, guard = std::make_shared<int>(0)](Lost) {
    channel_.reset();
    EXPECT_EQ(*guard, 0);  // What runs is not destroyed with the channel.
  };
  socket->reset();
  ASSERT_TRUE(loop_.until(answers_.count_is(2)));
  EXPECT_FALSE(channel_);
}

TEST_F(ChannelLoss, DestructionFromInsideAFailedCall) {
  open(dead_endpoint(loop_.io));
  channel_->call("TabletServer", "Get", "", 20s, [&](Answer answer) {
    EXPECT_EQ(answer.outcome, Outcome::kRefused);
    channel_.reset();
  });
  call(1);
  ASSERT_TRUE(loop_.until(answers_.count_is(1)));
  EXPECT_EQ(answers_.of(1).outcome, Outcome::kRefused);
}

TEST_F(ChannelLoss, MalformedAnswersCloseTheConnection) {
  RawPeer peer(loop_.io);
  const auto socket = connected(peer, 2);
  socket->send(std::string("HTTP/1.1 400 Bad Request\r\n\r\n"));
  expect_all(2, Outcome::kMalformed, true);
  EXPECT_EQ(lost_, Lost::kMalformed);
  EXPECT_THAT(answers_.of(1).error_text, HasSubstr("48 54 54 50"));
  EXPECT_TRUE(loop_.until([&] { return socket->ended; }));
}

TEST_F(ChannelLoss, TooLargeAnAnswerIsMalformed) {
  RawPeer peer(loop_.io);
  connected(peer, 1)->send(std::string("PRPC\x04\x00\x00\x01\x00\x00\x00\x08", 12));
  expect_all(1, Outcome::kMalformed, true);
  EXPECT_THAT(answers_.of(1).error_text, HasSubstr("67108865"));
}

TEST_F(ChannelLoss, ARequestIsNoAnswer) {
  RawPeer peer(loop_.io);
  const auto socket = connected(peer, 1);
  socket->send(socket->frames[0]);
  expect_all(1, Outcome::kMalformed, true);
  EXPECT_EQ(lost_, Lost::kMalformed);
}

// A thousand answers that nobody asked for, and no other.
void flood(RawSocket& socket, std::int64_t id) {
  Frame stray;
  stray.correlation_id = id;
  std::string bytes;
  for (int i = 0; i < 1'000; ++i) bytes += encode(stray);
  socket.send(bytes);
}

TEST_F(ChannelLoss, AFloodOfAnswersThatNobodyAskedForIsCutOff) {
  RawPeer peer(loop_.io);
  flood(*connected(peer, 1), 4711);
  expect_all(1, Outcome::kMalformed, true);
  EXPECT_EQ(lost_, Lost::kMalformed);
  EXPECT_THAT(answers_.of(1).error_text, HasSubstr("sent 1000 answers in a row that nobody"));
}

TEST_F(ChannelLoss, AFewStraysBetweenAnswersAreBorne) {
  RawPeer peer(loop_.io);
  const auto socket = connected(peer, 3);
  for (std::size_t i = 0; i < 2; ++i) {
    Frame stray;
    stray.correlation_id = 4711;
    for (int n = 0; n < 999; ++n) socket->send(stray);
    socket->answer(socket->frames[i].correlation_id, "done");
    ASSERT_TRUE(loop_.until(answers_.count_is(i + 1)));
  }
  EXPECT_TRUE(channel_->connected());
}

// A tablet that was stopped answers all that it was asked for, in vain: it is no stranger.
TEST_F(ChannelLoss, LateAnswersAreNoFlood) {
  RawPeer peer(loop_.io);
  const auto socket = connected(peer, 1);
  for (int i = 2; i <= 1'500; ++i) call(i, 1ms);
  ASSERT_TRUE(loop_.until(answers_.count_is(1'499)));
  ASSERT_TRUE(loop_.until([&] { return socket->frames.size() == 1'500; }));
  for (const Frame& asked : std::vector(socket->frames.rbegin(), socket->frames.rend())) {
    socket->answer(asked.correlation_id, "late");
  }
  ASSERT_TRUE(loop_.until(answers_.count_is(1'500)));
  EXPECT_EQ(answers_.of(1).outcome, Outcome::kAnswered);
  EXPECT_TRUE(channel_->connected());
}

// A listener whose queue is full does not answer: the kernel drops what knocks.
class SilentListener {
 public:
  explicit SilentListener(asio::io_context& io) : acceptor_(io, tcp::v4()) {
    acceptor_.bind({asio::ip::address_v4::loopback(), 0});
    acceptor_.listen(0);
    for (int i = 0; i < 8; ++i) {
      fillers_.emplace_back(io);
      fillers_.back().async_connect(acceptor_.local_endpoint(), [](boost::system::error_code) {});
    }
  }
  std::string endpoint() const {
    return "127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
  }

 private:
  tcp::acceptor acceptor_;
  std::vector<tcp::socket> fillers_;
};

TEST_F(ChannelLoss, NoConnectionInTime) {
  const SilentListener silent(loop_.io);
  loop_.drain();
  open(silent.endpoint(), {.connect_timeout = 20s});
  call(1, 10ms);  // Its own deadline holds while connecting, too.
  expect_all(1, Outcome::kTimeout, false);
  EXPECT_THAT(answers_.of(1).error_text, HasSubstr("no answer within 10 ms"));
  open(silent.endpoint(), {.connect_timeout = 20ms});
  call(2);
  expect_all(2, Outcome::kTimeout, false);
  EXPECT_THAT(answers_.of(2).error_text, HasSubstr("no connection in time"));
  EXPECT_FALSE(lost_);
  call(3);  // Tries again.
  expect_all(3, Outcome::kTimeout, false);
}

// A hung peer takes what fits into the kernel; what did not is taken back at its deadline, and a
// peer that wakes up later never sees it.
TEST_F(ChannelLoss, WhatWasNotSentIsTakenBack) {
  RawPeer peer(loop_.io, false);
  open(peer.endpoint());
  for (int i = 0; i < 30; ++i) call(i, 20s, std::string(1u << 20, 'x'));
  call(30, 50ms, "never sent");
  ASSERT_TRUE(loop_.until(answers_.count_is(1)));
  EXPECT_EQ(answers_.of(30).outcome, Outcome::kTimeout);
  EXPECT_FALSE(answers_.of(30).sent);
  call(31, 20s, "sent later");
  ASSERT_TRUE(loop_.until([&] { return peer.sockets.size() == 1; }));
  const auto socket = peer.sockets[0];
  socket->read();
  ASSERT_TRUE(loop_.until([&] { return socket->frames.size() == 31; }));
  EXPECT_EQ(socket->frames[30].payload, "sent later");
  socket->reset();
  ASSERT_TRUE(loop_.until(answers_.count_is(32)));
  EXPECT_TRUE(answers_.of(0).sent);
}

TEST_F(ChannelLoss, WhatWasNotSentWhenTheConnectionBrokeSaysSo) {
  RawPeer peer(loop_.io, false);
  open(peer.endpoint());
  for (int i = 0; i < 30; ++i) call(i, 20s, std::string(1u << 20, 'x'));
  ASSERT_TRUE(loop_.until([&] { return peer.sockets.size() == 1; }));
  loop_.drain();
  peer.sockets[0]->reset();
  ASSERT_TRUE(loop_.until(answers_.count_is(30)));
  EXPECT_TRUE(answers_.of(0).sent);
  EXPECT_FALSE(answers_.of(29).sent);
  EXPECT_EQ(answers_.of(29).outcome, Outcome::kReset);
}

// SAFETY 15: none of these says anything about the process at the other end.
TEST_F(ChannelLoss, SilenceIsNoEvidence) {
  for (const char* endpoint :
       {"nonsense", "127.0.0.1", "127.0.0.1:99999", "::1:80", ":80", "255.255.255.255:9"}) {
    answers_.came.clear();
    open(endpoint);
    call(1);
    EXPECT_TRUE(answers_.came.empty());
    expect_all(1, Outcome::kUnreachable, false);
    EXPECT_THAT(answers_.of(1).error_text, HasSubstr(endpoint));
  }
}

TEST_F(ChannelLoss, NoDescriptorLeftIsNoEvidence) {
  RawPeer peer(loop_.io);
  open(peer.endpoint());
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 3;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  call(1);
  expect_all(1, Outcome::kUnreachable, false);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  call(2);
  ASSERT_TRUE(loop_.until([&] { return channel_->connected(); }));
}

}  // namespace
}  // namespace failoverd::rpc
