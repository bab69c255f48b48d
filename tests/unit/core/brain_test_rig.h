// A brain for unit tests: its timers fire, op ids are there, and tablets answer every question
// after a millisecond that they hold nothing. Time passes when the test says so.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <variant>

#include "lib/core/brain.h"

namespace failoverd::core {

class BrainTest : public ::testing::Test {
 protected:
  // Carries out what the brain wants.
  void step(const Event& event) {
    for (const Command& command : brain_.step(now_, event)) {
      if (const auto* timer = std::get_if<SetTimer>(&command)) {
        ++timers_set_;
        to_come_.emplace(timer->at, TimerFired{timer->id});
      }
      if (const auto* reserve = std::get_if<ReserveOpIds>(&command)) {
        to_come_.emplace(now_, OpIdsReserved{reserve->id, true, kFirstOpId, kFirstOpId + 9'999});
      }
      if (const auto* call = std::get_if<CallTablet>(&command)) {
        ++calls_;
        Answer answer;
        answer.transport = Transport::kAnswered;
        to_come_.emplace(now_ + std::chrono::milliseconds{1},
                         TabletAnswered{call->id, call->tablet, answer});
      }
    }
  }

  void let_pass(Duration time) {
    const Instant end = now_ + time;
    while (!to_come_.empty() && to_come_.begin()->first <= end) {
      const auto [at, event] = *to_come_.begin();
      to_come_.erase(to_come_.begin());
      now_ = std::max(now_, at);
      step(event);
    }
    now_ = end;
  }

  Brain brain_{Policy{}};
  Instant now_{std::chrono::seconds{1}};
  std::multimap<Instant, Event> to_come_;
  int timers_set_ = 0;
  int calls_ = 0;
};

}  // namespace failoverd::core
