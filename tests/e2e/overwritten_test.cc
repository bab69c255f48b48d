// Somebody writes a table as he had read it before its new leaders were published, as a nameserver
// does that came up just then: what was published is published again, by whoever acts (SAFETY 13).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"
#include "tests/e2e/soundness.h"

namespace failoverd::e2e {
namespace {

using testing::IsEmpty;

constexpr const char* kZnode = "table/table_data/flow";

class Overwritten : public testing::TestWithParam<const char*> {
 protected:
  // Tablet 0 is dead, and rows are put to the leaders that were elected.
  void fail_over() {
    cluster_.create_table("flow", 4, 3);
    before_ = cluster_.znodes().get(kZnode)->bytes;
    daemon_ = &cluster_.start_active_daemon();
    cluster_.start_writer();
    cluster_.kill_tablet(0);
    ASSERT_TRUE(cluster_.is_led_without(0)) << daemon_->log();
    cluster_.writer().forget_gaps();
    const auto acks = [&] { return cluster_.writer().summary().partitions.at(0).acks; };
    const auto so_far = acks();
    ASSERT_TRUE(cluster_.wait_until([&] { return acks() > so_far + 10; }, "rows are put"));
    published_ = terms(cluster_, "flow", 0);
    ASSERT_EQ(published_.size(), 2u);
  }
  void expect_it_is_put_back() {
    EXPECT_TRUE(cluster_.wait_until([&] { return terms(cluster_, "flow", 0) == published_; },
                                    "its history is whole"))
        << daemon_->log();
    EXPECT_TRUE(cluster_.is_led_without(0)) << daemon_->log();
    EXPECT_NE(daemon_->log().find("flow/0 was overwritten by somebody who had read it before"),
              std::string::npos);
    cluster_.start_tablet(0);
    EXPECT_TRUE(cluster_.wait_until([&] { return cluster_.everything_is_alive(); }, "all alive"))
        << daemon_->log();
    EXPECT_THAT(wait_until_sound(cluster_), IsEmpty()) << daemon_->log();
    const testkit::Comparison c = cluster_.compare(/*acked=*/false);
    EXPECT_TRUE(c.equal()) << c.to_text();
    EXPECT_GT(c.rows, 0u);
  }

  Cluster cluster_{ClusterOptions{.generation = minitablet::generation_named(GetParam())}};
  Daemon* daemon_ = nullptr;
  std::string before_;
  std::vector<std::uint64_t> published_;
};

TEST_P(Overwritten, IsPublishedAgain) {
  fail_over();
  cluster_.znodes().set(kZnode, before_);
  expect_it_is_put_back();
}

TEST_P(Overwritten, IsPublishedAgainByTheNextDaemon) {
  fail_over();
  daemon_->kill();
  cluster_.znodes().set(kZnode, before_);
  daemon_->start();
  ASSERT_TRUE(cluster_.wait_until([&] { return daemon_->active(); }, "it acts"));
  expect_it_is_put_back();
}

INSTANTIATE_TEST_SUITE_P(Generations, Overwritten, testing::Values("rtidb", "openmldb"),
                         [](const auto& one) { return std::string{one.param}; });

}  // namespace
}  // namespace failoverd::e2e
