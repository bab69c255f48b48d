// The cluster's own client, pointed at failoverd's listen.rpc: it is shown what the tablets hold,
// sets the switch, and is refused as a nameserver refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "proto/nameserver.pb.h"
#include "proto/openmldb.pb.h"
#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"
#include "tests/e2e/nameserver_client.h"
#include "tests/e2e/recovery.h"

namespace failoverd::e2e {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class NameserverProtocol : public testing::Test {
 protected:
  // Every row that a table shows, in its order: "0 a:1 L+ 5".
  template <class Response>
  static std::vector<std::string> rows(NameserverClient& client,
                                       const fedb::ShowTableRequest& request) {
    std::vector<std::string> all;
    const auto shown = client.ask<Response>("ShowTable", request);
    if (!shown || shown->code() != 0) return {"not shown"};
    for (const auto& table : shown->table_info()) {
      for (const auto& partition : table.table_partition()) {
        for (const auto& meta : partition.partition_meta()) {
          all.push_back(std::to_string(partition.pid()) + " " + meta.endpoint() +
                        (meta.is_leader() ? " L" : " F") + (meta.is_alive() ? "+ " : "- ") +
                        (meta.has_offset() ? std::to_string(meta.offset()) : "-"));
        }
      }
    }
    return all;
  }
  const std::string address = free_rpc_address();
};

// A failover as the client of RTIDB sees it.
TEST_F(NameserverProtocol, ShowsAFailover) {
  Cluster cluster;
  cluster.create_table("flow", 1, 3);
  Daemon& daemon = cluster.start_active_daemon(serving_rpc(address));
  NameserverClient client(cluster, address, "rtidb.nameserver.NameServer");
  const auto& [a, b, c] = std::tie(cluster.tablet(0), cluster.tablet(1), cluster.tablet(2));
  for (const char* key : {"one", "two", "three"}) EXPECT_EQ(cluster.put(0, "flow", 0, key), 0);
  fedb::ShowTableRequest flow;
  flow.set_name("flow");
  const auto shown = [&] { return rows<fedb::ShowTableResponse>(client, flow); };
  const std::vector<std::string> before = {"0 " + a + " L+ 3", "0 " + b + " F+ 3",
                                           "0 " + c + " F+ 3"};
  EXPECT_TRUE(
      cluster.wait_until([&] { return shown() == before; }, "the followers have caught up"));
  EXPECT_THAT(shown(), testing::ElementsAreArray(before));
  const std::string healthy = "kTabletHealthy";
  EXPECT_THAT(client.tablets(), ElementsAre(testing::Pair(a, healthy), testing::Pair(b, healthy),
                                            testing::Pair(c, healthy)));
  EXPECT_TRUE(client.op_types().empty());
  cluster.kill_tablet(0);
  EXPECT_TRUE(cluster.wait_until([&] { return client.tablets()[a] == "kTabletOffline"; },
                                 "it is shown as offline"));
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  EXPECT_TRUE(cluster.wait_until([&] { return client.op_types()["kChangeLeaderOP kDone"] == 1; },
                                 "the op is listed"));
  const auto after = shown();
  ASSERT_EQ(after.size(), 3U);
  EXPECT_EQ(after[0], "0 " + a + " L- 3");
  fedb::ShowTableRequest nosuch;
  nosuch.set_name("nosuch");
  EXPECT_TRUE(rows<fedb::ShowTableResponse>(client, nosuch).empty());
}

// Whichever package a client is of, it understands the answers.
TEST_F(NameserverProtocol, SpeaksEveryPackage) {
  Cluster cluster({.generation = &minitablet::openmldb()});
  cluster.create_table("orders", 1, 2, {0, 1}, true, "shop");
  cluster.start_active_daemon(serving_rpc(address));
  EXPECT_EQ(cluster.put(0, "orders", 0, "key"), 0);
  const std::vector<std::string> want = {"0 " + cluster.tablet(0) + " L+ 1",
                                         "0 " + cluster.tablet(1) + " F+ 1"};
  fedb::ShowTableRequest shop;
  shop.set_db("shop");
  for (const std::string service : {"NameServer", "openmldb.nameserver.NameServer",
                                    "fedb.nameserver.NameServer", "rtidb.nameserver.NameServer"}) {
    SCOPED_TRACE(service);
    NameserverClient client(cluster, address, service);
    const bool is_old = service.starts_with("rtidb.");
    EXPECT_TRUE(cluster.wait_until(
        [&] {
          return (is_old ? rows<fedb::ShowTableResponse>(client, shop)
                         : rows<openmldb::ShowTableResponse>(client, shop)) == want;
        },
        "it is shown"));
    EXPECT_EQ(client.tablets()[cluster.tablet(0)],
              is_old || service.starts_with("fedb.") ? "kTabletHealthy" : "kHealthy");
  }
  // Columns and all.
  NameserverClient client(cluster, address, "openmldb.nameserver.NameServer");
  const auto shown = client.ask<openmldb::ShowTableResponse>("ShowTable", shop);
  ASSERT_TRUE(shown);
  EXPECT_THAT(shown->SerializeAsString(), HasSubstr(cluster.generation().columns_of_table_info));
  fedb::GetTablePartitionRequest partition;
  partition.set_db("shop");
  partition.set_name("orders");
  const auto got = client.ask<fedb::GetTablePartitionResponse>("GetTablePartition", partition);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->table_partition().SerializeAsString(),
            cluster.znodes().table("orders")->table_partition(0).SerializeAsString());
}

