// A cluster whose znodes are one identity's alone, as OpenMLDB's with zk_cert: failoverd shows the
// same identity, or says what it lacks and changes nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>

#include "tests/e2e/beside_nameserver.h"

namespace failoverd::e2e {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kIdentity = "openmldb:tEsT-pAsSwOrD";

ClusterOptions closed(int nameservers) {
  ClusterOptions options = beside(nameservers, "openmldb");
  options.identity = kIdentity;
  return options;
}

class ClosedZnodes : public testing::TestWithParam<int>, protected WrittenCluster {
 protected:
  ClosedZnodes() : WrittenCluster{closed(GetParam())} { hold(kIdentity); }

  // What the file says.
  void hold(const std::string& identity) {
    std::ofstream{file} << identity << "\n";
    std::filesystem::permissions(file, std::filesystem::perms{0640});
  }
  DaemonOptions with_file() const {
    return {.cluster = "session_timeout: 1s, zookeeper_auth_file: " + file.string()};
  }
  // Znodes at and below this one that somebody else may use.
  std::vector<std::string> open_to_others(const std::string& below) {
    std::vector<std::string> open;
    std::optional<std::vector<zookeeper::Acl>> found;
    cluster.znodes().session().acl(cluster.znodes().path(below),
                                   [&](zookeeper::Code, const auto& acl) { found = acl; });
    cluster.wait_until([&] { return found.has_value(); }, "its ACL is known");
    const bool is_closed = found && found->size() == 1 && found->front().scheme == "digest";
    if (!is_closed) open.push_back(below);
    for (const std::string& name : cluster.znodes().children(below)) {
      for (std::string& one : open_to_others(below + "/" + name)) open.push_back(std::move(one));
    }
    return open;
  }
  void expect_let_in_nowhere(Daemon& daemon, const std::string& hint) {
    ASSERT_TRUE(cluster.wait_until(
        [&] { return daemon.metric("failoverd_stands_back{reason=\"refused\"}") == 1; },
        "it stands back"))
        << daemon.log();
    EXPECT_EQ(daemon.get("/readyz").status, 503);
    EXPECT_THAT(daemon.get("/readyz").body, HasSubstr(hint));
    EXPECT_THAT(daemon.ctl({"status"}).out, HasSubstr(hint));
  }

  const std::filesystem::path file = cluster.directory() / "zookeeper-identity";
};
INSTANTIATE_TEST_SUITE_P(Beside, ClosedZnodes, testing::Values(0, 1), [](const auto& one) {
  return one.param == 0 ? "NoNameserver" : "ANameserver";
});

TEST_P(ClosedZnodes, AKilledLeaderIsReplacedAndBroughtBack) {
  cluster.create_table("flow", 4, 3);
  write();
  Daemon& daemon = cluster.start_active_daemon(with_file());
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  cluster.start_tablet(0);
  expect_all_is_well(daemon);
  EXPECT_THAT(cluster.znodes().children("failoverd"), Not(IsEmpty()));
  EXPECT_THAT(open_to_others("failoverd"), IsEmpty());
  EXPECT_THAT(daemon.log(), Not(HasSubstr("tEsT-pAsSwOrD")));
}

// The identity goes with a new session, too; another one in the file waits for a restart.
TEST_P(ClosedZnodes, AnotherIdentityTakesARestart) {
  cluster.create_table("flow", 2, 3);
  Daemon& daemon = cluster.start_active_daemon(with_file());
  hold("openmldb:another");
  daemon.process().kill(SIGHUP);
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        return daemon.log().find("cluster.zookeeper_auth_file's identity changed: restart") !=
               std::string::npos;
      },
      "it says so"))
      << daemon.log();
  daemon.pause();
  cluster.let_pass(seconds{2});
  daemon.resume();
  ASSERT_TRUE(cluster.wait_until(
      [&] { return daemon.log().find("has expired") != std::string::npos && daemon.active(); },
      "it acts in a new session"))
      << daemon.log();
  cluster.kill_tablet(0);
  EXPECT_TRUE(cluster.is_led_without(0)) << daemon.log();
  EXPECT_THAT(open_to_others("failoverd"), IsEmpty());
}

TEST_P(ClosedZnodes, WhoIsNotLetInChangesNothing) {
  cluster.create_table("flow", 2, 3);
  const std::string before = cluster.znodes().get("table/table_data/flow")->bytes;
  Daemon& without = cluster.start_daemon();
  expect_let_in_nowhere(without,
                        "(no auth); waits until it does: mend its ACL, or set "
                        "cluster.zookeeper_auth_file");
  hold("openmldb:wrong");
  Daemon& wrong = cluster.start_daemon(with_file());
  expect_let_in_nowhere(wrong,
                        "(no auth); waits until it does: mend its ACL, or the identity in "
                        "cluster.zookeeper_auth_file");
  cluster.kill_tablet(0);
  cluster.let_pass(seconds{3});
  EXPECT_EQ(cluster.calls(1, "ChangeRole") + cluster.calls(2, "ChangeRole"), 0u);
  EXPECT_EQ(cluster.rows("flow", 0), "A=L+ B=F+ C=F+");
  EXPECT_FALSE(cluster.znodes().get("failoverd"));
  EXPECT_TRUE(without.process().running());
  EXPECT_TRUE(wrong.process().running());
  // A third one has the right identity.
  hold(kIdentity);
  Daemon& right = cluster.start_daemon(with_file());
  EXPECT_TRUE(cluster.is_led_without(0)) << right.log();
  EXPECT_NE(cluster.znodes().get("table/table_data/flow")->bytes, before);
}

}  // namespace
}  // namespace failoverd::e2e
