// What goes out together, and what waits for what.
#include "lib/core/durable/publisher.h"

#include <gtest/gtest.h>

namespace failoverd::core {
namespace {

using std::chrono::milliseconds;
using Elections = Publisher::ElectionProgress;
using Urgency = Publisher::Urgency;

constexpr std::uint32_t kTid = 2;

// Says of every partition that B is not alive.
class SetDead : public Publishing {
 public:
  std::optional<PartitionEdit> edit(OpId, const Partition&) override {
    PartitionEdit edit;
    edit.rows.push_back({"B", false, false});
    return edit;
  }
  void published(OpId op) override { done.push_back(op); }
  void gone(OpId, const std::string&) override {}
  void refused(OpId op, const std::string& why) override {
    told_refused.push_back(std::to_string(op) + " " + why);
  }

  std::vector<OpId> done;
  std::vector<std::string> told_refused;
};

// Keeps of B whom it followed, with its row that dies or by itself.
class Keeps : public Publishing {
 public:
  Keeps(Term followed, bool with_row) : followed_(followed), with_row_(with_row) {}
  std::optional<PartitionEdit> edit(OpId, const Partition&) override {
    PartitionEdit edit;
    if (with_row_) edit.rows.push_back({"B", false, false});
    edit.kept.push_back({"B", followed_, {}, false});
    return edit;
  }
  void published(OpId) override {}
  void gone(OpId, const std::string&) override {}

 private:
  Term followed_ = 0;
  bool with_row_ = false;
};

// Table flow with three partitions on A and B.
class PublisherTest : public ::testing::Test {
 protected:
  void SetUp() override {
    outbox.now = Instant{std::chrono::seconds{10}};
    TableShape shape;
    shape.znode = "table/table_data/flow";
    shape.version = 1;
    shape.name = "flow";
    shape.tid = kTid;
    for (const std::uint32_t pid : {0, 1, 2}) {
      shape.partitions.push_back({pid, {{"A", true, true}, {"B", false, true}}, {{1, 0}}});
    }
    ASSERT_EQ(model.put_table(shape, outbox.now), std::nullopt);
  }

  void want(OpId op, Urgency urgency) {
    publisher.want(op, {kTid, static_cast<std::uint32_t>(op)}, by, urgency);
  }
  // How many partitions go out now; 0: nothing does.
  std::size_t flush(Elections elections) {
    outbox.out.clear();
    publisher.flush(elections);
    std::size_t partitions = 0;
    for (const Command& command : outbox.out) {
      const auto* publish = std::get_if<Publish>(&command);
      if (publish) partitions += publish->tables.at(0).partitions.size();
    }
    return partitions;
  }
  std::vector<Term> followed_by_b() const {
    std::vector<Term> followed;
    for (const Command& command : outbox.out) {
      const auto* publish = std::get_if<Publish>(&command);
      for (std::size_t i = 0; publish && i < publish->tables.at(0).partitions.size(); ++i) {
        for (const Lineage& k : publish->tables.at(0).partitions[i].kept)
          followed.push_back(k.followed);
      }
    }
    return followed;
  }
  bool timer_set() const {
    return !outbox.out.empty() && std::holds_alternative<SetTimer>(outbox.out.back());
  }

