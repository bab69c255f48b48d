// Tables come, are shown, are changed by hand, and go.
#include "tests/nameserver/rig.h"

namespace failoverd::testkit {
namespace {

class Tables : public NameserverTest {
 protected:
  int alive(const std::string& table, const std::string& endpoint, std::optional<int> pid,
            bool is_alive) {
    fedb::UpdateTableAliveStatusRequest request;
    request.set_name(table);
    request.set_endpoint(endpoint);
    if (pid) request.set_pid(static_cast<std::uint32_t>(*pid));
    request.set_is_alive(is_alive);
    return nameservers().code(0, "UpdateTableAliveStatus", request);
  }
  int conf_set(const std::string& key, const std::string& value) {
    fedb::ConfSetRequest request;
    request.mutable_conf()->set_key(key);
    request.mutable_conf()->set_value(value);
    return nameservers().code(0, "ConfSet", request);
  }
};
INSTANTIATE_TEST_SUITE_P(Generations, Tables, testing::Values("rtidb", "openmldb"),
                         generation_name);

TEST_P(Tables, AreMadeOnTabletsAndInZooKeeper) {
  begin();
  EXPECT_EQ(nameservers().create_table(0, {.name = "flow", .partitions = 3, .replicas = 2}), 0);
  EXPECT_EQ(znode("table/table_index"), "2");
  EXPECT_EQ(znode("table/notify"), "2");
  EXPECT_EQ(znode("table/term"), "1");
  const auto table = stored("flow");
  ASSERT_TRUE(table);
  EXPECT_EQ(table->tid(), 2u);
  ASSERT_EQ(table->table_partition_size(), 3);
  std::map<std::string, int> holds;
  std::map<std::string, int> leads;
  for (const auto& partition : table->table_partition()) {
    ASSERT_EQ(partition.partition_meta_size(), 2);
    ASSERT_EQ(partition.term_offset_size(), 1);
    EXPECT_EQ(partition.term_offset(0).term(), 1u);
    for (const auto& row : partition.partition_meta()) {
      EXPECT_FALSE(row.has_is_alive()) << "fresh rows do not say it";
      ++holds[row.endpoint()];
      leads[row.endpoint()] += row.is_leader() ? 1 : 0;
    }
  }
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(holds[cluster().endpoint(i)], 2);
    EXPECT_EQ(leads[cluster().endpoint(i)], 1);
    int leaders = 0;
    for (const fedb::TableStatus& status : statuses(i)) {
      EXPECT_EQ(status.tid(), 2u);
      leaders += status.mode() == fedb::kTableLeader ? 1 : 0;
    }
    EXPECT_EQ(leaders, 1);
  }
  // Its leaders take puts and replicate them.
  EXPECT_EQ(nameservers().create_table(0, {.name = "flow"}), 101);
  EXPECT_EQ(nameservers().create_table(0, {.name = "wide", .replicas = 4}), 314);
  EXPECT_EQ(znode("table/table_index"), "2");
}

TEST_P(Tables, RowsTellWhatTheirTabletsTold) {
  begin();
  const auto e = cluster().endpoints();
  ASSERT_EQ(nameservers().create_table(0, {.name = "flow", .rows = {{e[0], e[1], e[2]}}}), 0);
  EXPECT_EQ(put(0, 2, 0, "a"), 0);
  ASSERT_TRUE(soon(
      [&] {
        const auto partition = nameservers().partition(0, "flow", 0);
        return partition->partition_meta(0).offset() == 1 &&
               partition->partition_meta(2).offset() == 1 && partition->record_cnt() == 1;
      },
      "the offsets are seen"));
  EXPECT_FALSE(stored("flow")->table_partition(0).partition_meta(0).has_offset());
  // They get into the znode with the next write.
  EXPECT_EQ(nameservers().set_partition(0, "flow", *nameservers().partition(0, "flow", 0)), 0);
  EXPECT_EQ(stored("flow")->table_partition(0).partition_meta(0).offset(), 1u);
  EXPECT_EQ(stored("flow")->table_partition(0).partition_meta(0).has_diskused(), is_openmldb());
}

TEST_P(Tables, WhoHoldsWhatMayBeSaid) {
  begin();
  const auto e = cluster().endpoints();
  EXPECT_EQ(nameservers().create_table(0, {.name = "flow", .rows = {{e[2], e[0]}, {e[0]}}}), 0);
  EXPECT_EQ(rows(stored("flow"), 0), "C=L+ A=F+");
  EXPECT_EQ(rows(stored("flow"), 1), "A=L+");
  EXPECT_EQ(nameservers().create_table(0, {.name = "away", .rows = {{"127.0.0.1:1"}}}), 314);
}

TEST_P(Tables, ThatATabletRefusesIsNotMade) {
  begin();
  minitablet::control::FailRequest fail;
  fail.mutable_match()->set_method("CreateTable");
  fail.set_code(131);
  fail.set_calls(1);
  ASSERT_TRUE(cluster().client(2).control("Fail", fail));
  EXPECT_EQ(nameservers().create_table(0, {.name = "flow"}), 316);
  EXPECT_FALSE(stored("flow"));
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(soon([&] { return statuses(i).empty(); }, "nothing is left behind"));
  }
  EXPECT_EQ(nameservers().create_table(0, {.name = "flow"}), 0);
  EXPECT_EQ(stored("flow")->tid(), 3u) << "the tid is spent";
}

