#include <gtest/gtest.h>

#include <memory>

#include "tests/harness/wait_until.h"
#include "tests/unit/admin/fake_source.h"
#include "tests/unit/admin/raw_http.h"

namespace failoverd::admin {
namespace {

using harness::wait_until;
using namespace std::chrono_literals;

class EventStreamTest : public testing::Test {
 protected:
  void add(const std::string& text) {
    served_.on_loop([&] { served_.source.log.add({0, 1, "info", "kind", text, {}}); });
  }
  std::unique_ptr<RawConnection> follow(const std::string& headers, int receive_buffer = 0) {
    auto connection = std::make_unique<RawConnection>(served_.port, receive_buffer);
    connection->send(get("/api/v1/events/stream", headers));
    connection->forget_through(": events\n\n");
    return connection;
  }
  static std::string event(int id, const std::string& text) {
    return "id: " + std::to_string(id) + "\ndata: {\"id\":" + std::to_string(id) +
           ",\"time\":1,\"severity\":\"info\",\"kind\":\"kind\",\"text\":\"" + text +
           "\",\"fields\":{}}\n\n";
  }

  ServedSource served_;
};

TEST_F(EventStreamTest, GivesWhatComes) {
  served_.start();
  add("old");
  auto stream = follow("");
  add("two");
  EXPECT_EQ(stream->read_until("two\",\"fields\":{}}\n\n"), event(2, "two"));
  stream->forget();
  add("three");
  EXPECT_EQ(stream->read_until("three\",\"fields\":{}}\n\n"), event(3, "three"));
}

TEST_F(EventStreamTest, GoesOnWhereTheReaderWas) {
  served_.start();
  for (const char* text : {"one", "two", "three"}) add(text);
  auto stream = follow("Last-Event-ID: 1\r\n");
  EXPECT_EQ(stream->read_until("three\",\"fields\":{}}\n\n"), event(2, "two") + event(3, "three"));
  // A reader of an earlier process has an id that is not there yet: he gets all.
  auto of_earlier_process = follow("Last-Event-ID: 1000\r\n");
  EXPECT_EQ(of_earlier_process->read_until("three\",\"fields\":{}}\n\n"),
            event(1, "one") + event(2, "two") + event(3, "three"));
}

TEST_F(EventStreamTest, ManyEventsArriveInOrder) {
  served_.start();
  auto stream = follow("Last-Event-ID: 0\r\n");
  for (int i = 1; i <= 3000; ++i) {
    add(std::to_string(i));
    stream->read_until("id: " + std::to_string(i) + "\n");
    stream->read_until("fields\":{}}\n\n");
    stream->forget();
  }
  EXPECT_EQ(served_.connections(), 1U);
}

TEST_F(EventStreamTest, BeatsWhileNothingHappens) {
  HttpOptions options;
  options.stream_beat = 10ms;
  served_.start(options);
  auto stream = follow("");
  EXPECT_NE(stream->read_until(": beat\n\n: beat\n\n").find(": beat\n\n: beat\n\n"),
            std::string::npos);
}

TEST_F(EventStreamTest, AReaderWhoLeavesIsForgotten) {
  served_.start();
  auto stream = follow("");
  EXPECT_EQ(served_.connections(), 1U);
  stream.reset();
  EXPECT_TRUE(wait_until([&] { return served_.connections() == 0; }, 10s, "it is forgotten"));
}

// Who follows the active daemon must not go on with one that has become a standby.
TEST_F(EventStreamTest, EndsWhenTheDaemonsStandingChanges) {
  HttpOptions options;
  options.stream_beat = 10ms;
  served_.start(options);
  const std::vector<std::function<void()>> changes = {
      [&] { served_.source.status_view.active = false; },
      [&] { served_.source.status_view.holder.name = "d2:9650"; },
      [&] { served_.source.status_view.ready = false; }};
  for (const auto& change : changes) {
    auto stream = follow("");
    stream->read_until(": beat\n\n");
    served_.on_loop([&] { change(); });
    EXPECT_TRUE(stream->read_to_end());
  }
  // What was told together with the change comes first.
  auto stream = follow("");
  served_.on_loop([&] {
    served_.source.status_view.active = true;
    served_.source.log.add({0, 1, "info", "kind", "active", {}});
  });
  EXPECT_TRUE(stream->read_to_end());
  EXPECT_NE(stream->read_until("active").find("active"), std::string::npos);
}

// Number of events in a stream's text, if they follow each other from 1 on; else 0.
int events_in_order(const std::string& text) {
  int expected = 0;
  for (auto at = text.find("id: "); at != std::string::npos; at = text.find("\nid: ", at)) {
    at = text.find(' ', at) + 1;
    if (std::atoi(text.c_str() + at) != ++expected) return 0;
  }
  return expected;
}

// The log keeps 1,000 events. These are 30 MB, which neither kernel takes in.
TEST_F(EventStreamTest, AReaderWhoFallsBehindIsDroppedAndTheOthersAreServed) {
  HttpOptions options;
  options.request_timeout = 60s;
  served_.start(options);
  auto slow = follow("Last-Event-ID: 0\r\n", 4096);
  auto quick = follow("Last-Event-ID: 0\r\n");
  const std::string text(10 * 1024, 'x');
  for (int i = 1; i <= 3000; ++i) {
    add(text);
    quick->read_until("id: " + std::to_string(i) + "\n");
    quick->read_until("fields\":{}}\n\n");
    quick->forget();
  }
  EXPECT_EQ(served_.connections(), 2U);
  EXPECT_TRUE(slow->read_to_end());
  const int read = events_in_order(slow->read_until("nothing more comes"));
  EXPECT_GT(read, 0);
  EXPECT_LT(read, 3000);
  add("last");
  EXPECT_NE(quick->read_until("last\",\"fields\":{}}\n\n").find("id: 3001\n"), std::string::npos);
}

TEST_F(EventStreamTest, AReaderWhoTakesNothingIsDropped) {
  HttpOptions options;
  options.request_timeout = 100ms;
  served_.start(options);
  auto stalled = follow("Last-Event-ID: 0\r\n", 4096);
  const std::string text(100 * 1024, 'x');
  for (int i = 0; i < 200; ++i) add(text);
  EXPECT_TRUE(wait_until([&] { return served_.connections() == 0; }, 20s, "it is dropped"));
}

TEST_F(EventStreamTest, StreamsAreBounded) {
  HttpOptions options;
  options.max_streams = 2;
  served_.start(options);
  auto one = follow("");
  auto two = follow("");
  EXPECT_EQ(ask(served_.port, get("/api/v1/events/stream")).status, 503);
  one.reset();
  EXPECT_TRUE(wait_until(
      [&] { return served_.connections() == 1 && follow("Last-Event-ID: 0\r\n") != nullptr; }, 10s,
      "there is room again"));
}

TEST_F(EventStreamTest, WhatAReaderSendsEndsIt) {
  served_.start();
  auto stream = follow("");
  stream->send("x");
  EXPECT_TRUE(stream->read_to_end());
}

}  // namespace
}  // namespace failoverd::admin
