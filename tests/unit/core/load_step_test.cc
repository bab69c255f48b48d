// Whether a partition on disk is being loaded: its tablet's registry tells (FEDB.md 8).
#include "lib/core/cluster/load_step.h"

#include <gtest/gtest.h>

namespace failoverd::core {
namespace {

constexpr PartitionKey kAt{7, 3};
constexpr PartitionKey kOther{7, 4};
constexpr OpId kOp = kFirstOpId;

DiskLoad load_of(std::vector<RegisteredTask> tasks) { return disk_load(tasks, kAt, kOp); }

TEST(DiskLoads, WhoeverOrderedItItIsNotOrderedAgain) {
  for (const OpStatus status : {OpStatus::kInited, OpStatus::kDoing}) {
    EXPECT_EQ(load_of({{kOp, Task::kLoadTable, status, kAt}}), DiskLoad::kRuns);
    EXPECT_EQ(load_of({{12, Task::kLoadTable, status, kAt}}), DiskLoad::kRuns);
    EXPECT_EQ(load_of({{12, Task::kLoadTable, status, std::nullopt}}), DiskLoad::kRuns);
    EXPECT_EQ(load_of({{12, Task::kLoadTable, status, kOther}}), DiskLoad::kNone);
    EXPECT_EQ(load_of({{kOp, Task::kSendSnapshot, status, kAt}}), DiskLoad::kNone);
  }
}

TEST(DiskLoads, OneThatIsOverKeepsItsKey) {
  for (const OpStatus status : {OpStatus::kDone, OpStatus::kFailed, OpStatus::kCanceled}) {
    EXPECT_EQ(load_of({{kOp, Task::kLoadTable, status, kAt}}), DiskLoad::kOver);
    EXPECT_EQ(load_of({{12, Task::kLoadTable, status, kAt}}), DiskLoad::kNone);
    EXPECT_EQ(load_of({{kOp, Task::kLoadTable, status, kAt},
                       {12, Task::kLoadTable, OpStatus::kDoing, kAt}}),
              DiskLoad::kRuns);
  }
  EXPECT_EQ(load_of({}), DiskLoad::kNone);
}

}  // namespace
}  // namespace failoverd::core
