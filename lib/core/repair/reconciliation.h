// Where a tablet's word contradicts the rows, and no op sees to it: who leads and is not the
// published leader is told to follow, at once after the publish, before any queue, delay or hold
// (SAFETY 5, 8); a follower that stands still is looked into (SAFETY 3); a leader lets go of what
// it sends to although its row is dead (SAFETY 11). One question about a replica at a time. Owned
// by the brain.
#pragma once

#include <cstdint>
#include <set>

#include "lib/core/api/asker.h"
#include "lib/core/api/outbox.h"
#include "lib/core/cluster/model.h"
#include "lib/core/cluster/op_history.h"
#include "lib/core/election/elections.h"
#include "lib/core/guards/automation.h"
#include "lib/core/guards/stand_back.h"
#include "lib/core/operation/operations.h"
#include "lib/core/repair/copy_queue.h"

namespace failoverd::core {

class Reconciliation : public Asker {
 public:
  Reconciliation(Model& model, Outbox& outbox, const OpHistory& ops, const Elections& elections,
                 const Operations& operations, const CopyQueue& copies,
                 const Automation& automation, const StandBack& stand_back)
      : model_(model),
        outbox_(outbox),
        ops_(ops),
        elections_(elections),
        operations_(operations),
        copies_(copies),
        automation_(automation),
        stand_back_(stand_back) {}

  // Asks or tells whoever contradicts this partition's rows.
  void look(PartitionKey, Partition&);
  void answered(const ReplyTo&, const Answer&) override;

  // Partitions to diagnose again; the brain takes them.
  std::set<PartitionKey> changed;

 private:
  void ask(PartitionKey, Replica& about, std::uint32_t what, TabletIndex whom, Call,
           Duration at_most);
  bool is_left_paused(PartitionKey, const Partition&, const Replica&) const;
  bool leads_beside(PartitionKey, const Replica&) const;
  bool is_let_go(PartitionKey, const Partition&, const Replica&) const;
  bool nameserver_works_on(PartitionKey) const;
  void rival_leads(PartitionKey, Partition&, Replica&, Term);
  void rival_was_told(PartitionKey, Replica&, const Answer&);
  void still_follower_said_its_term(PartitionKey, Partition&, Replica&, Term);
  void leader_of_still_follower_said(PartitionKey, Partition&, Replica&, std::uint32_t what,
                                     const Answer&);
  void leader_of_dead_said(PartitionKey, Partition&, Replica&, const Answer&);
  bool may_act(PartitionKey at) const {
    return automation_.acts_on(at) && stand_back_.may_change();
  }

  Model& model_;
  Outbox& outbox_;
  const OpHistory& ops_;
  const Elections& elections_;
  const Operations& operations_;
  const CopyQueue& copies_;
  const Automation& automation_;
  const StandBack& stand_back_;
};

}  // namespace failoverd::core