TEST_F(NameserverProtocol, SetsTheSwitch) {
  Cluster cluster;
  Daemon& daemon = cluster.start_active_daemon(serving_rpc(address));
  NameserverClient client(cluster, address);
  ASSERT_TRUE(cluster.wait_until([&] { return client.get() == "true"; }, "it is on"));
  fedb::OfflineEndpointRequest offline;
  offline.set_endpoint("nonsense");
  EXPECT_EQ(client.answer("OfflineEndpoint", offline), "301 auto_failover is enabled");
  EXPECT_EQ(client.set("auto_failover", "maybe"), "307 invalid parameter");
  EXPECT_EQ(client.set("nosuch", "true"), "307 invalid parameter");
  EXPECT_EQ(client.get(), "true");
  EXPECT_EQ(client.set("auto_failover", "FALSE"), "0 ok");
  EXPECT_TRUE(cluster.wait_until([&] { return client.get() == "false"; }, "it is off"));
  EXPECT_THAT(daemon.ctl({"confget"}).out, HasSubstr("false"));
  EXPECT_THAT(daemon.status(), HasSubstr("from\":\"127.0.0.1:"));
  // The next one that acts has it still.
  daemon.kill();
  daemon.start();
  EXPECT_TRUE(cluster.wait_until([&] { return client.get() == "false"; }, "it is off"));
}

