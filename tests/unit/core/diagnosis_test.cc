// What is wrong with a partition, from rows, verdicts and words.
#include "lib/core/repair/diagnosis.h"

#include <gtest/gtest.h>

namespace failoverd::core {
namespace {

const Instant kRead{std::chrono::seconds{10}};
const Instant kHeard{std::chrono::seconds{20}};
constexpr PartitionKey kAt{2, 0};

// Table flow, partition 0 on A (leader), B, C; every tablet healthy and holding it.
class DiagnosisTest : public ::testing::Test {
 protected:
  void SetUp() override {
    take({{"A", true, true}, {"B", false, true}, {"C", false, true}});
    for (const char* name : {"A", "B", "C"}) {
      Tablet& t = tablet(name);
      t.verdict.state = TabletState::kHealthy;
      t.report_fresh = true;
      t.evidence.registered = true;
      say(name, true);
    }
    partition().on(index("A"))->report.mode = Mode::kLeader;
  }

  void take(std::vector<Row> rows, std::vector<TermPair> terms = {{1, 0}}) {
    TableShape shape;
    shape.znode = "table/table_data/flow";
    shape.version = version_++;
    shape.name = "flow";
    shape.tid = kAt.tid;
    shape.partitions.push_back({kAt.pid, std::move(rows), std::move(terms)});
    ASSERT_EQ(model.put_table(shape, kRead), std::nullopt);
  }
  TabletIndex index(const char* name) { return *model.find_tablet(name); }
  Tablet& tablet(const char* name) { return model.tablet(model.tablet_index(name)); }
  Partition& partition() { return *model.partition(kAt); }
  void say(const char* name, bool held) {
    Replica* r = partition().on(model.tablet_index(name));
    if (!r) return;
    r->report.held = held;
    r->report.state = TableState::kNormal;
    r->report.asked_at = kHeard;
  }
  void dies(const char* name) {
    tablet(name).verdict.state = TabletState::kCrashed;
    tablet(name).evidence.registered = false;
  }
  Condition condition() { return diagnose(model, partition()).condition; }

