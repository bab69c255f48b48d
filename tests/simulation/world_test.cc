// The made-up world and its ZooKeeper behave as the real ones do: what the simulation proves is
// worth no more than this. What every tablet does is in tests/contract/.
#include <string>
#include <vector>

#include "tests/simulation/daemon.h"
#include "tests/simulation/made_up.h"

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
  const auto first = world_.keeper.nodes().at("A:1").czxid;
  world_.restart("A:1");
  world_.run_for(milliseconds{100});
  EXPECT_FALSE(world_.tablet("A:1").running());
  world_.run_for(seconds{5});
  EXPECT_TRUE(world_.tablet("A:1").running());
  EXPECT_GT(world_.keeper.nodes().at("A:1").czxid, first);
  EXPECT_TRUE(world_.keeper.nodes().at("A:1").startup);
}

TEST_F(MadeUp, ALostSessionComesBackWithThePlainValue) {
  world_.tablet("A:1").lose_session();
  EXPECT_FALSE(world_.keeper.nodes().contains("A:1"));
  world_.run_for(seconds{3});
  EXPECT_FALSE(world_.keeper.nodes().at("A:1").startup);
  EXPECT_TRUE(world_.tablet("A:1").leads(kAt));
}

TEST_F(MadeUp, AMultiIsAllOrNothing) {
  const SessionId session = world_.keeper.open("x", seconds{2});
  const std::int64_t epoch = world_.keeper.next_epoch();
  core::TableShape other = *world_.keeper.table(kAt);
  other.znode = "table/table_data/other";
  other.tid = 3;
  world_.keeper.write_table(other, "nameserver");
  const core::PartitionEdit dead{0, {{"A:1", true, false}}, {}, {}};
  const core::Publish both{
      1, {{"table/table_data/flow", 0, {dead}, kAt.tid}, {other.znode, 7, {dead}, other.tid}}};
  const core::Published answer = world_.keeper.publish(session, epoch, both, "x");
  EXPECT_EQ(answer.outcome, core::Published::Outcome::kConflict);
  EXPECT_EQ(answer.conflicts, std::vector<std::string>{other.znode});
  EXPECT_TRUE(world_.keeper.partition(kAt)->rows.front().is_alive);
  const core::Publish late{2, {{"table/table_data/flow", 0, {dead}, kAt.tid}}};
  EXPECT_EQ(world_.keeper.publish(session, epoch - 1, late, "x").outcome,
            core::Published::Outcome::kNotHeld);
}

// What is kept of replicas is no table's business: no version rises, nobody is told.
TEST_F(MadeUp, KeepsWhatIsKeptBesideTheTables) {
  const SessionId session = world_.keeper.open("x", seconds{2});
  const std::int64_t epoch = world_.keeper.next_epoch();
  const core::PartitionEdit kept{0, {}, {}, {{"B:1", 1, 5}}};
  const core::Publish publish{1, {{"table/table_data/flow", 99, {kept}, kAt.tid}}};
  EXPECT_EQ(world_.keeper.publish(session, epoch, publish, "x").outcome,
            core::Published::Outcome::kDone);
  EXPECT_EQ(world_.keeper.table(kAt)->version, 0);
  const core::LockGained gained = world_.keeper.take_over();
  EXPECT_EQ(gained.epoch, epoch + 1);
  ASSERT_EQ(gained.kept.size(), 1u);
  EXPECT_EQ(gained.kept[0], (core::KeptPartition{kAt, {{"B:1", 1, 5}}}));
}

TEST_F(MadeUp, KeepsTheJournalInAFixedNumberOfZnodes) {
  const SessionId session = world_.keeper.open("x", seconds{2});
  const std::int64_t epoch = world_.keeper.next_epoch();
  core::BegunOp op;
  op.id = 5;
  EXPECT_TRUE(world_.keeper.write(session, epoch, core::WriteJournal{1, {op}, {}, {{99, {}}}}));
  EXPECT_TRUE(
      world_.keeper.write(session, epoch, core::WriteJournal{2, {}, {}, {{100, {}}, {199, {}}}}));
  EXPECT_FALSE(world_.keeper.write(session, epoch - 1, core::WriteJournal{3, {}, {5}, {}}));
  const core::LockGained gained = world_.keeper.take_over();
  ASSERT_EQ(gained.begun.size(), 1u);
  ASSERT_EQ(gained.finished.size(), 2u);
  EXPECT_EQ(gained.finished[0].number, 100u);
  EXPECT_EQ(gained.finished[1].number, 199u);
  EXPECT_TRUE(world_.keeper.write(session, epoch + 1, core::WriteJournal{4, {}, {5}, {}}));
  EXPECT_TRUE(world_.keeper.begun().empty());
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
