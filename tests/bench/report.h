// Puts the figures in front of people, as a table, and of programs, as JSON.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/bench/measure.h"

namespace failoverd::bench {

struct FailoverResult {
  std::string name;  // kill-8; for --only and for programs.
  std::string words;
  double goal_ms = 0;  // Of the median, above `waits_ms`; 0: twice the bare limit.
  // What detection has to wait before anybody may act: max(session + tick, silence).
  double waits_ms = 0;
  std::vector<Phases> runs;
  std::vector<Limit> limits;  // Empty: not measured.
};

struct RecoveryResult {
  std::string name;  // return-8.
  std::string words;
  double goal_ms = 0;        // Of the median; 0: none.
  bool above_floor = false;  // The goal is for what is above the floor.
  std::vector<double> runs;
  std::vector<double> floors;  // Run by run.
};

struct GrowthResult {
  std::string name;  // grow-1000.
  std::uint32_t partitions = 0;
  std::vector<Growth> runs;
};

struct HandoverResult {
  std::string name;  // handovers.
  std::string words;
  double goal_ms = 0;  // Of the 99th hundredth; 0: none.
  HandoversTaken taken;
};

struct PlannedResult {
  std::string name;  // offline-300.
  std::string words;
  std::vector<Planned> runs;
};

struct IdleResult {
  std::string words;
  Idle idle;
};

struct Report {
  double load_before = 0;  // Of the machine, over the last minute.
  double load_after = 0;
  unsigned cores = 0;
  std::vector<FailoverResult> failovers;
  std::vector<RecoveryResult> recoveries;
  std::vector<GrowthResult> growths;  // The smallest first.
  std::vector<HandoverResult> handovers;
  std::vector<PlannedResult> planned;
  std::optional<IdleResult> idle;
};

std::string to_table(const Report&);
std::string to_json(const Report&);

}  // namespace failoverd::bench
