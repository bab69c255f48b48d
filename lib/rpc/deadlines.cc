#include "lib/rpc/deadlines.h"

#include <algorithm>
#include <boost/asio/post.hpp>

namespace failoverd::rpc {
namespace {

// Far enough to mean never, near enough for a time_point to hold.
constexpr Duration kLongest = std::chrono::hours{24 * 365};

}  // namespace

Deadlines::Handle Deadlines::set(Duration after, std::int64_t key) {
  const Duration held = std::clamp(after, Duration::zero(), kLongest);
  const Handle handle = due_.emplace(Clock::now() + held, key);
  if (handle->first < armed_) arm();
  return handle;
}

void Deadlines::stop() {
  stopped_ = true;
  due_.clear();
  timer_.cancel();
}

// Deadlines that are unset leave the timer as it is: nearly all are, and it fires once for many.
void Deadlines::arm() {
  armed_ = due_.begin()->first;
  timer_.expires_at(armed_);
  timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (error || self->stopped_) return;
    // Once more around the loop: an answer that lies ready in the socket comes before its deadline,
    // also when it was this process that slept.
    boost::asio::post(self->timer_.get_executor(), [self] { self->fire(); });
  });
}

void Deadlines::fire() {
  armed_ = Clock::time_point::max();
  const Clock::time_point now = Clock::now();
  while (!stopped_ && !due_.empty() && due_.begin()->first <= now) {
    const std::int64_t key = due_.begin()->second;
    due_.erase(due_.begin());
    on_due(key);
  }
  if (!stopped_ && !due_.empty() && due_.begin()->first < armed_) arm();
}

}  // namespace failoverd::rpc
