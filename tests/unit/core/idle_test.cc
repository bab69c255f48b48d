// What a brain does while nothing happens.
#include "tests/unit/core/brain_test_rig.h"

namespace failoverd::core {
namespace {

using std::chrono::seconds;

// A brain that is active over healthy tablets.
class IdleTest : public BrainTest {
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
