// Ops that only operators order: a replica comes, moves or goes, a snapshot is made; and that
// nothing of them stays half-done.
#include "tests/unit/core/operations_rig.h"

namespace failoverd::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class OrderedOps : public OperationsRig {};

const auto is_about = [](const std::string& what) { return HasSubstr(what); };

TEST_F(OrderedOps, AReplicaIsAdded) {
  begin(OpType::kAddReplicaOP, "C");
  EXPECT_EQ(how(), "kDone: ordered");
  EXPECT_EQ(rows(), "A=L+ B=F+ C=F+");
  EXPECT_THAT(done_,
              ElementsAre("C LoadTable", "A PauseSnapshot", "A SendSnapshot C", "C LoadTable",
                          "C Probe", "A AddReplica C", "A RecoverSnapshot", "{0: added C=F-}",
                          "{0:C=F+}", "A DeleteOPTask", "C DeleteOPTask"));
  expect_nothing_is_left();
}

TEST_F(OrderedOps, AReplicaMoves) {
  begin(OpType::kMigrateOP, "C", "B");
  EXPECT_EQ(how(), "kDone: ordered");
  EXPECT_EQ(rows(), "A=L+ C=F+");
  EXPECT_THAT(done_,
              ElementsAre("C LoadTable", "A PauseSnapshot", "A SendSnapshot C", "C LoadTable",
                          "C Probe", "A AddReplica C", "A RecoverSnapshot", "{0: added C=F-}",
                          "{0:C=F+ removed B}", "A DelReplica B", "B DropTable", "A DeleteOPTask",
                          "B DeleteOPTask", "C DeleteOPTask"));
  EXPECT_FALSE(tablets_["B"].on_disk);
  expect_nothing_is_left();
}

TEST_F(OrderedOps, AReplicaGoes) {
  begin(OpType::kDelReplicaOP, "B");
  EXPECT_EQ(how(), "kDone: ordered");
  EXPECT_EQ(rows(), "A=L+");
  EXPECT_THAT(done_, ElementsAre("{0: removed B}", "A DelReplica B", "B DropTable",
                                 "A DeleteOPTask", "B DeleteOPTask"));
  EXPECT_FALSE(tablets_["B"].on_disk);
  expect_nothing_is_left();
}

TEST_F(OrderedOps, ASnapshotIsMade) {
  begin(OpType::kMakeSnapshotOP, "A");
  EXPECT_EQ(how(), "kDone: ordered");
  EXPECT_THAT(done_, ElementsAre("A MakeSnapshot", "A DeleteOPTask"));
  expect_nothing_is_left();
}

// Its key is taken by the task that was refused.
TEST_F(OrderedOps, ASnapshotThatIsRefusedForNowIsMadeLater) {
  refuses_ = 2;
  begin(OpType::kMakeSnapshotOP, "A");
  EXPECT_EQ(how(), "kDone: ordered");
  EXPECT_THAT(done_, ElementsAre("A MakeSnapshot", "A DeleteOPTask", "A MakeSnapshot",
                                 "A DeleteOPTask", "A MakeSnapshot", "A DeleteOPTask"));
}

// Nobody ends a pause that was left behind while an op works on the partition.
TEST_F(OrderedOps, APauseIsNotWaitedForForEver) {
  tablets_["A"].state = TableState::kSnapshotPaused;
  patience_ = std::chrono::minutes{2};
  begin(OpType::kMakeSnapshotOP, "A");
  EXPECT_EQ(how(), "kFailed: snapshots are paused on A");
}

TEST_F(OrderedOps, WhatAnEarlierReplicaLeftIsDroppedBeforeItIsSentThere) {
  tablets_["C"].on_disk = true;
  begin(OpType::kAddReplicaOP, "C");
  EXPECT_EQ(rows(), "A=L+ B=F+ C=F+");
  done_.resize(4);
  EXPECT_THAT(done_,
              ElementsAre("C LoadTable", "C DropTable", "A PauseSnapshot", "A SendSnapshot C"));
  expect_nothing_is_left();
}

// SAFETY 21.
TEST_F(OrderedOps, AnotherTableUnderItsTidIsLeftAlone) {
  tablets_["C"].mode = Mode::kFollower;
  tablets_["C"].name = "theirs";
  begin(OpType::kAddReplicaOP, "C");
  EXPECT_THAT(how(), is_about("holds table \"theirs\""));
  EXPECT_EQ(rows(), "A=L+ B=F+");
  EXPECT_EQ(tablets_["C"].mode, Mode::kFollower);
  expect_nothing_is_left();
}

TEST_F(OrderedOps, WhoLeadsWithoutARowIsNotDropped) {
  tablets_["C"].mode = Mode::kLeader;
  begin(OpType::kAddReplicaOP, "C");
  EXPECT_THAT(how(), is_about("leads it without a row"));
  EXPECT_EQ(tablets_["C"].mode, Mode::kLeader);
}

