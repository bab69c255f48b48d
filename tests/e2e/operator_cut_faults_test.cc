// A tablet dies in the middle of an operators' command, or ZooKeeper is away for a second: what was
// begun is finished or taken back, no partition stays without a leader, and no row is lost that its
// leader's death does not take away (SAFETY 11, 12). Each partition stands at another call of its
// op when that happens; rows are put to all of them.
#include <ostream>

#include "tests/e2e/operator_cut.h"

namespace failoverd::e2e {
namespace {

using std::chrono::milliseconds;

enum class What { kTargetDies, kSourceDies, kLeaderDies, kZooKeeperIsAway };
constexpr const char* kWhat[] = {"TargetDies", "SourceDies", "LeaderDies", "ZooKeeperIsAway"};

struct Case {
  std::size_t plan = 0;
  What what{};
  bool openmldb = false;
  bool auto_failover = false;

  std::string name() const {
    return std::string{operator_plans().at(plan).name} + kWhat[static_cast<std::size_t>(what)] +
           (openmldb ? "Openmldb" : "Rtidb") + (auto_failover ? "On" : "Off");
  }
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name(); }

// Generation and switch alternate: each command has each of them with something.
std::vector<Case> cases() {
  std::vector<Case> all;
  for (std::size_t i = 0; i < operator_plans().size(); ++i) {
    const OperatorPlan& plan = operator_plans()[i];
    const auto add = [&](What what) {
      const bool turn = (i + static_cast<std::size_t>(what)) % 2 == 1;
      all.push_back({i, what, turn, !turn && !plan.only_off});
    };
    if (plan.target > 0) add(What::kTargetDies);
    if (plan.source > 0) add(What::kSourceDies);
    add(What::kLeaderDies);
    add(What::kZooKeeperIsAway);
  }
  return all;
}

class SomethingElseFails : public OperatorCuts, public testing::WithParamInterface<Case> {
 protected:
  void a_tablet_dies(Seat seat) {
    const int tablet = tablet_at(seat);
    cluster().kill_tablet(tablet);
    release_all();
    cluster().start_tablet(tablet);
  }

  // Some calls are answered meanwhile.
  void zookeeper_is_away() {
    cluster().zookeeper().pause();
    cluster().let_pass(milliseconds{300});
    release_all();
    cluster().let_pass(milliseconds{700});
    cluster().zookeeper().resume();
  }
};

TEST_P(SomethingElseFails, NothingIsLeftHalfDone) {
  const Case& c = GetParam();
  const bool away = c.what == What::kZooKeeperIsAway;
  begin({.plan = &operator_plans().at(c.plan),
         .generation = c.openmldb ? &minitablet::openmldb() : &minitablet::rtidb(),
         .auto_failover = c.auto_failover,
         .tablet_session = milliseconds{away ? 3000 : 600}});
  inject();
  give_command();
  wait_for_cuts();
  switch (c.what) {
    case What::kTargetDies:
      a_tablet_dies(Seat::kTarget);
      return expect_it_is_over(Died::kFollower);
    case What::kSourceDies:
      a_tablet_dies(Seat::kSource);
      return expect_it_is_over(Died::kSource);
    case What::kLeaderDies:
      a_tablet_dies(Seat::kLeader);
      return expect_it_is_over(Died::kLeader);
    case What::kZooKeeperIsAway:
      zookeeper_is_away();
      return expect_it_is_over();
  }
}

std::string name_of(const testing::TestParamInfo<Case>& test) { return test.param.name(); }

INSTANTIATE_TEST_SUITE_P(Commands, SomethingElseFails, testing::ValuesIn(cases()), name_of);

}  // namespace
}  // namespace failoverd::e2e
