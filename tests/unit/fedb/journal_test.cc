// What failoverd keeps in ZooKeeper comes back as it was, and what is no such thing is named.
#include "lib/fedb/journal.h"

#include <gtest/gtest.h>

#include "lib/base/boot_clock.h"

namespace failoverd::fedb {
namespace {

// Through the wall clock, which counts milliseconds.
void expect_about(Instant a, Instant b) {
  EXPECT_LT(std::chrono::abs(a - b), std::chrono::seconds{1});
}

TEST(JournalBytes, ElectionRecord) {
  core::ElectionRecord record;
  record.name = "3-1";
  record.elections.push_back({{2, 5}, 11, {{"A:1", 12, 100}}, true});
  const auto back = record_from("3-1", to_bytes(record));
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, record);
}

TEST(JournalBytes, BegunOp) {
  core::BegunOp op;
  op.id = 1'000'000'017;
  op.type = core::OpType::kReAddReplicaWithDropOP;
  op.at = {2, 5};
  op.replica = "A:1";
  op.incarnation = 4711;
  op.leader = "B:1";
  op.leader_term = 12;
  op.lost_entries = 3;
  op.started = boot_now();
  op.why = "it has a tail";
  auto back = begun_op_from(to_bytes(op));
  ASSERT_TRUE(back);
  expect_about(back->started, op.started);
  back->started = op.started;
  EXPECT_EQ(*back, op);
  op.lost_entries.reset();
  EXPECT_EQ(begun_op_from(to_bytes(op))->lost_entries, std::nullopt);
}

TEST(JournalBytes, FinishedOps) {
  core::FinishedOps finished;
  finished.number = 4;
  core::OpRecord& op = finished.ops.emplace_back();
  op.id = 1'000'000'001;
  op.type = core::OpType::kFullRestartOP;
  op.table = "flow";
  op.db = "shop";
  op.at = {2, 5};
  op.status = core::OpStatus::kFailed;
  op.started = boot_now() - std::chrono::hours{24 * 400};  // Before this boot.
  op.ended = boot_now();
  op.detail = "why";
  op.replica = "A:1";
  auto back = finished_ops_from(to_bytes(finished));
  ASSERT_TRUE(back);
  ASSERT_EQ(back->ops.size(), 1u);
  expect_about(back->ops[0].started, op.started);
  expect_about(back->ops[0].ended, op.ended);
  back->ops[0].started = op.started;
  back->ops[0].ended = op.ended;
  EXPECT_EQ(*back, finished);
}

TEST(JournalBytes, KeptTable) {
  KeptTable kept;
  kept[0]["A:1"] = {"A:1", 7, 120};
  kept[0]["B:1"] = {"B:1", 0, std::nullopt};
  kept[3]["A:1"] = {"A:1", 9, 0};
  const auto back = kept_table_from(to_bytes(kept));
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, kept);
}

TEST(JournalBytes, AnOpThatNamesNobodyIsRefused) {
  core::BegunOp op;
  op.id = core::kFirstOpId;
  op.replica = "A:1";
  EXPECT_EQ(begun_op_from(to_bytes(op)).error().text,
            "names no leader; an op that is recorded has both");
  op.leader = "B:1";
  EXPECT_TRUE(begun_op_from(to_bytes(op)));
  op.id = 7;
  EXPECT_EQ(begun_op_from(to_bytes(op)).error().text, "has op id 7; ours begin at 1000000001");
}

TEST(JournalBytes, WhatIsNoSuchThingIsNamed) {
  EXPECT_NE(begun_op_from("\xff\xff").error().text.find("does not parse"), std::string::npos);
  EXPECT_NE(kept_table_from("").error().text.find("has version 0"), std::string::npos);
  EXPECT_NE(finished_ops_from("garbage").error().text.find("is no list of finished ops"),
            std::string::npos);
}

}  // namespace
}  // namespace failoverd::fedb