// SAFETY 9.
TEST_F(OrderedOps, NothingIsDroppedWhereItsLeaderDoesNotSaySo) {
  tablets_["C"].on_disk = true;
  before_ = [&](const CallTablet& c) {
    if (std::holds_alternative<LoadTable>(c.call)) tablets_["A"].mode = Mode::kFollower;
  };
  begin(OpType::kAddReplicaOP, "C");
  EXPECT_THAT(how(), is_about("does not say that it leads"));
  EXPECT_TRUE(tablets_["C"].on_disk);
}

// SAFETY 11: at whatever call its target dies, its row is gone again and nobody sends to it.
TEST_F(OrderedOps, AMigrateWhoseTargetDiesIsTakenBack) {
  for (int at = 1; at < 12; ++at) {
    SCOPED_TRACE(at);
    OrderedOps_AMigrateWhoseTargetDiesIsTakenBack_Test fresh;
    int calls = 0;
    bool settled = false;
    fresh.before_ = [&](const CallTablet&) {
      if (++calls != at * 3) return;
      settled = fresh.rows() == "A=L+ C=F+";
      fresh.silent_.insert("C");
      fresh.model_.tablet(fresh.index("C")).verdict.state = TabletState::kCrashed;
      fresh.timers_.emplace(fresh.outbox_.now, 0);
      fresh.operations_.look_again(kAt);
    };
    fresh.begin(OpType::kMigrateOP, "C", "B");
    EXPECT_EQ(fresh.rows(), settled || calls < at * 3 ? "A=L+ C=F+" : "A=L+ B=F+");
    fresh.expect_nothing_is_left();
  }
}

TEST_F(OrderedOps, AMigrateWhoseSourceDiesGoesOn) {
  before_ = [&](const CallTablet& c) {
    if (!std::holds_alternative<AddReplica>(c.call)) return;
    silent_.insert("B");
    model_.tablet(index("B")).verdict.state = TabletState::kCrashed;
  };
  begin(OpType::kMigrateOP, "C", "B");
  operations_.look_again(kAt);
  settle();
  EXPECT_EQ(rows(), "A=L+ C=F+");
  EXPECT_THAT(how(), is_about("kDone: what B still holds of it is left there"));
  expect_nothing_is_left();
}

// Its row goes, though nobody can tell its leader any more; whoever leads next sends to rows only.
TEST_F(OrderedOps, AMigrateWhoseLeaderDiesIsTakenBack) {
  before_publish_ = [&] {
    if (rows() == "A=L+ B=F+" && tablets_["A"].followers.contains("C")) {
      silent_.insert("A");
      model_.tablet(index("A")).verdict.state = TabletState::kCrashed;
    }
  };
  begin(OpType::kMigrateOP, "C", "B");
  EXPECT_THAT(how(), is_about("kCanceled"));
  EXPECT_EQ(rows(), "A=L+ B=F+");
  EXPECT_EQ(model_.partition(kAt)->op, 0u);

  // It was not dead, and goes on leading.
  EXPECT_TRUE(begun_.at(kOp).over && begun_.at(kOp).sends);
  silent_.clear();
  expect_nothing_is_left();
  EXPECT_THAT(tablets_["A"].followers, ElementsAre("B"));
}

TEST_F(OrderedOps, OneThatIsCalledOffIsTakenBack) {
  before_ = [&](const CallTablet& c) {
    if (rows() == "A=L+ B=F+ C=F-" && std::holds_alternative<GetTermPair>(c.call)) {
      EXPECT_TRUE(operations_.call_off(kOp, "ann said so"));
    }
  };
  begin(OpType::kMigrateOP, "C", "B");
  EXPECT_EQ(how(), "kCanceled: ann said so");
  EXPECT_EQ(rows(), "A=L+ B=F+");
  EXPECT_FALSE(tablets_["C"].on_disk) << "what was copied is dropped";
  expect_nothing_is_left();
}

// SAFETY 9: its leader does not say that it leads.
TEST_F(OrderedOps, ACopyStaysWhereNobodySaysThatHeLeads) {
  before_ = [&](const CallTablet& c) {
    if (rows() != "A=L+ B=F+ C=F-" || !std::holds_alternative<GetTermPair>(c.call)) return;
    operations_.call_off(kOp, "ann said so");
    tablets_["A"].mode = Mode::kFollower;
  };
  begin(OpType::kAddReplicaOP, "C");
  EXPECT_EQ(how(), "kCanceled: ann said so");
  EXPECT_TRUE(tablets_["C"].on_disk);
  expect_nothing_is_left();
}

