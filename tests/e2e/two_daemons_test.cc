// Several daemons: exactly one acts, the others follow and say who does; one that is stopped,
// killed, paused or cut off from ZooKeeper is replaced, and changes nothing afterwards (SAFETY 14).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/ip/host_name.hpp>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"
#include "tests/e2e/soundness.h"
#include "tests/harness/tcp_proxy.h"
#include "tests/harness/zookeeper_client.h"

namespace failoverd::e2e {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// A session that no test waits for: who takes over sooner was told so.
const DaemonOptions kLongSession{.cluster = "session_timeout: 40s"};

bool is_ready(Daemon& daemon) { return daemon.get("/readyz").status == 200; }

// What changes a tablet, and has been asked of those that live.
std::map<std::string, std::uint64_t> changes_asked(Cluster& cluster) {
  std::map<std::string, std::uint64_t> all;
  for (int i = 0; i < cluster.tablets(); ++i) {
    if (!cluster.lives(i)) continue;
    for (const char* method : {"ChangeRole", "AppendEntries", "DelReplica", "RecoverSnapshot"}) {
      all[cluster.tablet(i) + " " + method] = cluster.calls(i, method);
    }
  }
  return all;
}

// Versions of every znode that daemons write; those of their locks come and go with them.
std::map<std::string, std::int32_t> versions(Cluster& cluster) {
  std::map<std::string, std::int32_t> all;
  std::vector<std::string> znodes = {"table/term",           "table/notify",
                                     "failoverd/epoch",      "failoverd/op_index",
                                     "failoverd/term_index", "failoverd/auto_failover"};
  for (const std::string parent : {"table/table_data", "failoverd/elections", "failoverd/ops",
                                   "failoverd/replicas", "failoverd/holds"}) {
    for (const std::string& name : cluster.znodes().children(parent)) {
      znodes.push_back(parent + "/" + name);
    }
  }
  for (const std::string& znode : znodes) {
    if (const auto value = cluster.znodes().get(znode)) all[znode] = value->version;
  }
  return all;
}

// What was asked of tablets, and what stands in ZooKeeper.
struct Changes {
  explicit Changes(Cluster& cluster) : asked{changes_asked(cluster)}, written{versions(cluster)} {}
  bool operator==(const Changes&) const = default;
  std::map<std::string, std::uint64_t> asked;
  std::map<std::string, std::int32_t> written;
};

// Once they have come to rest: a leader's last entries and a daemon's last looks are answered a
// little after all replicas agree, and records of what has ended are taken away later still.
Changes changes_at_rest(Cluster& cluster) {
  Changes last{cluster};
  EXPECT_TRUE(cluster.wait_until(
      [&] {
        cluster.let_pass(std::chrono::milliseconds{500});
        const Changes before = std::exchange(last, Changes{cluster});
        return last == before;
      },
      "nothing changes any more"));
  return last;
}

void expect_no_changes_since(const Changes& then, Cluster& cluster, Daemon& daemon) {
  const Changes now{cluster};
  EXPECT_EQ(now.asked, then.asked) << daemon.log();
  EXPECT_EQ(now.written, then.written) << daemon.log();
}

void expect_replicas_agree(Cluster& cluster) {
  const testkit::Comparison c = cluster.compare(/*acked=*/false);
  EXPECT_TRUE(c.equal()) << c.to_text();
  EXPECT_GT(c.rows, 0u);
}

TEST(TwoDaemons, OneActsAndTheOtherFollows) {
  Cluster cluster;
  cluster.create_table("flow", 2, 3);
  // Both at once.
  Daemon& a = cluster.start_daemon();
  Daemon& b = cluster.start_daemon();
  int both = 0;
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        both += a.active() && b.active();
        return is_ready(a) && is_ready(b) && (a.active() || b.active());
      },
      "both are ready"));
  EXPECT_EQ(both, 0);
  Daemon& active = a.active() ? a : b;
  Daemon& standby = a.active() ? b : a;
  EXPECT_EQ(active.get("/readyz").body, "active\n");
  EXPECT_EQ(standby.get("/readyz").body, "standby\n");
  EXPECT_EQ(standby.metric("failoverd_active"), 0);
  EXPECT_EQ(standby.metric("failoverd_tablets{state=\"healthy\"}"), 3);
  // The standby names the active one, and sends those who want something changed there.
  EXPECT_THAT(standby.status(), HasSubstr("\"active\":false"));
  EXPECT_TRUE(cluster.wait_until(
      [&] {
        return standby.status().find("\"address\":\"" + active.http() + "\"") != std::string::npos;
      },
      "the standby knows the active one"));
  const Daemon::Http refused =
      standby.post("/api/v1/commands/confset", R"({"key": "auto_failover", "value": "false"})");
  EXPECT_EQ(refused.status, 503);
  EXPECT_THAT(refused.body, HasSubstr("\"active\":\"" + active.http() + "\""));
  EXPECT_THAT(refused.head, HasSubstr("Failoverd-Active: " + active.http()));
  ASSERT_TRUE(cluster.wait_until(
      [&] { return standby.metric("failoverd_auto_failover_enabled") == 1; }, "it is on"));
  // failoverctl finds it by itself, also from the standby alone.
  const std::string servers = "http://" + standby.http() + ",http://" + active.http();
  const auto set = standby.ctl({"confset", "auto_failover", "false"}, servers);
  EXPECT_EQ(set.status, 0) << set.err;
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        return active.metric("failoverd_auto_failover_enabled") == 0 &&
               standby.metric("failoverd_auto_failover_enabled") == 0;
      },
      "the switch is seen by both"));
  EXPECT_THAT(standby.ctl({"confget"}, servers).out, HasSubstr("false"));
  EXPECT_EQ(standby.ctl({"confset", "auto_failover", "true"}).status, 0);
  ASSERT_TRUE(cluster.wait_until(
      [&] { return active.metric("failoverd_auto_failover_enabled") == 1; }, "it is on again"));
}

