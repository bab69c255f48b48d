#include "lib/base/stop_deadline.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <string_view>

#include "lib/base/check.h"

namespace failoverd {
namespace {

// Signal handlers reach nothing else. All of it is set before the first signal can come.
timer_t deadline_timer{};
itimerspec deadline_after{};
std::array<struct sigaction, NSIG> inner{};

// From here on: only what may be done in a signal's handler.

void give_up(int) {
  constexpr std::string_view kWords =
      "failoverd: something hangs; stopped without waiting for it\n";
  [[maybe_unused]] const auto said = ::write(STDERR_FILENO, kWords.data(), kWords.size());
  ::_exit(0);
}

void begin_to_stop(int signal, siginfo_t* info, void* context) {
  const int error = errno;
  itimerspec left{};
  // A second SIGTERM gives no more time.
  if (::timer_gettime(deadline_timer, &left) == 0 && left.it_value.tv_sec == 0 &&
      left.it_value.tv_nsec == 0) {
    ::timer_settime(deadline_timer, 0, &deadline_after, nullptr);
  }
  const struct sigaction& own = inner[static_cast<std::size_t>(signal)];
  if ((own.sa_flags & SA_SIGINFO) != 0) {
    own.sa_sigaction(signal, info, context);
  } else if (own.sa_handler != SIG_IGN && own.sa_handler != SIG_DFL) {
    own.sa_handler(signal);
  }
  errno = error;
}

}  // namespace

void end_after(std::initializer_list<int> signals, Duration deadline) {
  deadline_after.it_value.tv_sec = deadline.count() / 1'000'000;
  deadline_after.it_value.tv_nsec = deadline.count() % 1'000'000 * 1000;
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGALRM;
  CHECK(::timer_create(CLOCK_MONOTONIC, &event, &deadline_timer) == 0);
  struct sigaction ends {};
  ends.sa_handler = give_up;
  CHECK(::sigaction(SIGALRM, &ends, nullptr) == 0);
  for (const int signal : signals) {
    auto& own = inner[static_cast<std::size_t>(signal)];
    CHECK(::sigaction(signal, nullptr, &own) == 0);
    struct sigaction outer = own;
    outer.sa_flags |= SA_SIGINFO | SA_RESTART;
    outer.sa_sigaction = begin_to_stop;
    CHECK(::sigaction(signal, &outer, nullptr) == 0);
  }
}

}  // namespace failoverd
