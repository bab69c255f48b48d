// What failoverd keeps in ZooKeeper comes back as it was, and what is no such thing is named.
#include <gtest/gtest.h>

#include <limits>

#include "lib/base/boot_clock.h"
#include "lib/fedb/wire/record_codec.h"
#include "proto/journal.pb.h"

namespace failoverd::fedb {
namespace {

// Always the same.
const Clocks& clocks() {
  static const Clocks now{boot_now(), wall_now_ms()};
  return now;
}

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
  op.from = "Z:1";
  op.sends = true;
  op.incarnation = 4711;
  op.leader = "B:1";
  op.leader_term = 12;
  op.lost_entries = 3;
  op.held = 17;
  op.started = boot_now();
  op.why = "it has a tail";
  auto back = begun_op_from(to_bytes(op, clocks()), clocks());
  ASSERT_TRUE(back);
  expect_about(back->started, op.started);
  back->started = op.started;
  EXPECT_EQ(*back, op);
  op.lost_entries.reset();
  EXPECT_EQ(begun_op_from(to_bytes(op, clocks()), clocks())->lost_entries, std::nullopt);
}

TEST(JournalBytes, OperatorHold) {
  core::OperatorHold hold;
  hold.id = 7;
  hold.tablet = "A:1";
  hold.offline = true;
  hold.led = {{2, 0}, {3, 1}};
  hold.pending = {{2, 4}};
  hold.reason = "new disk";
  hold.by = "ann";
  hold.since = boot_now();
  hold.until = hold.since + std::chrono::hours{2};
  auto back = operator_hold_from("7", to_bytes(hold, clocks()), clocks());
  ASSERT_TRUE(back);
  expect_about(back->since, hold.since);
  expect_about(*back->until, *hold.until);
  back->since = hold.since;
  back->until = hold.until;
  EXPECT_EQ(*back, hold);
}

// What cannot be a hold of ours is left alone, and says what it is.
TEST(JournalBytes, AHoldThatMakesNoSense) {
  core::OperatorHold hold;
  hold.reason = "r";
  const auto why = [&](const char* name) {
    return operator_hold_from(name, to_bytes(hold, clocks()), clocks()).error().text;
  };
  EXPECT_EQ(why("x1"), "is named \"x1\"; holds are named 1, 2 and so on");
  EXPECT_EQ(why("0"), "is named \"0\"; holds are named 1, 2 and so on");
  hold.pid = 3;
  EXPECT_EQ(why("1"), "names a partition of no table");
  hold.pid.reset();
  hold.offline = true;
  EXPECT_EQ(why("1"), "takes no tablet offline");
}

TEST(JournalBytes, FinishedOps) {
  core::FinishedOps finished;
  finished.number = 4;
  core::OpRecord& op = finished.ops.emplace_back();
  op.id = 1'000'000'001;
  op.without_leader = std::chrono::milliseconds{28};
  op.may_have_lost = 3;
  op.loss_is_exact = true;
  op.type = core::OpType::kFullRestartOP;
  op.table = "flow";
  op.db = "shop";
  op.at = {2, 5};
  op.status = core::OpStatus::kFailed;
  op.started = boot_now() - std::chrono::hours{24 * 400};  // Before this boot.
  op.ended = boot_now();
  op.detail = "why";
  op.replica = "A:1";
  auto back = finished_ops_from(to_bytes(finished, clocks()), clocks());
  ASSERT_TRUE(back);
  ASSERT_EQ(back->ops.size(), 1u);
  expect_about(back->ops[0].started, op.started);
  expect_about(back->ops[0].ended, op.ended);
  back->ops[0].started = op.started;
  back->ops[0].ended = op.ended;
  EXPECT_EQ(*back, finished);
}

// Found by the fuzzer: such a time cannot be computed with.
TEST(JournalBytes, ATimeThatNobodyWroteIsALongTimeAway) {
  for (const std::int64_t odd :
       {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
    journal::FinishedOps m;
    m.set_version(1);
    m.add_ops()->set_id(1);
    m.mutable_ops(0)->set_started(odd);
    const auto read = finished_ops_from(m.SerializeAsString(), clocks());
    ASSERT_TRUE(read) << read.error().text;
    const Duration away = std::chrono::abs(read->ops.at(0).started - clocks().now);
    EXPECT_EQ(away, std::chrono::hours{24} * 36500);
  }
}

TEST(JournalBytes, TableLineages) {
  TableLineages kept;
  kept[0].replicas["A:1"] = {"A:1", 7, 120};
  kept[0].replicas["B:1"] = {"B:1", 0, std::nullopt};
  kept[3].replicas["A:1"] = {"A:1", 9, 0};
  kept[3].replicas["B:1"] = {"B:1", 9, 120, true};
  kept[3].replicas["C:1"] = {"C:1", 7, 120, false, true};
  kept[3].published = {{{1, 0}, {7, 90}}, "B:1", {"A:1", "C:1"}};
  const auto back = kept_table_from(to_bytes(kept));
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, kept);
}

// SAFETY 16: nothing is published by what no history can be.
TEST(JournalBytes, AnEndOfNoHistoryIsLeftOut) {
  using Terms = std::vector<core::TermPair>;
  for (const Terms& terms :
       {Terms{{7, 90}, {1, 0}}, Terms{{7, 90}, {7, 95}}, Terms{{core::kHighestTerm + 1, 0}},
        Terms{{7, core::kHighestOffset + 1}}}) {
    TableLineages kept;
    kept[3].replicas["A:1"] = {"A:1", 9, 0};
    kept[3].published = {terms, "B:1", {}};
    const auto back = kept_table_from(to_bytes(kept));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->at(3).published, std::nullopt);
    EXPECT_EQ(back->at(3).replicas, kept[3].replicas);
  }
}

