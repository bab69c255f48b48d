// Which rows lie, by what was kept of their replicas and what their snapshots say (SAFETY 1, 2).
#include "lib/core/cluster/lying_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/core/cluster/history.h"

namespace failoverd::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr PartitionKey kAt{2, 0};
// Term 1 wrote 1 to 99, term 3 wrote 100 to 199, term 5 leads from 200 on.
const std::vector<TermPair> kHistory = {{1, 0}, {3, 100}, {5, 200}};

class Lying : public ::testing::Test {
 protected:
  // A and B say that they led, C follows; all of them are dead.
  void SetUp() override { take({{"A", true, false}, {"B", true, false}, {"C", false, false}}); }
  void take(std::vector<Row> rows) {
    TableShape shape;
    shape.znode = "table/table_data/flow";
    shape.version = version_++;
    shape.name = "flow";
    shape.tid = kAt.tid;
    shape.partitions.push_back({kAt.pid, std::move(rows), kHistory});
    ASSERT_EQ(model.put_table(shape, Instant{}), std::nullopt);
  }
  Replica& on(const char* name) { return *model.partition(kAt)->on(model.tablet_index(name)); }
  // Loaded, it is at `offset`; its snapshot was of this term up to there.
  void holds(const char* name, Offset offset, Term term, Offset snapshot) {
    on(name).report.offset = offset;
    on(name).found = Found{false, term, snapshot};
  }
  void in_memory(const char* name, Offset offset, Term term) {
    on(name).report.offset = offset;
    on(name).found = Found{true, term, offset};
  }
  void kept(const char* name, Term followed, bool or_later = false) {
    model.keep(kAt, {name, followed, std::nullopt, or_later});
  }
  std::vector<std::string> set_alive() {
    std::vector<std::string> names;
    for (const TabletIndex i : lying().set_alive) names.push_back(model.tablet(i).endpoint);
    return names;
  }
  LyingRows lying() { return lying_rows(model, kAt, *model.partition(kAt)); }

  Model model;
  std::int32_t version_ = 1;
};

TEST_F(Lying, NobodyKnowsWhoOfTwoLedLast) {
  EXPECT_THAT(set_alive(), IsEmpty());
  EXPECT_THAT(lying().why_left, HasSubstr("several rows say that they led"));
}

TEST_F(Lying, OneThatIsKnownToHaveFollowedAnEarlierLeaderIsStale) {
  kept("A", 3);
  EXPECT_THAT(set_alive(), ElementsAre("B", "C"));
  kept("A", 3, /*or_later=*/true);
  EXPECT_THAT(set_alive(), IsEmpty()) << "it may have followed the last one";
}

TEST_F(Lying, ASnapshotShowsWhoWentOnAlone) {
  holds("A", 260, 3, 250);  // At 250 the history has term 5.
  EXPECT_TRUE(has_parted(*model.partition(kAt), on("A")));
  EXPECT_THAT(set_alive(), IsEmpty()) << "nobody is known to hold term 5";
  holds("B", 230, 5, 210);
  EXPECT_FALSE(has_parted(*model.partition(kAt), on("B")));
  EXPECT_THAT(set_alive(), ElementsAre("B", "C"));
}

// What has not restarted says itself whom it followed; a fence may have raised it to the last term.
TEST_F(Lying, ATermInMemoryShowsWhoFollowedAnEarlierLeader) {
  in_memory("A", 260, 3);
  EXPECT_THAT(set_alive(), ElementsAre("B", "C"));
  in_memory("A", 260, 5);
  EXPECT_THAT(set_alive(), IsEmpty());
  in_memory("A", 260, 0);  // It was loaded by somebody.
  EXPECT_THAT(set_alive(), IsEmpty());
}

// Both were sent entries of the last term: one led it, and the other is behind on the same log.
TEST_F(Lying, TwoThatHoldTheLastTermAreOfOneLog) {
  holds("A", 260, 5, 250);
  holds("B", 230, 5, 210);
  EXPECT_THAT(set_alive(), ElementsAre("A", "B", "C"));
}

TEST_F(Lying, TheLongestLogMustNotHaveParted) {
  take({{"A", true, false}, {"B", false, false}, {"C", false, false}});
  EXPECT_THAT(set_alive(), ElementsAre("A", "B", "C"));
  holds("C", 260, 3, 250);
  EXPECT_THAT(set_alive(), IsEmpty());
  EXPECT_THAT(lying().why_left, HasSubstr("C holds most, and its snapshot is not of the history"));
  on("A").report.offset = 300;
  EXPECT_THAT(set_alive(), ElementsAre("A", "B", "C"));
}

// Metadata that was put back from an older copy.
TEST_F(Lying, TheLongestLogMustBeOfTheLatestTermThatIsFound) {
  take({{"A", true, false}, {"B", false, false}, {"C", false, false}});
  holds("A", 400, 5, 210);
  holds("B", 300, 7, 280);
  EXPECT_TRUE(is_newer_than_rows(*model.partition(kAt), on("B")));
  EXPECT_THAT(set_alive(), IsEmpty());
  EXPECT_THAT(lying().why_left,
              HasSubstr("A holds most, and the snapshot of B is of a later term"));
  holds("B", 500, 7, 280);
  EXPECT_THAT(set_alive(), ElementsAre("A", "B", "C"));
}

// SAFETY 1: the alive rows name who holds what was acknowledged, beside the last leader's.
TEST_F(Lying, BesideAnAliveRowOnlyTheLastLeadersLies) {
  take({{"A", true, false}, {"B", false, true}, {"C", false, false}});
  EXPECT_THAT(set_alive(), ElementsAre("A"));
  kept("A", 5);
  EXPECT_THAT(set_alive(), IsEmpty()) << "failoverd set it dead, and knew why";
  take({{"A", true, true}, {"B", true, false}, {"C", false, false}});
  EXPECT_THAT(set_alive(), IsEmpty()) << "somebody leads";
}

TEST(History, KnowsWhereALogMayPart) {
  EXPECT_EQ(end_of_term(1, kHistory), 100u);
  EXPECT_EQ(end_of_term(5, kHistory), std::nullopt);
  EXPECT_EQ(end_of_term(3, {{3, 0}, {5, 100}, {7, 40}}), 40u) << "a lower bound is heeded";
  EXPECT_EQ(term_at(99, kHistory), 1u);
  EXPECT_EQ(term_at(100, kHistory), 3u);
  EXPECT_EQ(term_at(5000, kHistory), 5u);
  EXPECT_EQ(term_at(5, {}), 0u);
}

TEST_F(Lying, ALogAgreesUpToTheNextTermsBeginning) {
  const Partition& p = *model.partition(kAt);
  const TabletIndex a = model.tablet_index("A");
  EXPECT_EQ(agrees_to(model, kAt, p, a, 150), std::nullopt) << "nobody knows whom it followed";
  kept("A", 0);
  EXPECT_EQ(agrees_to(model, kAt, p, a, 150), std::nullopt);
  kept("A", 1);
  EXPECT_EQ(agrees_to(model, kAt, p, a, 150), 99u);
  EXPECT_EQ(agrees_to(model, kAt, p, a, 42), 42u);
  kept("A", 5);
  EXPECT_EQ(agrees_to(model, kAt, p, a, 900), 900u);
}

}  // namespace
}  // namespace failoverd::core
