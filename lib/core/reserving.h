// Reserves terms and op ids in ZooKeeper ahead of need, so that no election waits for a number
// (SAFETY 4). Owned by the brain.
#pragma once

#include "lib/core/api/event.h"
#include "lib/core/api/outbox.h"
#include "lib/core/cluster/model.h"
#include "lib/core/durable/number_block.h"
#include "lib/core/durable/write_pace.h"
#include "lib/core/election/elections.h"
#include "lib/core/guards/automation.h"
#include "lib/core/guards/stand_back.h"
#include "lib/core/handover/handovers.h"

namespace failoverd::core {

class Reserving {
 public:
  Reserving(const Model& model, Outbox& outbox, const Automation& automation,
            const StandBack& stand_back, Elections& elections, const Handovers& handovers,
            NumberBlock& terms, NumberBlock& op_ids)
      : model_(model),
        outbox_(outbox),
        automation_(automation),
        stand_back_(stand_back),
        elections_(elections),
        handovers_(handovers),
        terms_(terms),
        op_ids_(op_ids) {}

  // Asks for the next blocks if they are due; call in every step.
  void look();
  void terms_reserved(const TermsReserved&);
  void op_ids_reserved(const OpIdsReserved&);

 private:
  const Model& model_;
  Outbox& outbox_;
  const Automation& automation_;
  const StandBack& stand_back_;
  Elections& elections_;
  const Handovers& handovers_;
  NumberBlock& terms_;
  NumberBlock& op_ids_;
  WritePace pace_{outbox_, ReplyTo::Owner::kTerms};
};

}  // namespace failoverd::core
