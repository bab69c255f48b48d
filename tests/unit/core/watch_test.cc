// When a tablet is asked again.
#include "lib/core/watch.h"

#include <gtest/gtest.h>

namespace failoverd::core {
namespace {

using std::chrono::milliseconds;

// Table flow on tablet A, which is registered and has answered its first question.
class WatchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    desk.now = Instant{std::chrono::seconds{10}};
    TableShape shape;
    shape.znode = "table/table_data/flow";
    shape.version = 1;
    shape.name = "flow";
    shape.tid = 2;
    shape.partitions.push_back({0, {{"A", true, true}}, {{1, 0}}});
    ASSERT_EQ(model.put_table(shape, desk.now), std::nullopt);
    watch.start();
    watch.listed({{{"A", 7, false}}});
    while (asked()) answer(Transport::kAnswered);
    desk.out.clear();
  }

  // The oldest question that is open.
  bool asked() {
    for (const Command& command : desk.out) {
      if (const auto* call = std::get_if<CallTablet>(&command)) {
        id = call->id;
        return true;
      }
    }
    return false;
  }
  void answer(Transport transport) {
    ASSERT_TRUE(asked());
    std::erase_if(desk.out, [&](const Command& command) {
      const auto* call = std::get_if<CallTablet>(&command);
      return call && call->id == id;
    });
    Answer a;
    a.transport = transport;
    watch.heard(*model.find_tablet("A"), a);
    watch.answered(*desk.close(id), a);
  }
  // Lets the next timer fire, and tells how long it took.
  Duration until_next_timer() {
    for (std::size_t i = 0; i < desk.out.size(); ++i) {
      const auto* timer = std::get_if<SetTimer>(&desk.out[i]);
      if (!timer) continue;
      const Duration after = timer->at - desk.now;
      desk.now = timer->at;
      const RequestId fired = timer->id;
      desk.out.erase(desk.out.begin() + static_cast<std::ptrdiff_t>(i));
      watch.timer(*desk.close(fired));
      return after;
    }
    return Duration::max();
  }

  Model model;
  Desk desk;
  Watch watch{model, desk};
  RequestId id = 0;
};

TEST_F(WatchTest, ALostConnectionIsLookedAtOnceAndAgain) {
  watch.connection_lost("A");
  answer(Transport::kRefused);
  EXPECT_EQ(until_next_timer(), milliseconds{20});
  EXPECT_TRUE(asked());
}

// Its port accepted once more while it was ending.
TEST_F(WatchTest, AResetIsLookedAtAgainInAMoment) {
  watch.connection_lost("A");
  answer(Transport::kBroken);
  EXPECT_EQ(until_next_timer(), milliseconds{2});
  answer(Transport::kRefused);
  EXPECT_EQ(until_next_timer(), milliseconds{20});
}

TEST_F(WatchTest, APortThatGoesOnResettingIsNotAskedWithoutEnd) {
  watch.connection_lost("A");
  answer(Transport::kBroken);
  EXPECT_EQ(until_next_timer(), milliseconds{2});
  answer(Transport::kBroken);
  EXPECT_EQ(until_next_timer(), milliseconds{20});
  answer(Transport::kBroken);
  EXPECT_EQ(until_next_timer(), milliseconds{20});
}

}  // namespace
}  // namespace failoverd::core
