// Beside a nameserver that lives and whose own auto_failover is off, failoverd acts, and publishes
// through it (SAFETY 13): at the end znodes, the nameserver's memory and the tablets agree.
#include "tests/e2e/beside_nameserver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

namespace failoverd::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;

class BesideNameserver : public testing::TestWithParam<const char*>, protected WrittenCluster {
 protected:
  BesideNameserver() : WrittenCluster{beside(1, GetParam())} {}
};
INSTANTIATE_TEST_SUITE_P(Generations, BesideNameserver, testing::Values("rtidb", "openmldb"),
                         [](const auto& one) { return std::string{one.param}; });

TEST_P(BesideNameserver, ATabletDiesAndComesBack) {
  Daemon& daemon = begin(6);
  EXPECT_NE(daemon.metric("failoverd_stands_back{reason=\"nameserver\"}"), 1);
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  EXPECT_THAT(disagreements(cluster), IsEmpty());
  cluster.start_tablet(0);
  expect_all_is_well(daemon);
}

// It changes nothing while the nameserver steers; once that is switched off, it acts.
TEST_P(BesideNameserver, ItsAutoFailoverIsOnAndThenOff) {
  const std::size_t first = nameservers().wait_for_leader();
  cluster.create_table("flow", 4, 3);
  ASSERT_EQ(nameservers().set_auto_failover(first, true), 0);
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  EXPECT_THAT(daemon.status(), HasSubstr("the nameserver's auto_failover is on"));
  cluster.kill_tablet(0);
  cluster.let_pass(seconds{2});
  EXPECT_EQ(cluster.znodes().get("table/term")->bytes, "1");
  EXPECT_EQ(cluster.calls(1, "ChangeRole") + cluster.calls(2, "ChangeRole"), 0u);
  ASSERT_EQ(nameservers().set_auto_failover(first, false), 0);
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  cluster.start_tablet(0);
  expect_all_is_well(daemon);
}

// Elections do not wait for it: new leaders answer, and nothing is written past its znode.
TEST_P(BesideNameserver, ItDiesWithATablet) {
  Daemon& daemon = begin(4);
  nameservers().process(0).pause();
  const auto version = cluster.znodes().get("table/table_data/flow")->version;
  cluster.kill_tablet(0);
  const auto led = [&](std::uint32_t pid) {
    return word(cluster, 1, "flow", pid).is_leader + word(cluster, 2, "flow", pid).is_leader == 1;
  };
  ASSERT_TRUE(cluster.wait_until([&] { return led(0) && led(1) && led(2) && led(3); }, "all lead"))
      << daemon.log();
  EXPECT_TRUE(nameserver_znodes(cluster) == 0 ||
              cluster.znodes().get("table/table_data/flow")->version == version);
  ASSERT_TRUE(cluster.wait_until([&] { return nameserver_znodes(cluster) == 0; }, "it is gone"));
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  nameservers().process(0).resume();
  cluster.start_tablet(0);
  expect_all_is_well(daemon);
}

// What was written while it came up it has not read: it is published through it once more.
TEST_P(BesideNameserver, ItComesUpDuringAFailover) {
  Daemon& daemon = begin(4);
  nameservers().end(0);
  ASSERT_TRUE(cluster.wait_until([&] { return nameserver_znodes(cluster) == 0; }, "it is gone"));
  for (const int i : {1, 2}) cluster.hang(i, "ChangeRole");
  cluster.kill_tablet(0);
  ASSERT_TRUE(daemon.comes_to("kChangeLeader")) << daemon.log();
  nameservers().start(0);
  for (const int i : {1, 2}) cluster.release(i);
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  nameservers().wait_for_leader();
  cluster.start_tablet(0);
  expect_all_is_well(daemon);
}

// Another one that leads takes over with what it reads, and is published through.
TEST_P(BesideNameserver, AnotherOneTakesOver) {
  nameservers().add();
  Daemon& daemon = begin(4);
  const std::size_t first = nameservers().wait_for_leader();
  nameservers().kill(first);
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  EXPECT_NE(nameservers().wait_for_leader(), first);
  nameservers().start(first);
  cluster.start_tablet(0);
  expect_all_is_well(daemon);
}

// A planned change beside it loses nothing.
TEST_P(BesideNameserver, HandsOver) {
  Daemon& daemon = begin(2);
  const auto done = daemon.ctl({"changeleader", "flow", "0", "auto", "--wait", "--yes"});
  EXPECT_EQ(done.status, 0) << done.out << done.err;
  EXPECT_THAT(done.out, HasSubstr("rows lost: 0"));
  EXPECT_NE(cluster.leader("flow", 0), 0);
  EXPECT_THAT(disagreements(cluster), IsEmpty());
  expect_all_is_well(daemon);
}

// SAFETY 13: not while it has an op of its own on the partition; others do not wait for that.
TEST_P(BesideNameserver, ItHasAnOpOfItsOwn) {
  Daemon& daemon = begin(3);
  const std::size_t first = nameservers().wait_for_leader();
  // Its own changes of a leader lose what the old one takes meanwhile: nobody writes.
  rows = cluster.settle_writer();
  cluster.hang_pid(2, "ChangeRole", 1);  // B leads it.
  ASSERT_EQ(nameservers().change_leader(first, "flow", 1, cluster.tablet(2)), 0);
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.hangs(2, "ChangeRole", 1); }, "it hangs"));
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.leader("flow", 0) > 0; }, "flow/0 is led"))
      << daemon.log();
  cluster.let_pass(seconds{1});
  EXPECT_THAT(cluster.rows("flow", 1), HasSubstr("A=F+"))
      << testing::PrintToString(nameservers().ops(first)) << daemon.log();
  cluster.release(2);
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  cluster.start_writer();
  cluster.start_tablet(0);
  expect_all_is_well(daemon);
}

