#include "tests/harness/wait_until.h"

#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <thread>

#include "lib/base/boot_clock.h"

namespace failoverd::harness {
namespace {

bool wait(const std::function<bool()>& predicate, Duration deadline, std::string_view what,
          const std::function<void()>& pass_time) {
  const Instant until = boot_now() + deadline;
  while (!predicate()) {
    if (boot_now() >= until) {
      std::fprintf(stderr, "waited %.1f s in vain: %.*s\n", seconds(deadline),
                   static_cast<int>(what.size()), what.data());
      return false;
    }
    pass_time();
  }
  return true;
}

}  // namespace

bool wait_until(const std::function<bool()>& predicate, Duration deadline, std::string_view what) {
  return wait(predicate, deadline, what,
              [] { std::this_thread::sleep_for(std::chrono::milliseconds{2}); });
}

bool wait_until(boost::asio::io_context& io, const std::function<bool()>& predicate,
                Duration deadline, std::string_view what) {
  return wait(predicate, deadline, what, [&io] {
    const auto work = boost::asio::make_work_guard(io);  // An idle loop must still wait.
    io.restart();
    io.run_one_for(std::chrono::milliseconds{20});
  });
}

}  // namespace failoverd::harness
