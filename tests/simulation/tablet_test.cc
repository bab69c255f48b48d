// The made-up tablet's disk behaves as the real one's does: loading, snapshots,
// copies, dropping, power cuts.
#include "tests/simulation/tablet.h"

#include "tests/simulation/made_up.h"

namespace failoverd::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class MadeUpDisk : public MadeUp {
 protected:
  // Its process ends and comes back: nothing is in memory.
  void restart(const std::string& tablet) {
    world_.restart(tablet);
    world_.run_for(seconds{5});
  }
  static core::LoadTable load() { return {kAt, "flow", ""}; }
  core::Answer load_as_leader(const std::string& tablet, core::Term term) {
    return world_.tablet(tablet).load_table(load(), term);
  }
  void make_snapshot(const std::string& tablet) {
    world_.tablet(tablet).make_snapshot(kAt);
    world_.run_for(seconds{1});
  }
  // LoadTable was answered; its task waits for a second.
  void load_queued(const std::string& tablet, std::optional<core::Term> leader = {}) {
    world_.timing.queued = 1;
    world_.timing.queue = {seconds{1}, seconds{1}};
    ASSERT_TRUE(world_.tablet(tablet).load_table(load(), leader).ok());
    ASSERT_EQ(state(tablet), core::TableState::kUndefined);
  }
  int put(const std::string& tablet) {
    int code = -1;
    world_.tablet(tablet).put(kAt, world_.next_payload(), code);
    return code;
  }
  core::TableState state(const std::string& tablet) {
    return call(tablet, core::GetTableStatus{kAt}).replicas.at(0).state;
  }
  core::OpStatus task(const std::string& tablet, core::OpId op, core::Task task) {
    for (const core::RegisteredTask& t : call(tablet, core::GetTaskStatus{}).tasks) {
      if (t.op == op && t.task == task) return t.status;
    }
    return core::OpStatus::kInited;
  }
};

// --- Loading ------------------------------------------------------------------------------------

TEST_F(MadeUpDisk, LoadsBehindItsAnswer) {
  write(5);
  restart("B:1");
  ASSERT_TRUE(call("B:1", load()).ok());
  // It is there with offset 0, and until its task begins a probe passes and raises its term.
  EXPECT_TRUE(call("B:1", core::GetTermPair{kAt}).has_table);
  EXPECT_EQ(call("B:1", core::GetTermPair{kAt}).offset, 0u);
  const core::Answer probe = call("B:1", core::Probe{kAt, 7});
  EXPECT_TRUE(probe.ok());
  EXPECT_EQ(probe.offset, 0u);
  world_.run_for(milliseconds{5});
  EXPECT_EQ(call("B:1", core::Probe{kAt, 8}).code, core::kTableIsLoading);
  EXPECT_EQ(state("B:1"), core::TableState::kLoading);
  EXPECT_EQ(call("B:1", load()).code, core::kTableAlreadyExists);
  EXPECT_EQ(call("B:1", core::Promote{kAt, 9, {}}).code, core::kTableStatusIsNotNormal);
  world_.run_for(milliseconds{100});
  EXPECT_EQ(state("B:1"), core::TableState::kNormal);
  const core::Answer loaded = call("B:1", core::GetTermPair{kAt});
  EXPECT_EQ(loaded.offset, 5u);
  EXPECT_EQ(loaded.term, 7u);
}

TEST_F(MadeUpDisk, ALoadedFollowersTermIsZeroALeadersTheRequests) {
  write(3);
  restart("A:1");
  restart("B:1");
  ASSERT_TRUE(load_as_leader("A:1", 1).ok());
  ASSERT_TRUE(call("B:1", load()).ok());
  world_.run_for(seconds{1});
  EXPECT_EQ(call("A:1", core::GetTermPair{kAt}).term, 1u);
  EXPECT_TRUE(world_.tablet("A:1").leads(kAt));
  EXPECT_EQ(call("B:1", core::GetTermPair{kAt}).term, 0u);
  EXPECT_EQ(call("B:1", core::LoadTable{kAt, "", ""}).code, kTableMetaIsInvalid);
  EXPECT_EQ(call("B:1", core::LoadTable{{9, 0}, "x", ""}).code, core::kTableDirIsNotExist);
}

