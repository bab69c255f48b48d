// The server among bare clients: floods, garbage, callers who leave, callers who do not listen.
#include "lib/rpc/server.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <optional>

#include "lib/rpc/endpoint.h"
#include "tests/unit/rpc/sockets.h"

namespace failoverd::rpc {
namespace {

using testing::HasSubstr;

std::string request(std::int64_t correlation_id, const std::string& payload,
                    const std::string& authentication_data = {}) {
  Frame frame;
  frame.is_request = true;
  frame.service = "TabletServer";
  frame.method = "Get";
  frame.correlation_id = correlation_id;
  frame.payload = payload;
  frame.authentication_data = authentication_data;
  return encode(frame);
}

class ServerTest : public testing::Test {
 protected:
  void serve(Server::Handler handler) {
    server_.emplace(loop_.io, std::move(handler));
    const auto port = server_->listen("127.0.0.1:0");
    ASSERT_TRUE(port) << port.error().text;
    port_ = *port;
  }
  void serve_echo() {
    serve([](Request asked, const Server::Reply& reply) {
      Response response;
      response.payload = asked.payload;
      response.attachment = asked.attachment;
      reply(response);
    });
  }
  std::shared_ptr<RawSocket> client(bool reads = true) {
    return connect_raw(loop_.io, port_, reads);
  }
  void expect_served(const std::shared_ptr<RawSocket>& caller) {
    const std::size_t before = caller->frames.size();
    caller->send(request(4711, "still there?"));
    ASSERT_TRUE(loop_.until([&] { return caller->frames.size() == before + 1; }));
    EXPECT_EQ(caller->frames.back().correlation_id, 4711);
    EXPECT_EQ(caller->frames.back().payload, "still there?");
  }

