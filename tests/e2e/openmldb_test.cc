// failoverd against a cluster of OpenMLDB 0.9.3: tablets and znodes as that generation has them,
// tables in a database, system tables with one replica. The same stories as for RTIDB, because the
// tablets behave otherwise on the way (FEDB.md 8); the rows are compared in the end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/recovery.h"

namespace failoverd::e2e {
namespace {

using std::chrono::milliseconds;
using testing::EndsWith;

class OpenMldb : public testing::Test {
 protected:
  // Tables of every kind, and rows that every replica has.
  std::vector<testkit::AckedRow> create_tables() {
    cluster.create_table("flow", 4, 3);
    cluster.create_table("orders", 2, 3, {}, true, "shop");
    cluster.create_table("JOB_INFO", 1, 1, {0}, true, "__INTERNAL_DB");
    cluster.start_writer();
    return cluster.settle_writer();
  }
  // The columns that failoverd knows nothing of are still in the znode that it wrote.
  void expect_columns_kept(const std::string& znode) {
    const auto value = cluster.znodes().get(znode);
    ASSERT_TRUE(value);
    EXPECT_GT(value->version, 0) << "nothing was published";
    // Fields are written in the order of their numbers, unknown ones last.
    EXPECT_THAT(value->bytes, EndsWith(cluster.generation().columns_of_table_info));
  }

  Cluster cluster{{.generation = &minitablet::openmldb(), .tablet_session = milliseconds{600}}};
};

TEST_F(OpenMldb, KilledLeaderIsReplacedAndBroughtBack) {
  const auto rows = create_tables();
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  const auto acks = cluster.writer().summary().acks;
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.writer().summary().acks > acks + 100; },
                                 "the new leaders take rows"));
  cluster.start_tablet(0);
  expect_all_is_well(cluster, daemon, rows);
  expect_columns_kept("table/table_data/flow");
  expect_columns_kept("table/db_table_data/" +
                      std::to_string(cluster.znodes().table("orders").value().tid()));
}

// What its tables' numbers are is not known before there is one.
TEST_F(OpenMldb, DaemonThatWasThereBeforeTheFirstTable) {
  Daemon& daemon = cluster.start_active_daemon();
  const auto rows = create_tables();
  cluster.start_writer();
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  cluster.start_tablet(0);
  expect_all_is_well(cluster, daemon, rows);
  EXPECT_NE(daemon.log().find("the tables have the numbers of openmldb"), std::string::npos);
}

TEST_F(OpenMldb, WholeClusterRestarts) {
  const auto rows = create_tables();
  Daemon& daemon = cluster.start_active_daemon();
  cluster.kill_tablets({0, 1, 2});
  for (const int i : {1, 2, 0}) cluster.start_tablet(i);
  expect_all_is_well(cluster, daemon, rows);
}

TEST_F(OpenMldb, SingleReplicaComesBack) {
  cluster.create_table("JOB_INFO", 1, 1, {0}, true, "__INTERNAL_DB");
  cluster.start_writer();
  const auto rows = cluster.settle_writer();
  Daemon& daemon = cluster.start_active_daemon();
  cluster.kill_tablet(0);
  ASSERT_TRUE(
      cluster.wait_until([&] { return cluster.rows("JOB_INFO", 0) == "A=L-"; }, "its row is dead"));
  cluster.start_tablet(0);
  expect_all_is_well(cluster, daemon, rows);
}

// LoadTable says 131 there instead of 130, and leaves a directory with a description that has no
// columns: the next SendSnapshot brings the right one.
TEST_F(OpenMldb, TabletComesBackWithAnotherDisk) {
  const auto rows = create_tables();
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  cluster.kill_tablet(1);
  ASSERT_TRUE(cluster.is_led_without(1)) << daemon.log();
  std::filesystem::remove_all(cluster.disk(1));
  cluster.start_tablet(1);
  expect_all_is_well(cluster, daemon, rows);
}

TEST_F(OpenMldb, WholeClusterRestartsAndOneHasAnotherDisk) {
  cluster.create_table("flow", 2, 3);
  cluster.start_writer();
  const auto rows = cluster.settle_writer();
  Daemon& daemon = cluster.start_active_daemon();
  cluster.kill_tablets({0, 1, 2});
  std::filesystem::remove_all(cluster.disk(1));
  for (const int i : {1, 2, 0}) cluster.start_tablet(i);
  expect_all_is_well(cluster, daemon, rows);
}

// Servers that look at the authentication (skip_grant_tables=false) take failoverd for one of them.
TEST(OpenMldbAuthentication, FailsOverAmongServersThatAskForIt) {
  const std::string ask = "--skip_grant_tables=false";
  Cluster cluster({.generation = &minitablet::openmldb(),
                   .tablet_session = milliseconds{600},
                   .tablet_flags = {ask},
                   .nameservers = 1,
                   .nameserver_flags = {ask, "--tablet_heartbeat_timeout=60000"}});
  rpc::Channel::Options nobody;
  nobody.authentication_data.clear();
  for (const std::string& server : {cluster.tablet(0), cluster.nameservers().endpoint(0)}) {
    rpc::Channel channel{cluster.io(), server, nobody};
    std::optional<rpc::Answer> answer;
    channel.call("TabletServer", "GetTableStatus", "", std::chrono::seconds{5},
                 [&](rpc::Answer got) { answer = std::move(got); });
    ASSERT_TRUE(cluster.wait_until([&] { return answer.has_value(); }, "it answers"));
    EXPECT_EQ(answer->error_code, 1004) << answer->error_text;
    EXPECT_TRUE(cluster.wait_until([&] { return !channel.connected(); }, "it hangs up"));
  }
  cluster.create_table("flow", 2, 3);
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  const auto rows = cluster.settle_writer();
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  cluster.start_tablet(0);
  expect_all_is_well(cluster, daemon, rows);
}

// The leader's binlog does not reach back to what the returned one holds: it is copied, and its
// files land below its own tid.
TEST(OpenMldbCopy, BehindTheLeadersSnapshot) {
  Cluster cluster({.generation = &minitablet::openmldb(), .tablet_flags = small_binlogs()});
  cluster.create_table("flow", 1, 3);
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  const auto rows = cluster.settle_writer();
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0));
  cluster.start_writer();
  ASSERT_TRUE(
      cluster.wait_until([&] { return cluster.writer().summary().acks > 40; }, "more rows"));
  const int leader = cluster.leader("flow", 0);
  ASSERT_NO_FATAL_FAILURE(shorten_binlog(cluster, leader));
  cluster.start_tablet(0);
  expect_all_is_well(cluster, daemon, rows);
  EXPECT_EQ(done_types(shown_ops(daemon, "flow", 0)).back(), "kReAddReplicaWithDropOP");
  EXPECT_EQ(cluster.calls(leader, "SendSnapshot"), 1u);
  EXPECT_FALSE(std::filesystem::exists(cluster.disk(0) / "0_0"));
}

}  // namespace
}  // namespace failoverd::e2e
