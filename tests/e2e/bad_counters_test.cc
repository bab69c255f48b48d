// What the cluster's counter of terms, the switch and failoverd's own znodes should not hold: named
// once, and mended or waited for.
#include <gmock/gmock.h>

#include "proto/journal.pb.h"
#include "tests/e2e/bad_znodes.h"
#include "tests/e2e/soundness.h"

namespace failoverd::e2e {
namespace {

using std::chrono::seconds;
using testing::IsEmpty;

class BadCounters : public BadZnodes {
 protected:
  // Rows are put, and the tablet dies that leads the first partition.
  Daemon& begin_and_lose_a_leader() {
    Daemon& daemon = cluster.start_active_daemon();
    cluster.start_writer();
    cluster.kill_tablet(0);
    return daemon;
  }
};

// Without a number in table/term no term can be given out: nobody is elected until it is mended.
TEST_F(BadCounters, GarbageInTheTermsCounter) {
  cluster.create_table("flow", 2, 3);
  cluster.znodes().set("table/term", "seven");
  Daemon& daemon = begin_and_lose_a_leader();
  ASSERT_TRUE(status_says(daemon, "waits for terms to be reserved in table/term")) << daemon.log();
  cluster.let_pass(seconds{1});
  EXPECT_EQ(lines_with(daemon, "table/term", "is not a decimal number"), 1) << daemon.log();
  EXPECT_EQ(cluster.znodes().get("table/term")->bytes, "seven");
  EXPECT_EQ(cluster.calls(1, "ChangeRole") + cluster.calls(2, "ChangeRole"), 0u);
  cluster.znodes().set("table/term", "70");
  ASSERT_TRUE(is_led_again({"flow"})) << daemon.log();
  EXPECT_GT(terms(cluster, "flow", 0).back(), 70u);
  EXPECT_THAT(wait_until_sound(cluster), IsEmpty());
  expect_replicas_agree({"flow"});
}

// The epoch only rises: whatever stands in its znode is named, and above the highest nobody acts.
TEST_F(BadCounters, GarbageInTheEpoch) {
  cluster.create_table("flow", 2, 3);
  journal::ElectionRecord empty;
  empty.set_version(1);
  cluster.znodes().create("failoverd/elections/7-1", empty.SerializeAsString());
  cluster.znodes().create("failoverd/epoch", "garbage");
  Daemon& daemon = cluster.start_active_daemon();
  const auto epoch = [&] { return cluster.znodes().get("failoverd/epoch")->bytes; };
  EXPECT_EQ(epoch(), "8");
  EXPECT_EQ(lines_with(daemon, "failoverd/epoch: \"garbage\"", "goes on with 8"), 1);
  cluster.znodes().set("failoverd/epoch", "9223372036854775807");
  const auto refused = [&] { return lines_with(daemon, "failoverd/epoch: \"922", "write a"); };
  ASSERT_TRUE(cluster.wait_until([&] { return refused() > 0; }, "it is refused")) << daemon.log();
  EXPECT_FALSE(daemon.active());
  cluster.let_pass(seconds{1});
  EXPECT_EQ(refused(), 1);
  EXPECT_EQ(epoch(), "9223372036854775807");
  cluster.znodes().remove("failoverd/epoch");
  ASSERT_TRUE(cluster.wait_until([&] { return daemon.active(); }, "it acts again")) << daemon.log();
  EXPECT_EQ(epoch(), "9");
  EXPECT_EQ(lines_with(daemon, "failoverd/epoch: \"\"", "goes on with 9"), 1);
  cluster.start_writer();
  cluster.kill_tablet(0);
  ASSERT_TRUE(is_led_again({"flow"})) << daemon.log();
  expect_replicas_agree({"flow"});
}

// A switch that is neither on nor off from the start: nothing is done, and it is said why.
TEST_F(BadCounters, GarbageInTheSwitch) {
  cluster.create_table("flow", 2, 3);
  cluster.znodes().create("failoverd/auto_failover", "perhaps");
  Daemon& daemon = begin_and_lose_a_leader();
  cluster.let_pass(seconds{2});
  EXPECT_EQ(version("table/table_data/flow"), 0);
  EXPECT_EQ(lines_with(daemon, "failoverd/auto_failover: \"perhaps\" is neither true nor false",
                       "; nothing is done until it is: write true or false"),
            1);
  ASSERT_TRUE(status_says(daemon, "the switch auto_failover"));
  EXPECT_EQ(daemon.ctl({"confset", "auto_failover", "true"}).status, 0);
  ASSERT_TRUE(is_led_again({"flow"})) << daemon.log();
  expect_replicas_agree({"flow"});
}

// What failoverd keeps for itself is no precondition of a failover: it is made again.
TEST_F(BadCounters, OwnZnodesAreDeletedByHand) {
  cluster.create_table("flow", 4, 3);
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  for (const char* znode : {"elections", "ops", "replicas", "op_index", "term_index"}) {
    cluster.znodes().remove(std::string{"failoverd/"} + znode);
  }
  cluster.kill_tablet(0);
  ASSERT_TRUE(is_led_again({"flow"})) << daemon.log();
  cluster.start_tablet(0);
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.everything_is_alive(); }, "all is back"))
      << daemon.log();
  expect_replicas_agree({"flow"});
}

// What a newer version has added to its records is still there after this one has written them.
TEST_F(BadCounters, FieldsOfANewerVersionAreKept) {
  cluster.create_table("flow", 2, 3);
  const std::string ops = "failoverd/ops/finished-0";
  const std::string replicas =
      "failoverd/replicas/" + std::to_string(cluster.znodes().table("flow")->tid());
  journal::FinishedOps finished;
  finished.set_version(1);
  finished.add_ops()->set_id(1'000'000'001);
  finished.mutable_ops(0)->mutable_unknown_fields()->AddVarint(500, 1);
  cluster.znodes().create(ops, finished.SerializeAsString());
  journal::KeptTable kept;
  kept.set_version(1);
  kept.mutable_unknown_fields()->AddVarint(500, 1);
  cluster.znodes().create(replicas, kept.SerializeAsString());
  Daemon& daemon = begin_and_lose_a_leader();
  ASSERT_TRUE(is_led_again({"flow"})) << daemon.log();
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        return finished.ParseFromString(cluster.znodes().get(ops)->bytes) &&
               finished.ops_size() == 3;
      },
      "the ops' ends are written"));
  EXPECT_EQ(finished.ops(0).unknown_fields().field_count(), 1);
  ASSERT_TRUE(kept.ParseFromString(cluster.znodes().get(replicas)->bytes));
  EXPECT_EQ(kept.partitions_size(), 2);
  EXPECT_EQ(kept.unknown_fields().field_count(), 1);
}

}  // namespace
}  // namespace failoverd::e2e