  Loop loop_;
  std::optional<Server> server_;
  std::uint16_t port_ = 0;
};

TEST_F(ServerTest, FiftyThousandRequestsInOnePiece) {
  serve_echo();
  const auto caller = client();
  std::string flood;
  for (int i = 0; i < 50'000; ++i) flood += request(i, "payload " + std::to_string(i));
  caller->send(flood);
  ASSERT_TRUE(loop_.until([&] { return caller->frames.size() == 50'000; }, 60s));
  for (int i = 0; i < 50'000; ++i) {
    ASSERT_EQ(caller->frames[i].correlation_id, i);
    ASSERT_EQ(caller->frames[i].payload, "payload " + std::to_string(i));
  }
}

// FEDB.md 8: as a server failoverd does not look at it.
TEST_F(ServerTest, WhatIsShownMeansNothingUnlessItIsAskedFor) {
  serve_echo();
  for (const char* shown : {"", "sdefault", "uroot:secret", "no such thing"}) {
    const auto caller = client();
    caller->send(request(1, "", shown));
    ASSERT_TRUE(loop_.until([&] { return caller->frames.size() == 1; }));
    EXPECT_EQ(caller->frames[0].error_code, 0);
    expect_served(caller);
  }
}

TEST_F(ServerTest, WhoseFirstRequestShowsNothingRightIsNotServed) {
  int served = 0;
  std::vector<std::string> shown;
  server_.emplace(loop_.io, [&](const Request& asked, const Server::Reply& reply) {
    ++served;
    reply({0, {}, asked.payload, {}});
  });
  server_->authenticate([&](const std::string& data) {
    shown.push_back(data);
    return data == kServiceAuthentication;
  });
  port_ = server_->listen("127.0.0.1:0").value();
  for (const char* wrong : {"", "uroot:secret"}) {
    const auto stranger = client();
    stranger->send(request(7, "", wrong) + request(8, "", kServiceAuthentication));
    ASSERT_TRUE(loop_.until([&] { return stranger->ended; }));
    ASSERT_EQ(stranger->frames.size(), 1U);
    EXPECT_EQ(stranger->frames[0].error_code, 1004);
    EXPECT_EQ(stranger->frames[0].correlation_id, 7);
    EXPECT_EQ(served, 0);
  }
  const auto friendly = client();
  friendly->send(request(1, "", kServiceAuthentication));
  ASSERT_TRUE(loop_.until([&] { return friendly->frames.size() == 1; }));
  expect_served(friendly);  // Only the first one is looked at.
  EXPECT_EQ(served, 2);
  EXPECT_EQ(shown, (std::vector<std::string>{"", "uroot:secret", "sdefault"}));
  EXPECT_EQ(server_->connections(), 1U);
}

TEST_F(ServerTest, AnswersGoInTheOrderTheyAreGiven) {
  std::vector<Server::Reply> replies;
  serve([&](const Request&, Server::Reply reply) { replies.push_back(std::move(reply)); });
  const auto caller = client();
  for (int i = 0; i < 3; ++i) caller->send(request(i, ""));
  ASSERT_TRUE(loop_.until([&] { return replies.size() == 3; }));
  for (const int i : {2, 0, 1}) replies[i]({});
  ASSERT_TRUE(loop_.until([&] { return caller->frames.size() == 3; }));
  EXPECT_EQ(caller->frames[0].correlation_id, 2);
  EXPECT_EQ(caller->frames[1].correlation_id, 0);
  EXPECT_EQ(caller->frames[2].correlation_id, 1);
}

TEST_F(ServerTest, MalformedClosesThatConnectionOnly) {
  serve_echo();
  const auto good = client();
  expect_served(good);
  const std::vector<std::string> garbage = {
      "GET / HTTP/1.1\r\n\r\n",
      std::string("PRPC\x00\x00\x00\x02\x00\x00\x00\x02\x0a\xff", 14),
      std::string("PRPC\x7f\x00\x00\x02\x00\x00\x00\x02", 12),
      std::string("PRPC\x00\x00\x00\x02\x00\x00\x00\x03", 12),
      encode(Frame{}),  // An answer to nothing.
      request(1, "first a good one") + "then rubbish",
  };
  for (const std::string& bytes : garbage) {
    const auto bad = client();
    bad->send(bytes);
    EXPECT_TRUE(loop_.until([&] { return bad->ended; })) << bytes;
    expect_served(good);
  }
}

TEST_F(ServerTest, RepliesToWhoHasLeftGoNowhere) {
  std::vector<Server::Reply> replies;
  serve([&](const Request&, Server::Reply reply) { replies.push_back(std::move(reply)); });
  const auto leaves = client();
  const auto resets = client();
  leaves->send(request(1, ""));
  resets->send(request(2, ""));
  ASSERT_TRUE(loop_.until([&] { return replies.size() == 2; }));
  leaves->close();
  resets->reset();
  loop_.drain();
  for (const Server::Reply& reply : replies) reply({});
  loop_.drain();
  const auto stays = client();
  stays->send(request(3, ""));
  ASSERT_TRUE(loop_.until([&] { return replies.size() == 3; }));
  replies[2]({});
  ASSERT_TRUE(loop_.until([&] { return stays->frames.size() == 1; }));
}

TEST_F(ServerTest, DestructionClosesAllAndRepliesGoNowhere) {
  std::vector<Server::Reply> replies;
  serve([&](const Request&, Server::Reply reply) { replies.push_back(std::move(reply)); });
  const auto caller = client();
  caller->send(request(1, ""));
  ASSERT_TRUE(loop_.until([&] { return replies.size() == 1; }));
  server_.reset();
  replies[0]({});
  EXPECT_TRUE(loop_.until([&] { return caller->ended; }));
  EXPECT_TRUE(caller->frames.empty());
  EXPECT_ANY_THROW(client());  // Nobody listens any more.
}

TEST_F(ServerTest, DestructionFromInsideTheHandler) {
  serve([&, guard = std::make_shared<int>(0)](const Request&, const Server::Reply& reply) {
    server_.reset();
    reply({});
    EXPECT_EQ(*guard, 0);  // What runs is not destroyed with the server.
  });
  const auto caller = client();
  caller->send(request(1, "") + request(2, ""));
  EXPECT_TRUE(loop_.until([&] { return caller->ended; }));
}

TEST_F(ServerTest, ADroppedReplyAnswersNothing) {
  serve([](const Request& asked, const Server::Reply& reply) {
    if (asked.payload != "silence") reply({});
  });
  const auto caller = client();
  caller->send(request(1, "silence") + request(2, ""));
  ASSERT_TRUE(loop_.until([&] { return caller->frames.size() == 1; }));
  EXPECT_EQ(caller->frames[0].correlation_id, 2);
}

TEST_F(ServerTest, TooLargeAnAnswerIsAnError) {
  serve([](const Request&, const Server::Reply& reply) {
    Response response;
    response.payload.assign(kMaxFrameBytes, 'x');
    reply(response);
  });
  const auto caller = client();
  caller->send(request(9, ""));
  ASSERT_TRUE(loop_.until([&] { return caller->frames.size() == 1; }));
  EXPECT_EQ(caller->frames[0].correlation_id, 9);
  EXPECT_EQ(caller->frames[0].error_code, 2001);
}

// 120 answers of 1 MiB to one who does not read: only so many requests are taken up, and all of
// them are answered once it reads.
TEST_F(ServerTest, WhoTakesNoAnswersIsReadNoMore) {
  int handled = 0;
  serve([&](const Request&, const Server::Reply& reply) {
    ++handled;
    Response response;
    response.payload.assign(1u << 20, 'x');
    reply(response);
  });
  const auto deaf = client(false);
  std::string all;
  for (int i = 0; i < 120; ++i) all += request(i, "");
  deaf->send(all);
  ASSERT_TRUE(loop_.until([&] { return handled >= 64; }));
  loop_.drain();
  EXPECT_LT(handled, 100);  // 64 MiB of ours, and what the kernel takes.
  const auto other = client();
  other->send(request(1, ""));
  ASSERT_TRUE(loop_.until([&] { return other->frames.size() == 1; }));
  deaf->read();
  ASSERT_TRUE(loop_.until([&] { return deaf->frames.size() == 120; }, 60s));
  EXPECT_EQ(deaf->frames.back().correlation_id, 119);
}

TEST_F(ServerTest, WhoTakesNoAnswersMayLeave) {
  std::vector<Server::Reply> replies;
  serve([&](const Request&, Server::Reply reply) { replies.push_back(std::move(reply)); });
  const auto deaf = client(false);
  deaf->send(request(1, "") + request(2, ""));
  ASSERT_TRUE(loop_.until([&] { return replies.size() == 2; }));
  for (int i = 0; i < 100; ++i) {
    Response response;
    response.payload.assign(1u << 20, 'x');
    replies[0](response);  // Far above what is kept for one connection.
  }
  deaf->send(request(3, ""));
  loop_.drain();
  deaf->reset();
  loop_.drain();
  replies[1]({});
  const auto stays = client();
  stays->send(request(4, ""));
  ASSERT_TRUE(loop_.until([&] { return replies.size() == 3; }));
}

// Without descriptors nobody can be let in; the server waits, and goes on when there are some.
TEST_F(ServerTest, NoDescriptorLeftIsSurvived) {
  serve_echo();
  const auto caller = client();
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 3;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  loop_.drain();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  expect_served(caller);
}

TEST_F(ServerTest, ListenSaysWhyNot) {
  serve_echo();
  Server second(loop_.io, [](const Request&, const Server::Reply&) {});
  const std::string taken = "127.0.0.1:" + std::to_string(port_);
  auto result = second.listen(taken);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().text, "cannot listen on " + taken + ": Address already in use");
  for (const char* wrong : {"", "127.0.0.1", "127.0.0.1:port", "host.name:80", "1.2.3.4:1"}) {
    result = second.listen(wrong);
    ASSERT_FALSE(result) << wrong;
    EXPECT_THAT(result.error().text, HasSubstr("cannot listen on " + std::string(wrong) + ": "));
  }
  EXPECT_TRUE(second.listen("127.0.0.1:0"));
  result = second.listen("127.0.0.1:0");
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().text, HasSubstr("it listens already"));
}

TEST(Endpoints, AreTextAndBack) {
  for (const char* text : {"127.0.0.1:9520", "[::1]:80", "host:0", "a.b:65535"}) {
    const auto parsed = parse_endpoint(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(to_text(*parsed), text);
  }
  EXPECT_EQ(parse_endpoint("[::1]:80")->host, "::1");
  for (const char* text :
       {"", ":", "a:", ":1", "[]:1", "a:65536", "a:-1", "a:1x", "::1", "::1:80"}) {
    EXPECT_FALSE(parse_endpoint(text)) << text;
  }
}

}  // namespace
}  // namespace failoverd::rpc