TEST(JournalBytes, AnOpThatNamesNobodyIsRefused) {
  core::BegunOp op;
  op.id = core::kFirstOpId;
  op.replica = "A:1";
  EXPECT_EQ(begun_op_from(to_bytes(op, clocks()), clocks()).error().text,
            "names no leader; an op that is recorded has both");
  op.leader = "B:1";
  EXPECT_TRUE(begun_op_from(to_bytes(op, clocks()), clocks()));
  op.id = 7;
  EXPECT_EQ(begun_op_from(to_bytes(op, clocks()), clocks()).error().text,
            "has op id 7; ours begin at 1000000001");
}

TEST(JournalBytes, WhatIsNoSuchThingIsNamed) {
  EXPECT_NE(begun_op_from("\xff\xff", clocks()).error().text.find("does not parse"),
            std::string::npos);
  EXPECT_NE(kept_table_from("").error().text.find("has version 0"), std::string::npos);
  EXPECT_NE(finished_ops_from("garbage", clocks()).error().text.find("is no list of finished ops"),
            std::string::npos);
}

// --- Fields of a newer version: kept where what they belong to is written again.

template <class Message>
void add_newer(Message& m, const std::string& what) {
  m.mutable_unknown_fields()->AddLengthDelimited(500)->assign(what);
}

template <class Message>
std::string newer_of(const Message& m) {
  return m.unknown_fields().empty() ? "" : m.unknown_fields().field(0).length_delimited();
}

template <class Message>
Message message(const std::string& bytes) {
  Message m;
  EXPECT_TRUE(m.ParseFromString(bytes));
  return m;
}

TEST(NewerFields, OfABegunOpStayWhenItIsOver) {
  core::BegunOp op;
  op.id = core::kFirstOpId;
  op.replica = "A:1";
  op.leader = "B:1";
  bool newer = true;
  ASSERT_TRUE(begun_op_from(to_bytes(op, clocks()), clocks(), &newer));
  EXPECT_FALSE(newer);
  auto m = message<journal::BegunOp>(to_bytes(op, clocks()));
  add_newer(m, "news");
  const std::string before = m.SerializeAsString();
  const auto read = begun_op_from(before, clocks(), &newer);
  ASSERT_TRUE(read);
  EXPECT_TRUE(newer);
  core::BegunOp over = *read;
  over.over = true;
  const auto after = message<journal::BegunOp>(to_bytes(over, clocks(), before));
  EXPECT_EQ(newer_of(after), "news");
  EXPECT_TRUE(after.over());
  EXPECT_EQ(to_bytes(over, clocks(), to_bytes(over, clocks(), before)),
            to_bytes(over, clocks(), before))
      << "kept once";
}

