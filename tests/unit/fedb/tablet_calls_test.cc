// What a tablet is told of where a table's rows live, and of who loads it (FEDB.md 8).
#include "lib/fedb/wire/tablet_calls.h"

#include <gtest/gtest.h>

#include "proto/openmldb.pb.h"
#include "proto/tablet.pb.h"

namespace failoverd::fedb {
namespace {

constexpr core::PartitionKey kAt{7, 3};

template <class Request>
Request asked(const core::Call& call, core::Storage storage,
              Numbering numbering = Numbering::kOpenmldb) {
  Request request;
  EXPECT_TRUE(request.ParseFromString(to_wire(call, numbering, storage).request));
  return request;
}

TEST(TabletCalls, WhateverLooksAtTheDiskSaysWhere) {
  using core::Storage;
  for (const Storage storage : {Storage::kMemory, Storage::kSsd, Storage::kHdd}) {
    const bool is_said = storage != Storage::kMemory;
    const auto expect_said = [&](const auto& request) {
      EXPECT_EQ(request.has_storage_mode(), is_said);
      EXPECT_EQ(static_cast<int>(request.storage_mode()), static_cast<int>(storage));
    };
    expect_said(asked<GetTermPairRequest>(core::GetTermPair{kAt}, storage));
    expect_said(asked<GetManifestRequest>(core::GetManifest{kAt}, storage));
    expect_said(asked<GeneralRequest>(core::PauseSnapshot{kAt}, storage));
    expect_said(asked<GeneralRequest>(core::RecoverSnapshot{kAt}, storage));
    expect_said(asked<GeneralRequest>(core::DeleteBinlog{kAt}, storage));
    expect_said(asked<GeneralRequest>(core::MakeSnapshot{kAt, 5, {}}, storage));
    const core::LoadTable load{kAt, "flow", "shop", 0, {}, 4};
    const auto loaded = asked<openmldb::LoadTableRequest>(load, storage).table_meta();
    expect_said(loaded);
    EXPECT_EQ(loaded.base_table_tid(), 4u);
    EXPECT_EQ(loaded.mode(), kTableFollower);  // SAFETY 19
  }
}

TEST(TabletCalls, ALoadFromDiskIsRegisteredWithItsPartition) {
  const core::LoadTable load{kAt, "flow", "", 1'000'000'009, core::OpType::kReLoadTableOP, 0};
  const auto request = asked<openmldb::LoadTableRequest>(load, core::Storage::kSsd);
  EXPECT_EQ(request.task_info().op_id(), 1'000'000'009u);
  EXPECT_EQ(request.task_info().task_type(), kLoadTable);
  EXPECT_EQ(request.task_info().tid(), 7u);
  EXPECT_EQ(request.task_info().pid(), 3u);
  EXPECT_EQ(request.table_meta().column_desc_size(), 0);
  // Where no tablet knows the op's type, its message would not parse.
  const core::LoadTable ours{kAt, "flow", "", 1'000'000'009, core::OpType::kFullRestartOP, 0};
  const auto as_known = asked<openmldb::LoadTableRequest>(ours, core::Storage::kSsd);
  EXPECT_EQ(as_known.task_info().op_type(), kReLoadTableOP);
  const core::LoadTable of_memory{kAt, "flow", "", 0, {}, 0};
  EXPECT_FALSE(
      asked<openmldb::LoadTableRequest>(of_memory, core::Storage::kMemory).has_task_info());
}

TEST(TabletCalls, ASnapshotIsSentBelowItsOwnTid) {
  const auto request = asked<SendSnapshotRequest>(
      core::SendSnapshot{kAt, "b:1", 5, core::OpType::kReAddReplicaOP}, core::Storage::kMemory);
  EXPECT_EQ(request.remote_tid(), 7u);
}

// A registry may not say of what partition a task is.
TEST(TabletCalls, ARegistrySaysOfWhichPartitionALoadIs) {
  GetTaskStatusResponse response;
  response.set_code(0);
  for (const bool is_said : {true, false}) {
    TaskInfo& task = *response.add_task();
    task.set_op_id(5);
    task.set_op_type(kReLoadTableOP);
    task.set_task_type(kLoadTable);
    task.set_status(kDoing);
    if (!is_said) continue;
    task.set_tid(7);
    task.set_pid(3);
  }
  rpc::Answer answer;
  answer.outcome = rpc::Outcome::kAnswered;
  answer.payload = response.SerializeAsString();
  const core::Answer told = from_wire(core::GetTaskStatus{}, answer, 1 << 20);
  ASSERT_EQ(told.tasks.size(), 2u);
  EXPECT_EQ(told.tasks[0].at, kAt);
  EXPECT_EQ(told.tasks[1].at, std::nullopt);
}

}  // namespace
}  // namespace failoverd::fedb
