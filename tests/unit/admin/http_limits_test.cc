// Callers who want too much of the HTTP server: of the loop, of its places.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <vector>

#include "tests/harness/wait_until.h"
#include "tests/unit/admin/fake_source.h"
#include "tests/unit/admin/raw_http.h"

namespace failoverd::admin {
namespace {

using namespace std::chrono_literals;

class HttpLimitsTest : public testing::Test {
 protected:
  ServedSource served_;
  FakeSource& source_ = served_.source;
};

// Readers who want more than their share wait for each other, and then get 503. Who watches this
// process, and who steers it, goes past them.
TEST_F(HttpLimitsTest, ReadersShareAPartOfTheLoop) {
  HttpOptions options;
  options.share = 1e-9;  // One answer takes all for days.
  options.burst = {};
  options.turn_timeout = 50ms;
  std::atomic<int> refused{0};
  options.on_refused = [&] { ++refused; };
  served_.start(options);
  EXPECT_EQ(ask(served_.port, get("/metrics")).status, 200);
  for (const char* target : {"/metrics", "/api/v1/tables", "/api/v1/nosuch", "/%zz"}) {
    const auto busy = ask(served_.port, get(target));
    EXPECT_EQ(busy.status, 503) << target;
    EXPECT_TRUE(busy.has("Retry-After: 1\r\n"));
    EXPECT_TRUE(busy.body.starts_with("{\"error\":\"too many readers")) << busy.body;
  }
  EXPECT_EQ(refused, 4);
  EXPECT_EQ(ask(served_.port, get("/healthz")).status, 200);
  EXPECT_EQ(ask(served_.port, get("/readyz")).status, 200);
  EXPECT_EQ(ask(served_.port, post("/api/v1/commands/confset", "{}")).status, 200);
}

// A body that any site's page may send without being asked is refused, and closes nothing else.
TEST_F(HttpLimitsTest, OnlyJsonIsACommand) {
  served_.start();
  const auto with = [&](const std::string& type) {
    return ask(served_.port, post("/api/v1/commands/confset", "{}",
                                  "Host: 127.0.0.1\r\nContent-Type: " + type + "\r\n"))
        .status;
  };
  EXPECT_EQ(with("application/json"), 200);
  EXPECT_EQ(with("Application/JSON ; charset=utf-8"), 200);
  for (const char* type : {"text/plain", "application/x-www-form-urlencoded", "application/jsonx",
                           "multipart/form-data; boundary=application/json", ""}) {
    EXPECT_EQ(with(type), 415) << type;
  }
  EXPECT_EQ(ask(served_.port, "POST /api/v1/commands/x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").status,
            200)
      << "no body, no type";
  EXPECT_EQ(ask(served_.port, "GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n").status, 403);
  EXPECT_EQ(ask(served_.port, "GET /metrics HTTP/1.0\r\n\r\n").status, 200);
  const std::string via = "Host: 127.0.0.1\r\nvia: 1.1 proxy\r\n";
  EXPECT_EQ(ask(served_.port, post("/api/v1/commands/x", "{}", via)).status, 403);
}

// Whoever keeps the server waiting is idle, however far his request or his answer has come.
TEST_F(HttpLimitsTest, WhoeverIsWaitedForMakesRoom) {
  HttpOptions options;
  options.max_connections = 4;
  source_.replica_rows.resize(kMostRows);
  for (ReplicaRow& row : source_.replica_rows) row.name.assign(10'000, 'x');
  served_.start(options);
  RawConnection lazy(served_.port, 4096);
  lazy.send(get("/api/v1/tables"));
  lazy.read_until("HTTP/1.1 200");  // And takes no more.
  std::vector<std::unique_ptr<RawConnection>> slow;
  for (const char* begun : {"", "GET /healthz HTT",
                            "POST /api/v1/commands/x HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                            "Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{"}) {
    slow.push_back(std::make_unique<RawConnection>(served_.port));
    slow.back()->send(begun);
  }
  EXPECT_TRUE(harness::wait_until([&] { return served_.connections() == 4; }, 10s, "all there"));
  std::vector<std::unique_ptr<RawConnection>> operators;
  for (int i = 0; i < 4; ++i) {
    operators.push_back(std::make_unique<RawConnection>(served_.port));
    operators.back()->send(get("/healthz"));
    EXPECT_EQ(operators.back()->answer().status, 200) << i;
  }
  for (auto& one : slow) EXPECT_TRUE(one->read_to_end());
  EXPECT_TRUE(lazy.read_to_end());
}

// Who asks and goes keeps no place, and his answer no turn.
TEST_F(HttpLimitsTest, WhoHasGoneMakesRoom) {
  HttpOptions options;
  options.share = 1e-9;  // After one answer nobody's turn comes.
  options.burst = {};
  options.turn_timeout = 1h;
  options.max_connections = 2;
  served_.start(options);
  EXPECT_EQ(ask(served_.port, get("/metrics")).status, 200);
  RawConnection stays(served_.port);
  stays.send(get("/metrics"));
  EXPECT_TRUE(harness::wait_until([&] { return served_.connections() == 1; }, 10s, "it waits"));
  for (int i = 0; i < 5; ++i) {
    {
      RawConnection goes(served_.port);
      goes.send(get("/metrics"));
      EXPECT_TRUE(harness::wait_until([&] { return served_.connections() == 2; }, 10s, "full"));
    }
    RawConnection operators(served_.port);
    operators.send(get("/healthz"));
    EXPECT_EQ(operators.answer().status, 200) << i;
  }
}

TEST_F(HttpLimitsTest, IdleOnesGiveTheirDescriptorsBack) {
  served_.start();
  RawConnection begun(served_.port);
  begun.send("GET /hea");
  RawConnection idle(served_.port);
  idle.send(get("/healthz"));
  EXPECT_EQ(idle.answer().status, 200);
  EXPECT_TRUE(harness::wait_until([&] { return served_.connections() == 2; }, 10s, "both there"));
  served_.close_idle();
  EXPECT_TRUE(begun.read_to_end());
  EXPECT_TRUE(idle.read_to_end());
}

}  // namespace
}  // namespace failoverd::admin
