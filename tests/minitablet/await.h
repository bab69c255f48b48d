// Small coroutines that minitablet and its clients wait with, all on one io_context.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "lib/rpc/channel.h"

namespace failoverd::minitablet {

namespace asio = boost::asio;

inline asio::awaitable<void> sleep_for(std::chrono::steady_clock::duration duration) {
  asio::steady_timer timer{co_await asio::this_coro::executor, duration};
  co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

// Lets everything else on the loop have its turn.
inline asio::awaitable<void> yield() {
  co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
}

// One call on a channel. No coroutine itself, nor may its lambda be written into one: gcc 12
// destroys what a lambda holds twice where it is a temporary of a co_await. The channel must live
// until it is answered, which ~Channel also does.
inline asio::awaitable<rpc::Answer> call(rpc::Channel& channel, std::string_view service,
                                         std::string_view method, std::string request,
                                         std::string attachment, Duration deadline) {
  return asio::async_initiate<const asio::use_awaitable_t<>&, void(rpc::Answer)>(
      [&channel, service = std::string{service}, method = std::string{method}, deadline](
          auto handler, std::string payload, std::string extra) {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        channel.call_with_attachment(
            service, method, std::move(payload), std::move(extra), deadline,
            [shared](rpc::Answer answer) { std::move (*shared)(std::move(answer)); });
      },
      asio::use_awaitable, std::move(request), std::move(attachment));
}

}  // namespace failoverd::minitablet
