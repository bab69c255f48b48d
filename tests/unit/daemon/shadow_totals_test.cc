// The shadow's totals are of all losses, not only of those that the status lists.
#include "daemon/shadow_totals.h"

#include <gtest/gtest.h>

namespace failoverd {
namespace {

TEST(ShadowTotals, AreOfAllLosses) {
  std::deque<core::ShadowFailover> failovers;
  for (int i = 0; i < 300; ++i) {
    core::ShadowFailover& one = failovers.emplace_back();
    one.lost = Instant{std::chrono::seconds{i}};
    if (i < 299) one.led = one.lost + std::chrono::milliseconds{1000 - i};
    if (i % 3 != 0) one.would_lose = 2;
    if (i % 2 == 0) one.lost_entries = 5;
  }
  const admin::ShadowTotals totals = shadow_totals(failovers);
  EXPECT_EQ(totals.would_lose, 400U);
  EXPECT_EQ(totals.would_lose_known, 200U);
  EXPECT_EQ(totals.lost_entries, 750U);
  EXPECT_EQ(totals.lost_entries_known, 150U);
  EXPECT_EQ(totals.longest_ms, 1000U) << "the oldest one's";
}

TEST(ShadowTotals, OfNoneAreNothing) {
  const admin::ShadowTotals totals = shadow_totals({});
  EXPECT_EQ(totals.would_lose + totals.would_lose_known + totals.longest_ms, 0U);
}

}  // namespace
}  // namespace failoverd
