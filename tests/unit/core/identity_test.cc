// SAFETY 21: an address is not an identity. What a process must have said before it is told
// anything, and what its words are worth until then.
#include "lib/core/cluster/identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/core/detection/tablet_monitor.h"

namespace failoverd::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr PartitionKey kFlow{2, 0};
constexpr PartitionKey kPair{3, 0};

// Tables flow and pair, both on A, which has a znode.
class IdentityTest : public ::testing::Test {
 protected:
  void SetUp() override {
    outbox.now = Instant{seconds{10}};
    put("flow", kFlow, {{"A", true, true}, {"B", false, true}});
    put("pair", kPair, {{"A", false, true}, {"B", true, true}});
    model.all_was_read();
    list({{{"A", 7, true}}});
    watch.start();
  }

  void put(const std::string& name, PartitionKey at, std::vector<Row> rows) {
    TableShape shape;
    shape.znode = "table/table_data/" + name;
    shape.name = name;
    shape.tid = at.tid;
    shape.partitions.push_back({at.pid, std::move(rows), {{1, 0}}});
    ASSERT_EQ(model.put_table(shape, outbox.now), std::nullopt);
  }
  void list(const TabletsListed& tablets) {
    watch.listed(tablets);
    watch.judge_all();
  }
  void has_no_znode() { list({}); }

  static ReplicaStatus holds(PartitionKey at, const std::string& name, Mode mode = Mode::kLeader) {
    return {at, 9, mode, TableState::kNormal, 0, 0, name};
  }
  // A's answer to the question that is open, over the connection that stands or over a new one.
  void says(std::vector<ReplicaStatus> all, bool over_ours = true) {
    Answer answer;
    answer.transport = Transport::kAnswered;
    answer.replicas = std::move(all);
    hear(answer, over_ours);
  }
  void refuses() {
    Answer answer;
    answer.transport = Transport::kRefused;
    hear(answer, /*over_ours=*/false);
  }
  void hear(const Answer& answer, bool over_ours) {
    outbox.now += milliseconds{25};
    // The watch's own questions: 0 goes over our connection, 1 over a new one.
    const ReplyTo reply_to{ReplyTo::Owner::kTabletMonitor, a(), over_ours ? 0u : 1u, a(),
                           outbox.now};
    watch.heard(a(), reply_to, answer);
    watch.answered(reply_to, answer);
    watch.judge_all();
  }
  // Another process may answer from now on.
  void connection_is_lost() {
    watch.connection_lost({"A"});
    watch.judge_all();
  }

  TabletIndex a() { return model.tablet_index("A"); }
  bool told(const Call& call) { return !why_not_told(model, "A", call); }
  const ReplicaReport& report(PartitionKey at) { return model.partition(at)->on(a())->report; }
  TabletState state() { return model.tablet(a()).verdict.state; }

  Model model;
  Outbox outbox;
  TabletMonitor watch{model, outbox};
};

TEST_F(IdentityTest, NobodyIsToldAnythingBeforeItHasSaidWhoItIs) {
  EXPECT_FALSE(told(Probe{kFlow, 2}));
  says({}, /*over_ours=*/false);
  EXPECT_FALSE(told(Probe{kFlow, 2}));
  says({});
  EXPECT_TRUE(told(Probe{kFlow, 2}));
  EXPECT_TRUE(told(LoadTable{kFlow, "flow", ""}));
  connection_is_lost();
  EXPECT_FALSE(told(LoadTable{kFlow, "flow", ""}));
}

TEST_F(IdentityTest, WithoutAZnodeItMustNameTheTable) {
  has_no_znode();
  says({});
  EXPECT_FALSE(told(LoadTable{kFlow, "flow", ""}));
  EXPECT_FALSE(told(DeleteOpTask{kFirstOpId, kFlow}));
  EXPECT_EQ(state(), TabletState::kCutOff);
  says({holds(kFlow, "flow")});
  EXPECT_TRUE(told(Demote{kFlow}));
  EXPECT_TRUE(told(DeleteOpTask{kFirstOpId, kFlow}));
  EXPECT_FALSE(told(DeleteOpTask{kFirstOpId, {}}));
  EXPECT_FALSE(told(Demote{kPair}));  // Of this one it has said nothing.
  EXPECT_TRUE(counts(model, "A", kFlow));
  connection_is_lost();
  EXPECT_FALSE(told(Demote{kFlow}));
  EXPECT_FALSE(counts(model, "A", kFlow));
}

TEST_F(IdentityTest, AnotherNameUnderOurTidIsAStranger) {
  says({holds(kFlow, "flow")});
  has_no_znode();
  connection_is_lost();
  const Offset known = report(kFlow).offset;
  ReplicaStatus theirs = holds(kFlow, "theirs");
  theirs.offset = known + 100;
  says({theirs});
  EXPECT_FALSE(told(Demote{kFlow}));
  EXPECT_FALSE(counts(model, "A", kFlow));
  EXPECT_FALSE(report(kFlow).held);
  EXPECT_EQ(report(kFlow).offset, known);
  EXPECT_EQ(state(), TabletState::kStranger);
  EXPECT_TRUE(model.tablet(a()).verdict.dead());
  EXPECT_THAT(model.tablet(a()).verdict.why, HasSubstr("it holds theirs/0 (tid 2, leader)"));
}

