// What was done to which tablet and when, and from it which lost rows are explained. Replication is
// asynchronous: a tablet acknowledges a row before any follower has it, and what it acknowledged
// just before it was struck may be gone for good. Everything else that is gone is a fault of
// whoever steers the cluster. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "lib/base/time.h"
#include "tests/minitablet/testkit/writer.h"

namespace failoverd::chaos {

// How long an acknowledged row may be on its leader only: a leader's thread that met an error rests
// for a second before it replicates again (FEDB.md 8).
inline constexpr Duration kUnreplicated = std::chrono::milliseconds{1300};
// A leader that was stopped for so long may have been replaced when it goes on: it takes rows until
// it has been told to follow, which nobody could before.
inline constexpr Duration kReplaced = std::chrono::milliseconds{1000};
inline constexpr Duration kToldToFollow = std::chrono::milliseconds{300};

struct PartitionId {
  std::uint32_t tid = 0;
  std::uint32_t pid = 0;
  friend auto operator<=>(const PartitionId&, const PartitionId&) = default;
};

// What makes a row that a client wrote the same row: key, time, value.
using ClientRow = std::tuple<std::string, std::uint64_t, std::string>;
// What the leaders hold in the end.
using HeldRows = std::map<PartitionId, std::set<ClientRow>>;

// Those that were acknowledged and are not held, in the order in which they were acknowledged.
std::vector<testkit::AckedRow> lost_rows(const std::vector<testkit::AckedRow>& acked,
                                         const HeldRows& held);

// Lost rows of one partition that one tablet acknowledged soon after one another.
struct Incident {
  testkit::AckedRow first;
  testkit::AckedRow last;
  std::uint64_t rows = 0;
};
// In order of their first rows; `lost` is in order of acknowledgement.
std::vector<Incident> incidents_of(const std::vector<testkit::AckedRow>& lost);

// Something that was done to a tablet: killed (then both moments are one), or stopped and
// continued.
struct Strike {
  Instant from{};
  Instant to{};
  std::string what;  // "killed"
};

class Ledger {
 public:
  void killed(const std::string& tablet, Instant at);
  void stopped(const std::string& tablet, Instant at);
  void continued(const std::string& tablet, Instant at);

  // The strike that explains why this row is gone: it hit the tablet that acknowledged the row
  // between its sending and kUnreplicated after its acknowledgement; or it had been stopped for
  // kReplaced, and went on less than kToldToFollow before its sending. Nothing explains a row of
  // a partition with one replica: it was in its tablet's binlog before it was acknowledged, and a
  // killed process leaves its files as they are (SAFETY 9).
  std::optional<Strike> explain(const testkit::AckedRow& row, std::uint32_t replicas) const;

  // What was done to a tablet last before this moment, and first from then on, in words.
  std::string around(const std::string& tablet, Instant at) const;

 private:
  std::map<std::string, std::vector<Strike>> strikes_;  // By tablet, in order of time.
};

}  // namespace failoverd::chaos
