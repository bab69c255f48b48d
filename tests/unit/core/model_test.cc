// The model after a publish of ours, before anybody has read it back.
#include "lib/core/cluster/model.h"

#include <gtest/gtest.h>

namespace failoverd::core {
namespace {

constexpr PartitionKey kAt{2, 0};

TEST(AModel, IsAsWrittenWhereRowsCameAndWent) {
  const Instant now{std::chrono::seconds{10}};
  TableShape shape;
  shape.znode = "table/table_data/flow";
  shape.version = 1;
  shape.name = "flow";
  shape.tid = kAt.tid;
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

}  // namespace
}  // namespace failoverd::core
