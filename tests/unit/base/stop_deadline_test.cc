#include "lib/base/stop_deadline.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

namespace failoverd {
namespace {

volatile std::sig_atomic_t handled = 0;

// What the loop would do: it hears of the signal, and then hangs for ever.
[[noreturn]] void hang_after_a_signal(int signal) {
  handled = 0;
  std::signal(SIGTERM, [](int) { handled = 1; });
  end_after({SIGTERM, SIGINT}, std::chrono::milliseconds{100});
  ::raise(signal);
  if (signal == SIGTERM && handled != 1) ::_exit(7);
  for (;;) ::pause();
}

TEST(StopDeadline, EndsWhatHangs) {
  EXPECT_EXIT(hang_after_a_signal(SIGTERM), testing::ExitedWithCode(0), "something hangs");
}

TEST(StopDeadline, WithoutAHandlerOfItsOwnToo) {
  EXPECT_EXIT(hang_after_a_signal(SIGINT), testing::ExitedWithCode(0), "something hangs");
}

}  // namespace
}  // namespace failoverd
