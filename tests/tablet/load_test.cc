// Partitions come into memory and leave it: CreateTable, LoadTable, DropTable, DeleteBinlog, with
// the states that can be seen on the way.
#include <gmock/gmock.h>

#include <fstream>

#include "tests/tablet/rig.h"
#include "tests/tablet/snapshot.h"

namespace failoverd::minitablet {
namespace {

namespace fs = std::filesystem;

class Load : public Rig {
 protected:
  fs::path partition(std::size_t which) const {
    return partition_path(directory(which), kTid, kPid);
  }
  fs::path bin(std::size_t which) const { return directory(which) / "recycle"; }
  std::size_t in_bin(std::size_t which, const std::string& begin) const {
    std::size_t count = 0;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator{bin(which), error}) {
      if (entry.path().filename().string().starts_with(begin)) ++count;
    }
    return count;
  }
  // A leader with rows, ended and begun again: nothing in memory, a binlog on disk.
  std::size_t restarted_with_rows(int rows, const std::function<void(Options&)>& change = {}) {
    const auto which = begin(change);
    EXPECT_EQ(create(which, fedb::kTableLeader, {}, 4), 0);
    for (int i = 0; i < rows; ++i) EXPECT_EQ(put(which, "k" + std::to_string(i)), 0);
    end(which);
    begin_again(which);
    return which;
  }
  bool is_normal(std::size_t which) { return state(which) == fedb::kTableNormal; }
  // LoadTable was answered, and no task thread takes the table up until release().
  void load_queued(std::size_t which, fedb::TableMode mode, std::uint64_t term = 0) {
    hang(which, "LoadTable", control::kQueued);
    ASSERT_EQ(load(which, mode, task(1, fedb::kLoadTable), term), 0);
    ASSERT_TRUE(status(which).has_tid());
    ASSERT_EQ(state(which), fedb::kTableUndefined);
    ASSERT_EQ(task_status(which, 1), fedb::kDoing);
  }
  void loads_now(std::size_t which) {
    release(which);
    ASSERT_TRUE(soon([&] { return is_normal(which); }, "it is loaded"));
  }
  void load_again(std::size_t which) {
    end(which);
    begin_again(which);
    ASSERT_EQ(load(which, fedb::kTableFollower), 0);
    ASSERT_TRUE(soon([&] { return is_normal(which); }, "it is loaded"));
  }
};

TEST_F(Load, CreateRefusals) {
  const auto tablet = begin();
  EXPECT_EQ(create(tablet, fedb::kTableLeader), 0);
  EXPECT_EQ(create(tablet, fedb::kTableLeader), kTableAlreadyExists);
  fedb::CreateTableRequest nameless;
  nameless.mutable_table_meta()->set_tid(kTid);
  EXPECT_EQ(client(tablet).ask<fedb::GeneralResponse>("CreateTable", nameless)->code(),
            kTableMetaIsInvalid);
}

TEST_F(Load, RestartHoldsNothingUntilLoaded) {
  const auto tablet = restarted_with_rows(3);
  EXPECT_FALSE(status(tablet).has_tid());
  EXPECT_FALSE(term_pair(tablet).has_table());
  // No snapshot: the binlog does not count until the table is loaded.
  EXPECT_EQ(term_pair(tablet).offset(), 0u);
  EXPECT_EQ(term_pair(tablet).code(), 0);
  EXPECT_EQ(probe(tablet, 9), kTableIsNotExist);
  EXPECT_EQ(load(tablet, fedb::kTableFollower, task(1, fedb::kLoadTable)), 0);
  ASSERT_TRUE(soon([&] { return is_normal(tablet); }, "it is loaded"));
  const auto pair = term_pair(tablet);
  EXPECT_TRUE(pair.has_table());
  EXPECT_FALSE(pair.is_leader());
  EXPECT_EQ(pair.offset(), 3u);
  EXPECT_EQ(pair.term(), 0u);
  EXPECT_EQ(get(tablet, "k2"), "v");
  EXPECT_EQ(task_status(tablet, 1), fedb::kDone);
}

TEST_F(Load, AsLeaderTakesTheRequestsTerm) {
  const auto tablet = restarted_with_rows(2);
  EXPECT_EQ(load(tablet, fedb::kTableLeader, std::nullopt, 9), 0);
  ASSERT_TRUE(soon([&] { return is_normal(tablet); }, "it is loaded"));
  EXPECT_EQ(term_pair(tablet).term(), 9u);
  EXPECT_TRUE(term_pair(tablet).is_leader());
  EXPECT_EQ(put(tablet, "more"), 0);
  EXPECT_EQ(offset(tablet), 3u);
}

TEST_F(Load, WithoutAModeTheDisksCounts) {
  const auto tablet = restarted_with_rows(1);
  fedb::LoadTableRequest request;
  request.mutable_table_meta()->set_tid(kTid);
  request.mutable_table_meta()->set_pid(kPid);
  request.mutable_table_meta()->set_name("t");
  ASSERT_EQ(client(tablet).ask<fedb::GeneralResponse>("LoadTable", request)->code(), 0);
  ASSERT_TRUE(soon([&] { return is_normal(tablet); }, "it is loaded"));
  // A former leader comes up as leader.
  EXPECT_TRUE(term_pair(tablet).is_leader());
}

TEST_F(Load, SchemaAndTtlComeFromTheDisk) {
  const auto tablet = begin();
  fedb::CreateTableRequest create;
  fedb::TableMeta& meta = *create.mutable_table_meta();
  meta.set_tid(kTid);
  meta.set_pid(kPid);
  meta.set_name("t");
  meta.set_ttl(77);
  meta.set_schema("columns");
  meta.set_mode(fedb::kTableFollower);
  ASSERT_EQ(client(tablet).ask<fedb::GeneralResponse>("CreateTable", create)->code(), 0);
  end(tablet);
  begin_again(tablet);
  ASSERT_EQ(load(tablet, fedb::kTableFollower), 0);
  ASSERT_TRUE(soon([&] { return is_normal(tablet); }, "it is loaded"));
  EXPECT_EQ(status(tablet).ttl(), 77u);
  EXPECT_EQ(read_table_meta(partition(tablet)).value()->schema(), "columns");
}

TEST_F(Load, Refusals) {
  const auto tablet = begin();
  EXPECT_EQ(load(tablet, fedb::kTableFollower), kTablePathIsNotExist);
  EXPECT_EQ(create(tablet, fedb::kTableFollower), 0);
  EXPECT_EQ(load(tablet, fedb::kTableFollower), kTableAlreadyExists);
  fedb::LoadTableRequest nameless;
  nameless.mutable_table_meta()->set_tid(kTid);
  EXPECT_EQ(client(tablet).ask<fedb::GeneralResponse>("LoadTable", nameless)->code(),
            kTableMetaIsInvalid);
}

TEST_F(Load, WhileLoadingTheOffsetIsZero) {
  const auto tablet = restarted_with_rows(3);
  hang(tablet, "LoadTable", control::kInside);
  ASSERT_EQ(load(tablet, fedb::kTableFollower, task(1, fedb::kLoadTable)), 0);
  ASSERT_TRUE(soon([&] { return state(tablet) == fedb::kTableLoading; }, "it is loading"));
  EXPECT_TRUE(term_pair(tablet).has_table());
  EXPECT_EQ(term_pair(tablet).offset(), 0u);
  EXPECT_EQ(probe(tablet, 9), kTableIsLoading);
  EXPECT_EQ(get(tablet, "k0"), "");
  EXPECT_EQ(follow(tablet), kStateIsNotNormal);
  EXPECT_EQ(general("PauseSnapshot", tablet), kStateIsNotNormal);
  EXPECT_EQ(load(tablet, fedb::kTableFollower), kTableAlreadyExists);
  EXPECT_EQ(task_status(tablet, 1), fedb::kDoing);
  release(tablet);
  ASSERT_TRUE(soon([&] { return is_normal(tablet); }, "it is loaded"));
  EXPECT_EQ(offset(tablet), 3u);
}

TEST_F(Load, PutsToALoadingLeaderAreRefused) {
  const auto tablet = restarted_with_rows(1);
  hang(tablet, "LoadTable", control::kInside);
  ASSERT_EQ(load(tablet, fedb::kTableLeader), 0);
  ASSERT_TRUE(soon([&] { return state(tablet) == fedb::kTableLoading; }, "it is loading"));
  EXPECT_EQ(put(tablet, "k"), kTableIsLoading);
}

TEST_F(Load, BeforeItsTaskBeginsAProbePassesWithOffsetZero) {
  const auto tablet = restarted_with_rows(3, [](Options& options) { options.task_pool_size = 1; });
  // The only task thread is busy.
  ASSERT_EQ(create(tablet, fedb::kTableFollower, {}, 1, kPid + 1), 0);
  hang(tablet, "DropTable", control::kInside);
  fedb::DropTableRequest other;
  other.set_tid(kTid);
  other.set_pid(kPid + 1);
  ASSERT_EQ(client(tablet).ask<fedb::GeneralResponse>("DropTable", other)->code(), 0);
  ASSERT_EQ(load(tablet, fedb::kTableFollower), 0);
  EXPECT_EQ(state(tablet), fedb::kTableUndefined);
  EXPECT_TRUE(status(tablet).has_tid());
  std::uint64_t offset = 99;
  EXPECT_EQ(probe(tablet, 5, &offset), 0);
  EXPECT_EQ(offset, 0u);
  release(tablet);
  ASSERT_TRUE(soon([&] { return is_normal(tablet); }, "it is loaded"));
  EXPECT_EQ(term_pair(tablet).offset(), 3u);
}

// SAFETY 19: a leader that waits to be loaded takes puts, and they cost what was there before.
TEST_F(Load, PutsToALeaderInTheQueueCostEveryOlderRow) {
  const auto tablet = restarted_with_rows(5);
  load_queued(tablet, fedb::kTableLeader, 9);
  EXPECT_TRUE(term_pair(tablet).is_leader());
  EXPECT_EQ(put(tablet, "meanwhile"), 0);
  EXPECT_EQ(put(tablet, "later"), 0);
  EXPECT_EQ(term_pair(tablet).offset(), 2u);
  EXPECT_EQ(Binlog::files_in(partition(tablet) / "binlog").size(), 2u);
  loads_now(tablet);
  EXPECT_EQ(offset(tablet), 2u);
  EXPECT_EQ(get(tablet, "k0"), "");
  EXPECT_EQ(get(tablet, "meanwhile"), "v");
  EXPECT_EQ(dump(tablet).row_count(), 2u);
  EXPECT_EQ(dump(tablet, true).digest(), dump(tablet).digest());
  ASSERT_EQ(put(tablet, "after"), 0);
  load_again(tablet);
  EXPECT_EQ(offset(tablet), 3u);
  EXPECT_EQ(get(tablet, "k0"), "");
  EXPECT_EQ(get(tablet, "after"), "v");
}

// SAFETY 19: loaded as follower and then told to lead, nothing is lost.
TEST_F(Load, AFollowerInTheQueueRefusesPuts) {
  const auto tablet = restarted_with_rows(5);
  load_queued(tablet, fedb::kTableFollower);
  EXPECT_EQ(put(tablet, "meanwhile"), kTableIsFollower);
  EXPECT_EQ(lead(tablet, 9), kStateIsNotNormal);
  EXPECT_EQ(term_pair(tablet).offset(), 0u);
  loads_now(tablet);
  EXPECT_EQ(lead(tablet, 9), 0);
  EXPECT_EQ(offset(tablet), 5u);
  EXPECT_EQ(put(tablet, "after"), 0);
  EXPECT_EQ(dump(tablet).row_count(), 6u);
}

// SAFETY 19: the snapshot is read first; of the new file only what is above it counts.
TEST_F(Load, WhatTheSnapshotCoversOutlivesPutsInTheQueue) {
  const auto tablet = restarted_with_rows(5);
  ASSERT_EQ(load(tablet, fedb::kTableLeader, std::nullopt, 5), 0);
  ASSERT_TRUE(soon([&] { return is_normal(tablet); }, "it is loaded"));
  ASSERT_EQ(general("MakeSnapshot", tablet, task(2, fedb::kMakeSnapshot)), 0);
  ASSERT_TRUE(soon([&] { return manifest_offset(tablet) == 5; }, "the snapshot is there"));
  for (int i = 5; i < 9; ++i) ASSERT_EQ(put(tablet, "k" + std::to_string(i)), 0);
  end(tablet);
  begin_again(tablet);
  load_queued(tablet, fedb::kTableLeader, 9);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(put(tablet, "m" + std::to_string(i)), 0);
  loads_now(tablet);
  EXPECT_EQ(offset(tablet), 6u);
  EXPECT_EQ(get(tablet, "k4"), "v");
  EXPECT_EQ(get(tablet, "k5"), "");
  load_again(tablet);
  EXPECT_EQ(offset(tablet), 6u);
  EXPECT_EQ(dump(tablet).row_count(), 6u);
  EXPECT_EQ(get(tablet, "m4"), "");
  EXPECT_EQ(get(tablet, "m5"), "v");
}

// SAFETY 10, 19: a leader that still sends finds a follower at offset 0, and sends all it has.
TEST_F(Load, AFollowerInTheQueueTakesEntriesFromTheBeginning) {
  const auto tablet = restarted_with_rows(5);
  load_queued(tablet, fedb::kTableFollower);
  EXPECT_EQ(append(tablet, 4, 5, {6}), kAppendEntriesFailed);
  EXPECT_EQ(append(tablet, 4, 0, {1, 2}), 0);
  EXPECT_EQ(term_pair(tablet).offset(), 2u);
  loads_now(tablet);
  EXPECT_EQ(offset(tablet), 2u);
  EXPECT_EQ(get(tablet, "k0"), "");
  EXPECT_EQ(get(tablet, "appended2"), "v");
  EXPECT_EQ(append(tablet, 4, 2, {3}), 0);
  load_again(tablet);
  EXPECT_EQ(offset(tablet), 3u);
}

// SAFETY 10, 19: the file is begun before the gap is seen, and the load reads only from there. As
// nothing was written to it the next load finds what was there before.
TEST_F(Load, EntriesThatAFollowerInTheQueueRefusesCostItsRows) {
  const auto tablet = restarted_with_rows(5);
  load_queued(tablet, fedb::kTableFollower);
  EXPECT_EQ(append(tablet, 4, 5, {6}), kAppendEntriesFailed);
  loads_now(tablet);
  EXPECT_EQ(offset(tablet), 0u);
  EXPECT_EQ(get(tablet, "k0"), "");
  load_again(tablet);
  EXPECT_EQ(offset(tablet), 5u);
}

TEST_F(Load, ATableThatWaitsCanBeDropped) {
  const auto tablet = restarted_with_rows(2);
  load_queued(tablet, fedb::kTableFollower);
  ASSERT_EQ(drop(tablet, task(2, fedb::kDropTable)), 0);
  ASSERT_TRUE(soon([&] { return task_status(tablet, 2) == fedb::kDone; }, "it is dropped"));
  release(tablet);
  ASSERT_TRUE(soon([&] { return task_status(tablet, 1) == fedb::kFailed; }, "its load fails"));
  EXPECT_FALSE(status(tablet).has_tid());
}

TEST_F(Load, ALongQueueIsAnOption) {
  const auto queued =
      restarted_with_rows(1, [](Options& options) { options.task_queue = std::chrono::hours{1}; });
  ASSERT_EQ(load(queued, fedb::kTableFollower), 0);
  const auto soon_free =
      restarted_with_rows(1, [](Options& options) { options.task_queue = Millis{5}; });
  ASSERT_EQ(load(soon_free, fedb::kTableFollower), 0);
  ASSERT_TRUE(soon([&] { return is_normal(soon_free); }, "it is loaded"));
  EXPECT_TRUE(status(queued).has_tid());
  EXPECT_EQ(state(queued), fedb::kTableUndefined);
}

TEST_F(Load, ThreeTasksAtOnce) {
  const auto tablet = begin();
  for (std::uint32_t pid = 0; pid < 4; ++pid) {
    ASSERT_EQ(create(tablet, fedb::kTableFollower, {}, 1, pid), 0);
  }
  const auto tables = [&] {
    return client(tablet)
        .ask<fedb::GetTableStatusResponse>("GetTableStatus", fedb::GetTableStatusRequest{})
        ->all_table_status_size();
  };
  // Three hang in their threads. The fourth would not, had it begun.
  hang(tablet, "DropTable", control::kInside, 0, 3);
  for (std::int32_t pid = 0; pid < 4; ++pid) {
    fedb::DropTableRequest request;
    request.set_tid(kTid);
    request.set_pid(pid);
    ASSERT_EQ(client(tablet).ask<fedb::GeneralResponse>("DropTable", request)->code(), 0);
  }
  for (int i = 0; i < 100; ++i) ASSERT_EQ(tables(), 4);
  release(tablet);
  ASSERT_TRUE(soon([&] { return tables() == 0; }, "all four are dropped"));
}

TEST_F(Load, TornLastRecordIsCutOff) {
  const auto tablet = restarted_with_rows(3);
  end(tablet);
  const fs::path log = Binlog::files_in(partition(tablet) / "binlog").back();
  fs::resize_file(log, fs::file_size(log) - 3);
  begin_again(tablet);
  ASSERT_EQ(load(tablet, fedb::kTableLeader), 0);
  ASSERT_TRUE(soon([&] { return is_normal(tablet); }, "it is loaded"));
  EXPECT_EQ(offset(tablet), 2u);
  ASSERT_EQ(put(tablet, "after"), 0);
  EXPECT_EQ(offset(tablet), 3u);
  EXPECT_EQ(dump(tablet, true).digest(), dump(tablet).digest());
  end(tablet);
  begin_again(tablet);
  ASSERT_EQ(load(tablet, fedb::kTableLeader), 0);
  ASSERT_TRUE(soon([&] { return is_normal(tablet); }, "it is loaded again"));
  EXPECT_EQ(get(tablet, "after"), "v");
}

TEST_F(Load, FailureCostsTheDirectory) {
  const auto tablet = restarted_with_rows(3);
  fs::create_directories(partition(tablet) / "snapshot");
  std::ofstream{partition(tablet) / "snapshot" / "MANIFEST"} << "offset: 2 name: \"gone.sdb\"";
  ASSERT_EQ(load(tablet, fedb::kTableFollower, task(1, fedb::kLoadTable)), 0);
  ASSERT_TRUE(soon([&] { return task_status(tablet, 1) == fedb::kFailed; }, "the load fails"));
  EXPECT_FALSE(fs::exists(partition(tablet)));
  EXPECT_EQ(in_bin(tablet, "7_3_"), 1u);
  EXPECT_FALSE(status(tablet).has_tid());
  EXPECT_EQ(load(tablet, fedb::kTableFollower), kTablePathIsNotExist);
}

TEST_F(Load, DropMovesTheDirectoryToTheBin) {
  const auto tablet = begin();
  EXPECT_EQ(drop(tablet), kTableIsNotExist);
  ASSERT_EQ(create(tablet, fedb::kTableLeader), 0);
  ASSERT_EQ(put(tablet, "k"), 0);
  ASSERT_EQ(drop(tablet, task(1, fedb::kDropTable)), 0);
  ASSERT_TRUE(soon([&] { return task_status(tablet, 1) == fedb::kDone; }, "it is dropped"));
  EXPECT_FALSE(fs::exists(partition(tablet)));
  EXPECT_EQ(in_bin(tablet, "7_3_2"), 1u);
  EXPECT_EQ(load(tablet, fedb::kTableLeader), kTablePathIsNotExist);
  EXPECT_EQ(put(tablet, "k"), kTableIsNotExist);
}

TEST_F(Load, WithoutABinBothDeleteForGood) {
  const auto tablet = begin([](Options& options) { options.recycle_bin_enabled = false; });
  ASSERT_EQ(create(tablet, fedb::kTableLeader), 0);
  ASSERT_EQ(put(tablet, "k"), 0);
  EXPECT_EQ(general("DeleteBinlog", tablet), 0);
  EXPECT_FALSE(fs::exists(partition(tablet) / "binlog"));
  ASSERT_EQ(drop(tablet, task(1, fedb::kDropTable)), 0);
  ASSERT_TRUE(soon([&] { return task_status(tablet, 1) == fedb::kDone; }, "it is dropped"));
  EXPECT_FALSE(fs::exists(partition(tablet)));
  EXPECT_FALSE(fs::exists(bin(tablet)));
}

TEST_F(Load, DropAndDeleteBinlogDoNotRefuseALoadingTable) {
  const auto tablet = restarted_with_rows(2);
  hang(tablet, "LoadTable", control::kInside);
  ASSERT_EQ(load(tablet, fedb::kTableFollower), 0);
  ASSERT_TRUE(soon([&] { return state(tablet) == fedb::kTableLoading; }, "it is loading"));
  EXPECT_EQ(general("DeleteBinlog", tablet), 0);
  EXPECT_EQ(in_bin(tablet, "7_3_binlog_"), 1u);
  EXPECT_EQ(drop(tablet, task(2, fedb::kDropTable)), 0);
  ASSERT_TRUE(soon([&] { return task_status(tablet, 2) == fedb::kDone; }, "it is dropped"));
  release(tablet);
  EXPECT_FALSE(status(tablet).has_tid());
}

TEST_F(Load, DeleteBinlogOfALoadedTableLosesItAtTheNextLoad) {
  const auto tablet = begin();
  EXPECT_EQ(general("DeleteBinlog", tablet), 0);
  ASSERT_EQ(create(tablet, fedb::kTableLeader), 0);
  ASSERT_EQ(put(tablet, "a"), 0);
  EXPECT_EQ(general("DeleteBinlog", tablet), 0);
  EXPECT_EQ(put(tablet, "b"), 0);
  EXPECT_EQ(offset(tablet), 2u);
  end(tablet);
  begin_again(tablet);
  ASSERT_EQ(load(tablet, fedb::kTableLeader), 0);
  ASSERT_TRUE(soon([&] { return is_normal(tablet); }, "it is loaded"));
  EXPECT_EQ(offset(tablet), 0u);
}

TEST_F(Load, DiskFullRefusesTheLoadBeforeItBegins) {
  const auto tablet = restarted_with_rows(1);
  set_disk_full(tablet, true);
  EXPECT_EQ(load(tablet, fedb::kTableFollower, task(1, fedb::kLoadTable)), kWriteDataFailed);
  EXPECT_EQ(task_status(tablet, 1), fedb::kFailed);
}

}  // namespace
}  // namespace failoverd::minitablet