// SAFETY 19: a leader that waits to be loaded takes puts, and they cost what was there before.
TEST_F(MadeUpDisk, PutsToALeaderInTheQueueCostEveryOlderRow) {
  write(5);
  restart("B:1");
  const Log before = world_.tablet("B:1").log(kAt);
  load_queued("B:1", 9);
  EXPECT_EQ(put("B:1"), core::kOk);
  EXPECT_EQ(put("B:1"), core::kOk);
  EXPECT_EQ(call("B:1", core::GetTermPair{kAt}).offset, 2u);
  world_.run_for(milliseconds{1010});
  EXPECT_EQ(state("B:1"), core::TableState::kLoading);
  EXPECT_EQ(put("B:1"), core::kTableIsLoading);
  world_.run_for(seconds{1});
  EXPECT_EQ(state("B:1"), core::TableState::kNormal);
  EXPECT_EQ(call("B:1", core::GetTermPair{kAt}).offset, 2u);
  EXPECT_EQ(world_.tablet("B:1").log(kAt).common_with(before), 0u);
  restart("B:1");
  EXPECT_EQ(offset("B:1"), 2u);  // Lost for good.
}

// SAFETY 19: loaded as follower and then told to lead, nothing is lost.
TEST_F(MadeUpDisk, AFollowerInTheQueueRefusesPuts) {
  write(5);
  restart("B:1");
  load_queued("B:1");
  EXPECT_EQ(put("B:1"), kTableIsFollower);
  EXPECT_EQ(call("B:1", core::Promote{kAt, 9, {}}).code, core::kTableStatusIsNotNormal);
  world_.run_for(seconds{3});
  EXPECT_EQ(call("B:1", core::GetTermPair{kAt}).offset, 5u);
  ASSERT_TRUE(call("B:1", core::Promote{kAt, 9, {}}).ok());
  EXPECT_EQ(put("B:1"), core::kOk);
  EXPECT_EQ(offset("B:1"), 6u);
}

// SAFETY 19: of the new file only what is above the snapshot counts.
TEST_F(MadeUpDisk, WhatTheSnapshotCoversOutlivesPutsInTheQueue) {
  write(5);
  make_snapshot("B:1");
  write(5);
  restart("B:1");
  const Log before = world_.tablet("B:1").log(kAt);
  load_queued("B:1", 9);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(put("B:1"), core::kOk);
  world_.run_for(seconds{3});
  EXPECT_EQ(offset("B:1"), 6u);
  EXPECT_EQ(world_.tablet("B:1").log(kAt).common_with(before), 5u);
}

// SAFETY 10, 19: a leader that still sends finds a follower at offset 0 and sends all it has.
TEST_F(MadeUpDisk, AFollowerInTheQueueTakesEntriesFromTheBeginning) {
  write(5);
  restart("B:1");
  load_queued("B:1");
  const Entry first{1, 1, world_.next_payload(), 0};
  const Entry last{1, 6, world_.next_payload(), 0};
  EXPECT_EQ(world_.tablet("B:1").append({kAt, 1, false, true, 5, {last}}).code,
            core::kFailToAppendEntries);
  EXPECT_EQ(offset("B:1"), 0u);  // That alone has begun the file.
  EXPECT_EQ(world_.tablet("B:1").append({kAt, 1, false, true, 0, {first}}).code, core::kOk);
  EXPECT_EQ(call("B:1", core::GetTermPair{kAt}).offset, 1u);
  world_.run_for(seconds{3});
  EXPECT_EQ(offset("B:1"), 1u);
}

TEST_F(MadeUpDisk, AFailedLoadCostsTheDirectory) {
  write(5);
  restart("B:1");
  world_.tablet("B:1").fail_next_load();
  ASSERT_TRUE(call("B:1", load()).ok());
  world_.run_for(seconds{1});
  EXPECT_FALSE(call("B:1", core::GetTermPair{kAt}).has_table);
  EXPECT_EQ(call("B:1", load()).code, core::kTableDirIsNotExist);
  EXPECT_EQ(world_.tablet("B:1").recycle_bin.at(0).directory.log.offset(), 5u);
}

