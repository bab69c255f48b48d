// The made-up nameserver, held to what the real one does (FEDB.md 1, 5), and what a daemon does
// beside it, step by step.
#include "tests/simulation/nameserver.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "proto/nameserver.pb.h"
#include "tests/simulation/daemon_parts.h"
#include "tests/simulation/fake_cluster.h"

namespace failoverd::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kFlow = "table/table_data/flow";

// A daemon without a brain that hears of nameservers, too.
struct Beside {
  explicit Beside(World& world)
      : parts(
            world, "a", [](const Work& work) { work(); },
            [this](const core::Event& event) {
              parts.side.before_brain(event);
              if (const auto* e = std::get_if<core::Published>(&event)) told.push_back(*e);
              parts.side.after_brain(event);
            }) {
    parts.start();
    world.run_for(seconds{2});
  }
  DaemonParts parts;
  std::vector<core::Published> told;
};

class NameserverTest : public MadeUp {
 protected:
  NameserverTest() {
    Nameserver::make_znodes(world_, false);
    one_.start();
    world_.run_for(seconds{1});
  }

  template <class Response>
  Response ask(const std::string& method, const std::string& request) {
    std::optional<std::string> payload;
    one_.take({1, "somebody", 0, one_.endpoint(), method, request},
              [&](const std::string& answer) { payload = answer; });
    world_.run_until([&] { return payload.has_value(); }, seconds{5});
    Response response;
    response.ParseFromString(payload.value_or(""));
    return response;
  }
  fedb::TablePartition partition() {
    fedb::GetTablePartitionRequest request;
    request.set_name("flow");
    request.set_pid(0);
    return ask<fedb::GetTablePartitionResponse>("GetTablePartition", request.SerializeAsString())
        .table_partition();
  }
  int set(const fedb::TablePartition& partition) {
    fedb::SetTablePartitionRequest request;
    request.set_name("flow");
    *request.mutable_table_partition() = partition;
    return ask<fedb::NameServerResponse>("SetTablePartition", request.SerializeAsString()).code();
  }
  int code() { return ask<fedb::ConfGetResponse>("ConfGet", "").code(); }
  const core::TableShape& table() const { return *world_.fake_zookeeper.table(kAt); }

  Nameserver& one_ = world_.add_nameserver("ns1:1", 1);
};

TEST_F(NameserverTest, ItLeadsWhenItHasReadEverything) {
  ASSERT_EQ(world_.fake_zookeeper.nameservers(), std::vector<std::string>{"ns1:1"});
  EXPECT_TRUE(one_.serves());
  EXPECT_EQ(code(), 0);
  Nameserver& two = world_.add_nameserver("ns2:1", 2);
  two.reads_for = {seconds{1}, seconds{1}};
  two.start();
  world_.run_for(seconds{1});
  EXPECT_FALSE(two.serves());
  one_.kill();
  world_.run_for(seconds{1});
  EXPECT_EQ(world_.leading_nameserver(), &one_) << "its session outlives it";
  world_.run_for(milliseconds{1100});
  EXPECT_EQ(world_.leading_nameserver(), &two);
  EXPECT_FALSE(two.serves()) << "it reads everything first";
  world_.run_for(seconds{2});
  EXPECT_TRUE(two.serves());
}

TEST_F(NameserverTest, ItWritesItsMemoryAndNeverLooksAgain) {
  world_.fake_zookeeper.touch_table(kFlow);
  EXPECT_EQ(world_.fake_zookeeper.touched(kFlow), 1u);
  fedb::TablePartition p = partition();
  ASSERT_EQ(p.partition_meta_size(), 3);
  p.mutable_partition_meta(1)->set_is_alive(false);
  const std::int32_t version = table().version;
  EXPECT_EQ(set(p), 0);
  EXPECT_EQ(table().version, version + 1);
  EXPECT_FALSE(table().partitions[0].rows[1].is_alive);
  EXPECT_EQ(world_.fake_zookeeper.touched(kFlow), 0u) << "what was written past it is gone";
}

TEST_F(NameserverTest, WhileItSteersItTakesNothing) {
  one_.switch_auto_failover(true);
  world_.run_for(milliseconds{100});
  EXPECT_EQ(set(partition()), 301);
}

// Nothing fences its late writes.
TEST_F(NameserverTest, OneThatWasStoppedWritesWhatItHolds) {
  Nameserver& two = world_.add_nameserver("ns2:1", 2);
  two.start();
  one_.change_leader(kAt);
  one_.pause();
  world_.run_for(seconds{4});
  ASSERT_TRUE(two.serves());
  two.touch_table(kFlow);
  world_.run_for(milliseconds{100});
  ASSERT_EQ(world_.fake_zookeeper.touched(kFlow), 1u);
  one_.resume();
  world_.run_for(seconds{4});
  EXPECT_EQ(world_.fake_zookeeper.touched(kFlow), 0u);
}

// SAFETY 13: through it, and with what it needs to go on being right.
TEST_F(NameserverTest, ADaemonPublishesThroughIt) {
  Beside a{world_};
  const core::PartitionEdit edit{0, {{"B:1", false, false}}, {}, {}};
  a.parts.side.carry_out(core::Publish{7, {{kFlow, table().version, {edit}, kAt.tid}}});
  world_.run_for(seconds{1});
  const auto& told = a.told;
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].outcome, core::Published::Outcome::kDone) << told[0].why;
  EXPECT_FALSE(table().partitions[0].rows[1].is_alive);
  EXPECT_EQ(one_.table(kFlow)->partitions, table().partitions);
}

// It replaces a partition as a whole: what two decisions change in it must be in one.
TEST_F(NameserverTest, TwoEditsOfAPartitionAreBothPublished) {
  Beside a{world_};
  const core::PartitionEdit leader{0, {{"A:1", true, false}, {"B:1", true, true}}, {{7, 1}}, {}};
  const core::PartitionEdit follower{0, {{"C:1", false, false}}, {}, {}};
  const std::int32_t version = table().version;
  a.parts.side.carry_out(core::Publish{7, {{kFlow, version, {follower, leader}, kAt.tid}}});
  world_.run_for(seconds{1});
  const auto& told = a.told;
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].outcome, core::Published::Outcome::kDone) << told[0].why;
  const core::PartitionShape& p = table().partitions[0];
  EXPECT_TRUE(p.rows[1].is_leader);
  EXPECT_FALSE(p.rows[2].is_alive);
  EXPECT_EQ(table().version, version + 1);
}

}  // namespace
}  // namespace failoverd::simulation
