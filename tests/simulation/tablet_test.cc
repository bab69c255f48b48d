// What only the made-up tablet has of a disk, or shows of it: its bin, a copy half way, a power
// cut. What it does as every tablet does is in tests/contract/.
#include "tests/simulation/tablet.h"

#include "tests/simulation/fake_cluster.h"

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
  void make_snapshot(const std::string& tablet) {
    world_.tablet(tablet).make_snapshot(kAt);
    world_.run_for(seconds{1});
  }
};

TEST_F(MadeUpDisk, WhatIsDroppedIsInItsBin) {
  write(5);
  ASSERT_TRUE(call("B:1", core::DropTable{kAt, 7, {}}).ok());
  world_.run_for(seconds{1});
  EXPECT_EQ(world_.tablet("B:1").held(kAt), nullptr);
  EXPECT_EQ(world_.tablet("B:1").recycle_bin.at(0).directory.log.offset(), 5u);
}

TEST_F(MadeUpDisk, AFailedLoadPutsTheDirectoryIntoTheBin) {
  write(5);
  restart("B:1");
  world_.tablet("B:1").fail_next_load();
  ASSERT_TRUE(call("B:1", core::LoadTable{kAt, "flow", ""}).ok());
  world_.run_for(seconds{1});
  EXPECT_EQ(world_.tablet("B:1").held(kAt), nullptr);
  EXPECT_EQ(world_.tablet("B:1").recycle_bin.at(0).directory.log.offset(), 5u);
}

TEST_F(MadeUpDisk, ABinlogThatAFollowerNeedsIsKept) {
  write(5);
  world_.kill("B:1");
  write(5);
  make_snapshot("A:1");
  EXPECT_EQ(world_.tablet("A:1").disk.at(kAt).snapshot, 10u);
  EXPECT_EQ(world_.tablet("A:1").disk.at(kAt).binlog_from, 5u);
}

TEST_F(MadeUpDisk, ACopyWithoutItsManifestIsNothing) {
  write(5);
  make_snapshot("A:1");
  restart("B:1");
  world_.tablet("B:1").disk.erase(kAt);
  ASSERT_TRUE(call("A:1", core::PauseSnapshot{kAt}).ok());
  ASSERT_TRUE(call("A:1", core::SendSnapshot{kAt, "B:1", 7, {}}).ok());
  world_.run_for(milliseconds{1500});
  EXPECT_TRUE(world_.tablet("B:1").disk.contains(kAt));
  EXPECT_EQ(offset("B:1"), 0u);
  world_.run_for(seconds{2});
  EXPECT_EQ(offset("B:1"), 5u);
}

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
