// A command of operators that something cuts short: its daemon is killed, a tablet, or ZooKeeper is
// away, while rows are put to every partition. What must be true afterwards is the same for all of
// them: nothing is left half-done (SAFETY 11, 12), every partition is led, and rows are there.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"
#include "tests/e2e/operator_cut_plans.h"
#include "tests/e2e/recovery.h"
#include "tests/harness/tcp_proxy.h"

namespace failoverd::e2e {

class OperatorCuts : public testing::Test {
 protected:
  struct Scene {
    const OperatorPlan* plan = nullptr;
    const minitablet::Generation* generation = &minitablet::rtidb();
    bool auto_failover = false;
    bool standby = false;          // A second daemon stands by from the start.
    bool through_proxy = false;    // Between the first daemon and ZooKeeper.
    bool notify_on_put = true;     // The tablets' binlog_notify_on_put.
    double rate = 50;              // Puts a second and partition.
    std::uint32_t partitions = 0;  // 0: one for each cut.
    std::chrono::milliseconds tablet_session{600};
  };

  // The cluster stands as the plan wants it before its command, and rows are put everywhere.
  void begin(const Scene& scene);
  // Every partition's op will hang at its cut.
  void inject();
  void give_command();
  // The same, and waits until all of it is done. A handover that a late put has made useless is
  // ordered once more, as its operator would.
  void carry_out_command();
  // Everybody has rows who should have them, and nobody else.
  void expect_rows_as_ordered();
  // All of them hang there.
  void wait_for_cuts();
  void release_all();
  // The first daemon is dead; another one acts.
  void hand_on();
  // What a death takes away from what must be true. A leader that died takes what only it had
  // acknowledged, and without it nobody may drop a copy that has no row (SAFETY 9). A source that
  // did not answer DropTable is waited for, a minute long.
  enum class Died { kNobody, kFollower, kSource, kLeader };
  // What is true of every command that was cut, whatever cut it; a tablet that died runs again.
  void expect_it_is_over(Died died = Died::kNobody);

  Cluster& cluster() { return *cluster_; }
  harness::TcpProxy& proxy() { return *proxy_; }
  Daemon& first() { return *first_; }
  const OperatorPlan& plan() const { return *scene_.plan; }
  std::uint32_t partitions() const;
  int tablet_at(Seat seat) const;

 private:
  void prepare();
  std::vector<std::string> words(std::uint32_t pid) const;
  Daemon::Output order(const std::vector<std::string>& words);
  std::uint32_t times() const;  // How often the command is given.
  std::vector<int> tablets_at(Seat seat) const;
  bool reached(std::uint32_t pid);
  void order_failed_handovers_again();
  std::string missing();
  std::string who_has_rows(std::uint32_t pid);
  void expect_ops_have_ended();
  void expect_nothing_is_half_done(Died died);
  void heal();
  std::vector<std::string> what_is_left(Died died);

  Scene scene_;
  bool healed_ = false;
  std::unique_ptr<Cluster> cluster_;
  std::unique_ptr<harness::TcpProxy> proxy_;
  Daemon* first_ = nullptr;
  Daemon* second_ = nullptr;
  Daemon* acts_ = nullptr;
};

}  // namespace failoverd::e2e