TEST_P(Tables, AreDropped) {
  begin();
  EXPECT_EQ(nameservers().drop_table(0, "flow"), 100);
  ASSERT_EQ(nameservers().create_table(0, {.name = "flow"}), 0);
  ASSERT_EQ(nameservers().create_table(0, {.name = "other", .partitions = 1}), 0);
  EXPECT_EQ(nameservers().drop_table(0, "flow"), 0);
  EXPECT_FALSE(stored("flow"));
  EXPECT_FALSE(nameservers().table(0, "flow"));
  EXPECT_EQ(znode("table/notify"), "4");
  EXPECT_TRUE(stored("other"));
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(soon([&] { return statuses(i).size() == 1; }, "the tablets drop it"));
  }
}

TEST_P(Tables, ConfSetTakesAnyCaseAndTheNextOneStillHasIt) {
  begin(1);
  EXPECT_EQ(conf_set("auto_failover", "TRUE"), 0);
  EXPECT_EQ(znode("config/auto_failover"), "true");
  EXPECT_EQ(conf_set("auto_failover", "maybe"), 307);
  EXPECT_EQ(conf_set("nosuch", "true"), 307);
  nameservers().end(0);
  nameservers().start(0);
  ASSERT_EQ(nameservers().wait_for_leader(), 0u);
  const auto conf = nameservers().ask<fedb::ConfGetResponse>(0, "ConfGet", fedb::ConfGetRequest{});
  ASSERT_TRUE(conf);
  ASSERT_EQ(conf->conf_size(), 1);
  EXPECT_EQ(conf->conf(0).key(), "auto_failover");
  EXPECT_EQ(conf->conf(0).value(), "true");
}

TEST_P(Tables, RowsAreCalledDeadAndAliveByHand) {
  begin();
  const auto e = cluster().endpoints();
  ASSERT_EQ(
      nameservers().create_table(0, {.name = "flow", .rows = {{e[0], e[1], e[2]}, {e[1], e[0]}}}),
      0);
  EXPECT_EQ(alive("flow", "1.2.3.4:5", 0, false), 302);
  EXPECT_EQ(alive("nosuch", e[0], 0, false), 100);
  EXPECT_EQ(alive("flow", e[2], 1, false), 321);
  EXPECT_EQ(alive("flow", e[0], std::nullopt, false), 0) << "no pid: all";
  EXPECT_EQ(rows(stored("flow"), 0), "A=L- B=F+ C=F+");
  EXPECT_EQ(rows(stored("flow"), 1), "B=L+ A=F-");
  EXPECT_EQ(alive("flow", e[0], 1, true), 0);
  EXPECT_EQ(alive("flow", e[0], 1, true), 0) << "yes on yes says ok";
  EXPECT_EQ(rows(nameservers().table(0, "flow"), 1), "B=L+ A=F+");
  EXPECT_EQ(znode("table/notify"), "5");
}

