// Partitions come into memory and leave it, as far as it is minitablet's own: what is read from its
// disk, and what lies in its bin. What every tablet does is in tests/contract/.
#include <gmock/gmock.h>

#include <fstream>

#include "tests/minitablet/rig.h"
#include "tests/minitablet/snapshot.h"

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

TEST_F(Load, WhatIsGoneIsInTheBin) {
  const auto tablet = restarted_with_rows(3);
  ASSERT_EQ(general("DeleteBinlog", tablet), 0);
  EXPECT_FALSE(fs::exists(partition(tablet) / "binlog"));
  EXPECT_EQ(in_bin(tablet, "7_3_binlog_2"), 1u);
  // A load that fails.
  fs::create_directories(partition(tablet) / "snapshot");
  std::ofstream{partition(tablet) / "snapshot" / "MANIFEST"} << "offset: 2 name: \"gone.sdb\"";
  ASSERT_EQ(load(tablet, fedb::kTableFollower, task(1, fedb::kLoadTable)), 0);
  ASSERT_TRUE(soon([&] { return task_status(tablet, 1) == fedb::kFailed; }, "the load fails"));
  EXPECT_FALSE(fs::exists(partition(tablet)));
  EXPECT_EQ(in_bin(tablet, "7_3_2"), 1u);
  ASSERT_EQ(create(tablet, fedb::kTableLeader), 0);
  ASSERT_EQ(drop(tablet, task(2, fedb::kDropTable)), 0);
  ASSERT_TRUE(soon([&] { return task_status(tablet, 2) == fedb::kDone; }, "it is dropped"));
  EXPECT_FALSE(fs::exists(partition(tablet)));
  EXPECT_EQ(in_bin(tablet, "7_3_2"), 2u);
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

TEST_F(Load, DiskFullRefusesTheLoadBeforeItBegins) {
  const auto tablet = restarted_with_rows(1);
  set_disk_full(tablet, true);
  EXPECT_EQ(load(tablet, fedb::kTableFollower, task(1, fedb::kLoadTable)), kWriteDataFailed);
  EXPECT_EQ(task_status(tablet, 1), fedb::kFailed);
}

}  // namespace
}  // namespace failoverd::minitablet
