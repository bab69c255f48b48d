// What a brain does while nothing happens.
#include <gtest/gtest.h>

#include <map>
#include <variant>

#include "lib/core/brain.h"

namespace failoverd::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A brain that is active over healthy tablets, each answering every question after a millisecond.
class IdleTest : public ::testing::Test {
 protected:
  void SetUp() override {
    TabletsListed tablets;
    for (const char* name : {"A:1", "B:1", "C:1"}) tablets.children.push_back({name, 7, true});
    step(tablets);
    step(TablesListed{});
    step(NameserversListed{});
    step(SwitchRead{true, ""});
    step(ClusterRead{});
    step(LockGained{1, {}, {}, {}, {}});
    step(ContactMade{now_ + seconds{1'000'000}});
  }

  // Carries out what the brain wants.
  void step(const Event& event) {
    for (const Command& command : brain_.step(now_, event)) {
      if (const auto* timer = std::get_if<SetTimer>(&command)) {
        ++timers_set_;
        to_come_.emplace(timer->at, TimerFired{timer->id});
      }
      if (const auto* call = std::get_if<CallTablet>(&command)) {
        ++calls_;
        Answer answer;
        answer.transport = Transport::kAnswered;
        to_come_.emplace(now_ + milliseconds{1}, TabletAnswered{call->id, call->tablet, answer});
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
  Instant now_{seconds{1}};
  std::multimap<Instant, Event> to_come_;
  int timers_set_ = 0;
  int calls_ = 0;
};

// Nothing piles up while nothing happens: each of three tablets is asked once a second what it
// holds, and once in ten what tasks it has.
TEST_F(IdleTest, AsksOnceASecondForEver) {
  let_pass(seconds{10});
  calls_ = timers_set_ = 0;
  let_pass(seconds{10});
  const int timers = timers_set_;
  EXPECT_EQ(calls_, 33);
  let_pass(seconds{1'000});
  calls_ = timers_set_ = 0;
  let_pass(seconds{10});
  EXPECT_EQ(calls_, 33);
  EXPECT_LE(timers_set_, timers);
  EXPECT_LE(to_come_.size(), 12u);
}

}  // namespace
}  // namespace failoverd::core