TEST_F(MadeUpDisk, APositionThatWasLeftBehindIsNeverFoundAgain) {
  write(5);
  world_.kill("B:1");
  world_.tablet("B:1").disk.at(kAt).log.cut(2);
  restart("B:1");
  ASSERT_TRUE(call("B:1", load()).ok());
  world_.run_for(seconds{1});
  EXPECT_EQ(call("A:1", core::AddReplica{kAt, "B:1"}).code, core::kReplicaAlreadyExists);
  write(5);
  EXPECT_EQ(offset("B:1"), 2u);
  ASSERT_TRUE(call("A:1", core::DelReplica{kAt, "B:1"}).ok());
  ASSERT_TRUE(call("A:1", core::AddReplica{kAt, "B:1"}).ok());
  world_.run_for(seconds{1});
  EXPECT_EQ(offset("B:1"), 10u);
  EXPECT_EQ(call("B:1", core::AddReplica{kAt, "C:1"}).code, kTableIsFollower);
}

// --- Snapshots and copies -----------------------------------------------------------------------

TEST_F(MadeUpDisk, WhoIsBehindTheBinlogNeverCatchesUp) {
  write(5);
  world_.kill("B:1");
  write(5);
  make_snapshot("A:1");
  EXPECT_EQ(call("A:1", core::GetManifest{kAt}).offset, 10u);
  // What one needs to whom the leader still sends is kept.
  EXPECT_EQ(world_.tablet("A:1").disk.at(kAt).binlog_from, 5u);
  ASSERT_TRUE(call("A:1", core::DelReplica{kAt, "B:1"}).ok());
  world_.tablet("A:1").delete_old_binlogs(kAt);
  restart("B:1");
  ASSERT_TRUE(call("B:1", load()).ok());
  world_.run_for(seconds{1});
  ASSERT_TRUE(call("A:1", core::AddReplica{kAt, "B:1"}).ok());
  write(5);
  EXPECT_EQ(offset("B:1"), 5u);
}

TEST_F(MadeUpDisk, PausesAndRecoversSnapshots) {
  EXPECT_TRUE(call("A:1", core::PauseSnapshot{kAt}).ok());
  EXPECT_TRUE(call("A:1", core::PauseSnapshot{kAt}).ok());
  EXPECT_EQ(call("A:1", core::PauseSnapshot{{9, 9}}).code, core::kTableIsNotExist);
  EXPECT_TRUE(call("A:1", core::RecoverSnapshot{kAt}).ok());
  EXPECT_TRUE(call("A:1", core::RecoverSnapshot{kAt}).ok());
  world_.tablet("A:1").make_snapshot(kAt);
  EXPECT_EQ(call("A:1", core::PauseSnapshot{kAt}).code, core::kTableStatusIsNotNormal);
  EXPECT_EQ(call("A:1", core::DropTable{kAt, 9, {}}).code, core::kTableIsMakingSnapshot);
  EXPECT_EQ(task("A:1", 9, core::Task::kDropTable), core::OpStatus::kFailed);
}

TEST_F(MadeUpDisk, SendsItsSnapshot) {
  write(5);
  make_snapshot("A:1");
  write(5);
  restart("B:1");
  const core::SendSnapshot send{kAt, "B:1", 7, core::OpType::kReAddReplicaOP};
  EXPECT_EQ(call("A:1", send).code, core::kTableStatusIsNotPaused);
  EXPECT_EQ(task("A:1", 7, core::Task::kSendSnapshot), core::OpStatus::kFailed);
  ASSERT_TRUE(call("A:1", core::PauseSnapshot{kAt}).ok());
  EXPECT_EQ(call("A:1", send).code, kAddTaskFailed);  // Its key is taken.
  ASSERT_TRUE(call("A:1", core::DeleteOpTask{7}).ok());
  world_.tablet("B:1").disk.erase(kAt);
  ASSERT_TRUE(call("A:1", send).ok());
  EXPECT_EQ(task("A:1", 7, core::Task::kSendSnapshot), core::OpStatus::kDoing);
  EXPECT_EQ(call("A:1", core::SendSnapshot{kAt, "B:1", 8, {}}).code, core::kSnapshotIsSending);
  world_.run_for(milliseconds{1500});
  EXPECT_EQ(offset("B:1"), 0u);  // Without its manifest it is nothing.
  world_.run_for(seconds{2});
  EXPECT_EQ(task("A:1", 7, core::Task::kSendSnapshot), core::OpStatus::kDone);
  EXPECT_EQ(offset("B:1"), 5u);
  EXPECT_EQ(call("B:1", core::GetTermPair{kAt}).offset, 5u);
  EXPECT_EQ(call("B:1", core::GetTermPair{kAt}).term, 1u);
}

