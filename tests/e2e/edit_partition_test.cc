// gettablepartition and settablepartition on a real cluster.
#include <algorithm>
#include <fstream>
#include <iterator>

#include "tests/e2e/operator_cluster.h"

namespace failoverd::e2e {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class EditPartition : public OperatorCluster {
 protected:
  void got(std::uint32_t pid) {
    const auto ran = daemon->ctl({"gettablepartition", "flow", std::to_string(pid), file});
    EXPECT_EQ(ran.status, 0) << ran.err;
    EXPECT_EQ(ran.out, "get table partition ok\n");
  }
  std::string text() const {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // In the row of this tablet, or anywhere.
  void edit(const std::string& what, const std::string& by, int tablet = -1) {
    std::string all = text();
    const auto from = tablet < 0 ? 0 : all.find(cluster.tablet(tablet));
    const auto at = from == std::string::npos ? from : all.find(what, from);
    ASSERT_NE(at, std::string::npos) << what << " in " << all;
    std::ofstream{file} << all.replace(at, what.size(), by);
  }
  fedb::TableInfo table() { return *cluster.znodes().table("flow"); }

  const std::string file = (cluster.directory() / "p.json").string();
  static constexpr const char* kFailed = "Fail to set table partition. error msg: ";
};

TEST_F(EditPartition, ARowIsSetDeadByHandAndComesBack) {
  start(false);
  const int other = follower(0);
  const fedb::TableInfo before = table();
  got(0);
  edit("\"is_alive\": true", "\"is_alive\": false", other);
  const std::string line = "flow/0: " + cluster.tablet(other) + ": is_alive true -> false\n";
  const auto plan = daemon->ctl({"settablepartition", file, "--plan"});
  EXPECT_EQ(plan.status, 0) << plan.err;
  EXPECT_EQ(plan.out, line);
  EXPECT_EQ(row(other, 0), "F+");
  const auto done = daemon->ctl({"settablepartition", file, "--yes"});
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_EQ(done.out, "set table partition ok\n");
  EXPECT_EQ(done.err, line);
  EXPECT_EQ(row(other, 0), "F-") << "it is written when the command returns";
  // Nothing else has changed.
  fedb::TableInfo expected = before;
  for (auto& meta : *expected.mutable_table_partition(0)->mutable_partition_meta()) {
    if (meta.endpoint() == cluster.tablet(other)) meta.set_is_alive(false);
  }
  EXPECT_EQ(table().SerializeAsString(), expected.SerializeAsString());
  const std::string events = daemon->ctl({"events"}).out;
  EXPECT_THAT(events, HasSubstr("flow/0 is written by hand, by "));
  EXPECT_THAT(events, HasSubstr(cluster.tablet(other) + ": is_alive true -> false"));
  EXPECT_THAT(daemon->ctl({"showopstatus", "flow", "0"}).out,
              HasSubstr("kUpdatePartitionStatusOP  flow  0    kDone"));
  // What was read is not what there is any more.
  expect_refused({"settablepartition", file}, std::string{kFailed} + "set zk failed: ");
  waited({"recovertable", "flow", "0", cluster.tablet(other)});
  expect_nothing_is_lost();
}

TEST_F(EditPartition, WhatBreaksARuleOrIsNoPartitionIsRefused) {
  start(false);
  const std::string invalid = std::string{kFailed} + "invalid parameter: ";
  const int leader = cluster.leader("flow", 0);
  const std::string before = table().SerializeAsString();
  got(0);
  edit("\"is_alive\": true", "\"is_alive\": false", leader);
  expect_refused({"settablepartition", file, "--yes"},
                 invalid + "flow/0: its leader's row may change only when another one leads");
  got(0);
  edit("\"is_leader\": false", "\"is_leader\": true", follower(0));
  expect_refused({"settablepartition", file, "--yes"},
                 invalid + "flow/0: it has several alive leader rows");
  got(0);
  edit("\"is_leader\"", "\"leads\": true, \"is_leader\"");
  expect_refused({"settablepartition", file, "--yes"},
                 invalid + "partition is no TablePartition: ");
  got(0);
  edit(cluster.tablet(follower(0)), "127.0.0.1:1");
  expect_refused({"settablepartition", file, "--yes"},
                 std::string{kFailed} + "endpoint is not exist: ");
  // Nothing is edited.
  got(0);
  EXPECT_EQ(daemon->ctl({"settablepartition", file, "--yes"}).out, "set table partition ok\n");
  EXPECT_EQ(table().SerializeAsString(), before);
  ASSERT_EQ(daemon->ctl({"confset", "auto_failover", "true"}).status, 0);
  ASSERT_TRUE(cluster.wait_until(
      [&] { return daemon->get("/api/v1/conf").body.find("true") != std::string::npos; }, "on"));
  edit("\"is_alive\": true", "\"is_alive\": false", follower(0));
  expect_refused({"settablepartition", file, "--yes"},
                 std::string{kFailed} + "auto_failover is enabled");
  EXPECT_EQ(table().SerializeAsString(), before);
}

// A field that this version has no name for, of a row and of a partition.
TEST_F(EditPartition, WhatHasNoNameStays) {
  start(false);
  fedb::TableInfo info = table();
  auto& p = *info.mutable_table_partition(0);
  const auto add = [](auto& message) {
    message.GetReflection()->MutableUnknownFields(&message)->AddVarint(77, 5);
  };
  add(p);
  for (auto& meta : *p.mutable_partition_meta()) add(meta);
  cluster.znodes().set("table/table_data/flow", info.SerializeAsString());
  const int other = follower(0);
  const auto is_read = [&] {
    got(0);
    edit("\"is_alive\": true", "\"is_alive\": false", other);
    return daemon->ctl({"settablepartition", file, "--yes"}).status == 0;
  };
  ASSERT_TRUE(cluster.wait_until(is_read, "it is read, and written"));
  for (auto& meta : *p.mutable_partition_meta()) {
    if (meta.endpoint() == cluster.tablet(other)) meta.set_is_alive(false);
  }
  EXPECT_EQ(table().SerializeAsString(), info.SerializeAsString());
}

// Of a table in a database, in OpenMLDB's numbers, whose fresh rows say nothing of is_alive.
TEST(EditPartitionOfOpenmldb, IsGotAndSet) {
  Cluster cluster({.generation = &minitablet::openmldb()});
  cluster.create_table("flow", 2, 3, {0, 1, 2}, true, "shop");
  Daemon& daemon = cluster.start_active_daemon({.config = {"auto_failover: false"}});
  const std::string file = (cluster.directory() / "p.json").string();
  ASSERT_EQ(daemon.ctl({"gettablepartition", "flow", "1", file, "--db", "shop"}).status, 0);
  std::ifstream in(file);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  const int other = cluster.leader("flow", 1) == 0 ? 1 : 0;
  const std::string follows = "\"is_leader\": false";
  const auto at = text.find(follows, text.find(cluster.tablet(other)));
  ASSERT_NE(at, std::string::npos) << text;
  std::ofstream{file} << text.insert(at, "\"diskused\": 7, ");
  const auto done = daemon.ctl({"settablepartition", file, "--yes"});
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_EQ(done.err, "shop.flow/1: " + cluster.tablet(other) + ": diskused - -> 7\n");
  const auto table = cluster.znodes().table("flow");
  ASSERT_TRUE(table);
  for (const auto& meta : table->table_partition(1).partition_meta()) {
    EXPECT_EQ(meta.diskused(), meta.endpoint() == cluster.tablet(other) ? 7U : 0U);
  }
}

}  // namespace
}  // namespace failoverd::e2e
