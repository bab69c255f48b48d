// At which calls the op of each operators' command is cut, one partition per call: data, no
// conditions (operator_cut.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/e2e/cluster.h"

namespace failoverd::e2e {

// Tablets are A, B, C, D. A leads every partition, B and C follow, D is empty.
enum class Seat { kLeader, kFollowers, kTarget, kSource };

// Where a partition's op stands when something happens.
struct OperatorCut {
  const char* method;
  Seat at;
  Cluster::Stage stage;
  std::uint32_t skip = 0;
};

// How it is before the command.
enum class Before {
  kAllIsWell,
  kOffline,  // The target lives, and went offline by command.
  kWiped,    // The target died, went offline, and came back with an empty disk.
};

struct OperatorPlan {
  const char* name;
  // A letter is a tablet's address, PID a partition (then once for each), PIDS all of them.
  std::vector<std::string> command;
  int target = -1;  // What the command is about; -1: only its leader.
  int source = -1;  // -1: nothing moves.
  Before before = Before::kAllIsWell;
  // Who may have rows when it is over, as it was or, the last one, as it should be.
  std::vector<std::string> outcomes = {"ABC"};
  bool only_off = false;          // Refused, or of no use, while auto_failover is on.
  bool in_journal = true;         // Its op is written down before its first task.
  std::uint32_t publishes = 1;    // Of one op.
  std::vector<OperatorCut> cuts;  // One per partition.
};

const std::vector<OperatorPlan>& operator_plans();

}  // namespace failoverd::e2e
