// Callers who want too much of the HTTP server: of the loop, of its places.
#include <gtest/gtest.h>

#include <atomic>

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

}  // namespace
}  // namespace failoverd::admin
