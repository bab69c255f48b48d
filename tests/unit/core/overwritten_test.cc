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
constexpr std::int64_t kCreated = 77;
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
    model_.was_published(kAt, ours());
  }
  static PublishedLeader ours() { return {{{1, 0}, {3, 11}}, "B", {"A", "C"}, kCreated}; }
  void read(PartitionShape partition) {
    TableShape shape;
    shape.znode = "table/table_data/flow";
    shape.version = ++version_;
    shape.created = created_;
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
  std::int64_t created_ = kCreated;
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
  model_.was_published(kAt, ours());
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

// Of another history, or made anew, each is what is known from then on.
TEST_F(Overwritten, IsNotTheTableOfAnotherZnode) {
  created_ = kCreated + 1;
  read(kBefore);
  EXPECT_EQ(rows(), kBefore.rows);
}

// What was read last counts, whoever wrote it: B was succeeded by C, and is no leader any more.
TEST_F(Overwritten, IsAsItWasLastAndNotAsWePublishedIt) {
  PartitionShape later{
      0, {{"A", true, false}, {"B", true, false}, {"C", true, true}}, {{1, 0}, {3, 11}, {4, 20}}};
  read(later);
  read(kBefore);
  later.rows[1].is_leader = false;  // Dead rows stay as they are written.
  EXPECT_EQ(rows(), later.rows);
  EXPECT_EQ(model_.partition(kAt)->terms, later.terms);
}

TEST_F(Overwritten, FollowersThatWereAliveStaySo) {
  PartitionShape handed{
      0, {{"A", true, false}, {"B", false, true}, {"C", true, true}}, {{1, 0}, {3, 11}, {5, 20}}};
  read(handed);
  read(kPublished);
  EXPECT_EQ(rows(), handed.rows);
}

// What is kept of a replica goes out without a change of rows: it stays overwritten.
TEST_F(Overwritten, IsNotPutBackByWhatChangesNoRow) {
  read(kBefore);
  PartitionEdit edit;
  edit.kept = {{"C", 1, 10}};
  PartitionEdit other;
  other.pid = 7;
  model_.written(kAt.tid, {edit, other}, kNow);
  EXPECT_TRUE(model_.partition(kAt)->overwritten);
  EXPECT_EQ(rows(), kPublished.rows);
}

TEST_F(Overwritten, IsNoMoreThanAnOperatorWantsWhoReplacesItAll) {
  read(kPublished);
  PartitionEdit edit;
  edit.whole = WholePartition{kBefore, ""};
  model_.written(kAt.tid, {edit}, kNow);
  EXPECT_EQ(rows(), kBefore.rows);
}

TEST_F(Overwritten, AllEditsOfAPartitionAreSaid) {
  read(kPublished);
  PartitionEdit one;
  one.rows = {{"B", true, false}, {"C", true, true}};
  one.terms = {{5, 30}, {7, 40}, {9, 50}};
  PartitionEdit other;
  other.rows = {{"A", false, true}};
  EXPECT_EQ(model_.published_by(kAt, {&one, &other}),
            (PublishedLeader{{{3, 11}, {5, 30}, {7, 40}, {9, 50}}, "C", {"B"}, kCreated}));
}

}  // namespace
}  // namespace failoverd::core
