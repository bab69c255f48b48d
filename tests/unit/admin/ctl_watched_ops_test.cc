// Which ops a command has begun and what follows them: when all have ended, and what is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/ctl/watched_ops.h"
#include "lib/admin/json.h"

namespace failoverd::ctl {
namespace {

using testing::ElementsAre;
using Followed = WatchedOps::Followed;

admin::OpRow row(std::uint64_t id, const std::string& type, const std::string& status,
                 const std::string& endpoint = "A", std::uint32_t pid = 0) {
  admin::OpRow op;
  op.op_id = id;
  op.op_type = type;
  op.name = "flow";
  op.pid = pid;
  op.endpoint = endpoint;
  op.status = status;
  return op;
}

void take(WatchedOps& ops, const std::vector<admin::OpRow>& rows) {
  const auto listed = listed_ops(admin::to_json(rows, 0));
  ASSERT_TRUE(listed) << listed.error().text;
  ops.take(*listed);
}

// As often as it takes until nothing is waited for any more.
int takes_until_ended(WatchedOps& ops, const std::vector<admin::OpRow>& rows) {
  int takes = 0;
  for (; !ops.have_ended() && takes < 1000; ++takes) take(ops, rows);
  return takes;
}

TEST(WatchedOps, OnlyTheirOwnAreAskedForAndWaitedFor) {
  WatchedOps ops({12, 11}, Followed::kReplica);
  EXPECT_EQ(ops.after(), 10U);
  EXPECT_FALSE(ops.have_ended());
  take(ops, {row(11, "kHandoverOP", "kDone"), row(12, "kHandoverOP", "kDoing"),
             row(13, "kHandoverOP", "kDoing")});
  EXPECT_FALSE(ops.have_ended());
  take(ops, {row(11, "kHandoverOP", "kDone"), row(12, "kHandoverOP", "kDone"),
             row(13, "kHandoverOP", "kDoing")});
  EXPECT_TRUE(ops.have_ended());
  EXPECT_TRUE(ops.are_all_done());
  EXPECT_EQ(ops.summary(), "2 ops done, 0 failed");
}

// Those that change no leader cost nobody anything.
TEST(WatchedOps, SayWhatALeadersChangeCost) {
  WatchedOps ops({11, 12, 13}, Followed::kReplica);
  auto first = row(11, "kHandoverOP", "kDone");
  auto second = row(12, "kHandoverOP", "kDone");
  const auto third = row(13, "kMakeSnapshotOP", "kDone");
  take(ops, {first, second, third});
  EXPECT_EQ(ops.what_it_cost(), "");
  first.without_leader_ms = 28;
  second.without_leader_ms = 31;
  first.may_have_lost = second.may_have_lost = 0;
  first.loss_is_exact = second.loss_is_exact = true;
  take(ops, {first, second, third});
  EXPECT_EQ(ops.what_it_cost(), "rows lost: 0, longest pause: 31 ms");
  second.loss_is_exact = false;
  take(ops, {first, second, third});
  EXPECT_EQ(ops.what_it_cost(), "rows lost: none known, longest pause: 31 ms");
  second.may_have_lost = 3;
  take(ops, {first, second, third});
  EXPECT_EQ(ops.what_it_cost(), "rows lost: at least 3, longest pause: 31 ms");
  first.may_have_lost.reset();
  take(ops, {first, second, third});
  EXPECT_EQ(ops.what_it_cost(), "rows lost: not known, longest pause: 31 ms");
}

TEST(WatchedOps, NoneAtAllHaveEnded) {
  const WatchedOps ops({}, Followed::kReplica);
  EXPECT_TRUE(ops.have_ended());
  EXPECT_TRUE(ops.are_all_done());
  EXPECT_EQ(ops.summary(), "0 ops done, 0 failed");
}

// The op that brings a replica back follows the one that finds out which that is; the same
// partition's op on another tablet is somebody else's.
TEST(WatchedOps, ARecoveryIsFollowedByAnother) {
  WatchedOps ops({11}, Followed::kReplica);
  const auto found_out = row(11, "kRecoverTableOP", "kDone");
  take(ops, {found_out});
  EXPECT_FALSE(ops.have_ended()) << "its next one may be listed a moment later";
  const auto others = row(12, "kReAddReplicaOP", "kDoing", "B");
  const auto others_too = row(13, "kReAddReplicaOP", "kDoing", "A", 1);
  auto next = row(14, "kReAddReplicaOP", "kDoing");
  take(ops, {found_out, others, others_too, next});
  for (int i = 0; i < 20; ++i) take(ops, {found_out, others, others_too, next});
  EXPECT_FALSE(ops.have_ended());
  next.status = "kDone";
  take(ops, {found_out, others, others_too, next});
  EXPECT_TRUE(ops.have_ended());
  EXPECT_EQ(ops.summary(), "2 ops done, 0 failed");
}

TEST(WatchedOps, NothingFollowsWhatFailed) {
  WatchedOps ops({11}, Followed::kReplica);
  take(ops, {row(11, "kRecoverTableOP", "kFailed"), row(12, "kRecoverTableOP", "kDoing")});
  EXPECT_TRUE(ops.have_ended());
  EXPECT_FALSE(ops.are_all_done());
  EXPECT_EQ(ops.summary(), "0 ops done, 1 failed");
}

TEST(WatchedOps, WhatNeedsNoOtherIsNotWaitedForForEver) {
  WatchedOps ops({11}, Followed::kReplica);
  EXPECT_LT(takes_until_ended(ops, {row(11, "kRecoverTableOP", "kDone")}), 10);
  EXPECT_TRUE(ops.are_all_done());
}

// recoverendpoint with need_restore: back, leading again, and the one that led meanwhile.
TEST(WatchedOps, AWholePartitionIsFollowed) {
  WatchedOps ops({11}, Followed::kPartition);
  std::vector<admin::OpRow> rows = {row(11, "kRecoverTableOP", "kDone"),
                                    row(12, "kReAddReplicaOP", "kDone")};
  take(ops, rows);
  EXPECT_FALSE(ops.have_ended());
  rows.push_back(row(13, "kHandoverOP", "kDone", ""));
  rows.push_back(row(14, "kRecoverTableOP", "kDoing", "B"));
  rows.push_back(row(15, "kRecoverTableOP", "kDoing", "B", 1));
  take(ops, rows);
  for (int i = 0; i < 20; ++i) take(ops, rows);
  EXPECT_FALSE(ops.have_ended());
  rows[3].status = "kDone";
  EXPECT_LT(takes_until_ended(ops, rows), 10);
  EXPECT_EQ(ops.summary(), "4 ops done, 0 failed");
}

// offlineendpoint of a tablet that leads: it hands over, then its row is set dead.
TEST(WatchedOps, NothingFollowsARowThatIsDead) {
  WatchedOps ops({11}, Followed::kPartition);
  std::vector<admin::OpRow> rows = {row(11, "kHandoverOP", "kDone", "")};
  take(ops, rows);
  EXPECT_FALSE(ops.have_ended());
  rows.push_back(row(12, "kOfflineReplicaOP", "kDone"));
  take(ops, rows);
  EXPECT_TRUE(ops.have_ended());
  EXPECT_EQ(ops.summary(), "2 ops done, 0 failed");
}

// The daemon tries a handover up to three times before its tablet goes offline.
TEST(WatchedOps, AHandoverThatFailedIsReplacedByTheNextTry) {
  WatchedOps ops({11}, Followed::kPartition);
  std::vector<admin::OpRow> rows = {row(11, "kHandoverOP", "kFailed", "")};
  take(ops, rows);
  EXPECT_FALSE(ops.have_ended()) << "the next try may be listed a moment later";
  rows.push_back(row(12, "kRecoverTableOP", "kDoing", "B"));
  rows.push_back(row(13, "kHandoverOP", "kDoing", "", 1));
  rows.push_back(row(14, "kHandoverOP", "kDoing", ""));
  take(ops, rows);
  for (int i = 0; i < 20; ++i) take(ops, rows);
  EXPECT_FALSE(ops.have_ended());
  EXPECT_EQ(ops.summary(), "0 ops done, 0 failed, 1 replaced by a later one");
  rows[3].status = "kDone";
  rows.push_back(row(15, "kOfflineReplicaOP", "kDone"));
  take(ops, rows);
  EXPECT_TRUE(ops.have_ended());
  EXPECT_TRUE(ops.are_all_done());
  EXPECT_THAT(ops.outcomes(), ElementsAre());
  EXPECT_EQ(ops.summary(), "2 ops done, 0 failed, 1 replaced by a later one");
  EXPECT_EQ(ops.view(2, 80)[0], "2 of 2 ops done, 0 failed, 1 replaced by a later one");
}

TEST(WatchedOps, TheLastTryOfAHandoverCounts) {
  WatchedOps ops({11}, Followed::kPartition);
  std::vector<admin::OpRow> rows = {row(11, "kHandoverOP", "kFailed", ""),
                                    row(12, "kHandoverOP", "kFailed", ""),
                                    row(13, "kHandoverOP", "kFailed", "")};
  EXPECT_LT(takes_until_ended(ops, rows), 10);
  EXPECT_FALSE(ops.are_all_done());
  EXPECT_THAT(ops.outcomes(), ElementsAre("# 13 kHandoverOP flow/0 kFailed"));
  EXPECT_EQ(ops.summary(), "0 ops done, 1 failed, 2 replaced by a later one");
}

// Of changeleader there is one try.
TEST(WatchedOps, AHandoverThatFailedAloneIsNotTriedAgain) {
  WatchedOps ops({11}, Followed::kReplica);
  take(ops, {row(11, "kHandoverOP", "kFailed", ""), row(12, "kHandoverOP", "kDoing", "")});
  EXPECT_TRUE(ops.have_ended());
  EXPECT_FALSE(ops.are_all_done());
}

// It was a follower when it was ordered to go offline, and leads by now.
TEST(WatchedOps, ARowsEndThatWasCanceledIsReplacedByAHandover) {
  WatchedOps ops({11}, Followed::kPartition);
  std::vector<admin::OpRow> rows = {row(11, "kOfflineReplicaOP", "kCanceled")};
  take(ops, rows);
  EXPECT_FALSE(ops.have_ended());
  rows.push_back(row(12, "kHandoverOP", "kDone", ""));
  take(ops, rows);
  EXPECT_FALSE(ops.have_ended());
  rows.push_back(row(13, "kOfflineReplicaOP", "kDone"));
  take(ops, rows);
  EXPECT_TRUE(ops.have_ended());
  EXPECT_TRUE(ops.are_all_done());
  EXPECT_EQ(ops.summary(), "2 ops done, 0 failed, 1 replaced by a later one");
}

TEST(WatchedOps, ARowsEndThatWasCanceledForGoodIsNotDone) {
  WatchedOps ops({11}, Followed::kPartition);
  EXPECT_LT(takes_until_ended(ops, {row(11, "kOfflineReplicaOP", "kCanceled")}), 10);
  EXPECT_FALSE(ops.are_all_done());
  EXPECT_EQ(ops.summary(), "0 ops done, 0 failed, 1 canceled");
}

TEST(WatchedOps, OneThatIsNoLongerListedIsGivenUpAndCounted) {
  WatchedOps ops({11, 12}, Followed::kReplica);
  take(ops, {row(11, "kHandoverOP", "kDoing"), row(12, "kHandoverOP", "kCanceled")});
  EXPECT_GT(takes_until_ended(ops, {row(12, "kHandoverOP", "kCanceled")}), 10);
  EXPECT_FALSE(ops.are_all_done());
  EXPECT_EQ(ops.summary(), "0 ops done, 0 failed, 1 canceled, 1 no longer listed");
}

TEST(WatchedOps, ALineForEachChange) {
  WatchedOps ops({11, 12}, Followed::kReplica);
  EXPECT_THAT(ops.news(), ElementsAre());
  auto copy = row(11, "kReAddReplicaOP", "kDoing");
  copy.db = "shop";
  copy.cur_task = "kSendSnapshot";
  copy.progress = 0.419;
  copy.detail = "3 of 9 MB";
  auto other = row(12, "kHandoverOP", "kInited", "", 1);
  take(ops, {copy, other});
  EXPECT_THAT(ops.news(), ElementsAre("11 kReAddReplicaOP shop.flow/0 kDoing at kSendSnapshot 40 %",
                                      "12 kHandoverOP flow/1 kInited"));
  copy.progress = 0.49;
  copy.detail = "4 of 9 MB";
  take(ops, {copy, other});
  EXPECT_THAT(ops.news(), ElementsAre()) << "less than a tenth";
  copy.status = "kDone";
  copy.detail = "";
  other.status = "kFailed";
  other.detail = "B answers 105\nto kChangeLeader";
  take(ops, {copy, other});
  EXPECT_THAT(ops.news(),
              ElementsAre("11 kReAddReplicaOP shop.flow/0 kDone",
                          "12 kHandoverOP flow/1 kFailed: B answers 105?to kChangeLeader"));
  EXPECT_THAT(ops.outcomes(),
              ElementsAre("# 12 kHandoverOP flow/1 kFailed: B answers 105?to kChangeLeader"));
  EXPECT_EQ(ops.summary(), "1 op done, 1 failed");
}

TEST(WatchedOps, AChangeOfLeaderSaysHowItWent) {
  WatchedOps ops({11, 12}, Followed::kReplica);
  auto handover = row(11, "kHandoverOP", "kDone");
  handover.detail = "B leads";
  auto copy = row(12, "kReAddReplicaOP", "kDone");
  copy.detail = "it lacked something";
  take(ops, {handover, copy});
  EXPECT_THAT(ops.news(), ElementsAre("11 kHandoverOP flow/0 kDone: B leads",
                                      "12 kReAddReplicaOP flow/0 kDone"));
  EXPECT_THAT(ops.outcomes(), ElementsAre("# 11 kHandoverOP flow/0 kDone: B leads"));
}

TEST(WatchedOps, ATerminalSeesBarsAndAsMuchAsFits) {
  WatchedOps ops({11, 12, 13, 14}, Followed::kReplica);
  auto copy = row(12, "kReAddReplicaOP", "kDoing");
  copy.cur_task = "kSendSnapshot";
  copy.progress = 0.5;
  auto checks = row(13, "kHandoverOP", "kDoing");
  checks.cur_task = "kSelectLeader";
  checks.detail = "waits for B";
  take(ops, {row(11, "kHandoverOP", "kInited"), copy, checks, row(14, "kHandoverOP", "kDone")});
  EXPECT_THAT(ops.view(24, 80),
              ElementsAre("1 of 4 ops done, 0 failed",
                          "12 kReAddReplicaOP flow/0 [##########----------]  50 % kSendSnapshot",
                          "13 kHandoverOP flow/0 kSelectLeader: waits for B",
                          "11 kHandoverOP flow/0 kInited"));
  EXPECT_THAT(ops.view(3, 12), ElementsAre("1 of 4 ops d", "12 kReAddRep", "... and 2 mo"));
}

TEST(WatchedOps, AnAnswerThatIsNotUnderstoodIsAFailure) {
  for (const char* answer : {"", "{}", "[{}]", "[1]", "[{\"op_id\": \"x\"}]"}) {
    EXPECT_FALSE(listed_ops(answer)) << answer;
  }
}

}  // namespace
}  // namespace failoverd::ctl
