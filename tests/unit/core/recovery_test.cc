// The least work that is safe: every way in which a replica may come back (SAFETY 9, 10).
#include <gtest/gtest.h>

#include "lib/core/operation/choose_recovery.h"
#include "lib/core/operation/task_tables.h"

namespace failoverd::core {
namespace {

// Term 3 wrote 1 to 99, term 5 wrote 100 to 199, term 7 leads from 200 on.
const std::vector<TermPair> kHistory = {{3, 0}, {5, 100}, {7, 200}};

Findings loaded(Term followed, Offset offset) {
  Findings f;
  f.followed = followed;
  f.offset = offset;
  f.leader_offset = 250;
  return f;
}

TEST(ChooseRecovery, WhatMissedNothingOrALittleIsSentWhatItLacks) {
  EXPECT_EQ(choose_recovery(loaded(5, 199), kHistory).type, OpType::kReAddReplicaNoSendOP);
  EXPECT_EQ(choose_recovery(loaded(5, 120), kHistory).type, OpType::kReAddReplicaNoSendOP);
  EXPECT_EQ(choose_recovery(loaded(7, 250), kHistory).type, OpType::kReAddReplicaNoSendOP);
  EXPECT_EQ(choose_recovery(loaded(3, 0), kHistory).type, OpType::kReAddReplicaNoSendOP);
}

TEST(ChooseRecovery, WhatStandsAtTheNextTermsStartHasATailOfItsOwn) {
  const RecoveryPlan one = choose_recovery(loaded(5, 200), kHistory);
  EXPECT_EQ(one.type, OpType::kReAddReplicaWithDropOP);
  EXPECT_EQ(one.lost_entries, 1u);
  EXPECT_EQ(choose_recovery(loaded(5, 230), kHistory).lost_entries, 31u);
  // It missed a whole term.
  EXPECT_EQ(choose_recovery(loaded(3, 150), kHistory).lost_entries, 51u);
}

TEST(ChooseRecovery, AheadOfItsOwnLeaderIsATailToo) {
  const RecoveryPlan plan = choose_recovery(loaded(7, 255), kHistory);
  EXPECT_EQ(plan.type, OpType::kReAddReplicaWithDropOP);
  EXPECT_EQ(plan.lost_entries, 5u);
}

TEST(ChooseRecovery, WhatTheLeadersBinlogNoLongerHoldsIsCopied) {
  Findings f = loaded(5, 150);
  f.manifest_offset = 151;
  EXPECT_EQ(choose_recovery(f, kHistory).type, OpType::kReAddReplicaWithDropOP);
  EXPECT_EQ(choose_recovery(f, kHistory).lost_entries, 0u);
  f.manifest_offset = 150;
  EXPECT_EQ(choose_recovery(f, kHistory).type, OpType::kReAddReplicaNoSendOP);
}

TEST(ChooseRecovery, NobodyKnowsWhomItFollowed) {
  const RecoveryPlan plan = choose_recovery(loaded(0, 50), kHistory);
  EXPECT_EQ(plan.type, OpType::kReAddReplicaWithDropOP);
  EXPECT_EQ(plan.lost_entries, std::nullopt);
}

// Its log may go on with term 5's entries, which it got before that term was published.
TEST(ChooseRecovery, WhatItMayHaveFromAnUnpublishedLeaderIsNotCounted) {
  Findings f = loaded(3, 120);
  f.or_later = true;
  EXPECT_EQ(choose_recovery(f, kHistory).type, OpType::kReAddReplicaWithDropOP);
  EXPECT_EQ(choose_recovery(f, kHistory).lost_entries, std::nullopt);
  f.offset = 99;  // It has nothing of it.
  EXPECT_EQ(choose_recovery(f, kHistory).type, OpType::kReAddReplicaNoSendOP);
}

// A replica's own term is its leader's as soon as it was fenced once: only what was kept counts.
TEST(ChooseRecovery, WhatIsInMemoryIsJudgedByWhatWasKept) {
  Findings f = loaded(3, 150);
  f.was_in_memory = true;
  f.term = 7;
  EXPECT_EQ(choose_recovery(f, kHistory).type, OpType::kReAddReplicaWithDropOP);
  f.followed = 5;
  EXPECT_EQ(choose_recovery(f, kHistory).type, OpType::kReAddReplicaSimplifyOP);
}

// SAFETY 5: a term above the published one may be one in which it led all by itself.
TEST(ChooseRecovery, ATermAboveThePublishedOneProvesNothing) {
  Findings f = loaded(5, 150);
  f.was_in_memory = true;
  f.term_above = true;
  EXPECT_EQ(choose_recovery(f, kHistory).type, OpType::kReAddReplicaWithDropOP);
}

// SAFETY 8: a pair that is a lower bound makes every log of before suspect.
TEST(ChooseRecovery, ALowerBoundIsNotTrusted) {
  const std::vector<TermPair> history = {{3, 0}, {5, 100}, {7, 0}};
  const RecoveryPlan plan = choose_recovery(loaded(5, 120), history);
  EXPECT_EQ(plan.type, OpType::kReAddReplicaWithDropOP);
  EXPECT_EQ(plan.lost_entries, std::nullopt);
}

TEST(ChooseRecovery, NothingOnDisk) {
  Findings f;
  f.nothing_on_disk = true;
  EXPECT_EQ(choose_recovery(f, kHistory).type, OpType::kReAddReplicaOP);
}

// Its own term is its leader's since it was fenced; what was kept says that it has a tail.
// OpenMLDB's LoadTable of a lost disk answers 0: that its leader's whole binlog is there, and that
// the letter would have it sent from there, is no reason to trust what came up.
TEST(ChooseRecovery, WhatCameUpWithNothingIsCopied) {
  Findings f = loaded(7, 0);
  EXPECT_EQ(choose_recovery(f, kHistory).type, OpType::kReAddReplicaNoSendOP);
  f.had = 250;
  EXPECT_EQ(choose_recovery(f, kHistory).type, OpType::kReAddReplicaWithDropOP);
  EXPECT_EQ(choose_recovery(f, kHistory).lost_entries, 0u);
  f.binlog_kept = false;
  EXPECT_EQ(choose_recovery(f, kHistory).type, OpType::kReAddReplicaWithDropOP);
}

TEST(ChooseRecovery, ByTheLetterIsNotFooledByAFence) {
  Findings f = loaded(5, 230);
  f.binlog_kept = false;
  f.was_in_memory = true;
  f.term = 7;
  EXPECT_EQ(choose_recovery(f, kHistory).type, OpType::kReAddReplicaWithDropOP);
  f.followed = 7;
  EXPECT_EQ(choose_recovery(f, kHistory).type, OpType::kReAddReplicaSimplifyOP);
  f.followed = 0;
  EXPECT_EQ(choose_recovery(f, kHistory).type, OpType::kReAddReplicaWithDropOP);
}

// FEDB.md 4.3: a cluster that failoverd did not keep.
TEST(ChooseRecovery, ByTheLetter) {
  Findings f = loaded(0, 150);
  f.followed.reset();
  f.binlog_kept = false;
  f.term = 5;
  f.manifest_offset = 120;
  EXPECT_EQ(choose_recovery(f, kHistory).type, OpType::kReAddReplicaNoSendOP);
  f.was_in_memory = true;
  EXPECT_EQ(choose_recovery(f, kHistory).type, OpType::kReAddReplicaSimplifyOP);
  f.offset = 200;
  EXPECT_EQ(choose_recovery(f, kHistory).type, OpType::kReAddReplicaWithDropOP);
  f.was_in_memory = false;
  EXPECT_EQ(choose_recovery(f, kHistory).type, OpType::kReAddReplicaOP);
}

TEST(Matches, TheHistory) {
  EXPECT_TRUE(matches(5, 100, kHistory));
  EXPECT_TRUE(matches(5, 199, kHistory));
  EXPECT_FALSE(matches(5, 200, kHistory));
  EXPECT_FALSE(matches(4, 150, kHistory));
  EXPECT_TRUE(matches(7, 1000, kHistory));
  EXPECT_TRUE(matches(7, 199, kHistory));  // Nothing of its own term has reached it yet.
  EXPECT_FALSE(matches(7, 198, kHistory));
  EXPECT_FALSE(matches(7, 1, {}));
}

// SAFETY 11.
TEST(OpTables, WhatCopiesIsRecordedAndTakenBack) {
  for (const OpType type : {OpType::kReAddReplicaOP, OpType::kReAddReplicaNoSendOP,
                            OpType::kReAddReplicaWithDropOP, OpType::kReAddReplicaSimplifyOP}) {
    ASSERT_FALSE(table_of(type).empty()) << to_text(type);
    EXPECT_TRUE(leaves_something(table_of(type))) << to_text(type);
    EXPECT_TRUE(all_is_undone(table_of(type))) << to_text(type);
  }
  EXPECT_TRUE(table_of(OpType::kRecoverTableOP).empty());
  constexpr TaskRow kLeavesAPause[] = {{Task::kPauseSnapshot, Seat::kLeader, kQuick, Undo::kNone}};
  EXPECT_FALSE(all_is_undone(kLeavesAPause));
}

}  // namespace
}  // namespace failoverd::core