// takeover: its switch goes off, and failoverd acts; release: the other way round. It does not know
// the terms that were given out meanwhile: it has to be restarted first.
TEST_P(BesideNameserver, IsTakenOverFromAndReleasedTo) {
  const std::size_t first = nameservers().wait_for_leader();
  cluster.create_table("flow", 4, 3);
  ASSERT_EQ(nameservers().set_auto_failover(first, true), 0);
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  EXPECT_THAT(daemon.ctl({"takeover", "--plan"}).out, HasSubstr("is switched off"));
  const auto taken = daemon.ctl({"takeover", "--wait", "--yes"});
  EXPECT_EQ(taken.status, 0) << taken.err;
  EXPECT_THAT(taken.out, HasSubstr("failoverd acts"));
  EXPECT_EQ(cluster.znodes().get("config/auto_failover")->bytes, "false");
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
  cluster.start_tablet(0);
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.everything_is_alive(); }, "all alive"));
  const auto refused = daemon.ctl({"release", "--wait", "--yes"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("Restart it first"));
  EXPECT_EQ(cluster.znodes().get("config/auto_failover")->bytes, "false");
  nameservers().end(first);
  nameservers().start(first);
  nameservers().wait_for_leader();
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        return daemon.ctl({"release", "--wait", "--yes"}).status == 0;
      },
      "it is released"));
  EXPECT_EQ(cluster.znodes().get("config/auto_failover")->bytes, "true");
  EXPECT_THAT(cluster.znodes().get("failoverd/auto_failover")->bytes, HasSubstr("false"));
  EXPECT_THAT(daemon.status(), HasSubstr("the nameserver's auto_failover is on"));
  EXPECT_THAT(disagreements(cluster), IsEmpty());
}

// --- The nameserver fails at any moment ----------------------------------------------------------

// Where it stands when something happens to it, and what.
struct Moment {
  const char* name;
  const char* method;
  Cluster::Stage stage;
};
constexpr Moment kMoments[] = {{"Read", "GetTablePartition", Cluster::Stage::kBefore},
                               {"ToBeSet", "SetTablePartition", Cluster::Stage::kBefore},
                               {"HasSet", "SetTablePartition", Cluster::Stage::kAfter}};
enum class Fate { kKilled, kStopped, kLate };
constexpr const char* kFates[] = {"Killed", "Stopped", "Late"};

class NameserverFails : public testing::TestWithParam<std::tuple<bool, std::size_t, Fate>>,
                        protected WrittenCluster {
 protected:
  NameserverFails() : WrittenCluster{beside(2)} {}

  void happens(std::size_t to, Fate fate) {
    if (fate == Fate::kKilled) {
      nameservers().kill(to);
    } else if (fate == Fate::kStopped) {
      nameservers().pause(to);
    } else {
      cluster.let_pass(milliseconds{700});
      nameservers().release(to);
      return;
    }
    ASSERT_TRUE(cluster.wait_until(
        [&] {
          const auto leads = nameservers().leader();
          return leads && *leads != to;
        },
        "the other one leads"));
    if (fate == Fate::kStopped) {
      nameservers().resume(to);
      nameservers().release(to);
    } else {
      nameservers().start(to);
    }
  }
};
std::string name_of_failure(const testing::TestParamInfo<NameserverFails::ParamType>& one) {
  const auto& [hands_over, moment, fate] = one.param;
  return std::string{hands_over ? "Handover" : "Failover"} + kMoments[moment].name +
         kFates[static_cast<int>(fate)];
}
INSTANTIATE_TEST_SUITE_P(
    At, NameserverFails,
    testing::Combine(testing::Bool(), testing::Range<std::size_t>(0, std::size(kMoments)),
                     testing::Values(Fate::kKilled, Fate::kStopped, Fate::kLate)),
    name_of_failure);

TEST_P(NameserverFails, AllAgreeInTheEnd) {
  const auto& [hands_over, moment, fate] = GetParam();
  const Moment& at = kMoments[moment];
  Daemon& daemon = begin(3);
  const std::size_t first = nameservers().wait_for_leader();
  nameservers().hang(first, at.method, at.stage);
  if (hands_over) {
    daemon.post("/api/v1/commands/changeleader",
                "{\"name\": \"flow\", \"pid\": \"0\", \"candidate\": \"auto\"}");
  } else {
    cluster.kill_tablet(0);
  }
  ASSERT_TRUE(cluster.wait_until([&] { return nameservers().hangs(first, at.method); }, "it hangs"))
      << daemon.log();
  happens(first, fate);
  if (hands_over) {
    const auto runs = [](const ShownOp& op) { return op.runs(); };
    EXPECT_TRUE(cluster.wait_until([&] { return std::ranges::none_of(shown_ops(daemon), runs); },
                                   "the handover has ended"))
        << to_text(shown_ops(daemon));
  } else {
    ASSERT_TRUE(cluster.is_led_without(0)) << daemon.log();
    cluster.start_tablet(0);
  }
  e2e::expect_all_is_well(cluster, daemon, rows);
  EXPECT_TRUE(cluster.wait_until([&] { return disagreements(cluster).empty(); }, "all agree"))
      << testing::PrintToString(disagreements(cluster)) << daemon.log();
}

}  // namespace
}  // namespace failoverd::e2e