  Model model;
  std::int32_t version_ = 1;
};

TEST_F(DiagnosisTest, Healthy) { EXPECT_EQ(condition(), Condition::kHealthy); }

TEST_F(DiagnosisTest, LeaderDead) {
  dies("A");
  EXPECT_EQ(condition(), Condition::kLeaderLost);
}

TEST_F(DiagnosisTest, LeaderAnswersAndHoldsNothing) {
  say("A", false);
  EXPECT_EQ(condition(), Condition::kLeaderLost);
}

// A table that was made after the tablet was asked is not missing there.
TEST_F(DiagnosisTest, AnOldWordSaysNothingAboutANewRow) {
  say("A", false);
  partition().on(index("A"))->row_since = kHeard;
  EXPECT_EQ(condition(), Condition::kUncertain);
}

TEST_F(DiagnosisTest, LeaderThatSaysItFollows) {
  partition().on(index("A"))->report.mode = Mode::kFollower;
  EXPECT_EQ(condition(), Condition::kLeaderLost);
}

TEST_F(DiagnosisTest, FollowerDead) {
  dies("B");
  EXPECT_EQ(condition(), Condition::kFollowerLost);
}

TEST_F(DiagnosisTest, SuspectLeaderIsUncertain) {
  tablet("A").verdict.state = TabletState::kSuspect;
  EXPECT_EQ(condition(), Condition::kUncertain);
}

// SAFETY 1: rows that are not alive may not lead, whoever answers there.
TEST_F(DiagnosisTest, OnlyDeadRowsAreLeftIsNoCandidate) {
  take({{"A", true, true}, {"B", false, false}, {"C", false, false}});
  dies("A");
  const Diagnosis d = diagnose(model, partition());
  EXPECT_EQ(d.condition, Condition::kNoCandidate);
  EXPECT_EQ(d.waits_for, "one of them");
  EXPECT_NE(d.what.find("A"), std::string::npos) << d.what;
}

TEST_F(DiagnosisTest, DeadLeaderRowAndAliveFollowersIsNoLeader) {
  take({{"A", true, false}, {"B", false, true}, {"C", false, true}});
  EXPECT_EQ(condition(), Condition::kNoLeader);
}

// SAFETY 6: those that hold nothing may have it on their disks.
TEST_F(DiagnosisTest, EveryCandidateEmptyIsAllDown) {
  dies("A");
  say("B", false);
  say("C", false);
  EXPECT_EQ(condition(), Condition::kAllDown);
  dies("B");
  dies("C");
  EXPECT_EQ(condition(), Condition::kNoCandidate);
}

// SAFETY 1: the single replica's row dies only when the znode is gone and the port is silent.
TEST_F(DiagnosisTest, SingleReplica) {
  take({{"A", true, true}});
  dies("A");
  EXPECT_EQ(condition(), Condition::kSingleLost);
  tablet("A").evidence.registered = true;
  EXPECT_EQ(condition(), Condition::kNoCandidate);
}

// SAFETY 16.
TEST_F(DiagnosisTest, TwoAliveLeaderRowsAreQuarantined) {
  take({{"A", true, true}, {"B", true, true}, {"C", false, true}});
  EXPECT_EQ(condition(), Condition::kQuarantined);
}

// SAFETY 16.
TEST_F(DiagnosisTest, ATermHistoryThatGoesBackIsQuarantined) {
  take({{"A", true, true}, {"B", false, true}}, {{5, 0}, {3, 9}});
  EXPECT_EQ(condition(), Condition::kQuarantined);
}

// SAFETY 3.
TEST_F(DiagnosisTest, ABegunElectionIsUnfinishedEvenWithAHealthyLeader) {
  partition().unfinished_term = 7;
  EXPECT_EQ(condition(), Condition::kUnfinished);
}

TEST_F(DiagnosisTest, ADeadRowBesideALeaderIsDegraded) {
  take({{"A", true, true}, {"B", false, false}, {"C", false, true}});
  dies("B");
  EXPECT_EQ(condition(), Condition::kDegraded);
}

TEST_F(DiagnosisTest, ADeadRowWhoseTabletIsBackHasReturned) {
  take({{"A", true, true}, {"B", false, false}, {"C", false, true}});
  EXPECT_EQ(condition(), Condition::kReturned);
}

// A follower in each state, and whether its row is alive.
struct FollowerCase {
  FollowerState state;
  bool is_alive;
};
constexpr FollowerCase kFollowerCases[] = {
    {FollowerState::kFollows, true},       {FollowerState::kUnclear, true},
    {FollowerState::kDead, false},         {FollowerState::kStalled, true},
    {FollowerState::kReturned, false},     {FollowerState::kRival, true},
    {FollowerState::kNotReplicated, true}, {FollowerState::kDiverged, true},
    {FollowerState::kLost, true},
};

class RowOrderTest : public DiagnosisTest {
 protected:
  void put(const char* name, FollowerState state) {
    Replica& r = *partition().on(index(name));
    Tablet& t = tablet(name);
    const bool silent = state == FollowerState::kUnclear || state == FollowerState::kDead;
    t.verdict.state = silent ? TabletState::kSuspect : TabletState::kHealthy;
    if (state == FollowerState::kLost) t.verdict.state = TabletState::kCrashed;
    r.report.mode = state == FollowerState::kRival ? Mode::kLeader : Mode::kFollower;
    r.report.offset = state == FollowerState::kStalled ? 1 : 9;
    r.report.offset_changed_at = kRead;
    r.not_replicated = state == FollowerState::kNotReplicated;
    r.diverged = state == FollowerState::kDiverged;
  }
  Diagnosis with(const std::vector<std::string>& order, FollowerCase b, FollowerCase c) {
    std::vector<Row> rows;
    for (const std::string& name : order) {
      rows.push_back({name, name == "A", name == "A" || (name == "B" ? b : c).is_alive});
    }
    take(rows);
    partition().on(index("A"))->report.offset = 9;
    put("B", b.state);
    put("C", c.state);
    const Replica& leader = *partition().leader();
    EXPECT_EQ(follower_state(model, partition(), leader, *partition().on(index("B"))), b.state);
    EXPECT_EQ(follower_state(model, partition(), leader, *partition().on(index("C"))), c.state);
    return diagnose(model, partition());
  }
};

// A partition is diagnosed by its worst replica, wherever its row stands.
TEST_F(RowOrderTest, DecidesNothing) {
  for (const FollowerCase& b : kFollowerCases) {
    for (const FollowerCase& c : kFollowerCases) {
      const Condition first = with({"A", "B", "C"}, b, c).condition;
      const std::string both = std::to_string(static_cast<int>(b.state)) + " and " +
                               std::to_string(static_cast<int>(c.state));
      EXPECT_EQ(with({"C", "B", "A"}, b, c).condition, first) << both;
      EXPECT_EQ(with({"B", "A", "C"}, b, c).condition, first) << both;
      const FollowerCase& worst = b.state > c.state ? b : c;
      EXPECT_EQ(with({"A", "B", "C"}, worst, kFollowerCases[0]).condition, first) << both;
    }
  }
}

TEST_F(RowOrderTest, ALostFollowerIsWorseThanARival) {
  const FollowerCase rival{FollowerState::kRival, true};
  const FollowerCase lost{FollowerState::kLost, true};
  EXPECT_EQ(with({"A", "B", "C"}, rival, lost).condition, Condition::kFollowerLost);
  EXPECT_EQ(with({"A", "B", "C"}, lost, rival).condition, Condition::kFollowerLost);
}

}  // namespace
}  // namespace failoverd::core