// What cannot be taken back is finished.
TEST_F(OrderedOps, OneWhoseRowsAreFinalGoesOn) {
  before_ = [&](const CallTablet& c) {
    if (std::holds_alternative<DelReplica>(c.call)) operations_.call_off(kOp, "ann said so");
  };
  begin(OpType::kMigrateOP, "C", "B");
  EXPECT_EQ(how(), "kDone: ordered");
  EXPECT_FALSE(tablets_["B"].on_disk);
}

// It is on its way to ZooKeeper, and written, when the op is called off.
TEST_F(OrderedOps, ARowThatIsWrittenLateIsTakenBackAsWell) {
  before_publish_ = [&] {
    if (tablets_["A"].followers.contains("C")) operations_.call_off(kOp, "ann said so");
  };
  begin(OpType::kAddReplicaOP, "C");
  EXPECT_EQ(how(), "kCanceled: ann said so");
  EXPECT_EQ(rows(), "A=L+ B=F+");
  expect_nothing_is_left();
}

// SAFETY 13: while a nameserver lives nothing is written; then it is.
TEST_F(OrderedOps, TakingBackWaitsUntilSomethingMayBeWritten) {
  before_ = [&](const CallTablet& c) {
    if (rows() != "A=L+ B=F+ C=F-" || !std::holds_alternative<GetTermPair>(c.call)) return;
    operations_.may_change(false);
    operations_.call_off("a nameserver has come up", /*all=*/true);
  };
  begin(OpType::kAddReplicaOP, "C");
  EXPECT_EQ(rows(), "A=L+ B=F+ C=F-");
  EXPECT_EQ(how(), "runs");
  operations_.may_change(true);
  settle();
  EXPECT_EQ(rows(), "A=L+ B=F+");
  expect_nothing_is_left();
}

TEST_F(OrderedOps, ASwitchThatGoesOffStopsNoneThatWasOrdered) {
  bool was_off = false;
  before_ = [&](const CallTablet&) {
    if (!std::exchange(was_off, true)) operations_.call_off("auto_failover is off", /*all=*/false);
  };
  begin(OpType::kAddReplicaOP, "C");
  EXPECT_EQ(rows(), "A=L+ B=F+ C=F+");
}

// --- Successors ----------------------------------------------------------------------------------

// Killed at any call, its successor finishes it, and drops nothing that has been copied.
TEST_F(OrderedOps, ASuccessorGoesOnFromAnywhere) {
  for (const OpType type : {OpType::kMigrateOP, OpType::kAddReplicaOP, OpType::kDelReplicaOP,
                            OpType::kMakeSnapshotOP}) {
    for (int at = 1; at < 40; ++at) {
      SCOPED_TRACE(std::string{to_text(type)} + " until call " + std::to_string(at));
      OrderedOps_ASuccessorGoesOnFromAnywhere_Test fresh;
      const bool moves = type == OpType::kMigrateOP;
      const Endpoint replica = type == OpType::kDelReplicaOP     ? "B"
                               : type == OpType::kMakeSnapshotOP ? "A"
                                                                 : "C";
      int calls = 0;
      fresh.before_ = [&](const CallTablet&) {
        if (++calls == at) fresh.operations_.stop();
      };
      fresh.begin(type, replica, moves ? "B" : "");
      if (calls < at) break;
      fresh.before_ = nullptr;
      fresh.cleanup_.stop();
      fresh.publisher_.stop();
      fresh.outbox_.forget_all();
      fresh.timers_.clear();
      const bool over = fresh.begun_.contains(kOp) && fresh.begun_[kOp].over;
      if (over || !fresh.ops_.ended().empty()) break;
      fresh.resume(type, replica, moves ? "B" : "");
      EXPECT_THAT(fresh.how(), is_about("kDone"));
      EXPECT_EQ(std::count(fresh.done_.begin(), fresh.done_.end(), "A SendSnapshot C"),
                type == OpType::kMigrateOP || type == OpType::kAddReplicaOP ? 1 : 0);
      EXPECT_EQ(std::count(fresh.done_.begin(), fresh.done_.end(), "C DropTable"), 0);
      EXPECT_FALSE(moves && fresh.tablets_["B"].on_disk);
      fresh.expect_nothing_is_left();
    }
  }
}

TEST_F(OrderedOps, WhatIsImpossibleByNowIsNotBegun) {
  begin(OpType::kAddReplicaOP, "B");
  EXPECT_EQ(how(), "kCanceled: B is a replica of it already");
  begin(OpType::kMigrateOP, "C", "A");
  EXPECT_EQ(how(), "kCanceled: A leads it, or may");
  begin(OpType::kMigrateOP, "C", "D");
  EXPECT_EQ(how(), "kCanceled: D is no replica of it any more");
  begin(OpType::kDelReplicaOP, "A");
  EXPECT_EQ(how(), "kCanceled: A leads it");
  EXPECT_THAT(done_, IsEmpty());
}

}  // namespace
}  // namespace failoverd::core
