// The state machine of every partition: which are to be diagnosed again, what each diagnosis leads
// to, and which are in trouble. Owned by the brain.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "lib/core/api/asker.h"
#include "lib/core/api/outbox.h"
#include "lib/core/cluster/model.h"
#include "lib/core/election/elections.h"
#include "lib/core/guards/automation.h"
#include "lib/core/guards/stand_back.h"
#include "lib/core/handover/handovers.h"
#include "lib/core/operation/operations.h"
#include "lib/core/repair/reconciliation.h"
#include "lib/core/repair/row_edits.h"
#include "lib/core/repair/treatments.h"

namespace failoverd::core {

// With auto_failover off: what would be done.
struct WouldDo {
  PartitionKey at;
  std::string partition;  // "flow/3", "shop.flow/3".
  std::string text;
};

class PartitionStates : public Asker {
 public:
  PartitionStates(Model& model, Outbox& outbox, Elections& elections, Operations& operations,
                  Handovers& handovers, Treatments& treatments, LastOffsets& last_offsets,
                  PutBack& put_back, LostRows& lost_rows, Reconciliation& reconciliation,
                  const Automation& automation, const StandBack& stand_back)
      : model_(model),
        outbox_(outbox),
        elections_(elections),
        operations_(operations),
        handovers_(handovers),
        treatments_(treatments),
        last_offsets_(last_offsets),
        put_back_(put_back),
        lost_rows_(lost_rows),
        reconciliation_(reconciliation),
        automation_(automation),
        stand_back_(stand_back) {}

  void stop();  // The lock is lost.
  // To be diagnosed again.
  void mark(PartitionKey at) { dirty_.insert(at); }
  void mark(std::set<PartitionKey>&& partitions) { dirty_.merge(partitions); }
  void mark_all();
  void mark_troubled() { dirty_.insert(troubled_.begin(), troubled_.end()); }
  bool any_marked() const { return !dirty_.empty(); }
  // Diagnoses all that are marked, and does what follows.
  void look();
  // The switch was flipped: what would be done, or is, is said anew.
  void say_again();
  void timer(const ReplyTo& reply_to) override { mark(unpacked(reply_to.key)); }

  std::vector<WouldDo> would_do() const;
  // Of the first that is marked, for a complaint.
  std::string name_of_first() const;

 private:
  static void mark_diverged(Partition&);
  void diagnose_again(PartitionKey);
  void take_diagnosis(PartitionKey, Partition&);

  Model& model_;
  Outbox& outbox_;
  Elections& elections_;
  Operations& operations_;
  Handovers& handovers_;
  Treatments& treatments_;
  LastOffsets& last_offsets_;
  PutBack& put_back_;
  LostRows& lost_rows_;
  Reconciliation& reconciliation_;
  const Automation& automation_;
  const StandBack& stand_back_;
  std::set<PartitionKey> dirty_;     // To be diagnosed again.
  std::set<PartitionKey> troubled_;  // Not healthy: looked at again when we may change things.
};

}  // namespace failoverd::core