// As a nameserver does: it is there when it is answered.
TEST_F(NameserverProtocol, SetsAPartition) {
  Cluster cluster;
  cluster.create_table("flow", 1, 3);
  Daemon& daemon = cluster.start_active_daemon(serving_rpc(address));
  NameserverClient client(cluster, address, "rtidb.nameserver.NameServer");
  fedb::SetTablePartitionRequest set;
  set.set_name("flow");
  set.mutable_table_partition()->set_pid(0);
  ASSERT_TRUE(cluster.wait_until([&] { return client.get() == "true"; }, "it is on"));
  EXPECT_EQ(client.answer("SetTablePartition", set), "301 auto_failover is enabled");
  ASSERT_EQ(client.set("auto_failover", "false"), "0 ok");
  ASSERT_TRUE(cluster.wait_until([&] { return client.get() == "false"; }, "it is off"));
  const auto got = [&] {
    fedb::GetTablePartitionRequest get;
    get.set_name("flow");
    get.set_pid(0);
    const auto answer = client.ask<fedb::GetTablePartitionResponse>("GetTablePartition", get);
    return answer ? answer->table_partition() : fedb::TablePartition{};
  };
  const fedb::TablePartition before = got();
  ASSERT_EQ(before.partition_meta_size(), 3);
  *set.mutable_table_partition() = before;
  EXPECT_EQ(client.answer("SetTablePartition", set), "0 ok") << daemon.status() << daemon.log();
  // What a nameserver's memory adds to a row is written with it.
  auto* row = set.mutable_table_partition()->mutable_partition_meta(2);
  row->set_is_alive(false);
  row->set_offset(7);
  EXPECT_EQ(client.answer("SetTablePartition", set), "0 ok");
  EXPECT_EQ(got().SerializeAsString(), set.table_partition().SerializeAsString());
  EXPECT_EQ(cluster.znodes().table("flow")->table_partition(0).SerializeAsString(),
            set.table_partition().SerializeAsString());
  const std::string written = got().SerializeAsString();
  set.mutable_table_partition()->mutable_partition_meta(0)->set_is_alive(false);
  EXPECT_EQ(client.answer("SetTablePartition", set), "307 invalid parameter");
  set.mutable_table_partition()->set_pid(9);
  EXPECT_EQ(client.answer("SetTablePartition", set), "0 ok") << "nothing is done";
  set.set_name("nosuch");
  EXPECT_EQ(client.answer("SetTablePartition", set), "100 table is not exist");
  EXPECT_EQ(got().SerializeAsString(), written);
}

TEST_F(NameserverProtocol, AStandbyIsNoLeaderUntilItActs) {
  Cluster cluster;
  Daemon& active = cluster.start_active_daemon();
  Daemon& standby = cluster.start_daemon(serving_rpc(address));
  NameserverClient client(cluster, address);
  ASSERT_TRUE(cluster.wait_until([&] { return standby.get("/readyz").body == "standby\n"; },
                                 "it stands by"));
  EXPECT_EQ(client.set("auto_failover", "false"), "300 nameserver is not leader");
  EXPECT_TRUE(client.tablets().empty());
  active.stop();
  EXPECT_TRUE(cluster.wait_until([&] { return client.tablets().size() == 3; }, "it acts"));
  EXPECT_EQ(client.set("auto_failover", "false"), "0 ok");
}

TEST_F(NameserverProtocol, NamesTheNameserverForWhatIsNotItsOwn) {
  Cluster cluster;
  cluster.start_active_daemon(serving_rpc(address));
  NameserverClient client(cluster, address);
  const fedb::CreateTableNSRequest table;
  EXPECT_THAT(client.answer("CreateTable", table), HasSubstr("-1 "));
  EXPECT_THAT(client.answer("CreateTable", table), HasSubstr("none lives"));
  cluster.znodes().create("leader/lock_request0000000007", "127.0.0.1:9822");
  EXPECT_TRUE(cluster.wait_until(
      [&] { return client.answer("CreateTable", table).ends_with("ask 127.0.0.1:9822"); },
      "the nameserver is named"));
}

// It serves nothing there, or says which address it is that cannot be had.
TEST_F(NameserverProtocol, IsServedWhereItIsConfigured) {
  Cluster cluster({.tablets = 0});
  Daemon& daemon = cluster.start_daemon(serving_rpc(address, ", rpc_changes: any"));
  ASSERT_TRUE(cluster.wait_until([&] { return daemon.active(); }, "it acts"));
  EXPECT_EQ(daemon.stop(), 0);
  Daemon& other = cluster.start_daemon();
  other.stop();
  other.configure({"listen: {http: \"" + other.http() + "\", rpc: \"192.0.2.77:9622\"}"});
  const auto refused = other.run({});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("listen.rpc: cannot listen on 192.0.2.77:9622: "));
}

}  // namespace
}  // namespace failoverd::e2e
