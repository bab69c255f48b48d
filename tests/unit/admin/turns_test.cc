#include "lib/admin/turns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <string>

namespace failoverd::admin {
namespace {

using namespace std::chrono_literals;

class TurnsTest : public testing::Test {
 protected:
  Turns::Ticket ask(const std::string& name) {
    return turns_.ask([this, name] { begun_ += name; });
  }
  // All that can be done now.
  void turn_loop() {
    io_.restart();
    io_.poll();
  }

  boost::asio::io_context io_{1};
  Turns turns_{io_.get_executor(), 0.1, 10ms};
  std::string begun_;
};

TEST_F(TurnsTest, OneAtATimeInTheOrderOfAsking) {
  const auto a = ask("a");
  const auto b = ask("b");
  EXPECT_EQ(begun_, "") << "never from inside ask()";
  turn_loop();
  EXPECT_EQ(begun_, "a");
  turns_.over(1us);
  EXPECT_EQ(begun_, "a") << "nor from inside over()";
  turn_loop();
  EXPECT_EQ(begun_, "ab");
}

TEST_F(TurnsTest, WhoHasLeftIsPassedOver) {
  const auto a = ask("a");
  auto b = ask("b");
  const auto c = ask("c");
  b.reset();
  turn_loop();
  turns_.over(1us);
  turn_loop();
  EXPECT_EQ(begun_, "ac");
}

// An answer that took an hour is paid for with nine.
TEST_F(TurnsTest, WhatWasTakenIsGivenBack) {
  const auto a = ask("a");
  const auto b = ask("b");
  turn_loop();
  turns_.over(1h);
  turn_loop();
  EXPECT_EQ(begun_, "a");
}

TEST_F(TurnsTest, AfterARestShortTurnsFollowEachOther) {
  for (int i = 0; i < 5; ++i) {
    const auto ticket = ask("x");
    turn_loop();
    turns_.over(1ms);
  }
  EXPECT_EQ(begun_, "xxxxx");
}

TEST_F(TurnsTest, ATurnEndsWithItsHolder) {
  const auto turns = std::make_shared<Turns>(io_.get_executor(), 0.1, 10ms);
  const auto a = turns->ask([&] { const Turn dropped{turns}; });
  bool came = false;
  const auto b = turns->ask([&] {
    came = true;
    Turn turn{turns};
    turn.end(1000);
  });
  turn_loop();
  turn_loop();
  EXPECT_TRUE(came);
}

}  // namespace
}  // namespace failoverd::admin
