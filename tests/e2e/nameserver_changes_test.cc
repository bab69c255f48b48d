// What the cluster's own client changes through failoverd's listen.rpc, under each package's name:
// it is answered as a nameserver answers, and the rows and the tablets are as it was ordered, while
// rows are put to every partition.
#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/e2e/nameserver_client.h"
#include "tests/e2e/operator_cluster.h"
#include "tests/e2e/recovery.h"

namespace failoverd::e2e {
namespace {

class NameserverChanges : public OperatorCluster {
 protected:
  explicit NameserverChanges(const ClusterOptions& options = {.tablets = 4})
      : OperatorCluster(options) {}

  // With the switch off, as a nameserver wants it for these. `service`: whose client it is.
  void begin(const std::string& service, const std::string& database = {}) {
    db = database;
    start(/*auto_failover=*/false, serving_rpc(address), db);
    client.emplace(cluster, address, service);
  }
  // Ops of this type that the client is shown as done.
  int done(const std::string& type) { return client->op_types()[type + " kDone"]; }
  bool comes(const std::function<bool()>& predicate, const char* what) {
    const bool came = cluster.wait_until(predicate, what);
    EXPECT_TRUE(came) << what << "\n" << shown();
    return came;
  }
  std::string shown() {
    std::string text = to_text(shown_ops(*daemon));
    for (std::uint32_t pid = 0; pid < 3; ++pid) text += cluster.rows("flow", pid) + "\n";
    return text;
  }
  // A row is so, and so the tablet says.
  bool follows(int tablet, std::uint32_t pid) {
    const Word said = word(cluster, tablet, "flow", pid);
    return row(tablet, pid) == "F+" && said.has_table && !said.is_leader;
  }
  bool leads(int tablet, std::uint32_t pid) {
    return row(tablet, pid) == "L+" && word(cluster, tablet, "flow", pid).is_leader;
  }
  template <class Request>
  Request of_flow(std::uint32_t pid) const {
    Request request;
    request.set_name("flow");
    request.set_pid(pid);
    if (!db.empty()) request.set_db(db);
    return request;
  }
  template <class Request>
  Request of_replica(std::uint32_t pid, int tablet) const {
    auto request = of_flow<Request>(pid);
    request.set_endpoint(cluster.tablet(tablet));
    return request;
  }

  void change_leader();
  void take_offline_and_bring_back();
  void recover_table();
  void migrate();
  void add_and_delete();
  void make_snapshot_of_leader();
  void cancel();

