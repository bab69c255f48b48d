#include "lib/admin/http_server.h"

#include <gtest/gtest.h>
#include <pwd.h>
#include <unistd.h>

#include <memory>
#include <thread>

#include "tests/harness/wait_until.h"
#include "tests/unit/admin/fake_source.h"
#include "tests/unit/admin/raw_http.h"

namespace failoverd::admin {
namespace {

using harness::wait_until;
using namespace std::chrono_literals;

class HttpServerTest : public testing::Test {
 protected:
  RawAnswer ask_for(const std::string& target, const std::string& headers = "") {
    return ask(served_.port, get(target, headers));
  }
  RawAnswer command(const std::string& name, const std::string& body = "") {
    return ask(served_.port, post("/api/v1/commands/" + name, body));
  }

  std::size_t commands_seen() {
    return served_.on_loop([&] { return source_.commands.size(); });
  }

  ServedSource served_;
  FakeSource& source_ = served_.source;
};

TEST_F(HttpServerTest, Health) {
  served_.start();
  const auto answer = ask_for("/healthz");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "ok\n");
  EXPECT_TRUE(answer.has("Cache-Control: no-store\r\n"));
  EXPECT_TRUE(answer.has("X-Content-Type-Options: nosniff\r\n"));
}

TEST_F(HttpServerTest, Readiness) {
  served_.start();
  EXPECT_EQ(ask_for("/readyz").status, 200);
  EXPECT_EQ(ask_for("/readyz").body, "active\n");
  served_.on_loop([&] {
    source_.status_view.active = false;
    source_.status_view.holder = {"d2:9650", "10.0.0.2:9650"};
    source_.process = std::string(200, 'd') + ":9650/17";
  });
  const auto standby = ask_for("/readyz");
  EXPECT_EQ(standby.body, "standby\n");
  EXPECT_TRUE(standby.has("Failoverd-Role: standby\r\n"));
  EXPECT_TRUE(standby.has("Failoverd-Active: 10.0.0.2:9650\r\n"));
  EXPECT_TRUE(standby.has("Failoverd-Active-Name: d2:9650\r\n"));
  EXPECT_TRUE(standby.has("ddd:9650/17\r\n"));  // Whole, however long.
  served_.on_loop([&] {
    source_.status_view.ready = false;
    source_.status_view.ready_reason = "ZooKeeper has been away for 9 s";
  });
  EXPECT_EQ(ask_for("/readyz").status, 503);
  EXPECT_EQ(ask_for("/readyz").body, "not ready: ZooKeeper has been away for 9 s\n");
}

TEST_F(HttpServerTest, Metrics) {
  served_.start();
  const auto answer = ask_for("/metrics");
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.has("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
  EXPECT_NE(answer.body.find("failoverd_build_info{version=\"1.2.3\"} 1\n"), std::string::npos);
}

TEST_F(HttpServerTest, Lists) {
  source_.conf_rows = {{"auto_failover", "true"}};
  source_.replica_rows.resize(3);
  source_.replica_rows[0].name = "a b/c";
  source_.replica_rows[1].name = "flow";
  source_.replica_rows[1].db = "one";
  source_.replica_rows[2].name = "flow";
  source_.replica_rows[2].db = "two";
  source_.op_rows.resize(2);
  source_.op_rows[0].name = "flow";
  source_.op_rows[1].name = "flow";
  source_.op_rows[1].pid = 1;
  served_.start();
  EXPECT_EQ(ask_for("/api/v1/conf").body,
            "[\n  {\"key\":\"auto_failover\",\"value\":\"true\"}\n]\n");
  EXPECT_EQ(ask_for("/api/v1/tablets").body, "[]\n");
  const auto rows = [&](const std::string& target) {
    const auto answer = ask_for(target);
    EXPECT_EQ(answer.status, 200) << target << answer.body;
    EXPECT_TRUE(answer.has("Content-Type: application/json\r\n"));
    return std::count(answer.body.begin(), answer.body.end(), '\n') -
           (answer.body == "[]\n" ? 1 : 2);
  };
  EXPECT_EQ(rows("/api/v1/tables"), 3);
  EXPECT_EQ(rows("/api/v1/tables/flow"), 2);
  EXPECT_EQ(rows("/api/v1/tables/flow?db=two"), 1);
  EXPECT_EQ(rows("/api/v1/tables/a%20b%2fc"), 1);
  EXPECT_EQ(rows("/api/v1/tables?db=none"), 0);
  EXPECT_EQ(rows("/api/v1/ops"), 2);
  EXPECT_EQ(rows("/api/v1/ops?name=flow&pid=1"), 1);
  EXPECT_EQ(rows("/api/v1/ops?name=other"), 0);
}

TEST_F(HttpServerTest, Events) {
  for (int i = 0; i < 5; ++i) source_.log.add({0, 1, "info", "k", "text", {{"table", "flow"}}});
  served_.start();
  EXPECT_EQ(ask_for("/api/v1/events?since=3&limit=1").body,
            "[\n  {\"id\":4,\"time\":1,\"severity\":\"info\",\"kind\":\"k\",\"text\":\"text\","
            "\"fields\":{\"table\":\"flow\"}}\n]\n");
  EXPECT_EQ(ask_for("/api/v1/events?since=5").body, "[]\n");
}

TEST_F(HttpServerTest, ATableThatIsNotThere) {
  source_.unreadable = {{"torn", "no tid"}};
  served_.start();
  const auto absent = ask_for("/api/v1/tables/nosuch");
  EXPECT_EQ(absent.status, 404);
  EXPECT_EQ(absent.body, "{\"error\":\"table is not exist\"}\n");
  const auto unreadable = ask_for("/api/v1/tables/torn");
  EXPECT_EQ(unreadable.status, 404);
  EXPECT_EQ(unreadable.body, "{\"error\":\"table cannot be read: no tid\"}\n");
}

TEST_F(HttpServerTest, WrongArguments) {
  served_.start();
  for (const char* target :
       {"/api/v1/events?since=x", "/api/v1/events?limit=0", "/api/v1/events?limit=-1",
        "/api/v1/events?since=99999999999999999999", "/api/v1/ops?pid=1",
        "/api/v1/ops?name=flow&pid=x", "/api/v1/ops?name=flow&pid=", "/api/v1/tables/%", "/%zz",
        "/api/v1/ops?name=%4", "/api/v1/events/stream?since=x"}) {
    const auto answer = ask_for(target);
    EXPECT_EQ(answer.status, 400) << target;
    EXPECT_TRUE(answer.body.starts_with("{\"error\":\"")) << answer.body;
    EXPECT_TRUE(answer.body.ends_with("\"}\n")) << answer.body;
  }
  EXPECT_EQ(ask_for("/api/v1/events/stream", "Last-Event-ID: x\r\n").status, 400);
}

TEST_F(HttpServerTest, WrongRoutesAndMethods) {
  served_.start();
  for (const char* target :
       {"/", "/api", "/api/v1/", "/api/v1/nosuch", "/healthz/", "/api/v1/commands"}) {
    EXPECT_EQ(ask_for(target).status, 404) << target;
  }
  const auto method = [&](const std::string& name, const std::string& target) {
    return ask(served_.port, name + " " + target + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  };
  EXPECT_EQ(method("POST", "/api/v1/status").status, 405);
  EXPECT_TRUE(method("DELETE", "/api/v1/tables/flow").has("Allow: GET, HEAD\r\n"));
  EXPECT_EQ(method("OPTIONS", "/nosuch").status, 404);
  EXPECT_EQ(method("GET", "/api/v1/commands/confset").status, 405);
  EXPECT_TRUE(method("GET", "/api/v1/commands/confset").has("Allow: POST\r\n"));
}

TEST_F(HttpServerTest, HeadIsGetWithoutTheBody) {
  served_.start();
  RawConnection connection(served_.port);
  connection.send("HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto head = connection.answer(true);
  EXPECT_EQ(head.status, 200);
  EXPECT_TRUE(head.has("Content-Length: 3\r\n"));
  connection.send(get("/readyz"));  // On the same connection: no byte of a body came before.
  EXPECT_EQ(connection.answer().body, "active\n");
  EXPECT_EQ(ask(served_.port, "HEAD /api/v1/events/stream HTTP/1.1\r\n\r\n").status, 200);
}

TEST_F(HttpServerTest, AConnectionServesManyRequests) {
  served_.start();
  RawConnection connection(served_.port);
  connection.send(get("/healthz") + get("/readyz") + get("/nosuch") + get("/healthz"));
  for (const int status : {200, 200, 404, 200}) EXPECT_EQ(connection.answer().status, status);
  connection.send("GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(connection.answer().status, 200);
  EXPECT_TRUE(connection.read_to_end());
  RawConnection old(served_.port);
  old.send("GET /healthz HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.answer().status, 200);
  EXPECT_TRUE(old.read_to_end());
}

TEST_F(HttpServerTest, WhatIsNotHttpIs400) {
  served_.start();
  for (const char* request : {"hello\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /\r\n\r\n",
                              "GET / HTTP/1.1\r\nno colon\r\n\r\n",
                              "POST /api/v1/commands/x HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                              "Content-Length: x\r\n\r\n",
                              "\x16\x03\x01\x02\x01\x01\x02\x03\r\n\r\n"}) {
    RawConnection connection(served_.port);
    connection.send(request);
    const auto answer = connection.answer();
    EXPECT_EQ(answer.status, 400) << request;
    EXPECT_TRUE(answer.body.starts_with("{\"error\":\"not HTTP")) << answer.body;
    EXPECT_TRUE(connection.read_to_end());
  }
  EXPECT_EQ(ask_for("/healthz").status, 200);
}

TEST_F(HttpServerTest, HeadersAreBounded) {
  served_.start();
  EXPECT_EQ(ask_for("/healthz", "X: " + std::string(15'000, 'x') + "\r\n").status, 200);
  EXPECT_EQ(ask_for("/healthz", "X: " + std::string(20'000, 'x') + "\r\n").status, 431);
  EXPECT_EQ(ask_for("/" + std::string(100'000, 'x')).status, 431);
}

TEST_F(HttpServerTest, BodiesAreBounded) {
  served_.start();
  const std::string largest = "{\"a\": \"" + std::string(1024 * 1024 - 9, 'x') + "\"}";
  ASSERT_EQ(largest.size(), 1024U * 1024U);
  EXPECT_EQ(command("test", largest).status, 200);
  EXPECT_EQ(command("test", largest + " ").status, 413);
  EXPECT_EQ(command("test", std::string(4 << 20, 'x')).status, 413);
  // A length that is only claimed, and a body without one.
  EXPECT_EQ(ask(served_.port,
                "POST /api/v1/commands/x HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                "Content-Length: 99999999999\r\n\r\n")
                .status,
            413);
  RawConnection chunked(served_.port);
  chunked.send(
      "POST /api/v1/commands/x HTTP/1.1\r\nHost: 127.0.0.1\r\n"
      "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
  for (int i = 0; i < 40 && chunked.send(chunk); ++i) {
  }
  EXPECT_EQ(chunked.answer().status, 413);
  EXPECT_EQ(ask(served_.port, get("/healthz", "Content-Length: 1\r\n") + "x").status, 413);
  EXPECT_EQ(commands_seen(), 1U);
}

TEST_F(HttpServerTest, ContinueIsSaidBeforeABody) {
  served_.start();
  RawConnection connection(served_.port);
  connection.send(
      "POST /api/v1/commands/test HTTP/1.1\r\nHost: 127.0.0.1\r\n"
      "Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(connection.answer().status, 100);
  connection.send("{}");
  EXPECT_EQ(connection.answer().status, 200);
}

TEST_F(HttpServerTest, SlowCallersAreCutOff) {
  HttpOptions options;
  options.request_timeout = 100ms;
  options.idle_timeout = 150ms;
  served_.start(options);
  RawConnection silent(served_.port);
  EXPECT_TRUE(silent.read_to_end());
  RawConnection half_a_header(served_.port);
  half_a_header.send("GET /healthz HTT");
  EXPECT_TRUE(half_a_header.read_to_end());
  RawConnection half_a_body(served_.port);
  half_a_body.send(
      "POST /api/v1/commands/x HTTP/1.1\r\nHost: 127.0.0.1\r\n"
      "Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{");
  EXPECT_TRUE(half_a_body.read_to_end());
  RawConnection resting(served_.port);
  resting.send(get("/healthz"));
  EXPECT_EQ(resting.answer().status, 200);
  EXPECT_TRUE(resting.read_to_end());
  EXPECT_TRUE(wait_until([&] { return served_.connections() == 0; }, 10s, "all are gone"));
}

TEST_F(HttpServerTest, AReaderWhoDoesNotReadIsCutOff) {
  HttpOptions options;
  options.request_timeout = 50ms;
  source_.replica_rows.resize(kMostRows);
  for (ReplicaRow& row : source_.replica_rows) row.name.assign(10'000, 'x');  // More than fits.
  served_.start(options);
  RawConnection lazy(served_.port, 4096);
  lazy.send(get("/api/v1/tables"));
  EXPECT_TRUE(wait_until([&] { return served_.connections() == 1; }, 10s, "it is there"));
  EXPECT_TRUE(wait_until([&] { return served_.connections() == 0; }, 20s, "it is gone"));
}

TEST_F(HttpServerTest, TheLongestIdleConnectionMakesRoom) {
  HttpOptions options;
  options.max_connections = 2;
  served_.start(options);
  RawConnection first(served_.port);
  first.send(get("/healthz"));
  EXPECT_EQ(first.answer().status, 200);
  RawConnection second(served_.port);
  second.send(get("/healthz"));
  EXPECT_EQ(second.answer().status, 200);
  RawConnection third(served_.port);
  third.send(get("/healthz"));
  EXPECT_EQ(third.answer().status, 200);
  EXPECT_TRUE(first.read_to_end());
  second.send(get("/healthz"));
  EXPECT_EQ(second.answer().status, 200);
  EXPECT_EQ(served_.connections(), 2U);
}

TEST_F(HttpServerTest, WithoutRoomItSaysSo) {
  HttpOptions options;
  options.max_connections = 2;
  source_.on_command = [](const CommandRequest&, const FakeSource::Done&) {};
  served_.start(options);
  RawConnection first(served_.port);
  RawConnection second(served_.port);
  first.send(post("/api/v1/commands/slow", ""));
  second.send(post("/api/v1/commands/slow", ""));
  ASSERT_TRUE(wait_until([&] { return commands_seen() == 2; }, 10s, "both are at work"));
  RawConnection third(served_.port);
  EXPECT_EQ(third.answer().status, 503);
  EXPECT_TRUE(third.read_to_end());
}

TEST_F(HttpServerTest, ACommandIsCarriedOut) {
  source_.on_command = [](const CommandRequest&, const FakeSource::Done& done) {
    done({CommandResult::Kind::kOk, {7, 1'000'000'001}, "change leader ok", 0, "", "", {}});
  };
  served_.start();
  const auto answer =
      ask(served_.port, post("/api/v1/commands/changeleader", R"({"name": "flow", "pid": 0})",
                             "Host: 127.0.0.1\r\nFailoverd-Who: somebody-else\r\n"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "{\"ops\":[7,1000000001],\"message\":\"change leader ok\"}\n");
  served_.on_loop([&] {
    const CommandRequest& request = source_.commands.at(0);
    EXPECT_EQ(request.name, "changeleader");
    EXPECT_EQ(request.args, (std::map<std::string, std::string>{{"name", "flow"}, {"pid", "0"}}));
    EXPECT_TRUE(request.from.starts_with("127.0.0.1:"));
    // Whom the connection shows: this process.
    const passwd* own = ::getpwuid(::getuid());
    EXPECT_EQ(request.who, own ? own->pw_name : "uid " + std::to_string(::getuid()));
  });
}

TEST_F(HttpServerTest, EveryOutcomeHasItsStatus) {
  using Kind = CommandResult::Kind;
  CommandResult result;
  source_.on_command = [&](const CommandRequest&, const FakeSource::Done& done) { done(result); };
  served_.start();
  const auto outcome = [&](const CommandResult& next) {
    served_.on_loop([&] { result = next; });
    return command("test", "{}");
  };
  auto refused = outcome({Kind::kRefused, {}, "", 309, "leader is alive", "say auto", {}});
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(refused.body, "{\"code\":309,\"error\":\"leader is alive\",\"hint\":\"say auto\"}\n");
  EXPECT_EQ(outcome({Kind::kBadArguments, {}, "", 307, "invalid parameter", "", {}}).status, 400);
  EXPECT_EQ(outcome({Kind::kForbidden, {}, "", 0, "no", "", {}}).status, 403);
  EXPECT_EQ(outcome({Kind::kUnknown, {}, "", 0, "", "", {}}).status, 404);
  auto standby = outcome({Kind::kStandby, {}, "", 300, "", "", {"d2:9650", "10.0.0.2:9650"}});
  EXPECT_EQ(standby.status, 503);
  EXPECT_EQ(standby.body,
            "{\"code\":300,\"error\":\"this daemon is a standby, the active one is "
            "10.0.0.2:9650\",\"active\":\"10.0.0.2:9650\",\"active_name\":\"d2:9650\"}\n");
  // No address that is of use here: its name says where to go.
  EXPECT_EQ(outcome({Kind::kStandby, {}, "", 0, "", "", {"d2:9650", ""}}).body,
            "{\"error\":\"this daemon is a standby, the active one is d2:9650, which listens on "
            "loopback only there: run failoverctl on that host or set listen.http\","
            "\"active_name\":\"d2:9650\"}\n");
  EXPECT_EQ(outcome({Kind::kStandby, {}, "", 0, "", "", {}}).body,
            "{\"error\":\"this daemon is a standby\"}\n");
}

TEST_F(HttpServerTest, ACommandMayTakeItsTime) {
  std::vector<FakeSource::Done> waiting;
  source_.on_command = [&](const CommandRequest&, const FakeSource::Done& done) {
    waiting.push_back(done);
  };
  served_.start();
  RawConnection connection(served_.port);
  connection.send(post("/api/v1/commands/slow", ""));
  ASSERT_TRUE(wait_until([&] { return served_.on_loop([&] { return waiting.size() == 1; }); }, 10s,
                         "the command has arrived"));
  EXPECT_EQ(ask_for("/healthz").status, 200);
  served_.on_loop([&] {
    waiting[0]({CommandResult::Kind::kOk, {}, "done", 0, "", "", {}});
    waiting[0]({CommandResult::Kind::kOk, {}, "done again", 0, "", "", {}});
  });
  EXPECT_EQ(connection.answer().body, "{\"ops\":[],\"message\":\"done\"}\n");
}

TEST_F(HttpServerTest, ACommandThatNeverAnswersIs504) {
  HttpOptions options;
  options.command_timeout = 50ms;
  FakeSource::Done late;
  source_.on_command = [&](const CommandRequest&, const FakeSource::Done& done) { late = done; };
  served_.start(options);
  EXPECT_EQ(command("slow").status, 504);
  served_.on_loop([&] { late({}); });
  EXPECT_EQ(ask_for("/healthz").status, 200);
}

TEST_F(HttpServerTest, BadBodiesAre400) {
  served_.start();
  for (const char* body : {"{", "[]", "{\"a\": [{}]}", "x"}) {
    const auto answer = command("test", body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_TRUE(
        answer.body.starts_with("{\"code\":307,\"error\":\"invalid parameter\",\"hint\":\""))
        << answer.body;
  }
  EXPECT_EQ(commands_seen(), 0U);
}

TEST_F(HttpServerTest, WhoMayChangeThings) {
  HttpOptions options;
  options.access.token = "secret";
  served_.start(options);
  const auto with = [&](const std::string& headers) {
    return ask(served_.port, post("/api/v1/commands/test", "{}", "Host: 127.0.0.1\r\n" + headers));
  };
  const auto without = with("");
  EXPECT_EQ(without.status, 401);
  EXPECT_TRUE(without.has("WWW-Authenticate: Bearer\r\n"));
  EXPECT_EQ(with("Authorization: Bearer wrong\r\n").status, 401);
  EXPECT_EQ(with("Authorization: Bearer secret\r\nOrigin: http://evil.example\r\n").status, 403);
  EXPECT_EQ(with("Authorization: Bearer secret\r\nOrigin: http://127.0.0.1\r\n").status, 200);
  EXPECT_EQ(with("Authorization: Bearer secret\r\n").status, 200);
  EXPECT_EQ(ask_for("/api/v1/status").status, 200);
  EXPECT_EQ(commands_seen(), 2U);
}

TEST_F(HttpServerTest, AReboundNameIsRefused) {
  served_.start();
  EXPECT_EQ(ask(served_.port, post("/api/v1/commands/test", "{}", "Host: evil.example\r\n")).status,
            403);
  EXPECT_EQ(ask(served_.port, post("/api/v1/commands/test", "{}", "")).status, 403);
  EXPECT_EQ(
      ask(served_.port, post("/api/v1/commands/test", "{}", "Host: localhost:9650\r\n")).status,
      200);
}

TEST_F(HttpServerTest, WhatThrowsIs500AndLogged) {
  std::vector<std::string> lines;
  HttpOptions options;
  options.log = [&](const std::string& line) { lines.push_back(line); };
  source_.broken = true;
  served_.start(options);
  EXPECT_EQ(ask_for("/api/v1/status").status, 500);
  EXPECT_EQ(command("test").status, 500);
  EXPECT_EQ(ask_for("/healthz").status, 200);
  served_.stop();
  EXPECT_EQ(lines, (std::vector<std::string>{"an HTTP answer failed: status is broken",
                                             "an HTTP answer failed: command is broken"}));
}

TEST_F(HttpServerTest, EndsWithOpenConnections) {
  source_.on_command = [](const CommandRequest&, const FakeSource::Done&) {};
  served_.start();
  RawConnection idle(served_.port);
  idle.send(get("/healthz"));
  EXPECT_EQ(idle.answer().status, 200);
  RawConnection half(served_.port);
  half.send("GET /heal");
  RawConnection stream(served_.port);
  stream.send(get("/api/v1/events/stream"));
  stream.read_until(": events");
  RawConnection waiting(served_.port);
  waiting.send(post("/api/v1/commands/slow", ""));
  ASSERT_TRUE(wait_until([&] { return commands_seen() == 1; }, 10s, "the command has arrived"));
  served_.stop();
  EXPECT_TRUE(idle.read_to_end());
  EXPECT_TRUE(half.read_to_end());
  EXPECT_TRUE(stream.read_to_end());
  EXPECT_TRUE(waiting.read_to_end());
}

TEST_F(HttpServerTest, ListenFailsWithOneLine) {
  served_.start();
  boost::asio::io_context io;
  FakeSource source;
  HttpServer other(io, source, {});
  const auto failure = [&](const std::string& address) {
    const auto listening = other.listen(address);
    return listening ? "it listens" : listening.error().text;
  };
  EXPECT_EQ(failure(served_.address()),
            "cannot listen on " + served_.address() + ": Address already in use");
  EXPECT_EQ(failure("127.0.0.1"), "cannot listen on 127.0.0.1: it has no port (host:port)");
  EXPECT_EQ(failure("127.0.0.1:x"),
            "cannot listen on 127.0.0.1:x: its port is not a number up to 65535");
  EXPECT_EQ(failure("127.0.0.1:65536"),
            "cannot listen on 127.0.0.1:65536: its port is not a number up to 65535");
  EXPECT_EQ(failure("192.0.2.1:1"),
            "cannot listen on 192.0.2.1:1: Cannot assign requested address");
  EXPECT_TRUE(other.listen("localhost:0"));
}

}  // namespace
}  // namespace failoverd::admin
