// The made-up world and its ZooKeeper behave as the real ones do: what the simulation proves is
// worth no more than this. What every tablet does is in tests/contract/.
#include <string>
#include <vector>

#include "tests/simulation/daemon.h"
#include "tests/simulation/fake_cluster.h"

namespace failoverd::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_F(MadeUp, AStoppedProcessDoesItLater) {
  world_.pause("B:1");
  bool done = false;
  world_.tablet("B:1").take([&] {
    world_.tablet("B:1").call(core::Promote{kAt, 3, {}}, [&](const core::Answer&) { done = true; });
  });
  world_.run_for(seconds{60});
  EXPECT_FALSE(done);
  world_.resume("B:1");
  world_.run_for(seconds{1});
  EXPECT_TRUE(done);
  EXPECT_TRUE(world_.tablet("B:1").leads(kAt));
}

TEST_F(MadeUp, DemotionWaitsForAHungFollower) {
  write(1);
  world_.pause("B:1");
  write(1);
  const Instant before = world_.schedule.now();
  ASSERT_TRUE(call("A:1", core::Demote{kAt}).ok());
  EXPECT_GT(world_.schedule.now() - before, seconds{10});
}

TEST_F(MadeUp, AQuickRestartFindsItsOldZnodeAndExits) {
  const auto first = world_.fake_zookeeper.nodes().at("A:1").czxid;
  world_.restart("A:1");
  world_.run_for(milliseconds{100});
  EXPECT_FALSE(world_.tablet("A:1").running());
  world_.run_for(seconds{5});
  EXPECT_TRUE(world_.tablet("A:1").running());
  EXPECT_GT(world_.fake_zookeeper.nodes().at("A:1").czxid, first);
  EXPECT_TRUE(world_.fake_zookeeper.nodes().at("A:1").startup);
}

TEST_F(MadeUp, ALostSessionComesBackWithThePlainValue) {
  world_.tablet("A:1").lose_session();
  EXPECT_FALSE(world_.fake_zookeeper.nodes().contains("A:1"));
  world_.run_for(seconds{3});
  EXPECT_FALSE(world_.fake_zookeeper.nodes().at("A:1").startup);
  EXPECT_TRUE(world_.tablet("A:1").leads(kAt));
}

// The same seed, the same world.
TEST_F(MadeUp, IsRepeatable) {
  const auto steps = [](std::uint64_t seed) {
    World world{seed, Timing{}};
    for (const char* name : {"A:1", "B:1"}) world.add_tablet(name);
    world.start_daemon();
    world.run_for(seconds{20});
    return world.schedule.steps();
  };
  EXPECT_EQ(steps(7), steps(7));
}

}  // namespace
}  // namespace failoverd::simulation
