// minitablet as a process with a real ZooKeeper: registration and its warts, SIGKILL, and the
// tools.
#include "tests/minitablet/testkit/cluster.h"

#include <gmock/gmock.h>

#include <csignal>

#include "tests/harness/ports.h"
#include "tests/harness/wait_until.h"
#include "tests/minitablet/testkit/compare.h"
#include "tests/minitablet/testkit/create_table.h"
#include "tests/minitablet/testkit/writer.h"

namespace failoverd::testkit {
namespace {

using namespace std::chrono_literals;
namespace control = minitablet::control;

Cluster::Options quick(std::size_t tablets) {
  Cluster::Options options;
  options.tablets = tablets;
  options.session_timeout = 1s;
  options.tablet_flags = {"--zk_keep_alive_check_interval=100", "--send_file_sleep_ms=0"};
  return options;
}

std::string znode_of(Cluster& cluster, std::size_t tablet) {
  const auto value = cluster.znodes().get("nodes/" + cluster.endpoint(tablet));
  return value ? value->bytes : "";
}

TEST(Registration, StartsUpWithPrefixAndComesBackPlain) {
  Cluster cluster{quick(1)};
  EXPECT_EQ(znode_of(cluster, 0), "startup_" + cluster.endpoint(0));
  ASSERT_TRUE(cluster.client(0).control("LoseSession", control::LoseSessionRequest{}));
  EXPECT_TRUE(harness::wait_until(
      cluster.io(), [&] { return znode_of(cluster, 0) == cluster.endpoint(0); }, 10s,
      "the znode is there again, plain"));
}

TEST(Registration, ServesOnWithoutItsSession) {
  Cluster cluster{quick(1)};
  control::LoseSessionRequest lose;
  lose.set_stay_lost(true);
  ASSERT_TRUE(cluster.client(0).control("LoseSession", lose));
  EXPECT_TRUE(harness::wait_until(
      cluster.io(), [&] { return znode_of(cluster, 0).empty(); }, 10s, "the znode is gone"));
  EXPECT_EQ(cluster.client(0).call("TabletServer", "GetTableStatus", "").outcome,
            rpc::Outcome::kAnswered);
  ASSERT_TRUE(cluster.client(0).control("RestoreSession", control::RestoreSessionRequest{}));
  EXPECT_TRUE(harness::wait_until(
      cluster.io(), [&] { return znode_of(cluster, 0) == cluster.endpoint(0); }, 10s,
      "the znode is there again"));
}

TEST(Registration, ReturnsPlainAfterItsSessionExpired) {
  Cluster cluster{quick(1)};
  cluster.process(0).pause();
  EXPECT_TRUE(harness::wait_until(
      cluster.io(), [&] { return znode_of(cluster, 0).empty(); }, 20s, "the session expires"));
  cluster.process(0).resume();
  EXPECT_TRUE(harness::wait_until(
      cluster.io(), [&] { return znode_of(cluster, 0) == cluster.endpoint(0); }, 20s,
      "it registers again, plain"));
}

TEST(Registration, ExitsWhenItsOldZnodeIsStillThere) {
  Cluster::Options options = quick(1);
  options.session_timeout = 4s;
  Cluster cluster{options};
  const auto old = cluster.znodes().get("nodes/" + cluster.endpoint(0))->ephemeral_owner;
  cluster.kill(0);
  cluster.start_process(0);
  EXPECT_EQ(cluster.process(0).wait(10s), 1);
  EXPECT_THAT(cluster.log(0), testing::HasSubstr("cannot create"));
  // Its supervisor starts it until the session has expired.
  cluster.start(0);
  EXPECT_NE(cluster.znodes().get("nodes/" + cluster.endpoint(0))->ephemeral_owner, old);
  EXPECT_EQ(znode_of(cluster, 0), "startup_" + cluster.endpoint(0));
}

TEST(Registration, LeavesAtOnceOnSigterm) {
  Cluster cluster{quick(1)};
  EXPECT_EQ(cluster.process(0).stop(10s), 0);
  EXPECT_EQ(znode_of(cluster, 0), "");
}

TEST(Registration, ExitsWhenThePortIsTaken) {
  Cluster cluster{quick(1)};
  harness::Process::Options second;
  second.arguments = {program("minitablet"), "--endpoint=" + cluster.endpoint(0),
                      "--zk_cluster=" + cluster.zookeeper().hosts(),
                      "--db_root_path=" + (cluster.path() / "other").string()};
  second.log_file = cluster.path() / "second.log";
  harness::Process process{second};
  EXPECT_EQ(process.wait(10s), 1);
  EXPECT_THAT(process.log(), testing::HasSubstr("cannot listen"));
}

TEST(Registration, ExitsWithoutZooKeeper) {
  harness::TemporaryDirectory directory;
  harness::Process::Options options;
  options.arguments = {
      program("minitablet"),
      "--endpoint=127.0.0.1:" + std::to_string(harness::free_port()),
      "--zk_cluster=127.0.0.1:" + std::to_string(harness::free_port()),
      "--db_root_path=" + directory.path().string(),
  };
  options.log_file = directory.path() / "log";
  harness::Process process{options};
  EXPECT_EQ(process.wait(20s), 1);
  EXPECT_THAT(process.log(), testing::HasSubstr("no ZooKeeper"));
}

// Runs fedbtool to its end; its exit status, and what it printed.
std::pair<int, std::string> fedbtool(Cluster& cluster, std::vector<std::string> arguments) {
  static int runs = 0;
  harness::Process::Options options;
  options.arguments = {program("fedbtool")};
  for (std::string& argument : arguments) options.arguments.push_back(std::move(argument));
  options.arguments.push_back("--zk=" + cluster.zookeeper().hosts());
  options.log_file = cluster.path() / ("fedbtool" + std::to_string(++runs));
  harness::Process process{options};
  return {process.wait(60s).value_or(-1), process.log()};
}

TEST(Tools, FromTheCommandLine) {
  Cluster cluster{quick(2)};
  const std::string acked = "--acked=" + (cluster.path() / "acked").string();
  const std::string endpoints = "--endpoints=" + cluster.endpoint(0) + "," + cluster.endpoint(1);
  EXPECT_EQ(fedbtool(cluster, {"create-table", "t", "2", "2", endpoints}).first, 0);
  EXPECT_THAT(fedbtool(cluster, {"create-table", "t", "2", "2"}),
              testing::Pair(1, testing::HasSubstr("t exists already")));
  const auto written = fedbtool(cluster, {"write", "--rate=200", "--seconds=0.5", acked});
  EXPECT_EQ(written.first, 0);
  EXPECT_THAT(written.second, testing::HasSubstr("\"longest_gap_ms\":"));
  EXPECT_THAT(fedbtool(cluster, {"compare", "--within=10", acked}),
              testing::Pair(0, testing::HasSubstr(" 0 times not found: all equal")));
  EXPECT_THAT(fedbtool(cluster, {"show"}).second,
              testing::HasSubstr("t 1 " + cluster.endpoint(0) + " follower yes"));
  EXPECT_THAT(fedbtool(cluster, {"status", cluster.endpoint(0)}).second,
              testing::HasSubstr("t 0 kTable"));
  EXPECT_THAT(fedbtool(cluster, {"dump", cluster.endpoint(0), "2", "0"}).second,
              testing::HasSubstr(" rows, digest "));
  EXPECT_EQ(fedbtool(cluster, {"control", cluster.endpoint(0), "fail", "GetTableStatus",
                               "--error-code=2001", "--calls=1"})
                .first,
            0);
  EXPECT_EQ(fedbtool(cluster, {"status", cluster.endpoint(0)}).first, 1);
  EXPECT_EQ(fedbtool(cluster, {"status", cluster.endpoint(0)}).first, 0);
  EXPECT_THAT(fedbtool(cluster, {"control", cluster.endpoint(0), "counters"}).second,
              testing::HasSubstr("GetTableStatus "));
  cluster.kill(1);
  EXPECT_EQ(fedbtool(cluster, {"compare"}).first, 1);
  EXPECT_THAT(fedbtool(cluster, {"nonsense"}), testing::Pair(2, testing::HasSubstr("no command")));
  EXPECT_EQ(fedbtool(cluster, {"dump"}).first, 2);
}

TEST(Tools, CreateTableLeavesTheZnodesOfANameserver) {
  Cluster cluster{quick(3)};
  Znodes& znodes = cluster.znodes();
  const fedb::TableInfo flow = create_table(znodes, {"flow", 2, 3, cluster.endpoints()});
  create_table(znodes, {"single", 1, 1, cluster.endpoints()});
  // As golden's tree.1.healthy.txt has them, but for what only a nameserver makes.
  EXPECT_EQ(znodes.get("table/table_index")->bytes, "3");
  EXPECT_EQ(znodes.get("table/term")->bytes, "1");
  EXPECT_EQ(znodes.get("table/notify")->bytes, "3");
  EXPECT_EQ(znodes.get("config/auto_failover")->bytes, "true");
  EXPECT_THAT(znodes.children(""),
              testing::ElementsAre("config", "leader", "nodes", "op", "table"));
  EXPECT_EQ(flow.tid(), 2u);
  EXPECT_EQ(znodes.table("flow")->SerializeAsString(), flow.SerializeAsString());
  EXPECT_EQ(flow.table_partition(1).partition_meta(0).endpoint(), cluster.endpoint(1));
  EXPECT_TRUE(compare_replicas(znodes, {}).equal());
}

TEST(Tools, WriterReachesEveryReplicaAndCompareSeesIt) {
  Cluster cluster{quick(3)};
  create_table(cluster.znodes(), {"t", 4, 3, {}});
  Writer::Options options;
  options.zookeeper = cluster.zookeeper().hosts();
  options.rate = 200;
  options.acked_file = cluster.path() / "acked";
  Writer writer{cluster.io(), options};
  writer.start();
  ASSERT_TRUE(harness::wait_until(
      cluster.io(), [&] { return writer.summary().acks > 200; }, 30s, "rows are acknowledged"));
  writer.stop();
  ASSERT_TRUE(harness::wait_until(
      cluster.io(), [&] { return writer.idle(); }, 10s, "it is idle"));
  const Writer::Summary summary = writer.summary();
  EXPECT_EQ(summary.partitions.size(), 4u);
  EXPECT_EQ(summary.acks, writer.acked().size());
  CompareWish wish{{}, writer.acked(), 10s};
  const Comparison comparison = compare_replicas(cluster.znodes(), wish);
  EXPECT_TRUE(comparison.equal()) << comparison.to_text();
  EXPECT_EQ(comparison.rows, summary.acks);
  EXPECT_EQ(comparison.replicas, 12u);

  wish.acked.push_back({wish.acked[0].tid, 0, "nobody put this", 1, "v"});
  wish.within = 0s;
  const Comparison lacking = compare_replicas(cluster.znodes(), wish);
  EXPECT_EQ(lacking.acked_missing, 3u);
  EXPECT_FALSE(lacking.equal());
}

TEST(Tools, CompareSeesAReplicaThatDiffersAtTheSameOffset) {
  Cluster cluster{quick(2)};
  const fedb::TableInfo info = create_table(cluster.znodes(), {"t", 1, 2, cluster.endpoints()});
  // The follower gets an entry of its own; the leader's first row is then skipped.
  fedb::AppendEntriesRequest own;
  own.set_tid(info.tid());
  own.set_pid(0);
  own.set_term(1);
  own.set_pre_log_index(0);
  fedb::LogEntry& entry = *own.add_entries();
  entry.set_term(1);
  entry.set_log_index(1);
  entry.set_pk("own");
  ASSERT_EQ(cluster.client(1).ask<fedb::AppendEntriesResponse>("AppendEntries", own)->code(), 0);
  fedb::PutRequest put;
  put.set_tid(info.tid());
  put.set_pid(0);
  put.set_pk("k");
  ASSERT_EQ(cluster.client(0).ask<fedb::PutResponse>("Put", put)->code(), 0);
  const Comparison comparison = compare_replicas(cluster.znodes(), {});
  EXPECT_FALSE(comparison.equal());
  EXPECT_THAT(comparison.to_text(), testing::HasSubstr("1 rows missing and 1 too many"));
}

TEST(Tools, WriterFollowsTheMetadataToAnotherLeader) {
  Cluster cluster{quick(2)};
  fedb::TableInfo info = create_table(cluster.znodes(), {"t", 1, 2, cluster.endpoints()});
  Writer::Options options;
  options.zookeeper = cluster.zookeeper().hosts();
  Writer writer{cluster.io(), options};
  writer.start();
  ASSERT_TRUE(harness::wait_until(
      cluster.io(), [&] { return writer.summary().acks > 5; }, 30s, "rows are acknowledged"));
  cluster.kill(0);
  fedb::ChangeRoleRequest lead;
  lead.set_tid(info.tid());
  lead.set_pid(0);
  lead.set_term(3);
  lead.set_mode(fedb::kTableLeader);
  ASSERT_EQ(cluster.client(1).ask<fedb::ChangeRoleResponse>("ChangeRole", lead)->code(), 0);
  ASSERT_TRUE(harness::wait_until(
      cluster.io(), [&] { return writer.summary().errors > 0; }, 30s, "the dead one is noticed"));
  const std::uint64_t before = writer.summary().acks;
  info.mutable_table_partition(0)->mutable_partition_meta(0)->set_is_alive(false);
  info.mutable_table_partition(0)->mutable_partition_meta(1)->set_is_leader(true);
  cluster.znodes().set("table/table_data/t", info.SerializeAsString());
  cluster.znodes().set("table/notify", "9");
  EXPECT_TRUE(harness::wait_until(
      cluster.io(), [&] { return writer.summary().acks > before + 5; }, 30s,
      "the new leader acknowledges"));
  EXPECT_GT(writer.summary().longest_gap.count(), 0);
  EXPECT_THAT(writer.summary().to_json(true), testing::HasSubstr("\"table\":\"t\""));
}

TEST(Sigkill, AcknowledgedRowsAreThereAfterwards) {
  Cluster cluster{quick(1)};
  const fedb::TableInfo info = create_table(cluster.znodes(), {"t", 4, 1, {}});
  Writer::Options options;
  options.zookeeper = cluster.zookeeper().hosts();
  options.rate = 1000;
  Writer writer{cluster.io(), options};
  writer.start();
  ASSERT_TRUE(harness::wait_until(
      cluster.io(), [&] { return writer.summary().acks > 1000; }, 30s, "rows are acknowledged"));
  cluster.kill(0);
  writer.stop();
  ASSERT_TRUE(harness::wait_until(
      cluster.io(), [&] { return writer.idle(); }, 10s, "it is idle"));
  cluster.start(0);
  EXPECT_EQ(cluster.client(0)
                .ask<fedb::GetTableStatusResponse>("GetTableStatus", fedb::GetTableStatusRequest{})
                ->all_table_status_size(),
            0);
  for (std::int32_t pid = 0; pid < 4; ++pid) {
    fedb::LoadTableRequest load;
    load.mutable_table_meta()->set_tid(static_cast<std::int32_t>(info.tid()));
    load.mutable_table_meta()->set_pid(pid);
    load.mutable_table_meta()->set_name("t");
    load.mutable_table_meta()->set_mode(fedb::kTableLeader);
    load.mutable_table_meta()->set_term(3);
    ASSERT_EQ(cluster.client(0).ask<fedb::GeneralResponse>("LoadTable", load)->code(), 0);
  }
  const CompareWish wish{{}, writer.acked(), 20s};
  const Comparison comparison = compare_replicas(cluster.znodes(), wish);
  EXPECT_TRUE(comparison.equal()) << comparison.to_text();
  EXPECT_GE(comparison.rows, writer.acked().size());
}

}  // namespace
}  // namespace failoverd::testkit
