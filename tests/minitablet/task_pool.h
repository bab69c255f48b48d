// A few places for work that takes long (the original's task threads): coroutines that are begun in
// order of arrival, so many at once. Owned by the Tablet; after stop() nothing new begins.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include "tests/minitablet/await.h"

namespace failoverd::minitablet {

class TaskPool : public std::enable_shared_from_this<TaskPool> {
 public:
  using Work = std::function<asio::awaitable<void>()>;

  TaskPool(asio::io_context& io, std::size_t places) : io_{io}, free_{places} {}

  void add(Work work) {
    if (stopped_) return;
    waiting_.push_back(std::move(work));
    if (free_ == 0) return;
    --free_;
    asio::co_spawn(
        io_, [self = shared_from_this()] { return self->run(); }, asio::detached);
  }
  void stop() {
    stopped_ = true;
    waiting_.clear();
  }

 private:
  asio::awaitable<void> run() {
    // The caller has answered before its task begins.
    co_await yield();
    while (!stopped_ && !waiting_.empty()) {
      const Work work = std::move(waiting_.front());
      waiting_.pop_front();
      co_await work();
    }
    ++free_;
  }

  asio::io_context& io_;
  std::size_t free_;
  bool stopped_ = false;
  std::deque<Work> waiting_;
};

}  // namespace failoverd::minitablet
