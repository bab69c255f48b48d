// The loop of a process, and the timer that lives on any loop.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/asio_loop.h"

namespace failoverd {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

class LoopTest : public testing::Test {
 protected:
  std::function<void()> note(const std::string& what) {
    return [this, what] { log_.push_back(what); };
  }

  boost::asio::io_context io_;
  AsioLoop loop_{io_};
  std::vector<std::string> log_;
};

TEST_F(LoopTest, PostsInOrderAndNeverAtOnce) {
  loop_.post(note("a"));
  loop_.post(note("b"));
  EXPECT_TRUE(log_.empty());
  io_.run();
  EXPECT_THAT(log_, ElementsAre("a", "b"));
}

TEST_F(LoopTest, LaterIsNotBefore) {
  const Instant asked = loop_.now();
  std::optional<Instant> done;
  loop_.after(milliseconds{20}, [&] { done = loop_.now(); });
  loop_.after(milliseconds{1}, note("first"));
  loop_.after(milliseconds{10}, note("then"));
  io_.run();
  ASSERT_TRUE(done);
  EXPECT_GE(*done - asked, milliseconds{20});
  EXPECT_THAT(log_, ElementsAre("first", "then"));
}

TEST_F(LoopTest, ATimerIsSetAgain) {
  Timer timer{loop_};
  timer.set(milliseconds{1}, note("replaced"));
  timer.set(milliseconds{2}, note("set again"));
  io_.run();
  EXPECT_THAT(log_, ElementsAre("set again"));
}

TEST_F(LoopTest, ATimerIsTakenBackAndEndsWithItsOwner) {
  Timer timer{loop_};
  timer.set(milliseconds{1}, note("taken back"));
  timer.cancel();
  {
    Timer gone{loop_};
    gone.set(milliseconds{1}, note("of nobody"));
  }
  io_.run();
  EXPECT_TRUE(log_.empty());
}

}  // namespace
}  // namespace failoverd
