// The brain: decides everything, does nothing. It is told facts and answers with commands; it has
// no clock, no I/O, no log and no thread, so that the same facts always give the same decisions.
// It wires its parts and passes each fact on to the one that it concerns:
//   TabletMonitor     what each tablet is worth: evidence, verdicts, its reports;
//                     StatusQuestions: the same asked anew when somebody wants to see it
//   TableFacts        what was read of the tables; StandBack: whether anything may be changed now
//   PartitionStates   what is wrong with each partition, and what that leads to; Treatments: which
//                     op helps, and when
//   Elections         kChangeLeaderOP, kFullRestartOP; Operations: the ops that are lists of
//                     tasks; CopyQueue: those that wait for their turn
//   Reconciliation    tablets that contradict the rows and that no op sees to
//   Publisher         metadata changes that are ready, in as few multis as possible; Refusals:
//                     tables that ZooKeeper does not take; LastOffsets, PutBack, LostRows: changes
//                     without an op
//   ElectionRecords, OpJournal  what a successor must know; Takeover: what predecessors left;
//                     Cleanup: what ops left on tablets; Reserving: terms and op ids ahead of need
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lib/core/api/command.h"
#include "lib/core/api/event.h"
#include "lib/core/api/hold.h"
#include "lib/core/cluster/model.h"
#include "lib/core/cluster/op_history.h"
#include "lib/core/guards/stand_back.h"
#include "lib/core/operators/data_look.h"
#include "lib/core/operators/data_recovery.h"
#include "lib/core/repair/partition_states.h"
#include "lib/core/repair/shadow.h"

namespace failoverd::core {

class Brain {
 public:
  explicit Brain(const Policy& policy);
  ~Brain();
  Brain(const Brain&) = delete;
  Brain& operator=(const Brain&) = delete;

  // The only way in. `now` never goes back.
  std::vector<Command> step(Instant now, const Event& event);

  // --- For showing. Valid until the next step.
  const Model& model() const;
  const OpHistory& ops() const;
  bool active() const;         // Holds the lock.
  std::int64_t epoch() const;  // 0: never held the lock.
  bool auto_failover() const;
  bool switch_read() const;
  const std::string& switched_by() const;
  bool cluster_read() const;
  // The leading one first; one may be there several times.
  const std::vector<std::string>& nameservers() const;
  std::vector<StandsBack> stands_back(Instant now) const;
  // Those of them that are ZooKeeper's: texts by reason.
  const std::map<std::string, std::string>& obstacles() const;
  std::vector<WouldDo> would_do() const;
  // With mode: shadow, the leaders that were lost; null in another mode.
  const Shadow* shadow() const;
  std::vector<Hold> holds() const;
  // What operators keep automatic failover away from; empty while the lock is not held.
  std::vector<OperatorHold> operator_holds() const;
  // How far the last look at the data is.
  const DataLookState& data_look() const;
  // How far the last recoverdata is.
  const DataRecoveryState& data_recovery() const;
  // The highest term that a history has, that a replica is known to hold, or that we gave out.
  Term highest_term() const;
  // Verdicts that turned out wrong (SAFETY 15).
  std::uint64_t needless_verdicts() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace failoverd::core
