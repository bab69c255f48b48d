// The daemon is killed before and after every task of every operators' command, and another one
// finishes what it had begun or takes it back (SAFETY 11, 12, 17). One run per command: each
// partition is cut at another call, because every partition goes at its own pace. Rows are put to
// all of them meanwhile, and none that was acknowledged is lost.
#include "tests/e2e/operator_cut.h"

namespace failoverd::e2e {
namespace {

using CutAndKind = std::tuple<std::size_t, bool>;

// The first kind: tablets of RTIDB, auto_failover off, the daemon starts again. The second:
// OpenMLDB's, on where the command has a use for it, and another daemon has stood by.
class DaemonKilled : public OperatorCuts, public testing::WithParamInterface<CutAndKind> {};

TEST_P(DaemonKilled, AnotherOneFinishesOrTakesBack) {
  const auto& [index, second_kind] = GetParam();
  const OperatorPlan& plan = operator_plans().at(index);
  begin({.plan = &plan,
         .generation = second_kind ? &minitablet::openmldb() : &minitablet::rtidb(),
         .auto_failover = second_kind && !plan.only_off,
         .standby = second_kind});
  inject();
  give_command();
  wait_for_cuts();
  first().kill();
  release_all();
  hand_on();
  expect_it_is_over();
}

std::string name_of(const testing::TestParamInfo<CutAndKind>& test) {
  const auto& [index, second_kind] = test.param;
  return std::string{operator_plans().at(index).name} + (second_kind ? "Standby" : "Restarted");
}

INSTANTIATE_TEST_SUITE_P(Commands, DaemonKilled,
                         testing::Combine(testing::Range<std::size_t>(0, operator_plans().size()),
                                          testing::Bool()),
                         name_of);

}  // namespace
}  // namespace failoverd::e2e