TEST_P(Tables, PartitionsAreReadAndReplaced) {
  begin();
  ASSERT_EQ(nameservers().create_table(0, {.name = "flow"}), 0);
  fedb::GetTablePartitionRequest get;
  get.set_name("nosuch");
  EXPECT_EQ(nameservers().code(0, "GetTablePartition", get), 100);
  EXPECT_FALSE(nameservers().partition(0, "flow", 9)) << "code 0, nothing";
  auto partition = nameservers().partition(0, "flow", 0);
  ASSERT_TRUE(partition);
  auto strange = *partition;
  strange.set_pid(9);
  EXPECT_EQ(nameservers().set_partition(0, "flow", strange), 0);
  EXPECT_EQ(znode("table/notify"), "2") << "nothing was done";
  EXPECT_EQ(nameservers().set_partition(0, "nosuch", *partition), 100);

  partition->mutable_partition_meta(0)->set_is_alive(false);
  partition->add_term_offset()->set_term(7);
  partition->mutable_term_offset(1)->set_offset(4);
  EXPECT_EQ(nameservers().set_partition(0, "flow", *partition), 0);
  EXPECT_EQ(stored("flow")->table_partition(0).term_offset(1).term(), 7u);
  EXPECT_EQ(rows(nameservers().table(0, "flow"), 0), rows(stored("flow"), 0));
  EXPECT_EQ(znode("table/notify"), "3");
}

// docs/wire.md: 300, 301, then the arguments.
TEST_P(Tables, ManualCommandsAreRefusedWhileItsFailoverIsOn) {
  begin();
  ASSERT_EQ(nameservers().create_table(0, {.name = "flow"}), 0);
  const auto partition = nameservers().partition(0, "flow", 0);
  ASSERT_EQ(nameservers().set_auto_failover(0, true), 0);
  EXPECT_EQ(nameservers().set_partition(0, "nosuch", *partition), 301);
  EXPECT_EQ(nameservers().change_leader(0, "nosuch", 0), 301);
  EXPECT_EQ(alive("nosuch", "1.2.3.4:5", 0, false), 301);
  fedb::CancelOPRequest cancel;
  cancel.set_op_id(99);
  EXPECT_EQ(nameservers().code(0, "CancelOP", cancel), 301);
  EXPECT_TRUE(nameservers().partition(0, "flow", 0)) << "reading is not refused";
  EXPECT_EQ(nameservers().create_table(0, {.name = "other"}), 0);
  EXPECT_EQ(nameservers().drop_table(0, "other"), 0);
}

TEST_P(Tables, AWriteThatZooKeeperRefusesIs304) {
  begin();
  ASSERT_EQ(nameservers().create_table(0, {.name = "flow"}), 0);
  const auto partition = nameservers().partition(0, "flow", 0);
  znodes().remove("table/table_data/flow");
  EXPECT_EQ(nameservers().set_partition(0, "flow", *partition), 304);
}

class Databases : public NameserverTest {};
INSTANTIATE_TEST_SUITE_P(Generations, Databases, testing::Values("openmldb"), generation_name);

TEST_P(Databases, HaveTheirTablesByTid) {
  begin();
  EXPECT_EQ(nameservers().create_table(0, {.name = "orders", .db = "shop"}), 802);
  mininameserver::CreateDatabaseRequest request;
  request.set_db("shop");
  EXPECT_EQ(nameservers().code(0, "CreateDatabase", request), 0);
  EXPECT_EQ(nameservers().create_table(0, {.name = "orders", .db = "shop"}), 0);
  EXPECT_EQ(znodes().children("table/db_table_data"), std::vector<std::string>{"2"});
  EXPECT_FALSE(nameservers().table(0, "orders"));
  EXPECT_TRUE(nameservers().table(0, "orders", "shop"));
  EXPECT_EQ(nameservers().drop_table(0, "orders"), 100);
  EXPECT_EQ(nameservers().drop_table(0, "orders", "shop"), 0);
  EXPECT_TRUE(znodes().children("table/db_table_data").empty());
}

TEST_P(Databases, SystemTablesAreAlwaysThere) {
  begin(3, {"--system_table_replica_num=1"});
  const auto there = [&] { return znodes().children("table/db_table_data").size() == 5; };
  ASSERT_TRUE(soon(there, "the system tables are made"));
  EXPECT_EQ(znodes().children("db"),
            (std::vector<std::string>{"INFORMATION_SCHEMA", "__INTERNAL_DB", "__PRE_AGG_DB"}));
  const auto variables = nameservers().table(0, "GLOBAL_VARIABLES", "INFORMATION_SCHEMA");
  ASSERT_TRUE(variables);
  EXPECT_EQ(variables->tid(), 5u);
  EXPECT_EQ(variables->replica_num(), 1u);
  // The next one finds them.
  nameservers().end(0);
  nameservers().start(0);
  ASSERT_EQ(nameservers().wait_for_leader(), 0u);
  EXPECT_EQ(nameservers().create_table(0, {.name = "flow"}), 0);
  EXPECT_EQ(stored("flow")->tid(), 7u);
}

}  // namespace
}  // namespace failoverd::testkit
