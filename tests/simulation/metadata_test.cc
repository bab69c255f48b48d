// The real code between the core and ZooKeeper, command by command: the lock and its epoch,
// reading, publishing. Its ZooKeeper is made up, so that every answer can be lost at its worst
// moment.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "lib/core/api/command.h"
#include "tests/simulation/fake_cluster.h"
#include "tests/simulation/hands.h"

namespace failoverd::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using zookeeper::Op;
using Outcome = core::Published::Outcome;

constexpr const char* kFlow = "table/table_data/flow";

class MetadataTest : public MadeUp {
 protected:
  MetadataTest() { world_.run_for(seconds{1}); }

  // B's row is dead from now on, and something of it is kept.
  core::Publish publish(std::int32_t version) const {
    const core::PartitionEdit edit{0, {{"B:1", false, false}}, {}, {{"B:1", 1, 5}}};
    return {7, {{kFlow, version, {edit}, kAt.tid}}};
  }
  std::int32_t version() const { return world_.fake_zookeeper.table(kAt)->version; }
  void delete_lock_of(const Hands& hands) {
    const fedb::Paths& paths = world_.fake_zookeeper.paths();
    for (const std::string& path :
         world_.fake_zookeeper.znodes().owned_by(hands.parts.client.session_id())) {
      if (path.starts_with(paths.lock()))
        world_.fake_zookeeper.write({Op::remove(path, -1)}, 0, "somebody");
    }
  }
  // What one is told whose lock somebody has deleted, and whose publish comes behind the epoch of
  // its successor.
  core::Published publish_too_late(Hands& late) {
    late.parts.client.cut_off_server(true);
    delete_lock_of(late);
    late.parts.side.metadata.publish(publish(0));
    world_.run_for(milliseconds{300});
    late.parts.client.cut_off_server(false);
    world_.run_for(milliseconds{300});
    const auto answers = late.told<core::Published>();
    return answers.size() == 1 ? answers[0] : core::Published{};
  }

  Hands a_{world_, "a"};
};

TEST_F(MetadataTest, TheLockComesWithANewEpoch) {
  Hands b{world_, "b"};
  world_.run_for(seconds{1});
  ASSERT_EQ(a_.told<core::LockGained>().size(), 1u);
  EXPECT_TRUE(b.told<core::LockGained>().empty());
  EXPECT_EQ(b.parts.side.leadership.holder(), "a");
  EXPECT_TRUE(a_.parts.side.leadership.may_change());
  a_.parts.client.die();
  world_.run_for(seconds{3});
  const auto gained = b.told<core::LockGained>();
  ASSERT_EQ(gained.size(), 1u);
  EXPECT_EQ(gained[0].epoch, 2);
}

// SAFETY 14: the epoch is what stops a write that was sent in time and comes late.
TEST_F(MetadataTest, AnEpochThatIsOverPublishesNothing) {
  Hands b{world_, "b"};
  world_.run_for(milliseconds{100});
  EXPECT_EQ(publish_too_late(a_).outcome, Outcome::kNotHeld);
  EXPECT_EQ(b.told<core::LockGained>().size(), 1u);
  EXPECT_EQ(a_.told<core::LockLost>().size(), 1u);
  EXPECT_EQ(version(), 0);
}

// The same is published where nobody looks at the epoch: the test above can fail.
TEST_F(MetadataTest, WithoutTheEpochItWouldBePublished) {
  world_.tamper.write = [](std::vector<Op>& ops) {
    if (ops[0].kind == Op::Kind::kCheck) ops[0].version = -1;
  };
  Hands b{world_, "b"};
  world_.run_for(milliseconds{100});
  EXPECT_EQ(publish_too_late(a_).outcome, Outcome::kDone);
  EXPECT_EQ(version(), 1);
}

// SAFETY 14: a server that is cut off goes on answering reads; that is no contact.
TEST_F(MetadataTest, NoContactThroughAServerThatIsCutOff) {
  a_.parts.client.cut_off_server(true);
  world_.run_for(milliseconds{500});
  EXPECT_TRUE(a_.parts.side.leadership.may_change());
  world_.run_for(milliseconds{1000});
  EXPECT_FALSE(a_.parts.side.leadership.may_change());
  EXPECT_TRUE(a_.parts.client.connected());
  a_.parts.side.metadata.publish(publish(0));
  world_.run_for(milliseconds{10});
  const auto answers = a_.told<core::Published>();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].outcome, Outcome::kFailed);
}

