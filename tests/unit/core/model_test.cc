// The model after a publish of ours, before anybody has read it back.
#include "lib/core/cluster/model.h"

#include <gtest/gtest.h>

namespace failoverd::core {
namespace {

constexpr PartitionKey kAt{2, 0};

// Without partitions yet.
TableShape flow() {
  TableShape shape;
  shape.znode = "table/table_data/flow";
  shape.version = 1;
  shape.name = "flow";
  shape.tid = kAt.tid;
  return shape;
}

TEST(AModel, IsAsWrittenWhereRowsCameAndWent) {
  const Instant now{std::chrono::seconds{10}};
  TableShape shape = flow();
  shape.partitions = {{0, {{"A", true, true}, {"B", false, true}}, {{1, 0}}}};
  Model model;
  ASSERT_EQ(model.put_table(shape, now), std::nullopt);
  const std::size_t growth = model.table(kAt.tid)->growth;
  model.partition(kAt)->on(model.tablet_index("A"))->report.offset = 9;

  PartitionEdit edit;
  edit.added = {{"C", false, false}};
  edit.removed = {"B"};
  model.written(kAt.tid, {edit}, now + std::chrono::seconds{1});

  const Partition& p = *model.partition(kAt);
  ASSERT_EQ(p.replicas.size(), 2u);
  EXPECT_EQ(p.on(model.tablet_index("A"))->report.offset, 9u) << "what is known of others stays";
  const Replica* added = p.on(model.tablet_index("C"));
  ASSERT_TRUE(added);
  EXPECT_FALSE(added->is_alive);
  EXPECT_FALSE(added->is_leader);
  EXPECT_EQ(added->row_since, now + std::chrono::seconds{1});
  EXPECT_FALSE(p.on(model.tablet_index("B")));
  EXPECT_TRUE(model.tablet(model.tablet_index("C")).hosts.contains(kAt));
  EXPECT_FALSE(model.tablet(model.tablet_index("B")).hosts.contains(kAt));
  EXPECT_EQ(model.table(kAt.tid)->shape.version, 2);
  EXPECT_GE(model.table(kAt.tid)->growth, growth);

  // It is what the znode says: read, it changes nothing.
  shape.version = 2;
  shape.partitions[0].rows = {{"A", true, true}, {"C", false, false}};
  EXPECT_EQ(model.table(kAt.tid)->shape.partitions, shape.partitions);
  ASSERT_EQ(model.put_table(shape, now + std::chrono::seconds{2}), std::nullopt);
  EXPECT_EQ(model.partition(kAt)->on(model.tablet_index("C"))->row_since,
            now + std::chrono::seconds{1});
}

// SAFETY 1: an operator's word does not change what is known of a replica.
TEST(AModel, KnowsWhoseRowIsAliveByHand) {
  const Instant now{std::chrono::seconds{10}};
  TableShape shape = flow();
  shape.partitions = {{0, {{"A", true, false}, {"B", false, true}, {"C", false, false}}, {{3, 7}}}};
  Model model;
  ASSERT_EQ(model.put_table(shape, now), std::nullopt);
  model.keep(kAt, {"A", 1, 9});
  model.keep(kAt, {"C", 3, 8});
  const auto on = [&](const char* name) -> Replica& {
    return *model.partition(kAt)->on(model.tablet_index(name));
  };
  const auto by_hand = [&](const char* name) {
    return model.lineage_by_hand(kAt, *model.partition(kAt), on(name));
  };
  const auto of = [&](const char* name) {
    return model.lineage_of(kAt, *model.partition(kAt), on(name));
  };
  EXPECT_TRUE(by_hand("A").by_hand) << "it followed an earlier leader";
  EXPECT_FALSE(by_hand("C").by_hand) << "it followed the last one";

  PartitionEdit edit;
  edit.rows = {{"A", false, true}};
  model.keep(kAt, by_hand("A"));
  EXPECT_TRUE(on("A").vouches()) << "its row is dead yet";
  model.written(kAt.tid, {edit}, now);
  EXPECT_FALSE(on("A").vouches());
  EXPECT_TRUE(on("B").vouches());
  EXPECT_EQ(of("A"), (Lineage{"A", 1, 9, false, true}));
  EXPECT_EQ(of("B").followed, 3u);

  // It is known though the table is read anew; and until its kept word is another one.
  shape.partitions[0].rows[0].is_alive = true;
  shape.partitions[0].rows[0].is_leader = false;
  ++shape.version;
  ASSERT_EQ(model.put_table(shape, now), std::nullopt);
  EXPECT_FALSE(on("A").vouches());
  model.keep(kAt, {"A", 5, std::nullopt});
  EXPECT_TRUE(on("A").vouches());
}

}  // namespace
}  // namespace failoverd::core
