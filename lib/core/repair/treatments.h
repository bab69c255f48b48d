// Which op helps a partition, and when it may begin. Owned by the brain.
#pragma once

#include <optional>
#include <string>

#include "lib/core/api/outbox.h"
#include "lib/core/cluster/model.h"
#include "lib/core/cluster/op_history.h"
#include "lib/core/durable/number_block.h"
#include "lib/core/durable/refusals.h"
#include "lib/core/election/elections.h"
#include "lib/core/guards/automation.h"
#include "lib/core/guards/stand_back.h"
#include "lib/core/handover/handovers.h"
#include "lib/core/operation/cleanup.h"
#include "lib/core/operation/operations.h"
#include "lib/core/repair/copy_queue.h"
#include "lib/core/repair/shadow.h"

namespace failoverd::core {

// An op about this replica has failed, and is not tried again yet.
inline bool in_back_off(const Model& model, const Replica& r, Instant now) {
  return now < r.not_before && r.failed_incarnation == model.tablet(r.tablet).incarnation;
}

// What would be done about it with auto_failover on; null: nothing is to be done.
const char* would_do(Condition);

class Treatments {
 public:
  Treatments(Model& model, Outbox& outbox, OpHistory& ops, NumberBlock& op_ids, Refusals& refusals,
             Elections& elections, Handovers& handovers, Operations& operations,
             const Cleanup& cleanup, CopyQueue& copies, Shadow& shadow,
             const Automation& automation, const StandBack& stand_back)
      : model_(model),
        outbox_(outbox),
        ops_(ops),
        op_ids_(op_ids),
        refusals_(refusals),
        elections_(elections),
        handovers_(handovers),
        operations_(operations),
        cleanup_(cleanup),
        copies_(copies),
        shadow_(shadow),
        automation_(automation),
        stand_back_(stand_back) {}

  // Begins what its diagnosis asks for; with auto_failover off it says what that would be. The
  // partition has no op.
  void treat(PartitionKey, Partition&);
  // An op has ended: back-off after a failure, or the op that follows it.
  void op_ended(const Operations::Ended&);
  // Rows have changed: who leads how many is counted anew before the next election.
  void rows_changed() { leaders_counted_ = false; }

 private:
  bool is_left_alone(PartitionKey, Partition&);
  bool is_held(PartitionKey, Partition&, TabletIndex) const;
  void elect(PartitionKey, Partition&);
  void begin(PartitionKey, Partition&, const Treatment&);
  void wait_for_turn(PartitionKey, Partition&, const Treatment&);
  std::optional<Treatment> treatment_of_lost(PartitionKey, Partition&) const;
  std::optional<Treatment> treatment_of_returned(PartitionKey, Partition&) const;
  void back_off(PartitionKey, Replica&, const std::string& why);
  void would_treat(PartitionKey, Partition&);
  OpId open(OpType, PartitionKey, Partition&, const std::string& why,
            std::optional<TabletIndex> replica);

  Model& model_;
  Outbox& outbox_;
  OpHistory& ops_;
  NumberBlock& op_ids_;
  Refusals& refusals_;
  Elections& elections_;
  Handovers& handovers_;
  Operations& operations_;
  const Cleanup& cleanup_;
  CopyQueue& copies_;
  Shadow& shadow_;
  const Automation& automation_;
  const StandBack& stand_back_;
  bool leaders_counted_ = false;
};

}  // namespace failoverd::core