TEST_F(MetadataTest, AConflictIsToldAndReadAgain) {
  (void)a_.told<core::TableRead>();
  world_.fake_zookeeper.touch_table(kFlow);
  a_.parts.side.metadata.publish(publish(0));
  world_.run_for(milliseconds{100});
  const auto answers = a_.told<core::Published>();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].outcome, Outcome::kConflict);
  EXPECT_THAT(answers[0].conflicts, ElementsAre(kFlow));
  ASSERT_FALSE(a_.told<core::TableRead>().empty());
  EXPECT_EQ(version(), 1);
  a_.parts.side.metadata.publish(publish(1));
  world_.run_for(milliseconds{100});
  EXPECT_EQ(a_.told<core::Published>().at(0).outcome, Outcome::kDone);
  EXPECT_EQ(world_.fake_zookeeper.touched(kFlow), 1u) << "what somebody wrote stays";
}

// SAFETY 17: what became of it is read back, the znode that it made beside the table's, too.
TEST_F(MetadataTest, ALostAnswerIsUnknownAndReadBack) {
  (void)a_.told<core::TableRead>();
  a_.parts.side.metadata.publish(publish(0));
  a_.parts.client.lose_connection();
  world_.run_for(milliseconds{200});
  EXPECT_EQ(a_.told<core::Published>().at(0).outcome, Outcome::kUnknown);
  const auto read = a_.told<core::TableRead>();
  ASSERT_FALSE(read.empty());
  EXPECT_EQ(read.back().table.version, 1);
  a_.parts.side.metadata.publish(publish(1));
  world_.run_for(milliseconds{100});
  EXPECT_EQ(a_.told<core::Published>().at(0).outcome, Outcome::kDone);
}

// SAFETY 17: the server that it is connected to now may not have it yet.
TEST_F(MetadataTest, ALostAnswerOfTheSwitchIsReadBackUpToDate) {
  world_.timing.another_server = 1;
  world_.timing.notice = {seconds{1}, seconds{1}};
  std::vector<std::string> said;
  a_.parts.side.switched.set(
      false, "ann", [&](bool ok, const std::string& why) { said.push_back(ok ? "ok" : why); });
  a_.parts.client.lose_connection();
  world_.run_for(milliseconds{200});
  EXPECT_THAT(said, ElementsAre("ok"));
  EXPECT_FALSE(world_.fake_zookeeper.auto_failover().auto_failover);
}

// SAFETY 22: it is named with ZooKeeper's word, and nothing of the multi is written.
TEST_F(MetadataTest, ARefusalNamesItsTable) {
  world_.fake_zookeeper.refuse(
      kFlow, core::Refused{kFlow, core::RefusalReason::kOther, "quota exceeded", false});
  a_.parts.side.metadata.publish(publish(0));
  world_.run_for(milliseconds{100});
  const auto answers = a_.told<core::Published>();
  ASSERT_EQ(answers.size(), 1u);
  ASSERT_EQ(answers[0].refused.size(), 1u);
  EXPECT_EQ(answers[0].refused[0].znode, kFlow);
  EXPECT_EQ(answers[0].refused[0].why, "quota exceeded");
  EXPECT_EQ(world_.fake_zookeeper.kept(kAt, "B:1"), nullptr);
}

// SAFETY 12: the flip and the entry of its op are there together, also where the entry is there
// already, by a publish whose answer was lost.
TEST_F(MetadataTest, AnOpBeginsWithItsPublish) {
  core::Publish command = publish(0);
  core::BegunOp op;
  op.id = 1'000'000'001;
  op.type = core::OpType::kHandoverOP;
  op.at = kAt;
  op.leader = op.replica = "B:1";
  command.tables[0].partitions[0].begins = op;
  const std::string path = world_.fake_zookeeper.paths().ops() + "/1000000001";
  world_.fake_zookeeper.write({Op::create(path, "somebody's")}, 0, "somebody");
  a_.parts.side.metadata.publish(command);
  world_.run_for(milliseconds{100});
  auto answers = a_.told<core::Published>();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_THAT(answers[0].why, HasSubstr("failoverd/ops/1000000001"));
  EXPECT_EQ(version(), 0);
  a_.parts.side.metadata.publish(command);
  world_.run_for(milliseconds{100});
  answers = a_.told<core::Published>();
  ASSERT_FALSE(answers.empty());
  EXPECT_EQ(answers.back().outcome, Outcome::kDone);
  EXPECT_EQ(version(), 1);
  ASSERT_TRUE(world_.fake_zookeeper.begun().contains(op.id));
  EXPECT_EQ(world_.fake_zookeeper.begun().at(op.id).type, core::OpType::kHandoverOP);
}

