// The brain's timers: thousands of them behind one of Asio's. They fire in order of their time and
// are never taken back. Owned by the driver.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>

#include "lib/core/api/types.h"

namespace failoverd {

class Timers {
 public:
  Timers(boost::asio::io_context& io, std::function<void(core::RequestId)> fired);

  void set(core::RequestId id, Instant at);

 private:
  void arm();
  void fire();

  boost::asio::steady_timer timer_;
  std::function<void(core::RequestId)> fired_;
  std::multimap<Instant, core::RequestId> due_;
  Instant armed_for_ = Instant::max();
};

}  // namespace failoverd
