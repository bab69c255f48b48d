// What came out of a chaos run, and how it is shown. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/time.h"
#include "tests/chaos/schedule.h"

namespace failoverd::chaos {

// The rows of one table, and its writers' view of its leaders.
struct TableResult {
  std::string name;
  std::uint32_t replicas = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t lost = 0;       // Acknowledged and gone,
  std::uint64_t explained = 0;  // of these, by a strike.
  // By partition: the longest time from one acknowledged row to the next.
  std::vector<Duration> longest_gap;
};

struct Result {
  std::map<FaultKind, int> faults;
  std::vector<TableResult> tables;
  std::map<std::string, int> ops;  // Of failoverd's that ended kDone, by type.
  int starts = 0;                  // Processes that the supervisor started again.
  // From the last fault until every row was alive and led; none: they never were.
  std::optional<Duration> calm;
  std::vector<std::string> wrong;  // What does not hold, a line each or more.

  bool holds() const { return wrong.empty(); }
};

// Several lines, for people.
std::string to_text(const Result& result);

}  // namespace failoverd::chaos
