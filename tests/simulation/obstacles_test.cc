// What in ZooKeeper keeps a daemon from acting: it is told with a reason, asked for ever more
// slowly, and over by itself when it is mended.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lib/core/durable/number_block.h"
#include "tests/simulation/fake_cluster.h"
#include "tests/simulation/hands.h"

namespace failoverd::simulation {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using zookeeper::Op;

class ObstaclesTest : public MadeUp {
 protected:
  Hands& start() {
    hands_ = std::make_unique<Hands>(world_, "a");
    world_.run_for(seconds{2});
    return *hands_;
  }
  void write(const Op& op) {
    ASSERT_EQ(world_.fake_zookeeper.write({op}, 0, "somebody").code, zookeeper::Code::kOk);
  }
  void put(const std::string& path, const std::string& value) {
    const bool is_there = world_.fake_zookeeper.znodes().find(path) != nullptr;
    write(is_there ? Op::set(path, value, -1) : Op::create(path, value));
  }
  void remove_all(const std::string& path) {
    for (const std::string& name : world_.fake_zookeeper.znodes().children(path)) {
      remove_all(path + "/" + name);
    }
    write(Op::remove(path, -1));
  }
  // Reasons that stand in the way; one that is over has gone. And how often it was told of any.
  std::vector<std::string> obstacles() {
    for (const core::Obstacle& o : hands_->told<core::Obstacle>()) {
      ++told_;
      if (o.text.empty()) {
        standing_.erase(o.reason);
      } else {
        standing_[o.reason] = o.text;
      }
    }
    std::vector<std::string> reasons;
    for (const auto& [reason, text] : standing_) reasons.push_back(reason);
    return reasons;
  }
  // 100 numbers were given out, none of them again.
  template <class Reserved>
  void expect_block_above(std::uint64_t& highest) {
    const auto told = hands_->told<Reserved>();
    ASSERT_EQ(told.size(), 1u);
    ASSERT_TRUE(told[0].ok);
    EXPECT_GT(told[0].first, highest);
    EXPECT_EQ(told[0].last, told[0].first + 99);
    EXPECT_LT(told[0].last, core::NumberBlock::kHighest);
    highest = told[0].last;
  }
  bool gained() const { return hands_->parts.side.leadership.gained(); }

