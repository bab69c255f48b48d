#include "daemon/shadow_totals.h"

#include <algorithm>
#include <chrono>

namespace failoverd {

admin::ShadowTotals shadow_totals(const std::deque<core::ShadowFailover>& failovers) {
  admin::ShadowTotals totals;
  for (const core::ShadowFailover& one : failovers) {
    if (one.would_lose) {
      totals.would_lose += *one.would_lose;
      ++totals.would_lose_known;
    }
    if (one.lost_entries) {
      totals.lost_entries += *one.lost_entries;
      ++totals.lost_entries_known;
    }
    if (!one.led) continue;
    const auto took = (*one.led - one.lost) / std::chrono::milliseconds{1};
    totals.longest_ms = std::max(totals.longest_ms, static_cast<std::uint64_t>(took));
  }
  return totals;
}

}  // namespace failoverd
