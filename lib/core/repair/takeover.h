// What predecessors left behind, taken up by the daemon that holds the lock now: the elections that
// they began and did not publish (SAFETY 3, 5), and the ops that they had under way (SAFETY 11).
// Owned by the brain.
#pragma once

#include <set>
#include <vector>

#include "lib/core/api/event.h"
#include "lib/core/api/outbox.h"
#include "lib/core/cluster/model.h"
#include "lib/core/cluster/op_history.h"
#include "lib/core/durable/election_records.h"
#include "lib/core/durable/op_journal.h"
#include "lib/core/guards/stand_back.h"
#include "lib/core/handover/handovers.h"
#include "lib/core/operation/cleanup.h"
#include "lib/core/operation/operations.h"

namespace failoverd::core {

class Takeover {
 public:
  Takeover(Model& model, Outbox& outbox, OpHistory& ops, ElectionRecords& records,
           OpJournal& journal, Operations& operations, Handovers& handovers, Cleanup& cleanup,
           const StandBack& stand_back)
      : model_(model),
        outbox_(outbox),
        ops_(ops),
        records_(records),
        journal_(journal),
        operations_(operations),
        handovers_(handovers),
        cleanup_(cleanup),
        stand_back_(stand_back) {}

  void start(const LockGained&);
  void stop();  // The lock is lost.
  // Elections of partitions that have been read by now. Call in every step.
  void recall_elections();
  // Ops go on where they stand, or are taken back, also with auto_failover off. Call while we may
  // change things.
  void resume_ops();

  // Partitions to diagnose again; the brain takes them.
  std::set<PartitionKey> changed;

 private:
  bool remember(Partition&, const BegunElection&);
  bool resume(const BegunOp&);
  void open(const BegunOp&);
  void leave_to_cleanup(const BegunOp&);

  Model& model_;
  Outbox& outbox_;
  OpHistory& ops_;
  ElectionRecords& records_;
  OpJournal& journal_;
  Operations& operations_;
  Handovers& handovers_;
  Cleanup& cleanup_;
  const StandBack& stand_back_;
  std::vector<BegunElection> elections_;  // Not yet looked at.
  std::vector<BegunOp> begun_ops_;        // The same.
};

}  // namespace failoverd::core