TEST_F(MadeUpDisk, NothingIsSentToWhoHoldsItInMemory) {
  write(5);
  ASSERT_TRUE(call("A:1", core::PauseSnapshot{kAt}).ok());
  ASSERT_TRUE(call("A:1", core::SendSnapshot{kAt, "B:1", 7, {}}).ok());
  world_.run_for(seconds{5});
  EXPECT_EQ(task("A:1", 7, core::Task::kSendSnapshot), core::OpStatus::kDoing);
  world_.run_for(seconds{10});
  EXPECT_EQ(task("A:1", 7, core::Task::kSendSnapshot), core::OpStatus::kFailed);
}

// What is sent lies beside what was there.
TEST_F(MadeUpDisk, AnOldBinlogIsReadBehindTheSnapshotThatCame) {
  write(5);
  make_snapshot("A:1");
  restart("B:1");
  world_.tablet("B:1").disk.at(kAt).log.append(1, world_.next_payload());
  ASSERT_TRUE(call("A:1", core::PauseSnapshot{kAt}).ok());
  ASSERT_TRUE(call("A:1", core::SendSnapshot{kAt, "B:1", 7, {}}).ok());
  world_.run_for(seconds{5});
  EXPECT_EQ(offset("B:1"), 6u);
}

TEST_F(MadeUpDisk, DropsBehindItsAnswerAndKeepsTheDirectoryInItsBin) {
  write(5);
  ASSERT_TRUE(call("B:1", core::DropTable{kAt, 7, {}}).ok());
  EXPECT_EQ(task("B:1", 7, core::Task::kDropTable), core::OpStatus::kDoing);
  EXPECT_NE(world_.tablet("B:1").held(kAt), nullptr);
  world_.run_for(seconds{1});
  EXPECT_EQ(task("B:1", 7, core::Task::kDropTable), core::OpStatus::kDone);
  EXPECT_EQ(world_.tablet("B:1").held(kAt), nullptr);
  EXPECT_EQ(world_.tablet("B:1").recycle_bin.at(0).directory.log.offset(), 5u);
  EXPECT_EQ(call("B:1", load()).code, core::kTableDirIsNotExist);
  EXPECT_EQ(call("B:1", core::DropTable{kAt, 8, {}}).code, core::kTableIsNotExist);
  EXPECT_EQ(call("B:1", core::DropTable{kAt, 8, {}}).code, kAddTaskFailed);
  restart("B:1");
  EXPECT_TRUE(call("B:1", core::GetTaskStatus{}).tasks.empty());
}

TEST_F(MadeUpDisk, DeleteBinlogLeavesTheSnapshot) {
  write(5);
  make_snapshot("B:1");
  write(5);
  ASSERT_TRUE(call("B:1", core::DeleteBinlog{kAt}).ok());
  EXPECT_EQ(call("B:1", core::GetTermPair{kAt}).offset, 10u);  // In memory.
  restart("B:1");
  EXPECT_EQ(offset("B:1"), 5u);
}

TEST_F(MadeUpDisk, ThreeTasksAtOnce) {
  for (std::uint32_t pid = 1; pid <= 3; ++pid) {
    world_.tablet("B:1").disk[{2, pid}] = {};
    ASSERT_TRUE(call("B:1", core::LoadTable{{2, pid}, "flow", ""}).ok());
  }
  ASSERT_TRUE(call("B:1", core::DropTable{kAt, 7, {}}).ok());
  world_.run_for(milliseconds{40});
  EXPECT_NE(world_.tablet("B:1").held(kAt), nullptr);  // It waits for a thread.
  world_.run_for(seconds{1});
  EXPECT_EQ(world_.tablet("B:1").held(kAt), nullptr);
}

// --- Power --------------------------------------------------------------------------------------

TEST_F(MadeUpDisk, APowerCutLosesNoMoreThanWhatWasNotSynced) {
  write(5);
  world_.run_for(seconds{10});
  write(1);  // What was before it has been synced by now.
  world_.power_cut("B:1");
  EXPECT_GE(offset("B:1"), 5u);
  EXPECT_LE(offset("B:1"), 6u);
  // Nobody even refuses: whoever asks waits for an answer that does not come.
  EXPECT_TRUE(world_.hangs("A:1", "B:1"));
  restart("B:1");
  EXPECT_FALSE(world_.hangs("A:1", "B:1"));
}

}  // namespace
}  // namespace failoverd::simulation
