// The journal of ops: what a successor finds, whatever was written and whatever answer was lost.
#include <gtest/gtest.h>

#include <set>

#include "lib/core/durable/op_journal.h"

namespace failoverd::core {
namespace {

class JournalTest : public testing::Test {
 protected:
  // What goes out now; none: nothing does.
  std::optional<WriteJournal> flush() {
    outbox_.out.clear();
    journal_.flush();
    for (const Command& c : outbox_.out) {
      if (const auto* write = std::get_if<WriteJournal>(&c)) return *write;
    }
    return std::nullopt;
  }
  static BegunOp begun(OpId id) {
    BegunOp op;
    op.id = id;
    return op;
  }
  void end(OpId id) {
    OpRecord op;
    op.id = id;
    journal_.finished(op);
    journal_.drop(id);
  }
  void wait() { outbox_.now += std::chrono::seconds{1}; }

  Outbox outbox_;
  OpJournal journal_{outbox_};
};

TEST_F(JournalTest, WhatBeginsIsWrittenAtOnceAndTold) {
  journal_.begin(begun(7));
  const auto write = flush();
  ASSERT_TRUE(write);
  ASSERT_EQ(write->begun.size(), 1u);
  EXPECT_TRUE(journal_.written.empty());
  journal_.answered(true);
  EXPECT_EQ(journal_.written, std::vector<OpId>{7});
  EXPECT_FALSE(flush());
}

TEST_F(JournalTest, OneWriteAtATimeAndALostOneAgain) {
  journal_.begin(begun(7));
  ASSERT_TRUE(flush());
  journal_.begin(begun(8));
  EXPECT_FALSE(flush());
  journal_.answered(false);
  EXPECT_FALSE(flush()) << "not at once: a connection that is down would be asked without end";
  wait();
  const auto again = flush();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->begun.size(), 2u);
}

// Whatever is wrong with the list of ended ops, no op waits for it.
TEST_F(JournalTest, TheEndedNeverHoldBackWhatBegins) {
  journal_.begin(begun(7));
  ASSERT_TRUE(flush());
  journal_.answered(true);
  end(7);
  journal_.begin(begun(8));
  auto write = flush();
  ASSERT_TRUE(write);
  EXPECT_FALSE(write->finished.empty());
  journal_.answered(false);
  wait();
  write = flush();
  ASSERT_TRUE(write);
  EXPECT_EQ(write->begun.size(), 1u);
  EXPECT_TRUE(write->finished.empty());
  journal_.answered(true);
  wait();
  write = flush();
  if (!write) {
    wait();
    write = flush();
  }
  ASSERT_TRUE(write) << "it is tried again by itself";
  EXPECT_FALSE(write->finished.empty());
  journal_.answered(false);
  journal_.begin(begun(9));
  write = flush();
  ASSERT_TRUE(write) << "at once";
  EXPECT_TRUE(write->finished.empty());
}

// However many ended while nothing could be written: a longer request would be refused for ever.
TEST_F(JournalTest, ManyThatEndedGoInSeveralWrites) {
  for (OpId id = 1; id <= 1'550; ++id) end(id);
  std::set<std::uint64_t> groups;
  for (int writes = 0; writes < 10 && groups.size() < 16; ++writes) {
    wait();
    const auto write = flush();
    if (!write) continue;
    EXPECT_LE(write->finished.size(), 11u);
    for (const FinishedOps& group : write->finished) groups.insert(group.number);
    journal_.answered(true);
  }
  EXPECT_EQ(groups.size(), 16u);
}

TEST_F(JournalTest, WhatEndedIsRemovedAlsoWhenItsWriteIsOnTheWay) {
  journal_.begin(begun(7));
  ASSERT_TRUE(flush());
  end(7);
  journal_.answered(false);  // It may have been written all the same.
  wait();
  std::optional<WriteJournal> write = flush();
  if (!write) {
    wait();
    write = flush();
  }
  ASSERT_TRUE(write);
  EXPECT_TRUE(write->begun.empty());
  EXPECT_EQ(write->ended, std::vector<OpId>{7});
  ASSERT_EQ(write->finished.size(), 1u);
  EXPECT_EQ(write->finished[0].ops.size(), 1u);
}

TEST_F(JournalTest, FinishedOpsFillOneZnodeAfterTheOther) {
  for (OpId id = 1; id <= 2 * kOpsPerZnode + 1; ++id) end(id);
  EXPECT_FALSE(flush());
  wait();
  const auto write = flush();
  ASSERT_TRUE(write);
  ASSERT_EQ(write->finished.size(), 3u);
  EXPECT_EQ(write->finished[0].number, 0u);
  EXPECT_EQ(write->finished[1].number, 1u);
  EXPECT_EQ(write->finished[2].number, 2u);
  EXPECT_EQ(write->finished[2].ops.size(), 1u);
}

TEST_F(JournalTest, ANewReignGoesOnWithTheLastGroup) {
  FinishedOps last;
  last.number = 41;
  last.ops.resize(kOpsPerZnode - 1);
  journal_.start({begun(5)}, {last});
  end(5);
  end(6);
  wait();
  EXPECT_FALSE(flush());
  wait();
  const auto write = flush();
  ASSERT_TRUE(write);
  EXPECT_EQ(write->ended, std::vector<OpId>{5});
  ASSERT_EQ(write->finished.size(), 2u);
  EXPECT_EQ(write->finished[0].number, 41u);
  EXPECT_EQ(write->finished[0].ops.size(), kOpsPerZnode);
  EXPECT_EQ(write->finished[1].number, 42u);
}

}  // namespace
}  // namespace failoverd::core