TEST(NewerFields, OfElectionsThatAreNotDone) {
  core::ElectionRecord record;
  record.elections.push_back({{2, 5}, 11, {{"A:1", 12, 100}, {"B:1", 12, 90}}, false});
  record.elections.push_back({{2, 6}, 11, {}, false});
  auto m = message<journal::ElectionRecord>(to_bytes(record));
  add_newer(m, "of all");
  add_newer(*m.mutable_elections(0), "of 5");
  add_newer(*m.mutable_elections(0)->mutable_may_lead(1), "of B");
  add_newer(*m.mutable_elections(1), "of 6");
  bool newer = false;
  ASSERT_TRUE(record_from("3-1", m.SerializeAsString(), &newer));
  EXPECT_TRUE(newer);
  record.elections.pop_back();  // Published.
  record.elections[0].may_lead.erase(record.elections[0].may_lead.begin());
  record.elections[0].may_lead.push_back({"C:1", 13, 95});
  const auto after = message<journal::ElectionRecord>(to_bytes(record, m.SerializeAsString()));
  EXPECT_EQ(newer_of(after), "of all");
  ASSERT_EQ(after.elections_size(), 1);
  EXPECT_EQ(newer_of(after.elections(0)), "of 5");
  EXPECT_EQ(newer_of(after.elections(0).may_lead(0)), "of B");
  EXPECT_EQ(newer_of(after.elections(0).may_lead(1)), "");
}

TEST(NewerFields, OfFinishedOpsOfTheSameGroup) {
  core::FinishedOps finished;
  finished.number = 4;
  finished.ops.resize(1);
  finished.ops[0].id = 8;
  auto m = message<journal::FinishedOps>(to_bytes(finished, clocks()));
  add_newer(m, "of all");
  add_newer(*m.mutable_ops(0), "of 8");
  bool newer = false;
  ASSERT_TRUE(finished_ops_from(m.SerializeAsString(), clocks(), &newer));
  EXPECT_TRUE(newer);
  finished.ops.resize(2);
  const auto after =
      message<journal::FinishedOps>(to_bytes(finished, clocks(), m.SerializeAsString()));
  EXPECT_EQ(newer_of(after), "of all");
  EXPECT_EQ(newer_of(after.ops(0)), "of 8");
  EXPECT_EQ(newer_of(after.ops(1)), "");
  finished.number = 104;  // The same znode's next.
  EXPECT_EQ(to_bytes(finished, clocks(), m.SerializeAsString()), to_bytes(finished, clocks()));
}

TEST(NewerFields, OfKeptReplicas) {
  TableLineages kept;
  kept[0].replicas["A:1"] = {"A:1", 7, 120};
  kept[3].replicas["A:1"] = {"A:1", 9, 0};
  kept[3].replicas["B:1"] = {"B:1", 9, 120, true};
  auto m = message<journal::KeptTable>(to_bytes(kept));
  add_newer(m, "of all");
  add_newer(*m.mutable_partitions(1), "of 3");
  add_newer(*m.mutable_partitions(1)->mutable_replicas(0), "of A");
  bool newer = false;
  ASSERT_TRUE(kept_table_from(m.SerializeAsString(), &newer));
  EXPECT_TRUE(newer);
  kept[3].replicas["A:1"].followed = 10;
  kept[3].replicas["B:1"] = {"B:1", 10, 0};
  const auto after = message<journal::KeptTable>(to_bytes(kept, m.SerializeAsString()));
  EXPECT_EQ(newer_of(after), "of all");
  EXPECT_EQ(newer_of(after.partitions(0)), "");
  EXPECT_EQ(newer_of(after.partitions(1)), "of 3");
  EXPECT_EQ(newer_of(after.partitions(1).replicas(0)), "of A");
  EXPECT_EQ(after.partitions(1).replicas(0).followed(), 10u);
  EXPECT_EQ(newer_of(after.partitions(1).replicas(1)), "");
}

}  // namespace
}  // namespace failoverd::fedb
