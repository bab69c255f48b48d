// LoadTable, which answers at once and goes on in the background (FEDB.md 3.2): what a look at
// GetTableStatus means for whoever waits for it. Pure; elections and ops load by it alike.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lib/core/api/calls.h"
#include "lib/core/api/outbox.h"
#include "lib/core/api/timing.h"
#include "lib/core/cluster/model.h"

namespace failoverd::core {

enum class LoadStep : std::uint8_t {
  kLoaded,
  kLoads,  // Look again.
  // Tell it to load. Also when it said that it would and nothing is to be seen: that load has
  // failed, and only code 130 (kTableDirIsNotExist) says for certain that there is nothing to load.
  kTell,
};

// status: of the partition, null if the tablet does not hold it. told: when the tablet said that it
// loads it; none: it never did, or that answer was lost.
inline LoadStep next_load_step(const ReplicaStatus* status, std::optional<Instant> told,
                               Instant now) {
  if (status) return is_loaded(status->state) ? LoadStep::kLoaded : LoadStep::kLoads;
  return told && now - *told < kLoadIsSeenWithin ? LoadStep::kLoads : LoadStep::kTell;
}

// What a tablet's registry says of loads of a partition on disk, which is to be seen only once it
// has been loaded (FEDB.md 8).
enum class DiskLoad : std::uint8_t {
  kNone,
  kRuns,  // Or waits for its turn: it is not told again, whoever told it.
  kOver,  // Of this op: its key is taken until it is forgotten.
};

// A load of which nobody says what partition it is of may be of this one.
inline DiskLoad disk_load(const std::vector<RegisteredTask>& tasks, PartitionKey at, OpId op) {
  const auto is_any = [&](auto is) { return std::any_of(tasks.begin(), tasks.end(), is); };
  const bool runs = is_any([&](const RegisteredTask& t) {
    return t.task == Task::kLoadTable && t.runs() && t.at.value_or(at) == at;
  });
  if (runs) return DiskLoad::kRuns;
  const bool over =
      is_any([&](const RegisteredTask& t) { return t.task == Task::kLoadTable && t.op == op; });
  return over ? DiskLoad::kOver : DiskLoad::kNone;
}

// Whether the answer to LoadTable says that it loads, or has loaded already.
inline bool says_it_loads(const Answer& answer) {
  return answer.ok() || answer.says(kTableAlreadyExists);
}

// Its tablet refuses to load it, by what is on its disk or how it is set up: said once, in the
// tablet's own words; from a few times on somebody has to come.
inline void refuses_to_load(Outbox& outbox, Replica& r, const Endpoint& tablet,
                            const std::string& partition, const Answer& answer) {
  const int times = ++r.load_refusals;
  const std::string what = tablet + " refuses to load " + partition;
  if (times == 1) {
    outbox.note(Severity::kError, "failover",
                what + ": " + to_text(answer) + "; it is told again, less and less often",
                {{"tablet", tablet}, {"partition", partition}});
  }
  if (times < kRefusalsForAPerson) return;
  const Instant since = r.stuck ? r.stuck->since : outbox.now;
  r.stuck =
      Stuck{kCannotLoad, what + ", " + std::to_string(times) + " times: " + to_text(answer), since};
}

inline void has_loaded(Replica& r) {
  r.load_refusals = 0;
  if (r.stuck && r.stuck->reason == kCannotLoad) r.stuck.reset();
}

// A load from disk is over: its tablet may forget it. Nobody waits for that; a registry that was
// not told is looked through (cleanup.h).
inline void forget_load(Outbox& outbox, const Endpoint& tablet, OpId op, PartitionKey at) {
  constexpr std::uint64_t kNobody = 0;
  outbox.call({ReplyTo::Owner::kCleanup, kNobody, 0, 0, {}}, tablet, DeleteOpTask{op, at},
              kCleanupAtMost);
}

}  // namespace failoverd::core
