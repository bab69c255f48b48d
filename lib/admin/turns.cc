#include "lib/admin/turns.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "lib/base/boot_clock.h"
#include "lib/base/check.h"

namespace failoverd::admin {
namespace {

// What a request costs beside its answer, and what sending costs: rather more than less.
constexpr Duration kEachRequest = std::chrono::microseconds(100);
constexpr Duration kEachMiB = std::chrono::microseconds(400);
constexpr double kMiB = 1024 * 1024;

Duration scaled(Duration d, double by) {
  return Duration{static_cast<Duration::rep>(static_cast<double>(d.count()) * by)};
}

}  // namespace

Turns::Turns(const boost::asio::any_io_executor& executor, double share, Duration burst)
    : share_(share), ahead_(scaled(burst, 1 / share)), timer_(executor), free_at_(boot_now()) {
  CHECK(share > 0 && share <= 1);
}

Turns::Ticket Turns::ask(std::function<void()> begin) {
  auto ticket = std::make_shared<std::function<void()>>(std::move(begin));
  waiting_.push_back(ticket);
  look_soon();
  return ticket;
}

void Turns::over(Duration took) {
  CHECK(taken_);
  taken_ = false;
  free_at_ = std::max(free_at_, boot_now()) + scaled(took, 1 / share_);
  if (!waiting_.empty()) look_soon();
}

// Behind whatever else the loop has to do.
void Turns::look_soon() {
  boost::asio::post(timer_.get_executor(), lifetime_.guard([this] { next(); }));
}

void Turns::next() {
  while (!taken_ && !waiting_.empty()) {
    const auto ticket = waiting_.front().lock();
    if (ticket) {
      const Duration early = free_at_ - boot_now() - ahead_;
      if (early.count() > 0) {
        timer_.expires_after(early);
        timer_.async_wait(lifetime_.guard([this](const boost::system::error_code& e) {
          if (!e) next();
        }));
        return;
      }
      taken_ = true;
    }
    waiting_.pop_front();
    if (ticket) (*ticket)();
  }
}

Turn::Turn(std::shared_ptr<Turns> turns) : turns_(std::move(turns)), begun_(boot_now()) {}

void Turn::end(std::size_t bytes) {
  if (!turns_) return;
  const Duration sending = scaled(kEachMiB, static_cast<double>(bytes) / kMiB);
  std::exchange(turns_, nullptr)->over(boot_now() - begun_ + kEachRequest + sending);
}

}  // namespace failoverd::admin
