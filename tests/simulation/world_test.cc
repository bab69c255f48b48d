// The made-up tablet and ZooKeeper behave as the real ones do: what the simulation
// proves is worth no more than this.
#include <string>
#include <vector>

#include "tests/simulation/daemon.h"
#include "tests/simulation/made_up.h"

namespace failoverd::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_F(MadeUp, ReplicatesToItsFollowers) {
  write(5);
  EXPECT_EQ(offset("A:1"), 5u);
  EXPECT_EQ(offset("B:1"), 5u);
  EXPECT_TRUE(world_.tablet("C:1").log(kAt).is_prefix_of(world_.tablet("A:1").log(kAt)));
}

TEST_F(MadeUp, ProbeFencesTheLivingLeader) {
  EXPECT_EQ(call("B:1", core::Probe{kAt, 5}).code, core::kOk);
  EXPECT_EQ(call("B:1", core::Probe{kAt, 4}).code, core::kFailToAppendEntries);
  EXPECT_EQ(call("A:1", core::Probe{kAt, 5}).code, core::kTableIsLeader);
  EXPECT_EQ(call("B:1", core::Probe{{9, 9}, 5}).code, core::kTableIsNotExist);
  write(3);  // Acknowledged, and refused by B.
  EXPECT_EQ(offset("A:1"), 3u);
  EXPECT_EQ(offset("B:1"), 0u);
  EXPECT_EQ(offset("C:1"), 3u);
}

TEST_F(MadeUp, PromotesWithoutALookAtTheTerm) {
  ASSERT_TRUE(call("B:1", core::Probe{kAt, 50}).ok());
  EXPECT_TRUE(call("B:1", core::Promote{kAt, 7, {}}).ok());
  EXPECT_EQ(call("B:1", core::GetTermPair{kAt}).term, 7u);
  EXPECT_EQ(call("B:1", core::Promote{kAt, 99, {}}).code, core::kTableIsLeader);
}

TEST_F(MadeUp, AFollowerThatIsAheadNeverComplains) {
  write(5);
  world_.cut("A:1", "C:1");
  write(3);
  // C leads with less than B has; what B has more is skipped with code 0, and they part.
  ASSERT_TRUE(call("A:1", core::Demote{kAt}).ok());
  ASSERT_TRUE(call("C:1", core::Promote{kAt, 9, {"B:1"}}).ok());
  int code = 0;
  for (int i = 0; i < 5; ++i) world_.tablet("C:1").put(kAt, world_.next_payload(), code);
  world_.run_for(seconds{3});
  EXPECT_EQ(offset("B:1"), 10u);
  EXPECT_EQ(offset("C:1"), 10u);
  EXPECT_FALSE(world_.tablet("B:1").log(kAt).is_prefix_of(world_.tablet("C:1").log(kAt)));
}

TEST_F(MadeUp, SnapshotsRefuseRoleChanges) {
  for (const auto state : {core::TableState::kSnapshotPaused, core::TableState::kMakingSnapshot}) {
    world_.tablet("B:1").set_state(kAt, state);
    EXPECT_EQ(call("B:1", core::Promote{kAt, 9, {}}).code, core::kTableStatusIsNotNormal);
    EXPECT_EQ(call("B:1", core::Demote{kAt}).code, core::kTableStatusIsNotNormal);
  }
  EXPECT_EQ(call("B:1", core::RecoverSnapshot{kAt}).code, core::kTableStatusIsNotPaused);
  world_.tablet("B:1").set_state(kAt, core::TableState::kSnapshotPaused);
  EXPECT_TRUE(call("B:1", core::RecoverSnapshot{kAt}).ok());
  EXPECT_TRUE(call("B:1", core::Promote{kAt, 9, {}}).ok());
}

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

TEST_F(MadeUp, ARestartForgetsMemoryAndKeepsTheLog) {
  write(5);
  world_.restart("B:1");
  world_.run_for(seconds{5});
  EXPECT_TRUE(world_.tablet("B:1").running());
  EXPECT_TRUE(call("B:1", core::GetTableStatus{}).replicas.empty());
  EXPECT_FALSE(call("B:1", core::GetTermPair{kAt}).has_table);
  EXPECT_EQ(offset("B:1"), 5u);
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
