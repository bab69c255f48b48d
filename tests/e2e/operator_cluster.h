// A cluster for tests of operators' commands: three tablets with a table, a fourth that is empty, a
// writer on every partition, and what is typed at failoverctl.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"
#include "tests/e2e/soundness.h"

namespace failoverd::e2e {

class OperatorCluster : public testing::Test {
 protected:
  explicit OperatorCluster(const ClusterOptions& options = {.tablets = 4}) : cluster(options) {}

  // Three tablets have the table, a fourth is empty. `db`: whose table it is.
  void start(bool auto_failover, DaemonOptions options = {}, const std::string& db = {}) {
    cluster.create_table("flow", 3, 3, {0, 1, 2}, true, db);
    options.config.emplace_back(auto_failover ? "auto_failover: true" : "auto_failover: false");
    daemon = &cluster.start_active_daemon(options);
    cluster.start_writer();
    const auto has_rows = [&] {
      for (std::uint32_t pid = 0; pid < 3; ++pid) {
        if (word(cluster, cluster.leader("flow", pid), "flow", pid).offset < 5) return false;
      }
      return true;
    };
    ASSERT_TRUE(cluster.wait_until(has_rows, "rows everywhere"));
  }

  // Done, and all its ops, too; what was printed.
  std::string waited(std::vector<std::string> words) {
    words.emplace_back("--wait");
    const auto ran = daemon->ctl(words);
    EXPECT_EQ(ran.status, 0) << words[0] << ": " << ran.out << ran.err;
    EXPECT_THAT(ran.out, testing::EndsWith(" done, 0 failed\n")) << words[0];
    return ran.out;
  }
  // The line on standard error, without the hint.
  void expect_refused(const std::vector<std::string>& words, const std::string& line) {
    const auto ran = daemon->ctl(words);
    EXPECT_EQ(ran.status, 1) << words[0];
    EXPECT_EQ(ran.out, "") << words[0];
    EXPECT_THAT(ran.err, testing::StartsWith(line)) << words[0];
  }
  // "L+", "F-"; empty: no row.
  std::string row(int tablet, std::uint32_t pid) {
    const std::string rows = cluster.rows("flow", pid);
    const auto at = rows.find(static_cast<char>('A' + tablet) + std::string{"="});
    return at == std::string::npos ? "" : rows.substr(at + 2, 2);
  }
  // A tablet that follows in a partition: any but its leader.
  int follower(std::uint32_t pid) { return cluster.leader("flow", pid) == 0 ? 1 : 0; }

  // Both wait until failoverd shows it, as an operator does.
  void kill_tablet(int tablet) {
    cluster.kill_tablet(tablet);
    ASSERT_TRUE(is_shown(tablet, "kTabletOffline"));
  }
  void start_tablet(int tablet) {
    cluster.start_tablet(tablet);
    ASSERT_TRUE(is_shown(tablet, "kTabletHealthy"));
  }
  bool is_shown(int tablet, const std::string& state) {
    return cluster.wait_until(
        [&] {
          const std::string shown = daemon->ctl({"showtablet"}).out;
          const auto at = shown.find(cluster.tablet(tablet) + "  ");
          return at != std::string::npos &&
                 shown.substr(at, shown.find('\n', at) - at).find(state) != std::string::npos;
        },
        state);
  }

  void expect_nothing_is_lost() {
    EXPECT_THAT(wait_until_sound(cluster), testing::IsEmpty());
    cluster.wait_until([&] { return left_behind(cluster).empty(); }, "nothing is left behind");
    EXPECT_THAT(left_behind(cluster), testing::IsEmpty());
    const testkit::Comparison c = cluster.compare(/*acked=*/true);
    EXPECT_TRUE(c.equal()) << c.to_text();
    EXPECT_GT(c.rows, 0u);
  }

  Cluster cluster;
  Daemon* daemon = nullptr;
};

// With auto_failover off and on.
class WithTheSwitch : public OperatorCluster, public testing::WithParamInterface<bool> {
 protected:
  void SetUp() override { start(GetParam()); }
};

}  // namespace failoverd::e2e