// A wildcard is an address to listen at, not one to connect to.
TEST(TwoDaemons, OneThatListensEverywhereIsNamedByItsHost) {
  Cluster cluster({.tablets = 0});
  Daemon& active = cluster.start_daemon();
  const std::string port = active.http().substr(active.http().rfind(':'));
  active.kill();
  active.configure({"listen: {http: \"0.0.0.0" + port + "\"}"});
  active.start();
  ASSERT_TRUE(cluster.wait_until([&] { return active.active(); }, "the first one acts"));
  Daemon& standby = cluster.start_daemon();
  const std::string address = boost::asio::ip::host_name() + port;
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        return standby.get("/readyz").head.find("Failoverd-Active: " + address + "\r\n") !=
               std::string::npos;
      },
      "the standby knows where"));
  const auto refused = standby.post("/api/v1/commands/confset", "{}");
  EXPECT_THAT(refused.body, HasSubstr("\"active\":\"" + address + "\""));
}

// With the default configuration on two hosts: each listens at 127.0.0.1:9650 of its own.
TEST(TwoDaemons, OneThatListensOnLoopbackElsewhereIsNamed) {
  Cluster cluster({.tablets = 0});
  const std::string parent = cluster.znodes().path("failoverd/leader");
  harness::ZooKeeperClient elsewhere{cluster.zookeeper().hosts()};
  ASSERT_TRUE(elsewhere.ensure_path(parent).ok());
  ASSERT_TRUE(elsewhere
                  .create(parent + "/elsewhere-0000000000", "elsewhere:9650 127.0.0.1:9650",
                          /*ephemeral=*/true)
                  .ok());
  Daemon& standby = cluster.start_daemon();
  const std::string named = "Failoverd-Active-Name: elsewhere:9650\r\n";
  ASSERT_TRUE(cluster.wait_until(
      [&] { return standby.get("/readyz").head.find(named) != std::string::npos; },
      "the standby knows who"));
  const auto refused = standby.post("/api/v1/commands/confset", "{}");
  EXPECT_EQ(refused.status, 503);
  EXPECT_THAT(refused.body, HasSubstr("\"active_name\":\"elsewhere:9650\""));
  EXPECT_THAT(refused.body, Not(HasSubstr("\"active\"")));
  EXPECT_THAT(refused.head, Not(HasSubstr("Failoverd-Active:")));
  const auto set = standby.ctl({"confset", "auto_failover", "false"});
  EXPECT_EQ(set.status, 1);
  EXPECT_EQ(set.err,
            "failed to set auto_failover. error msg: the active daemon is elsewhere:9650, which "
            "listens on loopback only there: run failoverctl on that host or set listen.http\n");
  EXPECT_THAT(standby.ctl({"status"}).out, HasSubstr("; active: elsewhere:9650, epoch"));
  ASSERT_TRUE(elsewhere.remove(parent + "/elsewhere-0000000000").ok());
  EXPECT_TRUE(cluster.wait_until([&] { return standby.active(); }, "it acts"));
}

