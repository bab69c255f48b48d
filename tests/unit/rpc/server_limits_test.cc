// Callers who want too much of a server that anybody may reach: its places, its memory, its time.
#include <gtest/gtest.h>

#include <optional>

#include "lib/rpc/server.h"
#include "tests/unit/rpc/sockets.h"

namespace failoverd::rpc {
namespace {

std::string request(std::int64_t correlation_id, const std::string& payload = {}) {
  Frame frame;
  frame.is_request = true;
  frame.service = "NameServer";
  frame.method = "ShowTablet";
  frame.correlation_id = correlation_id;
  frame.payload = payload;
  return encode(frame);
}

class ServerLimitsTest : public testing::Test {
 protected:
  void serve(const Limits& limits, Server::Handler handler) {
    server_.emplace(loop_.io, std::move(handler), limits);
    const auto port = server_->listen("127.0.0.1:0");
    ASSERT_TRUE(port) << port.error().text;
    port_ = *port;
  }
  void serve_echo(const Limits& limits) {
    serve(limits, [](const Request& asked, const Server::Reply& reply) {
      reply({0, "", asked.payload, ""});
    });
  }
  std::shared_ptr<RawSocket> client(bool reads = true) {
    return connect_raw(loop_.io, port_, reads);
  }
  bool connections_are(std::size_t count) {
    return loop_.until([&] { return server_->connections() == count; });
  }
  bool is_served(const std::shared_ptr<RawSocket>& caller) {
    const std::size_t before = caller->frames.size();
    caller->send(request(1));
    return loop_.until([&] { return caller->frames.size() > before || caller->ended; }) &&
           !caller->ended;
  }

