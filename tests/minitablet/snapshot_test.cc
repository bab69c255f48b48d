// Snapshots, their copies to other tablets, and the registry of tasks.
#include "tests/minitablet/snapshot.h"

#include <gmock/gmock.h>

#include <fstream>

#include "tests/minitablet/rig.h"

namespace failoverd::minitablet {
namespace {

namespace fs = std::filesystem;

class Snapshot : public Rig {
 protected:
  fs::path partition(std::size_t which) const {
    return partition_path(directory(which), kTid, kPid);
  }
  std::size_t leader_with_rows(int rows, const std::function<void(Options&)>& change = {}) {
    const auto which = begin(change);
    EXPECT_EQ(create(which, fedb::kTableLeader, {}, 4), 0);
    for (int i = 0; i < rows; ++i) EXPECT_EQ(put(which, "k" + std::to_string(i)), 0);
    return which;
  }
  testing::AssertionResult ends(std::size_t which, std::uint64_t op_id, fedb::TaskStatus status) {
    return soon([&] { return task_status(which, op_id) == status; }, "the task ends so");
  }
};

TEST_F(Snapshot, SecondSnapshotReplacesTheFirst) {
  const auto tablet = leader_with_rows(3);
  ASSERT_EQ(general("MakeSnapshot", tablet, task(1, fedb::kMakeSnapshot)), 0);
  ASSERT_TRUE(ends(tablet, 1, fedb::kDone));
  ASSERT_EQ(put(tablet, "more"), 0);
  ASSERT_EQ(general("MakeSnapshot", tablet, task(2, fedb::kMakeSnapshot)), 0);
  ASSERT_TRUE(ends(tablet, 2, fedb::kDone));
  EXPECT_EQ(manifest_offset(tablet), 4u);
  const fs::directory_iterator files{partition(tablet) / "snapshot"};
  EXPECT_EQ(std::distance(files, fs::directory_iterator{}), 2);
  ASSERT_EQ(general("DeleteBinlog", tablet), 0);
  const std::uint64_t digest = dump(tablet).digest();
  end(tablet);
  begin_again(tablet);
  ASSERT_EQ(load(tablet, fedb::kTableFollower), 0);
  ASSERT_TRUE(soon([&] { return offset(tablet) == 4; }, "it is loaded from the snapshot alone"));
  EXPECT_EQ(dump(tablet).digest(), digest);
}

TEST_F(Snapshot, BelowTheThresholdItIsDoneAndWritesNothing) {
  const auto tablet =
      leader_with_rows(3, [](Options& options) { options.make_snapshot_threshold_offset = 4; });
  ASSERT_EQ(general("MakeSnapshot", tablet, task(1, fedb::kMakeSnapshot)), 0);
  ASSERT_TRUE(ends(tablet, 1, fedb::kDone));
  EXPECT_EQ(manifest_offset(tablet), 0u);
  EXPECT_EQ(state(tablet), fedb::kTableNormal);
}

TEST_F(Snapshot, DiskFullFailsIt) {
  const auto tablet = leader_with_rows(3);
  set_disk_full(tablet, true);
  ASSERT_EQ(general("MakeSnapshot", tablet, task(1, fedb::kMakeSnapshot)), 0);
  ASSERT_TRUE(ends(tablet, 1, fedb::kFailed));
  EXPECT_EQ(manifest_offset(tablet), 0u);
  EXPECT_EQ(state(tablet), fedb::kTableNormal);
  set_disk_full(tablet, false);
  ASSERT_EQ(general("MakeSnapshot", tablet, task(2, fedb::kMakeSnapshot)), 0);
  ASSERT_TRUE(ends(tablet, 2, fedb::kDone));
}

TEST_F(Snapshot, SendInManyBlocks) {
  const auto leader = leader_with_rows(0, [](Options& options) {
    options.stream_block_size = 1000;
    options.stream_bandwidth_limit = 0;
  });
  const auto target = begin();
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(put(leader, "k" + std::to_string(i), 1, std::string(200, 'x')), 0);
  }
  ASSERT_EQ(general("MakeSnapshot", leader, task(1, fedb::kMakeSnapshot)), 0);
  ASSERT_TRUE(ends(leader, 1, fedb::kDone));
  ASSERT_EQ(general("PauseSnapshot", leader), 0);
  ASSERT_EQ(send_snapshot(leader, target, task(2, fedb::kSendSnapshot)), 0);
  ASSERT_TRUE(ends(leader, 2, fedb::kDone));
  EXPECT_EQ(term_pair(target).offset(), 50u);
  ASSERT_EQ(load(target, fedb::kTableFollower), 0);
  ASSERT_TRUE(soon([&] { return offset(target) == 50; }, "it is loaded"));
  EXPECT_EQ(dump(target).digest(), dump(leader).digest());
}

TEST_F(Snapshot, SendSleepsForEachFile) {
  const auto leader = leader_with_rows(1, [](Options& options) { options.send_file_sleep = 80ms; });
  const auto target = begin();
  ASSERT_EQ(general("MakeSnapshot", leader, task(1, fedb::kMakeSnapshot)), 0);
  ASSERT_TRUE(ends(leader, 1, fedb::kDone));
  ASSERT_EQ(general("PauseSnapshot", leader), 0);
  const auto began = std::chrono::steady_clock::now();
  ASSERT_EQ(send_snapshot(leader, target, task(2, fedb::kSendSnapshot)), 0);
  // 128: one to that endpoint is under way.
  EXPECT_EQ(send_snapshot(leader, target, task(3, fedb::kSendSnapshot)), kSnapshotIsSending);
  EXPECT_EQ(task_status(leader, 3), fedb::kFailed);
  EXPECT_EQ(task_status(leader, 2), fedb::kDoing);
  ASSERT_TRUE(ends(leader, 2, fedb::kDone));
  EXPECT_GE(std::chrono::steady_clock::now() - began, 3 * 80ms);
  EXPECT_EQ(send_snapshot(leader, target), 0);
}

TEST_F(Snapshot, SendKeepsToItsBandwidth) {
  const auto leader = leader_with_rows(1, [](Options& options) {
    options.stream_block_size = 20;
    options.stream_bandwidth_limit = 1000;
  });
  const auto target = begin();
  ASSERT_EQ(general("PauseSnapshot", leader), 0);
  const auto size = fs::file_size(partition(leader) / "table_meta.txt");
  const auto began = std::chrono::steady_clock::now();
  ASSERT_EQ(send_snapshot(leader, target, task(1, fedb::kSendSnapshot)), 0);
  ASSERT_TRUE(ends(leader, 1, fedb::kDone));
  // Every whole block takes its time; the last one, which is not full, need not.
  EXPECT_GE(std::chrono::steady_clock::now() - began, 20ms * (size / 20));
}

TEST_F(Snapshot, ReceiverWithTheTableInMemoryFailsTheTaskAfterThreeTries) {
  const auto leader = begin();
  const auto other = begin();
  ASSERT_EQ(create(leader, fedb::kTableLeader), 0);
  ASSERT_EQ(create(other, fedb::kTableFollower), 0);
  ASSERT_EQ(general("PauseSnapshot", leader), 0);
  EXPECT_EQ(send_snapshot(leader, other, task(1, fedb::kSendSnapshot)), 0);
  ASSERT_TRUE(ends(leader, 1, fedb::kFailed));
  const auto answer = client(other).call("MiniTablet", "Counters", "");
  control::CountersResponse response;
  response.ParseFromString(answer.payload);
  for (const auto& counter : response.counters()) {
    if (counter.method() == "SendData") {
      EXPECT_EQ(counter.calls(), 3u);
    }
  }
}

TEST_F(Snapshot, SendToAFullDisk) {
  const auto leader = begin();
  const auto other = begin();
  ASSERT_EQ(create(leader, fedb::kTableLeader), 0);
  ASSERT_EQ(general("PauseSnapshot", leader), 0);
  set_disk_full(other, true);
  EXPECT_EQ(send_snapshot(leader, other, task(1, fedb::kSendSnapshot)), 0);
  EXPECT_TRUE(ends(leader, 1, fedb::kFailed));
}

TEST_F(Snapshot, SendDataBlockByBlock) {
  const auto tablet = begin();
  fedb::SendDataRequest request;
  request.set_tid(kTid);
  request.set_pid(kPid);
  request.set_file_name("table_meta.txt");
  const auto send = [&](std::uint64_t block, const std::string& bytes, bool eof) {
    request.set_block_id(block);
    request.set_block_size(4);
    request.set_eof(eof);
    return client(tablet).ask<fedb::GeneralResponse>("SendData", request, bytes)->code();
  };
  EXPECT_EQ(send(1, "abcd", false), kCannotFindReceiver);
  EXPECT_EQ(send(0, "", false), 0);
  EXPECT_EQ(send(2, "abcd", false), kBlockIdMismatch);
  EXPECT_EQ(send(1, "abc", false), kReceiveDataError);
  EXPECT_EQ(send(1, "abcd", false), 0);
  EXPECT_EQ(send(1, "abcd", false), 0);  // Said twice, written once.
  EXPECT_FALSE(fs::exists(partition(tablet) / "table_meta.txt"));
  EXPECT_EQ(send(2, "efgh", true), 0);
  EXPECT_EQ(fs::file_size(partition(tablet) / "table_meta.txt"), 8u);
  fedb::CheckFileRequest check;
  check.set_tid(kTid);
  check.set_pid(kPid);
  check.set_file("table_meta.txt");
  check.set_size(8);
  EXPECT_EQ(client(tablet).ask<fedb::GeneralResponse>("CheckFile", check)->code(), 0);
  check.set_size(9);
  EXPECT_EQ(client(tablet).ask<fedb::GeneralResponse>("CheckFile", check)->code(), -1);
  check.set_file("none");
  EXPECT_EQ(client(tablet).ask<fedb::GeneralResponse>("CheckFile", check)->code(), -1);
}

TEST_F(Snapshot, UnreadableManifest) {
  const auto tablet = leader_with_rows(1);
  fs::create_directories(partition(tablet) / "snapshot");
  std::ofstream{partition(tablet) / "snapshot" / "MANIFEST"} << "what is this";
  fedb::GetManifestRequest request;
  request.set_tid(kTid);
  request.set_pid(kPid);
  EXPECT_EQ(client(tablet).ask<fedb::GetManifestResponse>("GetManifest", request)->code(), -1);
}

// --- The registry of tasks ---

using Tasks = Snapshot;

TEST_F(Tasks, KeyIsTakenUntilDeleteOPTask) {
  const auto tablet = begin();
  ASSERT_EQ(create(tablet, fedb::kTableLeader), 0);
  EXPECT_EQ(general("PauseSnapshot", tablet, task(1, fedb::kPauseSnapshot)), 0);
  EXPECT_EQ(task_status(tablet, 1), fedb::kDone);
  EXPECT_EQ(general("PauseSnapshot", tablet, task(1, fedb::kPauseSnapshot)), -1);
  // Another task of the same op, another op with the same task.
  EXPECT_EQ(general("RecoverSnapshot", tablet, task(1, fedb::kRecoverSnapshot)), 0);
  EXPECT_EQ(general("PauseSnapshot", tablet, task(2, fedb::kPauseSnapshot)), 0);
  forget(tablet, 1);
  EXPECT_EQ(task_status(tablet, 1), std::nullopt);
  EXPECT_EQ(task_status(tablet, 2), fedb::kDone);
  EXPECT_EQ(general("PauseSnapshot", tablet, task(1, fedb::kPauseSnapshot)), 0);
}

TEST_F(Tasks, ARefusedCallLeavesAFailedTaskThatTakesTheKey) {
  const auto tablet = begin();
  EXPECT_EQ(general("PauseSnapshot", tablet, task(1, fedb::kPauseSnapshot)), kTableIsNotExist);
  EXPECT_EQ(task_status(tablet, 1), fedb::kFailed);
  ASSERT_EQ(create(tablet, fedb::kTableLeader), 0);
  EXPECT_EQ(general("PauseSnapshot", tablet, task(1, fedb::kPauseSnapshot)), -1);
  EXPECT_EQ(state(tablet), fedb::kTableNormal);
  forget(tablet, 1);
  EXPECT_EQ(general("PauseSnapshot", tablet, task(1, fedb::kPauseSnapshot)), 0);
}

TEST_F(Tasks, ATypeThatIsNotTheMethodsIsRefusedAndRegisteredAsFailed) {
  const auto tablet = begin();
  ASSERT_EQ(create(tablet, fedb::kTableLeader), 0);
  EXPECT_EQ(general("PauseSnapshot", tablet, task(1, fedb::kSendSnapshot)), -1);
  EXPECT_EQ(task_status(tablet, 1), fedb::kFailed);
  EXPECT_EQ(state(tablet), fedb::kTableNormal);
}

TEST_F(Tasks, ReplicaTasksAreDoneWhenTheyAnswer) {
  const auto leader = begin();
  const auto follower = begin();
  ASSERT_EQ(create(leader, fedb::kTableLeader), 0);
  EXPECT_EQ(replica("AddReplica", leader, follower, task(1, fedb::kAddReplica)), 0);
  EXPECT_EQ(task_status(leader, 1), fedb::kDone);
  // 119 to the caller, done to the task.
  EXPECT_EQ(replica("AddReplica", leader, follower, task(2, fedb::kAddReplica)),
            kReplicaAlreadyExists);
  EXPECT_EQ(task_status(leader, 2), fedb::kDone);
  EXPECT_EQ(replica("DelReplica", leader, follower, task(3, fedb::kDelReplica)), 0);
  EXPECT_EQ(task_status(leader, 3), fedb::kDone);
  EXPECT_EQ(replica("DelReplica", leader, follower, task(3, fedb::kDelReplica)), -1);
}

TEST_F(Tasks, AnIncompleteTaskInfoIsNoRequest) {
  const auto tablet = begin();
  fedb::TaskInfo incomplete = task(1, fedb::kPauseSnapshot);
  incomplete.clear_status();
  EXPECT_EQ(general("PauseSnapshot", tablet, incomplete), -1000);
  EXPECT_EQ(client(tablet).last_answer().error_code, 1003);
}

}  // namespace
}  // namespace failoverd::minitablet
