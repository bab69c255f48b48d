// Who steers, the nameserver or failoverd: releases that stop half way or are refused leave nobody
// uninformed (SAFETY 13), and what the next nameserver needs to know of terms stands in ZooKeeper.
#include <gmock/gmock.h>

#include <algorithm>

#include "tests/e2e/beside_nameserver.h"

namespace failoverd::e2e {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class Steering : public testing::Test, protected WrittenCluster {
 protected:
  explicit Steering(int count = 1) : WrittenCluster{beside(count)} {}

  // The nameserver steers a table, and failoverd takes over.
  void take_over() {
    first = nameservers().wait_for_leader();
    cluster.create_table("flow", 3, 3);
    ASSERT_EQ(nameservers().set_auto_failover(first, true), 0);
    daemon = &cluster.start_active_daemon();
    const auto taken = daemon->ctl({"takeover", "--wait", "--yes"});
    ASSERT_EQ(taken.status, 0) << taken.err << daemon->log();
  }
  // Terms are given out.
  void elect() {
    cluster.kill_tablet(0);
    ASSERT_TRUE(cluster.is_led_without(0)) << daemon->log();
    cluster.start_tablet(0);
    ASSERT_TRUE(cluster.wait_until([&] { return cluster.everything_is_alive(); }, "all alive"));
  }
  Daemon::Output release() { return daemon->ctl({"release", "--wait", "--yes"}); }
  void release_until_done() {
    ASSERT_TRUE(cluster.wait_until([&] { return release().status == 0; }, "it is released"))
        << daemon->log();
    EXPECT_EQ(cluster.znodes().get("config/auto_failover")->bytes, "true");
    EXPECT_THAT(ours(), AllOf(StartsWith("false"), Not(HasSubstr("releasing"))));
  }
  bool says_nobody_steers() { return daemon->status().find("nobody steers") != std::string::npos; }
  std::string ours() { return cluster.znodes().get("failoverd/auto_failover")->bytes; }
  std::uint64_t term() { return std::stoull(cluster.znodes().get("table/term")->bytes); }
  std::uint64_t highest_published() {
    std::uint64_t highest = 0;
    for (const std::uint32_t pid : {0u, 1u, 2u}) {
      highest = std::max<std::uint64_t>(highest, terms(cluster, "flow", pid).back());
    }
    return highest;
  }

  std::size_t first = 0;
  Daemon* daemon = nullptr;
};
class SteeringOfTwo : public Steering {
 protected:
  SteeringOfTwo() : Steering{2} {}
};

TEST_F(Steering, IsReleasedRightBehindATakeover) {
  take_over();
  const auto released = release();
  EXPECT_EQ(released.status, 0) << released.err;
  EXPECT_THAT(released.out, HasSubstr("is on again"));
  EXPECT_EQ(cluster.znodes().get("config/auto_failover")->bytes, "true");
}

// Nobody steers, and everybody is told so until it is over.
TEST_F(Steering, ConfSetHangs) {
  take_over();
  nameservers().hang(first, "ConfSet");
  const auto half = release();
  EXPECT_EQ(half.status, 1);
  EXPECT_THAT(half.err, HasSubstr("release is half done: nobody steers"));
  EXPECT_TRUE(says_nobody_steers()) << daemon->status();
  daemon->kill();
  daemon->start();
  ASSERT_TRUE(cluster.wait_until([&] { return daemon->active(); }, "it acts again"));
  EXPECT_TRUE(cluster.wait_until([&] { return says_nobody_steers(); }, "it says so again"))
      << daemon->status();
  nameservers().release(first);
  release_until_done();
  EXPECT_FALSE(says_nobody_steers());
}

TEST_F(Steering, HalfAReleaseIsTakenBack) {
  take_over();
  nameservers().hang(first, "ConfSet");
  EXPECT_EQ(release().status, 1);
  EXPECT_EQ(daemon->ctl({"confset", "auto_failover", "true", "--yes"}).status, 0);
  EXPECT_FALSE(says_nobody_steers());
  EXPECT_THAT(ours(), StartsWith("true"));
}

// It steers, whatever was heard of it (SAFETY 17).
TEST_F(Steering, TheAnswerOfConfSetIsLost) {
  take_over();
  nameservers().hang(first, "ConfSet", Cluster::Stage::kAfter);
  release();
  const auto is_over = [&] { return ours().find("releasing") == std::string::npos; };
  EXPECT_TRUE(cluster.wait_until(is_over, "the release has ended")) << daemon->log();
  EXPECT_FALSE(says_nobody_steers());
  EXPECT_EQ(cluster.znodes().get("config/auto_failover")->bytes, "true");
  nameservers().release(first);
}

// Then failoverd goes on.
TEST_F(Steering, ConfSetIsRefused) {
  take_over();
  nameservers().fail(first, "ConfSet", 304, 1);
  const auto refused = release();
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("nothing is given over"), HasSubstr("is on again")));
  EXPECT_THAT(ours(), StartsWith("true"));
  elect();
}

// The second one registered before the terms were given out, and reads them when it leads.
TEST_F(SteeringOfTwo, OnlyTheFirstIsEnded) {
  take_over();
  elect();
  const auto refused = release();
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("Restart it first"));
  nameservers().end(first);
  EXPECT_NE(nameservers().wait_for_leader(), first);
  release_until_done();
}

// Somebody has lowered it while no daemon that acts has given out a term (SAFETY 4).
TEST_F(Steering, TermsThatWereLoweredAreRaisedFirst) {
  take_over();
  elect();
  ASSERT_EQ(daemon->ctl({"confset", "auto_failover", "false", "--yes"}).status, 0);
  ASSERT_EQ(daemon->stop(), 0);
  cluster.znodes().set("table/term", "2");
  daemon->start();
  ASSERT_TRUE(cluster.wait_until([&] { return daemon->active(); }, "it acts"));
  ASSERT_TRUE(cluster.wait_until(
      [&] { return release().err.find("Restart it first") != std::string::npos; }, "it says so"));
  EXPECT_GE(term(), highest_published());
  nameservers().end(first);
  nameservers().start(first);
  nameservers().wait_for_leader();
  release_until_done();
}

}  // namespace
}  // namespace failoverd::e2e