  const std::string address = free_rpc_address();
  std::optional<NameserverClient> client;
  std::string db;
};

// Without loss: the old leader is an alive follower.
void NameserverChanges::change_leader() {
  const int old = cluster.leader("flow", 0);
  const int handed_over = done("kHandoverOP");
  auto change = of_flow<fedb::ChangeLeaderRequest>(0);
  EXPECT_EQ(client->answer("ChangeLeader", change), "309 leader is alive");
  change.set_candidate_leader("auto");
  // One whose last put came in too late goes on leading, and its op fails: then once more.
  int failed = -1;
  ASSERT_TRUE(comes(
      [&] {
        const int now = client->op_types()["kHandoverOP kFailed"];
        if (std::exchange(failed, now) != now) {
          EXPECT_EQ(client->answer("ChangeLeader", change), "0 ok");
        }
        return follows(old, 0);
      },
      "the old leader follows"));
  const int next = cluster.leader("flow", 0);
  ASSERT_NE(next, -1);
  EXPECT_NE(next, old);
  EXPECT_TRUE(leads(next, 0));
  EXPECT_EQ(done("kHandoverOP"), handed_over + 1);
}

void NameserverChanges::take_offline_and_bring_back() {
  std::vector<std::uint32_t> led;
  for (std::uint32_t pid = 0; pid < 3; ++pid) {
    if (cluster.leader("flow", pid) == 0) led.push_back(pid);
  }
  ASSERT_FALSE(led.empty());
  fedb::OfflineEndpointRequest offline;
  offline.set_endpoint(cluster.tablet(0));
  EXPECT_EQ(client->answer("OfflineEndpoint", offline), "0 ok");
  const auto is_offline = [&] {
    for (std::uint32_t pid = 0; pid < 3; ++pid) {
      const int leader = cluster.leader("flow", pid);
      if (row(0, pid) != "F-" || leader < 1 || !leads(leader, pid)) return false;
    }
    return true;
  };
  ASSERT_TRUE(comes(is_offline, "it is offline, and others lead"));
  fedb::RecoverEndpointRequest recover;
  recover.set_endpoint(cluster.tablet(0));
  recover.set_need_restore(true);
  EXPECT_EQ(client->answer("RecoverEndpoint", recover), "0 ok");
  const auto is_back = [&] {
    return cluster.everything_is_alive() &&
           std::all_of(led.begin(), led.end(), [&](std::uint32_t pid) { return leads(0, pid); });
  };
  EXPECT_TRUE(comes(is_back, "it leads again what it led"));
}

void NameserverChanges::recover_table() {
  const int tablet = follower(1);
  auto update = of_replica<fedb::UpdateTableAliveStatusRequest>(1, tablet);
  update.set_is_alive(false);
  EXPECT_EQ(client->answer("UpdateTableAliveStatus", update), "0 ok");
  EXPECT_EQ(row(tablet, 1), "F-") << "it is written when it is answered";
  const auto recover = of_replica<fedb::RecoverTableRequest>(1, tablet);
  ASSERT_TRUE(
      comes([&] { return client->answer("RecoverTable", recover) == "0 ok" || follows(tablet, 1); },
            "the tablet is known to be healthy"));
  EXPECT_TRUE(comes([&] { return follows(tablet, 1); }, "it follows again"));
  EXPECT_EQ(client->answer("RecoverTable", recover), "311 table is alive, need not recover");
}

void NameserverChanges::migrate() {
  const int from = follower(0);
  fedb::MigrateRequest request;
  request.set_name("flow");
  request.set_src_endpoint(cluster.tablet(cluster.leader("flow", 0)));
  request.set_des_endpoint(cluster.tablet(3));
  request.add_pid(0);
  if (!db.empty()) request.set_db(db);
  EXPECT_EQ(client->answer("Migrate", request), "320 cannot migrate leader. name[flow] pid[0]");
  request.set_src_endpoint(cluster.tablet(from));
  EXPECT_EQ(client->answer("Migrate", request), "0 ok");
  EXPECT_TRUE(comes([&] { return follows(3, 0) && done("kMigrateOP") == 1; }, "it is there"));
  EXPECT_EQ(row(from, 0), "");
  EXPECT_FALSE(word(cluster, from, "flow", 0).has_table);
}

void NameserverChanges::add_and_delete() {
  auto add = of_replica<fedb::AddReplicaNSRequest>(1, 3);
  add.add_pid_group(1);
  add.add_pid_group(2);
  EXPECT_EQ(client->answer("AddReplicaNS", add), "0 ok");
  EXPECT_TRUE(comes([&] { return follows(3, 1) && follows(3, 2); }, "both are there"));
  EXPECT_EQ(client->answer("AddReplicaNS", add), "317 pid 1 is exist in " + cluster.tablet(3));
  const auto remove = of_replica<fedb::DelReplicaNSRequest>(1, 3);
  EXPECT_EQ(client->answer("DelReplicaNS", remove), "0 ok");
  EXPECT_TRUE(comes([&] { return done("kDelReplicaOP") == 1; }, "it is gone"));
  EXPECT_EQ(row(3, 1), "");
  EXPECT_FALSE(word(cluster, 3, "flow", 1).has_table);
  EXPECT_TRUE(follows(3, 2)) << "the other stays";
  EXPECT_EQ(client->answer("DelReplicaNS", remove), "308 pid 1 is not in " + cluster.tablet(3));
}

void NameserverChanges::make_snapshot_of_leader() {
  const int leader = cluster.leader("flow", 2);
  const auto before = cluster.calls(leader, "MakeSnapshot");
  EXPECT_EQ(client->answer("MakeSnapshotNS", of_flow<fedb::MakeSnapshotNSRequest>(2)), "0 ok");
  EXPECT_TRUE(comes([&] { return done("kMakeSnapshotOP") == 1; }, "it is made"));
  EXPECT_EQ(cluster.calls(leader, "MakeSnapshot"), before + 1);
}

// SAFETY 11: what was begun is taken back.
void NameserverChanges::cancel() {
  cluster.hang(3, "LoadTable");
  EXPECT_EQ(client->answer("AddReplicaNS", of_replica<fedb::AddReplicaNSRequest>(1, 3)), "0 ok");
  ASSERT_TRUE(comes([&] { return cluster.hangs(3, "LoadTable"); }, "it loads"));
  const auto ops =
      client->ask<fedb::ShowOPStatusResponse>("ShowOPStatus", fedb::ShowOPStatusRequest{});
  ASSERT_TRUE(ops);
  fedb::CancelOPRequest request;
  for (const auto& op : ops->op_status()) {
    if (op.status() == "kDoing" || op.status() == "kInited") request.set_op_id(op.op_id());
  }
  ASSERT_TRUE(request.has_op_id());
  EXPECT_EQ(client->answer("CancelOP", request), "0 ok");
  cluster.release(3);
  EXPECT_TRUE(
      comes([&] { return client->op_types()["kAddReplicaOP kCanceled"] == 1; }, "it is canceled"));
  EXPECT_TRUE(comes([&] { return !word(cluster, 3, "flow", 1).has_table; }, "nothing is left"));
  EXPECT_EQ(row(3, 1), "");
  EXPECT_EQ(client->answer("CancelOP", request), "312 op status is not kDoing or kInited");
}

TEST_F(NameserverChanges, TheShortNameMovesLeaders) {
  begin("NameServer");
  take_offline_and_bring_back();
  change_leader();
  expect_nothing_is_lost();
}

TEST_F(NameserverChanges, RtidbBringsReplicasBack) {
  begin("rtidb.nameserver.NameServer");
  take_offline_and_bring_back();
  recover_table();
  make_snapshot_of_leader();
  expect_nothing_is_lost();
}

TEST_F(NameserverChanges, FedbMovesReplicas) {
  begin("fedb.nameserver.NameServer");
  migrate();
  cancel();
  change_leader();
  expect_nothing_is_lost();
}

class OpenmldbChanges : public NameserverChanges {
 protected:
  OpenmldbChanges() : NameserverChanges({.generation = &minitablet::openmldb(), .tablets = 4}) {}
};

// Of a table in a database.
TEST_F(OpenmldbChanges, ReplicasComeAndGo) {
  begin("openmldb.nameserver.NameServer", "shop");
  add_and_delete();
  recover_table();
  change_leader();
  auto elsewhere = of_flow<fedb::ChangeLeaderRequest>(0);
  elsewhere.clear_db();
  EXPECT_EQ(client->answer("ChangeLeader", elsewhere), "100 table is not exist");
  expect_nothing_is_lost();
}

// As with a nameserver: what adds and takes away replicas, or makes snapshots, is never refused by
// it.
TEST_F(NameserverChanges, TheSwitchRefusesManualCommandsOnly) {
  begin("NameServer");
  ASSERT_EQ(client->set("auto_failover", "true"), "0 ok");
  ASSERT_TRUE(comes([&] { return client->get() == "true"; }, "it is on"));
  auto change = of_flow<fedb::ChangeLeaderRequest>(0);
  change.set_candidate_leader("auto");
  const std::string enabled = "301 auto_failover is enabled";
  EXPECT_EQ(client->answer("ChangeLeader", change), enabled);
  EXPECT_EQ(client->answer("RecoverTable", of_replica<fedb::RecoverTableRequest>(0, 1)), enabled);
  EXPECT_EQ(client->answer("CancelOP", fedb::CancelOPRequest{}), enabled);
  EXPECT_TRUE(client->op_types().empty());
  add_and_delete();
  make_snapshot_of_leader();
  expect_nothing_is_lost();
}

}  // namespace
}  // namespace failoverd::e2e
