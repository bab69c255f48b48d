// Many deadlines on one timer of the io_context. Keys are whoever's; one key may be set once at a
// time. Private to lib/rpc.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "lib/base/time.h"

namespace failoverd::rpc {

class Deadlines : public std::enable_shared_from_this<Deadlines> {
 public:
  using Clock = std::chrono::steady_clock;
  using Handle = std::multimap<Clock::time_point, std::int64_t>::iterator;

  explicit Deadlines(boost::asio::io_context& io) : timer_(io) {}

  // Called from the io_context with a key whose time has come, which is set no more.
  std::function<void(std::int64_t)> on_due;

  Handle set(Duration after, std::int64_t key);
  void unset(Handle handle) { due_.erase(handle); }
  // Nothing is called from now on.
  void stop();

 private:
  void arm();
  void fire();

  boost::asio::steady_timer timer_;
  std::multimap<Clock::time_point, std::int64_t> due_;
  // What the timer waits for; it may be earlier than the first deadline, never later.
  Clock::time_point armed_ = Clock::time_point::max();
  bool stopped_ = false;
};

}  // namespace failoverd::rpc
