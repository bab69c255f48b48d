// SAFETY 13: what an old writer makes of a partition that has been published since it read it.
#include "lib/core/cluster/overwritten.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/core/cluster/model.h"

namespace failoverd::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr PartitionKey kAt{2, 0};
constexpr Instant kNow{std::chrono::seconds{10}};

const PartitionShape kBefore{
    0, {{"A", true, true}, {"B", false, true}, {"C", false, true}}, {{1, 0}}};
const PartitionShape kPublished{
    0, {{"A", true, false}, {"B", true, true}, {"C", false, false}}, {{1, 0}, {3, 11}}};

class Overwritten : public testing::Test {
 protected:
  // A daemon that knows by what is kept that B was published.
  void SetUp() override {
    model_.keep(kAt, {"A", 1, 10});
    model_.was_published(kAt, {{{1, 0}, {3, 11}}, "B", {"A", "C"}});
  }
  void read(PartitionShape partition) {
    TableShape shape;
    shape.znode = "table/table_data/flow";
    shape.version = ++version_;
    shape.name = "flow";
    shape.tid = kAt.tid;
    shape.partitions = {std::move(partition)};
    ASSERT_EQ(model_.put_table(shape, kNow), std::nullopt);
  }
  std::vector<Row> rows() {
    std::vector<Row> all;
    for (const Replica& r : model_.partition(kAt)->replicas) {
      all.push_back({model_.tablet(r.tablet).endpoint, r.is_leader, r.is_alive});
    }
    return all;
  }

  Model model_;
  std::int32_t version_ = 0;
};

TEST_F(Overwritten, IsTakenToBeAsItWasPublished) {
  read(kBefore);
  EXPECT_TRUE(model_.partition(kAt)->overwritten);
  EXPECT_EQ(rows(), kPublished.rows);
  EXPECT_EQ(model_.partition(kAt)->terms, kPublished.terms);
  read(kPublished);
  EXPECT_FALSE(model_.partition(kAt)->overwritten);
}

TEST_F(Overwritten, IsSeenByWhoeverHasReadItBefore) {
  model_.forget_kept();
  read(kBefore);
  EXPECT_EQ(rows(), kBefore.rows);
  model_.was_published(kAt, {{{1, 0}, {3, 11}}, "B", {"A", "C"}});
  model_.place_overwritten(kNow);
  EXPECT_EQ(rows(), kPublished.rows);
}

TEST_F(Overwritten, ComesBackWithTheNextPublish) {
  read(kBefore);
  PartitionEdit edit;
  edit.rows = {{"C", false, true}};  // Recovered meanwhile.
  edit.terms = {{5, 30}};
  model_.put_back(kAt, edit);
  EXPECT_THAT(edit.terms, ElementsAre(TermPair{3, 11}, TermPair{5, 30}));
  EXPECT_THAT(edit.rows, ElementsAre(RowEdit{"C", false, true}, RowEdit{"A", true, false},
                                     RowEdit{"B", true, true}));
  model_.written(kAt.tid, {edit}, kNow);
  EXPECT_FALSE(model_.partition(kAt)->overwritten);
  EXPECT_EQ(model_.partition(kAt)->published_term(), 5u);
}

// Somebody has published a leader since, or it is a history of its own: another table's.
TEST_F(Overwritten, IsNotWhatGoesOn) {
  for (const std::vector<TermPair>& terms :
       {std::vector<TermPair>{{1, 0}, {3, 11}, {4, 20}}, {{1, 0}, {4, 20}}, {{2, 0}}, {}}) {
    PartitionShape other = kBefore;
    other.terms = terms;
    read(other);
    EXPECT_FALSE(model_.partition(kAt)->overwritten);
    EXPECT_EQ(rows(), kBefore.rows);
    PartitionEdit edit;
    model_.put_back(kAt, edit);
    EXPECT_THAT(edit.terms, IsEmpty());
    EXPECT_THAT(edit.rows, IsEmpty());
  }
  PartitionShape without = kBefore;
  without.rows.erase(without.rows.begin() + 1);  // B's replica has been moved away.
  read(without);
  EXPECT_FALSE(model_.partition(kAt)->overwritten);
}

TEST_F(Overwritten, IsNoMoreThanAnOperatorWantsWhoReplacesItAll) {
  read(kPublished);
  PartitionEdit edit;
  edit.whole = WholePartition{kBefore, ""};
  const auto published = model_.published_by(kAt, edit);
  ASSERT_TRUE(published);
  model_.was_published(kAt, *published);
  model_.written(kAt.tid, {edit}, kNow);
  EXPECT_EQ(rows(), kBefore.rows);
}

TEST_F(Overwritten, NothingIsKeptOfAPartitionOfWhichNothingElseIs) {
  model_.forget_kept();
  read(kBefore);
  PartitionEdit edit;
  edit.rows = {{"A", true, false}, {"B", true, true}};
  edit.terms = {{3, 11}};
  EXPECT_EQ(model_.published_by(kAt, edit), std::nullopt);
  edit.kept = {{"A", 1, 10}};
  EXPECT_EQ(model_.published_by(kAt, edit), (PublishedLeader{{{1, 0}, {3, 11}}, "B", {"A"}}));
}

}  // namespace
}  // namespace failoverd::core