  Model model;
  Outbox outbox;
  SetDead by;
  Refusals refusals{model, outbox};
  Publisher publisher{model, outbox, refusals};
};

// SAFETY 13: once, whoever else wants something of that partition.
TEST_F(PublisherTest, WhatWasOverwrittenGoesOutWithTheFirst) {
  class Empty : public Keeps {
   public:
    Empty() : Keeps(0, false) {}
    std::optional<PartitionEdit> edit(OpId, const Partition&) override { return PartitionEdit{}; }
  };
  Empty nothing;
  model.keep({kTid, 0}, {"A", 1, 8});
  model.was_published({kTid, 0}, {{{1, 0}, {3, 9}}, "B", {"A"}});
  model.place_overwritten(outbox.now);
  ASSERT_TRUE(model.partition({kTid, 0})->overwritten);
  want(0, Urgency::kNobodyWaits);
  publisher.want(100, {kTid, 0}, nothing, Urgency::kClientsWait);
  want(1, Urgency::kNobodyWaits);
  ASSERT_EQ(flush(Elections::kNone), 3u);
  const auto& edits = std::get<Publish>(outbox.out.back()).tables.at(0).partitions;
  std::vector<TermPair> terms;
  for (const PartitionEdit& edit : edits)
    terms.insert(terms.end(), edit.terms.begin(), edit.terms.end());
  EXPECT_EQ(terms, (std::vector<TermPair>{{3, 9}}));
  EXPECT_EQ(edits.at(0).published, std::nullopt);
  EXPECT_EQ(edits.at(1).published, std::nullopt) << "nothing is kept of it";
  EXPECT_EQ(edits.at(2).published, (PublishedLeader{{{1, 0}, {3, 9}}, "", {"A", "B"}}));
}

TEST_F(PublisherTest, WithoutElectionsEverythingGoesAtOnce) {
  want(0, Urgency::kNobodyWaits);
  want(1, Urgency::kNobodyWaits);
  EXPECT_EQ(flush(Elections::kNone), 2u);
}

TEST_F(PublisherTest, ANewLeaderWaitsALittleForThoseThatAreAboutToEnd) {
  want(0, Urgency::kClientsWait);
  EXPECT_EQ(flush(Elections::kAboutToEnd), 0u);
  EXPECT_TRUE(timer_set());
  outbox.now += milliseconds{2};
  want(1, Urgency::kClientsWait);
  EXPECT_EQ(flush(Elections::kAboutToEnd), 0u);
  outbox.now += milliseconds{3};
  EXPECT_EQ(flush(Elections::kAboutToEnd), 2u);
}

TEST_F(PublisherTest, ANewLeaderDoesNotWaitForElectionsThatHaveJustBegun) {
  want(0, Urgency::kClientsWait);
  EXPECT_EQ(flush(Elections::kUnderWay), 1u);
}

TEST_F(PublisherTest, AFollowersRowDoesNotGoInFrontOfANewLeader) {
  want(0, Urgency::kNobodyWaits);
  EXPECT_EQ(flush(Elections::kUnderWay), 0u);
  EXPECT_TRUE(timer_set());
  want(1, Urgency::kClientsWait);
  EXPECT_EQ(flush(Elections::kNone), 2u);
}

TEST_F(PublisherTest, AFollowersRowDoesNotWaitForEver) {
  want(0, Urgency::kNobodyWaits);
  EXPECT_EQ(flush(Elections::kUnderWay), 0u);
  outbox.now += milliseconds{50};
  EXPECT_EQ(flush(Elections::kUnderWay), 1u);
}

// The timer that lets a follower's row go must not put off that of a leader that came later.
TEST_F(PublisherTest, TheEarlierTimerIsSetToo) {
  want(0, Urgency::kNobodyWaits);
  EXPECT_EQ(flush(Elections::kUnderWay), 0u);
  want(1, Urgency::kClientsWait);
  EXPECT_EQ(flush(Elections::kAboutToEnd), 0u);
  ASSERT_TRUE(timer_set());
  EXPECT_EQ(std::get<SetTimer>(outbox.out.back()).at, outbox.now + milliseconds{5});
}

TEST_F(PublisherTest, ATableIsChangedByOneMultiAtATime) {
  want(0, Urgency::kClientsWait);
  EXPECT_EQ(flush(Elections::kNone), 1u);
  const RequestId id = std::get<Publish>(outbox.out.back()).id;
  want(1, Urgency::kClientsWait);
  EXPECT_EQ(flush(Elections::kNone), 0u);
  publisher.published(*outbox.close(id), {id, Published::Outcome::kDone, {}, ""});
  EXPECT_EQ(by.done, std::vector<OpId>{0});
  EXPECT_EQ(flush(Elections::kNone), 1u);
}

// SAFETY 10: what goes with a row that dies is the truth, whichever of the two was wanted first.
TEST_F(PublisherTest, WhatIsKeptByItselfOverwritesNothingThatGoesWithARow) {
  Keeps with_row{0, true};
  Keeps by_itself{1, false};
  publisher.want(1, {kTid, 0}, with_row, Urgency::kNobodyWaits);
  publisher.want(2, {kTid, 0}, by_itself, Urgency::kNobodyWaits);
  flush(Elections::kNone);
  EXPECT_EQ(followed_by_b(), std::vector<Term>{0});
}

TEST_F(PublisherTest, WhatIsKeptByItselfGivesWayToARowThatIsWantedLater) {
  Keeps with_row{0, true};
  Keeps by_itself{1, false};
  publisher.want(1, {kTid, 0}, by_itself, Urgency::kNobodyWaits);
  publisher.want(2, {kTid, 0}, with_row, Urgency::kNobodyWaits);
  flush(Elections::kNone);
  EXPECT_EQ(followed_by_b(), std::vector<Term>{0});
}

}  // namespace
}  // namespace failoverd::core