// Stopped cleanly it deletes its lock: nobody waits for a session to end.
TEST(TwoDaemons, CleanStopHandsOver) {
  Cluster cluster;
  cluster.create_table("flow", 4, 3);
  Daemon& first = cluster.start_active_daemon(kLongSession);
  Daemon& second = cluster.start_daemon(kLongSession);
  ASSERT_TRUE(cluster.wait_until([&] { return is_ready(second); }, "the standby is ready"));
  cluster.start_writer();
  EXPECT_EQ(first.stop(), 0);
  ASSERT_TRUE(
      cluster.wait_until([&] { return second.active(); }, "the second one acts", seconds{15}));
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0)) << second.log();
  // Started again, the first one follows.
  first.start();
  ASSERT_TRUE(cluster.wait_until([&] { return is_ready(first); }, "the first one is ready"));
  EXPECT_FALSE(first.active());
  EXPECT_THAT(wait_until_sound(cluster), IsEmpty());
  expect_replicas_agree(cluster);
}

// The active one is stopped in the middle of an election for longer than its session, and goes on
// with all the answers that it waited for.
TEST(TwoDaemons, PausedActiveChangesNothingAfterwards) {
  Cluster cluster;
  cluster.create_table("flow", 4, 3);
  Daemon& first = cluster.start_active_daemon();
  Daemon& second = cluster.start_daemon();
  ASSERT_TRUE(cluster.wait_until([&] { return is_ready(second); }, "the standby is ready"));
  cluster.start_writer();
  for (const int i : {1, 2}) cluster.hang(i, "AppendEntries");
  cluster.kill_tablet(0);
  ASSERT_TRUE(first.comes_to("kSelectLeader"));
  first.pause();
  for (const int i : {1, 2}) cluster.release(i);
  ASSERT_TRUE(cluster.is_led_without(0)) << second.log();
  EXPECT_THAT(wait_until_sound(cluster), IsEmpty()) << second.log();
  expect_replicas_agree(cluster);  // Ends the writer: from here on nobody replicates anything.
  const Changes before = changes_at_rest(cluster);
  first.resume();
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        return first.metric("failoverd_active") == 0 &&
               first.metric("failoverd_zookeeper_connected") == 1;
      },
      "the first one has seen that its session is gone"))
      << first.log();
  cluster.let_pass(seconds{2});
  expect_no_changes_since(before, cluster, first);
  EXPECT_TRUE(second.active());
  EXPECT_THAT(unsound(cluster), IsEmpty());
}

// The active one still reaches the tablets, but not ZooKeeper.
TEST(TwoDaemons, ActiveCutOffFromZooKeeperChangesNothing) {
  Cluster cluster;
  cluster.create_table("flow", 4, 3);
  harness::TcpProxy proxy(cluster.io(), cluster.zookeeper().port());
  DaemonOptions through_proxy;
  through_proxy.zookeeper = proxy.endpoint();
  Daemon& first = cluster.start_active_daemon(through_proxy);
  Daemon& second = cluster.start_daemon();
  ASSERT_TRUE(cluster.wait_until([&] { return is_ready(second); }, "the standby is ready"));
  cluster.start_writer();
  proxy.swallow_requests(true);
  proxy.swallow_answers(true);
  ASSERT_TRUE(cluster.wait_until([&] { return second.active(); }, "the second one acts"));
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0)) << second.log();
  EXPECT_THAT(wait_until_sound(cluster), IsEmpty()) << second.log();
  expect_replicas_agree(cluster);
  // It has seen the tablet die, and says why it does nothing about it.
  EXPECT_THAT(first.status(), HasSubstr("\"reason\":\"zookeeper\""));
  EXPECT_TRUE(cluster.wait_until([&] { return first.get("/readyz").status == 503; },
                                 "it is not ready when ZooKeeper has been away for long"));
  const Changes before = changes_at_rest(cluster);
  proxy.swallow_requests(false);
  proxy.swallow_answers(false);
  proxy.cut();
  ASSERT_TRUE(cluster.wait_until([&] { return is_ready(first) && !first.active(); },
                                 "the first one follows"))
      << first.log();
  cluster.let_pass(seconds{1});
  expect_no_changes_since(before, cluster, first);
  EXPECT_TRUE(second.active());
}

}  // namespace
}  // namespace failoverd::e2e
