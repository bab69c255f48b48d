#include "daemon/timers.h"

#include <utility>
#include <vector>

#include "lib/base/boot_clock.h"

namespace failoverd {

Timers::Timers(boost::asio::io_context& io, std::function<void(core::RequestId)> fired)
    : timer_(io), fired_(std::move(fired)) {}

void Timers::set(core::RequestId id, Instant at) {
  due_.emplace(at, id);
  if (at < armed_for_) arm();
}

void Timers::arm() {
  if (due_.empty()) {
    armed_for_ = Instant::max();
    return;
  }
  armed_for_ = due_.begin()->first;
  timer_.expires_after(armed_for_ - boot_now());
  timer_.async_wait([this](const boost::system::error_code& e) {
    if (!e) fire();
  });
}

void Timers::fire() {
  armed_for_ = Instant::min();  // What is set meanwhile waits for the arm() below.
  std::vector<core::RequestId> now;
  const Instant until = boot_now();
  while (!due_.empty() && due_.begin()->first <= until) {
    now.push_back(due_.begin()->second);
    due_.erase(due_.begin());
  }
  for (const core::RequestId id : now) fired_(id);
  arm();
}

}  // namespace failoverd
