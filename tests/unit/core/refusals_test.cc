// SAFETY 22: one table's trouble stays its own: what the publisher sends, and what is tried when.
#include "lib/core/durable/refusals.h"

#include <gtest/gtest.h>

#include "lib/core/durable/publisher.h"

namespace failoverd::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Outcome = Published::Outcome;
using Tried = TableTried::Outcome;

class SetDead : public Publishing {
 public:
  std::optional<PartitionEdit> edit(OpId, const Partition&) override {
    PartitionEdit edit;
    edit.rows.push_back({"B", false, false});
    return edit;
  }
  void published(OpId op) override { done.push_back(op); }
  void gone(OpId, const std::string&) override {}
  void refused(OpId op, const std::string&) override { refused_ops.push_back(op); }

  std::vector<OpId> done;
  std::vector<OpId> refused_ops;
};

// Tables t1, t2, t3, each with one partition on A and B; op N wants something of tN published.
class RefusalsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    outbox.now = Instant{seconds{10}};
    for (const std::uint32_t tid : {1, 2, 3}) put(tid, 200);
  }
  static std::string znode(std::uint32_t tid) { return "table/table_data/t" + std::to_string(tid); }
  void put(std::uint32_t tid, std::uint32_t bytes) {
    TableShape shape;
    shape.znode = znode(tid);
    shape.version = ++version_;
    shape.bytes = bytes;
    shape.name = "t" + std::to_string(tid);
    shape.tid = tid;
    shape.partitions.push_back({0, {{"A", true, true}, {"B", false, true}}, {{1, 0}}});
    ASSERT_EQ(model.put_table(shape, outbox.now), std::nullopt);
  }
  void want(OpId op) {
    publisher.want(op, {static_cast<std::uint32_t>(op), 0}, by, Publisher::Urgency::kClientsWait);
  }
  // The tids of the tables in the next multi; "" for none.
  std::string flush() {
    outbox.out.clear();
    publisher.flush(Publisher::ElectionProgress::kNone);
    std::string tids;
    for (const Command& command : outbox.out) {
      const auto* publish = std::get_if<Publish>(&command);
      if (!publish) continue;
      last_ = publish->id;
      for (const TableEdit& t : publish->tables) tids += std::to_string(t.tid);
    }
    return tids;
  }
  void answer(Outcome outcome, std::vector<Refused> refused = {}) {
    Published published;
    published.id = last_;
    published.outcome = outcome;
    published.refused = std::move(refused);
    publisher.published(*outbox.close(last_), published);
    for (auto& [tid, table] : model.tables()) table.stale = false;  // Read again.
  }
  static Refused no_auth(std::uint32_t tid) {
    return {znode(tid), RefusalReason::kNoAuth, "no auth", false};
  }
  // What is tried now: its znode's last character and the length; "" for nothing.
  std::string look() {
    outbox.out.clear();
    refusals.look();
    for (const Command& command : outbox.out) {
      if (const auto* t = std::get_if<TryTable>(&command)) {
        tried_ = *t;
        return std::string{t->znode.back()};
      }
    }
    return "";
  }
  void tell(Tried outcome) {
    ASSERT_TRUE(outbox.close(tried_.id));
    outbox.out.clear();
    TableTried e;
    e.id = tried_.id;
    e.znode = tried_.znode;
    e.outcome = outcome;
    e.bytes = tried_.bytes;
    e.refused = {tried_.znode, RefusalReason::kNoAuth, "no auth", false};
    refusals.tried(e);
  }
  int notes() const {
    return static_cast<int>(
        std::count_if(outbox.out.begin(), outbox.out.end(),
                      [](const Command& c) { return std::holds_alternative<Note>(c); }));
  }
  Table& table(std::uint32_t tid) { return *model.table(tid); }

  Model model;
  Outbox outbox;
  SetDead by;
  Refusals refusals{model, outbox};
  Publisher publisher{model, outbox, refusals};
  TryTable tried_;

 private:
  std::int32_t version_ = 0;
  RequestId last_ = 0;
};

TEST_F(RefusalsTest, TheOthersGoAtOnceWithoutTheOneThatIsRefused) {
  for (const OpId op : {1, 2, 3}) want(op);
  EXPECT_EQ(flush(), "123");
  answer(Outcome::kRefused, {no_auth(2)});
  EXPECT_EQ(by.refused_ops, std::vector<OpId>{2});
  EXPECT_EQ(flush(), "13");
  answer(Outcome::kDone);
  EXPECT_EQ(by.done, (std::vector<OpId>{1, 3}));
  outbox.now += std::chrono::hours{1};
  EXPECT_EQ(flush(), "");
}

TEST_F(RefusalsTest, ItIsTriedLessAndLessOftenAndNamedOnce) {
  want(2);
  flush();
  answer(Outcome::kRefused, {no_auth(2)});
  EXPECT_EQ(notes(), 1);
  for (const int pause : {1, 2, 4, 8, 16, 32, 60, 60}) {
    outbox.now += seconds{pause} - milliseconds{1};
    EXPECT_EQ(look(), "") << pause;
    outbox.now += milliseconds{1};
    EXPECT_EQ(look(), "2") << pause;
    tell(Tried::kRefused);
    EXPECT_EQ(notes(), 0);
  }
  outbox.now += seconds{60};
  ASSERT_EQ(look(), "2");
  tell(Tried::kTaken);
  EXPECT_EQ(notes(), 1);
  EXPECT_FALSE(table(2).refusal);
  EXPECT_EQ(flush(), "2");
}

