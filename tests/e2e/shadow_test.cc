// mode: shadow. It decides everything and changes nothing: neither at a tablet nor in the cluster's
// znodes; and it reports what it would have done beside what the nameserver did.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/beside_nameserver.h"

namespace failoverd::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::IsEmpty;

class ShadowMode : public testing::Test {
 protected:
  static ClusterOptions options() {
    ClusterOptions options;
    options.nameservers = 1;
    options.nameserver_flags = {"--tablet_heartbeat_timeout=1000"};
    options.tablet_session = milliseconds{600};
    return options;
  }
  static DaemonOptions shadow() { return {.config = {"mode: shadow"}}; }

  Cluster cluster{options()};
};

TEST_F(ShadowMode, TellsWhatItWouldHaveDoneBesideWhatTheNameserverDid) {
  const std::size_t first = cluster.nameservers().wait_for_leader();
  cluster.create_table("flow", 3, 3);
  ASSERT_EQ(cluster.nameservers().set_auto_failover(first, true), 0);
  Daemon& daemon = cluster.start_active_daemon(shadow());
  EXPECT_THAT(daemon.ctl({"status"}).out, HasSubstr("mode is shadow"));
  EXPECT_EQ(daemon.metric("failoverd_stands_back{reason=\"shadow\"}"), 1);
  cluster.start_writer();
  cluster.settle_writer();
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  const auto reported = [&] {
    return testing::Value(daemon.ctl({"shadow", "report"}).out,
                          ContainsRegex("flow/0 +" + cluster.tablet(0) +
                                        " +[0-9]+ +127[0-9.:]+ +[0-9]+ +127[0-9.:]+ +[0-9]+ +0"));
  };
  EXPECT_TRUE(cluster.wait_until(reported, "it is reported"))
      << daemon.ctl({"shadow", "report"}).out << daemon.log();
  const auto report = daemon.ctl({"shadow", "report"});
  EXPECT_EQ(report.status, 0) << report.err;
  EXPECT_THAT(report.out, HasSubstr("1 leaders lost"));
  // All of it was the nameserver's.
  EXPECT_THAT(cluster.znodes().children("failoverd"), IsEmpty());
  EXPECT_THAT(disagreements(cluster), IsEmpty());
  EXPECT_EQ(daemon.ctl({"takeover", "--yes"}).status, 1);
}

// Beside a daemon that acts: that one has its lock, and does its work.
TEST_F(ShadowMode, BesideADaemonThatActs) {
  cluster.create_table("flow", 3, 3);
  Daemon& acts = cluster.start_active_daemon();
  Daemon& daemon = cluster.start_active_daemon(shadow());
  cluster.start_writer();
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0)) << acts.log();
  EXPECT_TRUE(acts.active());
  EXPECT_TRUE(cluster.wait_until(
      [&] {
        return testing::Value(daemon.ctl({"shadow", "report"}).out, HasSubstr("flow/0"));
      },
      "it is reported"));
  EXPECT_EQ(acts.ctl({"shadow", "report"}).status, 1);
}

}  // namespace
}  // namespace failoverd::e2e
