// The loop of a process: Asio's, with the machine's clocks. Owned beside the io_context, which
// outlives it; what was asked for outlives the AsioLoop.
#pragma once

#include <boost/asio/io_context.hpp>

#include "lib/base/loop.h"

namespace failoverd {

class AsioLoop : public Loop {
 public:
  explicit AsioLoop(boost::asio::io_context& io) : io_(io) {}

  Instant now() const override;
  std::int64_t wall_now_ms() const override;
  void post(std::function<void()> what) override;
  void after(Duration, std::function<void()> what) override;

 private:
  boost::asio::io_context& io_;
};

}  // namespace failoverd