// A trial passes, the publish does not: it does not begin again with a second.
TEST_F(RefusalsTest, PausesGoOnUntilAPublishIsTaken) {
  want(2);
  for (const int pause : {1, 2, 4}) {
    ASSERT_EQ(flush(), "2");
    answer(Outcome::kRefused, {no_auth(2)});
    outbox.now += seconds{pause} - milliseconds{1};
    EXPECT_EQ(look(), "");
    outbox.now += milliseconds{1};
    ASSERT_EQ(look(), "2");
    tell(Tried::kTaken);
  }
  ASSERT_EQ(flush(), "2");
  answer(Outcome::kDone);
  EXPECT_EQ(table(2).refusals, 0);
}

TEST_F(RefusalsTest, AnotherVersionIsTriedAtOnceButNotWithoutEnd) {
  want(2);
  flush();
  answer(Outcome::kRefused, {no_auth(2)});
  outbox.now += seconds{1};
  ASSERT_EQ(look(), "2");
  tell(Tried::kRefused);  // The next in two seconds.
  put(2, 200);
  refusals.table_read(table(2));
  EXPECT_EQ(look(), "");
  outbox.now += seconds{1};
  EXPECT_EQ(look(), "2");
}

TEST_F(RefusalsTest, AnAclIsOnlyASuspicion) {
  table(2).acl = "world:anyone:r";
  refusals.start();
  EXPECT_NE(refusals.holds(table(2), 0), "");
  EXPECT_EQ(refusals.holds(table(1), 0), "");
  ASSERT_EQ(look(), "2");
  tell(Tried::kTaken);  // These servers look at no ACLs.
  EXPECT_EQ(notes(), 0);
  EXPECT_EQ(refusals.holds(table(2), 0), "");
  refusals.table_read(table(2));
  EXPECT_EQ(refusals.holds(table(2), 0), "");
}

TEST_F(RefusalsTest, TheLongestTellsOfAllThatAreShorter) {
  put(1, 300'000);
  put(2, 900'000);
  refusals.start();
  ASSERT_EQ(look(), "2");
  EXPECT_GT(tried_.bytes, 900'000u);
  EXPECT_EQ(refusals.holds(table(2), 0), "");  // It is no longer than usual.
  tell(Tried::kTaken);
  EXPECT_EQ(look(), "");
}

TEST_F(RefusalsTest, WhatIsTooLongIsNamedAndTheNextIsTried) {
  put(1, 300'000);
  put(2, 900'000);
  refusals.start();
  ASSERT_EQ(look(), "2");
  tell(Tried::kConnectionLost);
  ASSERT_TRUE(table(2).refusal && table(2).refusal->is_known);
  EXPECT_EQ(table(2).refusal->reason, RefusalReason::kTooLarge);
  EXPECT_NE(refusals.holds(table(1), 0), "");  // For a moment.
  ASSERT_EQ(look(), "1");
  tell(Tried::kTaken);
  EXPECT_EQ(refusals.holds(table(1), 0), "");
  EXPECT_EQ(refusals.holds(table(3), 0), "");
}

TEST_F(RefusalsTest, WhatIsLongerThanUsualWaitsForItsTrial) {
  put(2, 2'000'000);
  refusals.start();
  EXPECT_NE(refusals.holds(table(2), 0), "");
  ASSERT_EQ(look(), "2");
  tell(Tried::kTaken);
  EXPECT_EQ(refusals.holds(table(2), 0), "");
}

// A multi that is lost: its large table is suspected, the small ones go again without it.
TEST_F(RefusalsTest, ALostMultiIsSplit) {
  put(2, 500'000);
  for (const OpId op : {1, 2, 3}) want(op);
  ASSERT_EQ(flush(), "123");
  answer(Outcome::kUnknown);
  EXPECT_EQ(flush(), "13");
  answer(Outcome::kDone);
  ASSERT_EQ(look(), "2");
  tell(Tried::kTaken);
  EXPECT_EQ(flush(), "2");
}

// Whatever it is that kills the connection: it goes alone, and then it waits.
TEST_F(RefusalsTest, WhatIsLostAgainAndAgainGoesAloneAndThenWaits) {
  for (const OpId op : {1, 2}) want(op);
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(flush(), "12");
    answer(Outcome::kUnknown);
  }
  ASSERT_EQ(flush(), "1");
  EXPECT_EQ(flush(), "");  // Nothing beside it.
  answer(Outcome::kDone);
  ASSERT_EQ(flush(), "2");
  answer(Outcome::kUnknown);
  EXPECT_TRUE(table(2).refusal);
  EXPECT_FALSE(table(1).refusal);
  want(1);
  EXPECT_EQ(flush(), "1");
}

}  // namespace
}  // namespace failoverd::core
