// Whose answer is built next, one at a time, and how much of the loop all answers together may
// take: readers wait for each other, and a failover waits for one answer at most. Those who ask
// come in the order in which they asked. It knows no sockets. One thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <memory>

#include "lib/base/lifetime.h"
#include "lib/base/time.h"

namespace failoverd::admin {

class Turns {
 public:
  // `share` of the loop's time, 0 to 1. After a rest turns of `burst` follow each other at once.
  Turns(const boost::asio::any_io_executor& executor, double share, Duration burst);

  // Keeps a place in the queue; dropping it gives the place up.
  using Ticket = std::shared_ptr<std::function<void()>>;
  // `begin` is called from the loop, never from here, and over() is called once after it.
  [[nodiscard]] Ticket ask(std::function<void()> begin);
  // The turn that was given last is over, and took that long.
  void over(Duration took);

 private:
  void look_soon();
  void next();

  const double share_;
  const Duration ahead_;  // How far free_at_ may lie ahead of now.

  boost::asio::steady_timer timer_;
  std::deque<std::weak_ptr<std::function<void()>>> waiting_;
  bool taken_ = false;
  Instant free_at_;  // When all turns so far are within the share.
  Lifetime lifetime_;
};

// One turn, from its begin to its end().
class Turn {
 public:
  explicit Turn(std::shared_ptr<Turns> turns);
  ~Turn() { end(0); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  // What was built has so many bytes to be sent, which will take its time as well.
  void end(std::size_t bytes);

 private:
  std::shared_ptr<Turns> turns_;  // Null: it has ended.
  const Instant begun_;
};

}  // namespace failoverd::admin
