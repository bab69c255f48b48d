// What a loop of one thread gives to those who live on it: the time, and a way to do something
// later. The daemon's is AsioLoop; the simulation has one of virtual time. Nothing that was asked
// for is taken back: whoever may be gone by then guards it (lifetime.h), or has a Timer.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "lib/base/lifetime.h"
#include "lib/base/time.h"

namespace failoverd {

class Loop {
 public:
  virtual ~Loop() = default;

  virtual Instant now() const = 0;
  // Milliseconds since the Unix epoch; for people and records, never for decisions.
  virtual std::int64_t wall_now_ms() const = 0;
  // Does it soon, in the order of asking, and never before post() has returned.
  virtual void post(std::function<void()> what) = 0;
  virtual void after(Duration, std::function<void()> what) = 0;
};

// One thing that is to be done later. Setting it again replaces what was set before.
class Timer {
 public:
  explicit Timer(Loop& loop) : loop_(loop) {}

  void set(Duration after, std::function<void()> what) {
    const std::uint64_t setting = ++setting_;
    loop_.after(after, lifetime_.guard([this, setting, what = std::move(what)] {
      if (setting == setting_) what();
    }));
  }
  void cancel() { ++setting_; }

 private:
  Loop& loop_;
  std::uint64_t setting_ = 0;
  Lifetime lifetime_;
};

}  // namespace failoverd