// A process is one cluster's: the same name somewhere else makes no difference.
TEST_F(IdentityTest, OneTableThatIsNotOursMakesAllOfItAStranger) {
  has_no_znode();
  says({holds(kFlow, "flow"), holds(kPair, "theirs")});
  EXPECT_FALSE(told(Demote{kFlow}));
  EXPECT_FALSE(report(kFlow).held);
  EXPECT_EQ(state(), TabletState::kStranger);
  says({holds(kFlow, "flow"), holds({2, 5}, "flow")});  // Flow has no such partition.
  EXPECT_EQ(state(), TabletState::kStranger);
  says({holds(kFlow, "flow"), holds({900, 0}, "dropped")});  // Of a table that is gone, perhaps.
  EXPECT_TRUE(told(Demote{kFlow}));
  EXPECT_EQ(state(), TabletState::kCutOff);
}

TEST_F(IdentityTest, OfTablesThatNobodyKnowsItIsAStrangerOnceAllAreRead) {
  has_no_znode();
  model.unreadable()["table/table_data/other"] = "does not parse";
  says({holds({900, 0}, "other")});
  EXPECT_EQ(state(), TabletState::kCutOff);
  EXPECT_FALSE(told(Demote{kFlow}));
  model.unreadable().clear();
  says({holds({900, 0}, "other")});
  EXPECT_EQ(state(), TabletState::kStranger);
}

// Its life is not our tablet's: what was seen to crash has crashed.
TEST_F(IdentityTest, AStrangersLifeIsNotOurs) {
  says({holds(kFlow, "flow")});
  connection_is_lost();
  refuses();
  refuses();
  EXPECT_EQ(state(), TabletState::kCrashed);
  says({holds(kFlow, "theirs")}, /*over_ours=*/false);
  EXPECT_EQ(state(), TabletState::kStranger);
  EXPECT_EQ(watch.needless_verdicts(), 0u);
  says({holds(kFlow, "flow")}, /*over_ours=*/false);
  EXPECT_EQ(watch.needless_verdicts(), 1u);
}

TEST_F(IdentityTest, TheZnodeOfADeadProcessSpeaksForNobody) {
  says({holds(kFlow, "flow")});
  connection_is_lost();
  refuses();
  says({});
  EXPECT_FALSE(told(LoadTable{kFlow, "flow", ""}));
  list({{{"A", 8, true}}});  // A znode of its own.
  EXPECT_TRUE(told(LoadTable{kFlow, "flow", ""}));
}

TEST_F(IdentityTest, AZnodeIsTrustedAgainWhenTheProcessHoldsWhatItHeld) {
  says({holds(kFlow, "flow")});
  connection_is_lost();
  refuses();
  says({holds(kFlow, "flow")});
  EXPECT_TRUE(told(LoadTable{kPair, "pair", ""}));
}

// Its port was never seen to refuse, but all that it held is gone, or others' tables are there.
TEST_F(IdentityTest, AZnodeIsDoubtedWhereWhatWasHeldIsGone) {
  says({holds(kFlow, "flow")});
  connection_is_lost();
  says({});
  EXPECT_FALSE(told(LoadTable{kFlow, "flow", ""}));
  connection_is_lost();
  says({holds(kFlow, "theirs")});
  EXPECT_EQ(state(), TabletState::kStranger);
}

// What we dropped there ourselves is no sign of another process.
TEST_F(IdentityTest, WhatItLetsGoOfBeforeOurEyesIsNotLost) {
  says({holds(kFlow, "flow")});
  says({});
  EXPECT_TRUE(told(LoadTable{kFlow, "flow", ""}));
  connection_is_lost();
  says({});
  EXPECT_TRUE(told(LoadTable{kFlow, "flow", ""}));
}

// A registered tablet of ours whose one table is another's: that replica is left alone, the others
// are not.
TEST_F(IdentityTest, OneReplicaThatIsAnotherTableIsLeftAlone) {
  says({holds(kFlow, "older"), holds(kPair, "pair")});
  EXPECT_EQ(state(), TabletState::kHealthy);
  EXPECT_FALSE(report(kFlow).held);
  EXPECT_EQ(report(kFlow).other, "older");
  EXPECT_FALSE(told(DropTable{kFlow, kFirstOpId, {}}));
  EXPECT_FALSE(counts(model, "A", kFlow));
  EXPECT_TRUE(told(Demote{kPair}));
}

// SAFETY 21: nor is a tablet of ours made to send to a stranger; that it lets go of one is fine.
TEST_F(IdentityTest, NobodyIsMadeToSendToAStranger) {
  says({holds(kFlow, "flow")});
  EXPECT_FALSE(told(AddReplica{kFlow, "B"}));
  EXPECT_FALSE(told(SendSnapshot{kFlow, "B", kFirstOpId, {}}));
  EXPECT_FALSE(told(Promote{kFlow, 3, {"B"}}));
  EXPECT_FALSE(told(AddReplica{kFlow, "nobody"}));
  EXPECT_TRUE(told(Promote{kFlow, 3, {}}));
  EXPECT_TRUE(told(DelReplica{kFlow, "B"}));
}

// The znode was rewritten by hand: what is held is not what it names now.
TEST_F(IdentityTest, ATableThatIsRenamedMustBeNamedAnew) {
  has_no_znode();
  says({holds(kFlow, "flow")});
  ASSERT_TRUE(told(Demote{kFlow}));
  TableShape shape = model.table(kFlow.tid)->shape;
  shape.name = "flow2";
  ++shape.version;
  ASSERT_EQ(model.put_table(shape, outbox.now), std::nullopt);
  EXPECT_FALSE(told(Demote{kFlow}));
}

}  // namespace
}  // namespace failoverd::core
