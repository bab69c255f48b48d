#include "lib/base/asio_loop.h"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>

#include "lib/base/boot_clock.h"

namespace failoverd {

Instant AsioLoop::now() const { return boot_now(); }

std::int64_t AsioLoop::wall_now_ms() const { return failoverd::wall_now_ms(); }

void AsioLoop::post(std::function<void()> what) { boost::asio::post(io_, std::move(what)); }

void AsioLoop::after(Duration duration, std::function<void()> what) {
  auto timer = std::make_shared<boost::asio::steady_timer>(io_, duration);
  timer->async_wait([timer, what = std::move(what)](const boost::system::error_code& error) {
    if (!error) what();
  });
}

}  // namespace failoverd