// OpenMLDB reads its variables again when notify/global_variable changes, and only then.
class GlobalVariablesTest : public MetadataTest {
 protected:
  static constexpr const char* kVariables = "table/db_table_data/5";

  GlobalVariablesTest() {
    core::TableShape table;
    table.znode = kVariables;
    table.db = "INFORMATION_SCHEMA";
    table.name = "GLOBAL_VARIABLES";
    table.tid = 5;
    table.partitions.push_back({0, {{"A:1", true, true}, {"B:1", false, true}}, {{1, 0}}});
    world_.add_table(table);
    a_.parts.side.metadata.reserve_terms({1, 0, 100});
    world_.run_for(seconds{1});
  }
  void make() {
    const auto& paths = world_.fake_zookeeper.paths();
    world_.fake_zookeeper.write({Op::create(paths.at("notify"), ""), Op::create(path_, "41")}, 0,
                                "somebody");
    world_.run_for(seconds{1});
  }
  Outcome publish_variables(bool alive) {
    send_variables(alive);
    return outcome();
  }
  void send_variables(bool alive) {
    const auto version = world_.fake_zookeeper.table({5, 0})->version;
    const core::PartitionEdit edit{0, {{"B:1", false, alive}}, {}, {}};
    a_.parts.side.metadata.publish({8, {{kVariables, version, {edit}, 5}}});
  }
  Outcome outcome() {
    world_.run_for(milliseconds{300});
    const auto answers = a_.told<core::Published>();
    EXPECT_EQ(answers.size(), 1u);
    return answers.empty() ? Outcome::kUnknown : answers[0].outcome;
  }
  std::string bumped() const {
    const auto* znode = world_.fake_zookeeper.znodes().find(path_);
    return znode ? *znode->value : "none";
  }

  const std::string path_ = world_.fake_zookeeper.paths().global_variable();
};

TEST_F(GlobalVariablesTest, AreAnnouncedWhereThatZnodeIs) {
  EXPECT_EQ(publish_variables(false), Outcome::kDone);
  EXPECT_EQ(bumped(), "none") << "it is OpenMLDB's to make";
  make();
  EXPECT_EQ(publish_variables(true), Outcome::kDone);
  EXPECT_EQ(bumped(), "42");
  a_.parts.side.metadata.publish(publish(version()));
  EXPECT_EQ(outcome(), Outcome::kDone);
  EXPECT_EQ(bumped(), "42") << "another table is none of its business";
}

TEST_F(GlobalVariablesTest, NoPublishWaitsForItsZnode) {
  make();
  a_.parts.client.cut_off_server(true);
  world_.fake_zookeeper.write({Op::remove(path_, -1)}, 0, "somebody");
  send_variables(false);
  world_.run_for(milliseconds{100});
  a_.parts.client.cut_off_server(false);
  EXPECT_EQ(outcome(), Outcome::kFailed);
  EXPECT_EQ(publish_variables(false), Outcome::kDone);
}

// SAFETY 4: of two that take a block at the same time, only one gets it.
TEST_F(MetadataTest, ABlockOfTermsIsGivenOnce) {
  a_.parts.side.metadata.reserve_terms({1, 0, 100});
  a_.parts.side.metadata.reserve_terms({2, 0, 100});
  world_.run_for(seconds{1});
  const auto answers = a_.told<core::TermsReserved>();
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_TRUE(answers[0].ok);
  EXPECT_FALSE(answers[1].ok);
  EXPECT_EQ(world_.fake_zookeeper.term(), answers[0].last);
}

TEST_F(MetadataTest, ATableThatCannotBeReadIsNamed) {
  world_.fake_zookeeper.poison(kFlow);
  world_.run_for(milliseconds{100});
  const auto unreadable = a_.told<core::TableUnreadable>();
  ASSERT_EQ(unreadable.size(), 1u);
  EXPECT_THAT(unreadable[0].why, HasSubstr("does not parse"));
}

}  // namespace
}  // namespace failoverd::simulation