  Loop loop_;
  std::optional<Server> server_;
  std::uint16_t port_ = 0;
};

// Of a caller who has many calls open no more is read, until one of them is answered; others are.
TEST_F(ServerLimitsTest, OnlySoManyCallsOfOneCallerAreOpen) {
  std::vector<Server::Reply> replies;
  serve({.calls = 3},
        [&](const Request&, Server::Reply reply) { replies.push_back(std::move(reply)); });
  const auto floods = client();
  std::string all;
  for (int i = 0; i < 20; ++i) all += request(i);
  floods->send(all);
  ASSERT_TRUE(loop_.until([&] { return replies.size() == 3; }));
  const auto other = client();
  other->send(request(99));
  ASSERT_TRUE(loop_.until([&] { return replies.size() == 4; }));
  loop_.drain();
  EXPECT_EQ(replies.size(), 4U);
  for (std::size_t i = 0; i < 21; ++i) {
    ASSERT_TRUE(loop_.until([&] { return replies.size() > i; })) << i;
    replies[i]({});
    replies[i] = nullptr;
  }
  EXPECT_TRUE(loop_.until([&] { return floods->frames.size() == 20; }));
  EXPECT_TRUE(loop_.until([&] { return other->frames.size() == 1; }));
}

// A call that nobody can answer any more is not open.
TEST_F(ServerLimitsTest, ADroppedReplyMakesRoomForTheNextCall) {
  int handled = 0;
  serve({.calls = 1}, [&](const Request&, const Server::Reply&) { ++handled; });
  const auto caller = client();
  caller->send(request(1) + request(2) + request(3));
  EXPECT_TRUE(loop_.until([&] { return handled == 3; }));
}

TEST_F(ServerLimitsTest, AnAnswerFromInsideTheHandlerHoldsNobody) {
  serve_echo({.calls = 1});
  const auto caller = client();
  std::string all;
  for (int i = 0; i < 100; ++i) all += request(i);
  caller->send(all);
  EXPECT_TRUE(loop_.until([&] { return caller->frames.size() == 100; }));
}

TEST_F(ServerLimitsTest, TooLongARequestEndsItsConnection) {
  serve_echo({.frame_bytes = 1000});
  const auto good = client();
  EXPECT_TRUE(is_served(good));
  const auto bad = client();
  bad->send(request(1, std::string(2000, 'x')));
  EXPECT_TRUE(loop_.until([&] { return bad->ended; }));
  EXPECT_TRUE(is_served(good));
}

// The newcomer gets the place of who has kept us waiting longest, not of one that waits for us.
TEST_F(ServerLimitsTest, WhoIsIdleLongestMakesRoom) {
  std::vector<Server::Reply> replies;
  serve({.connections = 3}, [&](const Request& asked, Server::Reply reply) {
    if (asked.payload == "later") return replies.push_back(std::move(reply));
    reply({});
  });
  const auto works = client();
  works->send(request(1, "later"));
  ASSERT_TRUE(loop_.until([&] { return replies.size() == 1; }));
  const auto silent = client();
  ASSERT_TRUE(connections_are(2));
  const auto asked = client();
  EXPECT_TRUE(is_served(asked));
  const auto newcomer = client();
  EXPECT_TRUE(is_served(newcomer));
  EXPECT_TRUE(loop_.until([&] { return silent->ended; }));
  EXPECT_FALSE(asked->ended);
  replies[0]({});
  EXPECT_TRUE(loop_.until([&] { return works->frames.size() == 1; }));
}

TEST_F(ServerLimitsTest, WhereAllWaitForUsTheNewcomerGoes) {
  std::vector<Server::Reply> replies;
  serve({.connections = 2},
        [&](const Request&, Server::Reply reply) { replies.push_back(std::move(reply)); });
  const auto a = client();
  const auto b = client();
  a->send(request(1));
  b->send(request(1));
  ASSERT_TRUE(loop_.until([&] { return replies.size() == 2; }));
  const auto newcomer = client();
  EXPECT_TRUE(loop_.until([&] { return newcomer->ended; }));
  EXPECT_FALSE(a->ended || b->ended);
}

TEST_F(ServerLimitsTest, IdleOnesGiveTheirDescriptorsBack) {
  serve_echo({});
  const auto begun = client();
  begun->send("PRPC");
  const auto idle = client();
  EXPECT_TRUE(is_served(idle));
  ASSERT_TRUE(connections_are(2));
  server_->close_idle();
  EXPECT_TRUE(loop_.until([&] { return begun->ended && idle->ended; }));
  EXPECT_EQ(server_->connections(), 0U);
}

TEST_F(ServerLimitsTest, WhoNeverEndsHisRequestGoes) {
  serve_echo({.request_timeout = 100ms});
  const auto patient = client();
  const auto slow = client();
  slow->send("PRPC");
  EXPECT_TRUE(loop_.until([&] { return slow->ended; }));
  EXPECT_TRUE(is_served(patient)) << "between requests a caller may rest";
}

TEST_F(ServerLimitsTest, WhoTakesNoAnswerGoes) {
  serve({.request_timeout = 100ms}, [](const Request&, const Server::Reply& reply) {
    reply({0, "", std::string(32u << 20, 'x'), ""});
  });
  const auto deaf = client(false);
  deaf->send(request(1));
  ASSERT_TRUE(connections_are(1));
  EXPECT_TRUE(connections_are(0));
}

TEST_F(ServerLimitsTest, WhoRestsForVeryLongGoes) {
  serve_echo({.idle_timeout = 100ms});
  const auto caller = client();
  EXPECT_TRUE(is_served(caller));
  EXPECT_TRUE(loop_.until([&] { return caller->ended; }));
}

TEST_F(ServerLimitsTest, SaysWhoCalls) {
  Request seen;
  serve({}, [&](const Request& asked, const Server::Reply& reply) {
    seen = asked;
    reply({});
  });
  EXPECT_TRUE(is_served(client()));
  EXPECT_TRUE(seen.is_local);
  EXPECT_GE(seen.socket, 0);
  EXPECT_TRUE(seen.peer.starts_with("127.0.0.1:")) << seen.peer;
}

// Listening everywhere, IPv4's loopback comes in IPv6 clothes.
TEST_F(ServerLimitsTest, LoopbackIsKnownInAnyClothes) {
  Request seen;
  server_.emplace(
      loop_.io,
      [&](const Request& asked, const Server::Reply& reply) {
        seen = asked;
        reply({});
      },
      Limits{});
  const auto port = server_->listen("[::]:0");
  if (!port) return;  // No IPv6 here.
  port_ = *port;
  EXPECT_TRUE(is_served(client()));
  EXPECT_TRUE(seen.is_local);
  EXPECT_TRUE(seen.peer.starts_with("127.0.0.1:")) << seen.peer;
}

}  // namespace
}  // namespace failoverd::rpc
