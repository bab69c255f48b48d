// What the nameserver's protocol shows: whose words and numbers it has, and that nothing is
// missing.
#include <gmock/gmock.h>

#include "lib/admin/nameserver_service.h"
#include "proto/openmldb.pb.h"
#include "tests/unit/admin/nameserver_fixture.h"

namespace failoverd::admin {
namespace {

using testing::ElementsAre;

class NameserverLists : public NameserverFixture {
 protected:
  void add(const fedb::TableInfo& info, std::optional<std::uint64_t> offset) {
    source_.table_infos[{info.db(), info.name()}] = info.SerializeAsString();
    for (ReplicaRow& row : rows_of(info, offset)) source_.replica_rows.push_back(std::move(row));
  }
};

TEST_F(NameserverLists, StatesAreInTheWordsOfTheCallersPackage) {
  TabletRow a;
  a.endpoint = "a:1";
  a.shown = "kTabletHealthy";
  TabletRow b = a;
  b.endpoint = "b:1";
  b.shown = "kTabletOffline";
  source_.tablet_rows = {a, b};
  serve();
  const auto states = [&](const std::string& service) {
    const auto shown =
        ask<fedb::ShowTabletResponse>("ShowTablet", fedb::ShowTabletRequest{}, service);
    std::string text;
    for (const auto& tablet : shown.tablets()) text += tablet.state() + " ";
    return text;
  };
  EXPECT_EQ(states("NameServer"), "kTabletHealthy kTabletOffline ");
  EXPECT_EQ(states("rtidb.nameserver.NameServer"), "kTabletHealthy kTabletOffline ");
  EXPECT_EQ(states("fedb.nameserver.NameServer"), "kTabletHealthy kTabletOffline ");
  EXPECT_EQ(states("openmldb.nameserver.NameServer"), "kHealthy kOffline ");
}

// Package fedb had either numbers: the cluster's are taken, as for a short name.
TEST_F(NameserverLists, TablesAreInTheNumbersOfTheCallersPackage) {
  fedb::TableInfo info = made_table("flow", 1, {"a:1"});
  info.set_db("shop");
  info.set_partition_num(1);
  add(info, 5);
  openmldb::TableInfo same;
  same.set_name("flow");
  same.set_tid(7);
  same.set_db("shop");
  same.set_storage_mode(fedb::kSSD);
  *same.mutable_table_partition() = info.table_partition();
  fedb::ShowTableRequest all;
  all.set_show_all(true);
  for (const bool is_openmldb : {false, true}) {
    SCOPED_TRACE(is_openmldb);
    if (is_openmldb) source_.table_infos[{"shop", "flow"}] = same.SerializeAsString();
    source_.is_openmldb = is_openmldb;
    caller_.reset();
    serve();
    for (const std::string service : kNames) {
      SCOPED_TRACE(service);
      const bool own = service == "NameServer" || service.starts_with("fedb.");
      if (service.starts_with("openmldb.") || (own && is_openmldb)) {
        const auto shown = ask<openmldb::ShowTableResponse>("ShowTable", all, service);
        ASSERT_EQ(shown.table_info_size(), 1);
        EXPECT_EQ(shown.table_info(0).tid(), 7U);
        EXPECT_EQ(shown.table_info(0).db(), "shop");
        EXPECT_EQ(shown.table_info(0).has_storage_mode(), is_openmldb);
        EXPECT_EQ(shown.table_info(0).table_partition(0).partition_meta(0).offset(), 5U);
      } else {
        const auto shown = ask<fedb::ShowTableResponse>("ShowTable", all, service);
        ASSERT_EQ(shown.table_info_size(), 1);
        EXPECT_EQ(shown.table_info(0).tid(), 7U);
        EXPECT_EQ(shown.table_info(0).db(), "shop");
        EXPECT_EQ(shown.table_info(0).table_partition(0).partition_meta(0).offset(), 5U);
      }
    }
  }
}

// More rows than a page has, of tables that do not end where pages do.
TEST_F(NameserverLists, AllTablesAreShownHoweverManyRowsTheyHave) {
  const std::vector<std::string> endpoints = {"a:1", "b:1", "c:1"};
  for (int i = 0; i < 8; ++i) add(made_table("t" + std::to_string(i), 150, endpoints), i);
  add(made_table("u", 1000, endpoints), 9);
  serve();
  const auto shown = ask<fedb::ShowTableResponse>("ShowTable", fedb::ShowTableRequest{});
  EXPECT_EQ(shown.code(), 0);
  ASSERT_EQ(shown.table_info_size(), 9);
  for (int i = 0; i < 9; ++i) {
    const auto& table = shown.table_info(i);
    EXPECT_EQ(table.name(), i < 8 ? "t" + std::to_string(i) : "u");
    EXPECT_EQ(table.table_partition_size(), i < 8 ? 150 : 1000);
    for (const auto& partition : table.table_partition()) {
      EXPECT_TRUE(partition.has_record_cnt());
      for (const auto& meta : partition.partition_meta()) {
        ASSERT_TRUE(meta.has_offset()) << table.name() << " " << partition.pid();
      }
    }
  }
}

TEST_F(NameserverLists, TablesAreChosenByNameAndDatabase) {
  add(made_table("flow", 1, {"a:1"}), 1);
  fedb::TableInfo other = made_table("flow", 2, {"a:1"});
  other.set_db("shop");
  add(other, 1);
  serve();
  const auto tables = [&](const std::string& name, const std::string& db, bool all) {
    fedb::ShowTableRequest request;
    if (!name.empty()) request.set_name(name);
    if (!db.empty()) request.set_db(db);
    if (all) request.set_show_all(true);
    const auto shown = ask<fedb::ShowTableResponse>("ShowTable", request);
    EXPECT_EQ(shown.code(), 0);
    std::string text;
    for (const auto& table : shown.table_info()) text += table.db() + "." + table.name() + " ";
    return text;
  };
  EXPECT_EQ(tables("", "", false), ".flow ");
  EXPECT_EQ(tables("", "shop", false), "shop.flow ");
  EXPECT_EQ(tables("", "", true), ".flow shop.flow ");
  EXPECT_EQ(tables("nosuch", "", false), "");
}

// The cluster's client shows "-" then.
TEST_F(NameserverLists, WhatNoTabletToldIsLeftOut) {
  add(made_table("flow", 1, {"a:1", "b:1"}), std::nullopt);
  source_.replica_rows[1].offset = 4;
  serve();
  const auto shown = ask<fedb::ShowTableResponse>("ShowTable", fedb::ShowTableRequest{});
  const auto& partition = shown.table_info(0).table_partition(0);
  EXPECT_FALSE(partition.partition_meta(0).has_offset());
  EXPECT_FALSE(partition.partition_meta(0).has_record_cnt());
  EXPECT_FALSE(partition.has_record_cnt());
  EXPECT_EQ(partition.partition_meta(1).offset(), 4U);
}

TEST_F(NameserverLists, OpsAreShownAsTheNameserverShowsThem) {
  const auto add_op = [&](std::uint64_t id, const std::string& status, const std::string& task) {
    OpRow row;
    row.op_id = id;
    row.op_type = "kMigrateOP";
    row.name = id == 4 ? "other" : "flow";
    row.pid = static_cast<std::uint32_t>(id);
    row.status = status;
    row.cur_task = task;
    row.start_ms = 5000;
    source_.op_rows.push_back(row);
  };
  add_op(1, "kInited", "kSendSnapshot");
  add_op(2, "kDoing", "kSendSnapshot");
  add_op(3, "kFailed", "kLoadTable");
  add_op(4, "kDone", "kDropTable");
  serve();
  const auto ops = [&](const fedb::ShowOPStatusRequest& request) {
    std::vector<std::string> texts;
    const auto shown = ask<fedb::ShowOPStatusResponse>("ShowOPStatus", request);
    for (const auto& op : shown.op_status()) {
      texts.push_back(std::to_string(op.op_id()) + " " + std::to_string(op.start_time()) + " " +
                      op.task_type());
    }
    return texts;
  };
  fedb::ShowOPStatusRequest request;
  EXPECT_THAT(ops(request), ElementsAre("1 0 -", "2 5 kSendSnapshot", "3 5 kLoadTable", "4 5 -"));
  request.set_name("flow");
  EXPECT_THAT(ops(request), testing::SizeIs(3));
  request.set_pid(2);
  EXPECT_THAT(ops(request), ElementsAre("2 5 kSendSnapshot"));
  request.Clear();
  request.set_op_id(3);
  EXPECT_THAT(ops(request), ElementsAre("3 5 kLoadTable"));
  request.set_op_id(5);
  EXPECT_THAT(ops(request), testing::IsEmpty());
}

TEST_F(NameserverLists, AllOpsAndTabletsAreShown) {
  for (int i = 0; i < 2500; ++i) {
    OpRow op;
    op.op_id = static_cast<std::uint64_t>(i + 1);
    source_.op_rows.push_back(op);
    TabletRow tablet;
    tablet.endpoint = std::to_string(10'000 + i);
    source_.tablet_rows.push_back(tablet);
  }
  serve();
  const auto ops = ask<fedb::ShowOPStatusResponse>("ShowOPStatus", fedb::ShowOPStatusRequest{});
  EXPECT_EQ(ops.op_status_size(), 2500);
  EXPECT_EQ(ops.op_status(2499).op_id(), 2500U);
  const auto tablets = ask<fedb::ShowTabletResponse>("ShowTablet", fedb::ShowTabletRequest{});
  EXPECT_EQ(tablets.tablets_size(), 2500);
}

TEST_F(NameserverLists, APartitionIsShownAsItsZnodeHasIt) {
  fedb::TableInfo info = made_table("flow", 2, {"a:1"});
  auto& meta = *info.mutable_table_partition(1)->mutable_partition_meta(0);
  meta.GetReflection()->MutableUnknownFields(&meta)->AddVarint(77, 5);
  add(info, 9);
  serve();
  fedb::GetTablePartitionRequest request;
  request.set_name("flow");
  request.set_pid(1);
  auto shown = ask<fedb::GetTablePartitionResponse>("GetTablePartition", request);
  EXPECT_EQ(shown.code(), 0);
  EXPECT_EQ(shown.table_partition().SerializeAsString(),
            info.table_partition(1).SerializeAsString());
  request.set_pid(9);
  shown = ask<fedb::GetTablePartitionResponse>("GetTablePartition", request);
  EXPECT_EQ(shown.code(), 0);
  EXPECT_FALSE(shown.has_table_partition());
  request.set_name("nosuch");
  shown = ask<fedb::GetTablePartitionResponse>("GetTablePartition", request);
  EXPECT_EQ(shown.code(), 100);
  EXPECT_EQ(shown.msg(), "table is not exist");
}

}  // namespace
}  // namespace failoverd::admin
