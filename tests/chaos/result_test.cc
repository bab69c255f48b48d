// How a run's figures are shown, and what makes it fail.
#include "tests/chaos/result.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace failoverd::chaos {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

Result result() {
  Result result;
  result.faults = {{FaultKind::kKillOneTablet, 3}, {FaultKind::kKillZooKeeper, 1}};
  result.tables = {{"three", 3, 100, 2, 2, {milliseconds{1200}, milliseconds{300}}},
                   {"one", 1, 50, 0, 0, {milliseconds{4500}}}};
  result.ops = {{"kChangeLeaderOP", 7}};
  result.starts = 5;
  result.calm = milliseconds{700};
  return result;
}

TEST(Result, ShowsItsFigures) {
  EXPECT_EQ(to_text(result()),
            "fault                             times\n"
            "kill one tablet                       3\n"
            "kill ZooKeeper                        1\n"
            "all                                   4\n"
            "\n"
            "rows of              acknowledged   lost explained\n"
            "three, 3 replicas             100      2         2\n"
            "one, 1 replicas                50      0         0\n"
            "all                           150      2         2\n"
            "\n"
            "longest time without a leader, as the writers saw it, by partition (s)\n"
            "three                  1.2   0.3\n"
            "one                    4.5\n"
            "overall                4.5\n"
            "\n"
            "done by failoverd                 times\n"
            "kChangeLeaderOP                       7\n"
            "(processes started again)             5\n"
            "\n"
            "0.7 s after the last fault every partition was led and every row alive\n"
            "all holds\n");
}

TEST(Result, WhatIsWrongIsNamedAndMakesItFail) {
  Result bad = result();
  EXPECT_TRUE(bad.holds());
  bad.wrong = {"three/1: 1 rows are gone"};
  EXPECT_FALSE(bad.holds());
  EXPECT_THAT(to_text(bad), HasSubstr("\nDOES NOT HOLD:\nthree/1: 1 rows are gone\n"));
}

}  // namespace
}  // namespace failoverd::chaos
