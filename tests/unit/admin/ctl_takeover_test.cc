// failoverctl takeover --wait: it waits for whatever keeps failoverd from acting, and names it.
#include <gmock/gmock.h>

#include "tests/unit/admin/ctl_change_fixture.h"

namespace failoverd::admin {
namespace {

using testing::HasSubstr;

class CtlTakeoverTest : public CtlChangeTest {
 protected:
  // One reason at each question, then none.
  void stands_back_for(std::vector<Reason> reasons) {
    reasons_ = std::move(reasons);
    served_.source.status_view.auto_failover.known = true;
    served_.source.status_view.auto_failover.value = true;
    served_.source.on_status = [this] {
      auto& shown = served_.source.status_view.stands_back;
      shown.clear();
      if (reasons_.empty()) return;
      shown = {reasons_.front()};
      reasons_.erase(reasons_.begin());
    };
    served_.start();
  }
  Ran takes_over() { return run({"takeover", "--wait", "--yes"}); }

  std::vector<Reason> reasons_;
};

TEST_F(CtlTakeoverTest, NamesWhatItWaitsForUntilFailoverdActs) {
  stands_back_for({{"nameserver_ops", "waits until the ops have ended: 17 kMigrateOP", 1},
                   {"numbering", "not one table can be read", 1}});
  const Ran ran = takes_over();
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("failoverd acts"));
  EXPECT_THAT(ran.err, HasSubstr("17 kMigrateOP"));
  EXPECT_THAT(ran.err, HasSubstr("not one table can be read"));
}

TEST_F(CtlTakeoverTest, ASwitchThatIsOffAgainIsNotActing) {
  served_.source.status_view.auto_failover.known = true;
  served_.source.on_status = [this, asked = 0]() mutable {
    served_.source.status_view.auto_failover.value = ++asked > 2;
  };
  served_.start();
  const Ran ran = takes_over();
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("failoverd acts"));
  EXPECT_THAT(ran.err, HasSubstr("failoverd's auto_failover is off"));
}

}  // namespace
}  // namespace failoverd::admin
