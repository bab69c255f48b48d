#include "tests/chaos/ledger.h"

#include <algorithm>
#include <cstdio>

namespace failoverd::chaos {
namespace {

// Rows of one incident are no further apart.
constexpr Duration kOneIncident = std::chrono::seconds{2};

std::string in_seconds(Duration d) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f s", seconds(d));
  return text;
}

}  // namespace

std::vector<testkit::AckedRow> lost_rows(const std::vector<testkit::AckedRow>& acked,
                                         const HeldRows& held) {
  std::vector<testkit::AckedRow> lost;
  for (const testkit::AckedRow& row : acked) {
    const auto rows = held.find({row.tid, row.pid});
    if (rows == held.end() || !rows->second.contains({row.key, row.ts, row.value})) {
      lost.push_back(row);
    }
  }
  std::stable_sort(lost.begin(), lost.end(),
                   [](const auto& a, const auto& b) { return a.acked < b.acked; });
  return lost;
}

std::vector<Incident> incidents_of(const std::vector<testkit::AckedRow>& lost) {
  std::vector<Incident> all;
  std::map<std::tuple<std::uint32_t, std::uint32_t, std::string>, std::size_t> newest;
  for (const testkit::AckedRow& row : lost) {
    const auto [at, is_first] = newest.emplace(std::tuple{row.tid, row.pid, row.tablet}, 0);
    if (is_first || row.acked > all[at->second].last.acked + kOneIncident) {
      at->second = all.size();
      all.push_back({row, row, 0});
    }
    all[at->second].last = row;
    ++all[at->second].rows;
  }
  return all;
}

void Ledger::killed(const std::string& tablet, Instant at) {
  strikes_[tablet].push_back({at, at, "killed"});
}

void Ledger::stopped(const std::string& tablet, Instant at) {
  strikes_[tablet].push_back({at, Instant::max(), "stopped"});
}

void Ledger::continued(const std::string& tablet, Instant at) {
  for (Strike& strike : strikes_[tablet]) strike.to = std::min(strike.to, at);
}

std::optional<Strike> Ledger::explain(const testkit::AckedRow& row, std::uint32_t replicas) const {
  if (replicas < 2) return std::nullopt;
  const auto mine = strikes_.find(row.tablet);
  if (mine == strikes_.end()) return std::nullopt;
  for (const Strike& strike : mine->second) {
    const bool may_be_replaced =
        strike.to != Instant::max() && strike.to - strike.from >= kReplaced;
    const Instant leads_until = may_be_replaced ? strike.to + kToldToFollow : strike.to;
    if (strike.from <= row.acked + kUnreplicated && leads_until >= row.sent) return strike;
  }
  return std::nullopt;
}

std::string Ledger::around(const std::string& tablet, Instant at) const {
  const auto mine = strikes_.find(tablet);
  const Strike* before = nullptr;
  const Strike* after = nullptr;
  if (mine != strikes_.end()) {
    for (const Strike& strike : mine->second) {
      if (strike.from < at) before = &strike;
      if (strike.from >= at && !after) after = &strike;
    }
  }
  if (!before && !after) return "never struck";
  std::string text;
  if (before) text = before->what + " " + in_seconds(at - before->from) + " before";
  if (before && after) text += ", ";
  if (after) text += after->what + " " + in_seconds(after->from - at) + " after";
  return text;
}

}  // namespace failoverd::chaos
