// Every planned command while a thousand rows a second are put to each partition, or as many as the
// machine takes: none is lost, also where followers are a moment behind (SAFETY 12). The longest
// pause is printed.
#include <ostream>

#include "tests/e2e/operator_cut.h"

namespace failoverd::e2e {
namespace {

struct Case {
  std::size_t plan = 0;
  bool notify_on_put = true;

  const OperatorPlan& of() const { return operator_plans().at(plan); }
  // The plans' first cases are spread over both generations with both values of notify_on_put;
  // the second case of a plan has the other one of each.
  bool is_first() const { return notify_on_put == (plan % 2 == 0); }
  bool openmldb() const { return (plan / 2 % 2 == 0) == is_first(); }
  std::string name() const {
    return std::string{of().name} + (notify_on_put ? "AsShipped" : "FollowersLag");
  }
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name(); }

// Where a leader changes, both; else in turn.
std::vector<Case> cases() {
  std::vector<Case> all;
  for (std::size_t i = 0; i < operator_plans().size(); ++i) {
    const bool changes_leaders = operator_plans()[i].target == 0 || i == 0;
    all.push_back({i, i % 2 == 0});
    if (changes_leaders) all.push_back({i, i % 2 != 0});
  }
  return all;
}

class Planned : public OperatorCuts, public testing::WithParamInterface<Case> {};

TEST_P(Planned, LosesNoRow) {
  const Case& c = GetParam();
  begin({.plan = &c.of(),
         .generation = c.openmldb() ? &minitablet::openmldb() : &minitablet::rtidb(),
         .auto_failover = !c.of().only_off,
         .notify_on_put = c.notify_on_put,
         .rate = 1000,
         .partitions = 3});
  carry_out_command();
  expect_rows_as_ordered();
  expect_it_is_over();
}

std::string name_of(const testing::TestParamInfo<Case>& test) { return test.param.name(); }

INSTANTIATE_TEST_SUITE_P(Commands, Planned, testing::ValuesIn(cases()), name_of);

}  // namespace
}  // namespace failoverd::e2e
