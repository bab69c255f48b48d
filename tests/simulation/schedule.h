// Virtual time: what happens next, in the order of (time, order of asking). Nothing here knows a
// clock. Owned by the world.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "lib/base/time.h"

namespace failoverd::simulation {

using Work = std::function<void()>;

class Schedule {
 public:
  // Not zero: the core takes a zero Instant for "never".
  Instant now() const { return now_; }
  std::uint64_t steps() const { return steps_; }
  // The same moment, as clocks on the wall show it.
  std::int64_t wall_now_ms() const { return now_.time_since_epoch().count() / 1000; }

  void at(Instant when, Work work) {
    items_.push_back({std::max(when, now_), ++sequence_, std::move(work)});
    std::push_heap(items_.begin(), items_.end(), later);
  }
  void after(Duration delay, Work work) { at(now_ + delay, std::move(work)); }

  // Does the next thing that is due until then; false if there is none: it is `until` now.
  bool step(Instant until) {
    if (items_.empty() || items_.front().when > until) {
      now_ = std::max(now_, until);
      return false;
    }
    std::pop_heap(items_.begin(), items_.end(), later);
    Item item = std::move(items_.back());
    items_.pop_back();
    now_ = item.when;
    ++steps_;
    item.work();
    return true;
  }

 private:
  struct Item {
    Instant when;
    std::uint64_t sequence;
    Work work;
  };
  static bool later(const Item& a, const Item& b) {
    return a.when != b.when ? a.when > b.when : a.sequence > b.sequence;
  }

  Instant now_{std::chrono::seconds{1000}};
  std::uint64_t sequence_ = 0;
  std::uint64_t steps_ = 0;
  std::vector<Item> items_;  // A heap.
};

}  // namespace failoverd::simulation