  const fedb::Paths& paths_ = world_.fake_zookeeper.paths();
  std::unique_ptr<Hands> hands_;
  std::map<std::string, std::string> standing_;
  int told_ = 0;
};

TEST_F(ObstaclesTest, NothingIsInTheWay) {
  start();
  EXPECT_THAT(obstacles(), IsEmpty());
  EXPECT_TRUE(gained());
}

// A root that is mistyped stays as empty as it was found, and a cluster that comes is served.
TEST_F(ObstaclesTest, WithoutAClusterNothingIsCreated) {
  remove_all(FakeZooKeeper::kRoot);
  start();
  EXPECT_THAT(obstacles(), ElementsAre("no_cluster"));
  EXPECT_THAT(standing_["no_cluster"], HasSubstr("there is no cluster below /cluster"));
  EXPECT_FALSE(gained());
  EXPECT_EQ(world_.fake_zookeeper.znodes().find(FakeZooKeeper::kRoot), nullptr);
  write(Op::create(FakeZooKeeper::kRoot, ""));
  world_.run_for(seconds{2});
  EXPECT_THAT(obstacles(), ElementsAre("no_cluster"));
  write(Op::create(paths_.at("table"), ""));
  world_.run_for(seconds{2});
  EXPECT_THAT(obstacles(), IsEmpty());
  EXPECT_TRUE(gained());
  EXPECT_EQ(told_, 2);
}

// Somebody deletes the cluster under a daemon that acts.
TEST_F(ObstaclesTest, AClusterThatGoesIsNotMadeAnew) {
  start();
  remove_all(FakeZooKeeper::kRoot);
  world_.run_for(seconds{10});
  EXPECT_THAT(obstacles(), ElementsAre("no_cluster"));
  EXPECT_FALSE(gained());
  EXPECT_EQ(world_.fake_zookeeper.znodes().find(FakeZooKeeper::kRoot), nullptr);
}

TEST_F(ObstaclesTest, WhatMayNotBeReadIsSaidAndAskedForAgain) {
  for (const std::string& path :
       {paths_.nodes(), paths_.nameservers(), paths_.auto_failover(), paths_.nodes() + "/A:1",
        paths_.at(fedb::Paths::kTables), paths_.lock(), paths_.elections(), paths_.epoch()}) {
    SCOPED_TRACE(path);
    if (hands_) hands_->parts.client.die();
    world_.run_for(seconds{5});
    standing_.clear();
    told_ = 0;
    world_.fake_zookeeper.hide(path);
    start();
    world_.run_for(seconds{100});
    EXPECT_THAT(obstacles(), ElementsAre("refused"));
    EXPECT_THAT(standing_["refused"], HasSubstr(path + " (no auth)"));
    EXPECT_EQ(told_, 1);
    world_.fake_zookeeper.hide(path, false);
    world_.run_for(seconds{31});
    EXPECT_THAT(obstacles(), IsEmpty());
    EXPECT_TRUE(gained());
  }
}

// The one that cannot be read is left alone; the others are served.
TEST_F(ObstaclesTest, ATableThatMayNotBeReadIsNone) {
  const std::string flow = paths_.at(fedb::Paths::kTables) + "/flow";
  world_.fake_zookeeper.hide(flow);
  Hands& a = start();
  world_.run_for(seconds{100});
  EXPECT_THAT(obstacles(), IsEmpty());
  EXPECT_EQ(a.told<core::ClusterRead>().size(), 1u);
  const auto told = a.told<core::TableUnreadable>();
  EXPECT_THAT(told.at(0).why, HasSubstr("cannot be read: no auth"));
  EXPECT_LT(told.size(), 10u) << "ever more slowly";
  world_.fake_zookeeper.hide(flow, false);
  world_.run_for(seconds{31});
  EXPECT_EQ(a.told<core::TableRead>().size(), 1u);
}

// What is not watched is read all the same, and a publish of it compares versions.
TEST_F(ObstaclesTest, WhatIsNotWatchedIsReadInTurn) {
  const core::TableShape flow = *world_.fake_zookeeper.table(kAt);
  for (std::uint32_t tid = 10; tid < 50; ++tid) {
    core::TableShape more = flow;
    more.tid = tid;
    more.name = "t" + std::to_string(tid);
    more.znode = "table/table_data/" + more.name;
    world_.add_table(more);
  }
  hands_ = std::make_unique<Hands>(world_, "a");
  hands_->parts.client.most_watched = 20 * 32;
  world_.run_for(seconds{2});
  (void)hands_->told<core::TableRead>();
  world_.run_for(seconds{30});
  EXPECT_THAT(hands_->told<core::TableRead>(), IsEmpty()) << "nothing has changed";
  // The last by name is not watched; the first is.
  const std::string last = "table/table_data/t49";
  world_.fake_zookeeper.touch_table(last);
  const core::PartitionEdit edit{0, {{"B:1", false, false}}, {}, {}};
  hands_->parts.side.metadata.publish({7, {{last, 0, {edit}, 49}}});
  world_.run_for(seconds{1});
  const auto published = hands_->told<core::Published>();
  ASSERT_EQ(published.size(), 1u);
  EXPECT_EQ(published[0].outcome, core::Published::Outcome::kConflict);
  const auto conflict = hands_->told<core::TableRead>();
  ASSERT_EQ(conflict.size(), 1u) << "read again for that";
  EXPECT_EQ(conflict[0].table.version, 1);
  for (int round = 0; round < 3; ++round) {
    world_.fake_zookeeper.touch_table(last);
    world_.run_for(seconds{12});
    const auto read = hands_->told<core::TableRead>();
    ASSERT_EQ(read.size(), 1u);
    EXPECT_EQ(read[0].table.znode, last);
    EXPECT_EQ(read[0].table.version, 2 + round);
  }
  world_.fake_zookeeper.touch_table("table/table_data/flow");
  world_.run_for(seconds{1});
  EXPECT_EQ(hands_->told<core::TableRead>().size(), 1u) << "watched, so at once";
  world_.fake_zookeeper.drop_table(last);
  world_.run_for(seconds{1});
  EXPECT_EQ(hands_->told<core::TablesListed>().back().znodes.size(), 40u);
}

// A backup that was restored brings back znodes without their sessions.
TEST_F(ObstaclesTest, WhatIsNotEphemeralHoldsNoLock) {
  write(Op::create(paths_.lock(), ""));
  for (const char* name : {"/0123-lock-0000000000", "/4567-lock-0000000001"}) {
    write(Op::create(paths_.lock() + name, "an old daemon"));
  }
  Hands& a = start();
  EXPECT_TRUE(gained());
  EXPECT_EQ(a.parts.side.leadership.holder(), "a");
  Hands b{world_, "b"};
  world_.run_for(seconds{2});
  EXPECT_FALSE(b.parts.side.leadership.gained());
  EXPECT_EQ(b.parts.side.leadership.holder(), "a");
  a.parts.client.die();
  world_.run_for(seconds{5});
  EXPECT_TRUE(b.parts.side.leadership.gained());
}

TEST_F(ObstaclesTest, NobodyActsAboveTheHighestEpoch) {
  for (const char* highest : {"9223372036854775807", "18446744073709551615"}) {
    SCOPED_TRACE(highest);
    put(paths_.epoch(), highest);
    if (!hands_) start();
    hands_->parts.side.leadership.epoch_is_not_ours();
    world_.run_for(seconds{10});
    EXPECT_FALSE(gained());
    EXPECT_THAT(obstacles(), ElementsAre("epoch"));
    EXPECT_THAT(standing_["epoch"], HasSubstr("leaves no epoch above it"));
    put(paths_.epoch(), "7");
    world_.run_for(seconds{5});
    EXPECT_TRUE(gained());
    EXPECT_THAT(obstacles(), IsEmpty());
  }
}

// SAFETY 4: a nameserver writes what it has counted in its memory, also while nobody acts. The mark
// of our own outlives that, and whatever somebody writes into it stops nothing.
TEST_F(ObstaclesTest, TermsAreGivenOutOnceWhateverANameserverWrites) {
  core::Term highest = 0;
  const auto reserve = [&] {
    hands_->parts.side.metadata.reserve_terms({1, 5, 100});
    world_.run_for(seconds{1});
    expect_block_above<core::TermsReserved>(highest);
    EXPECT_EQ(*world_.fake_zookeeper.znodes().find(paths_.term())->value, std::to_string(highest));
  };
  const auto expect_marked = [&] {
    EXPECT_EQ(*world_.fake_zookeeper.znodes().find(paths_.term_index())->value,
              std::to_string(highest));
  };
  const auto change = [&](const std::function<void()>& what) {
    what();
    world_.run_for(seconds{1});
    reserve();
  };
  start();
  reserve();
  EXPECT_GE(highest, 105u);
  reserve();
  expect_marked();
  hands_.reset();
  world_.run_for(seconds{20});
  put(paths_.term(), "3");
  start();
  reserve();
  for (const char* value : {"18446744073709551615", "4611686018427387904", "garbage", "-1", ""}) {
    SCOPED_TRACE(value);
    change([&] { put(paths_.term_index(), value); });
    expect_marked();
  }
  change([&] { write(Op::remove(paths_.term_index(), -1)); });
  expect_marked();
  change([&] { put(paths_.term(), "9000"); });  // Somebody else has counted on.
  EXPECT_EQ(highest, 9100u);
  expect_marked();
  change([&] { world_.fake_zookeeper.hide(paths_.term_index()); });
  EXPECT_EQ(highest, 9200u);
}

// Ids of ops have to be given out once; which they are does not matter.
TEST_F(ObstaclesTest, OpIdsGoOnWhateverStandsInTheirZnode) {
  start();
  core::OpId highest = 0;
  const auto reserve = [&] {
    hands_->parts.side.metadata.reserve_op_ids({1, 100});
    world_.run_for(seconds{1});
    expect_block_above<core::OpIdsReserved>(highest);
  };
  reserve();
  for (const char* value : {"18446744073709551615", "99999999999999999999999", "garbage", "-1"}) {
    SCOPED_TRACE(value);
    put(paths_.op_index(), value);
    world_.run_for(seconds{1});
    reserve();
    EXPECT_EQ(*world_.fake_zookeeper.znodes().find(paths_.op_index())->value,
              std::to_string(highest));
    reserve();
  }
  world_.fake_zookeeper.hide(paths_.op_index());
  reserve();
  reserve();
  EXPECT_THAT(obstacles(), IsEmpty());
}

}  // namespace
}  // namespace failoverd::simulation
