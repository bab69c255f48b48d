// Copies of whole replicas that wait for their turn: those whose partitions have the fewest live
// replicas first, recovery.max_copies_per_tablet at a time on either tablet. Owned by the brain.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "lib/core/api/outbox.h"
#include "lib/core/cluster/model.h"
#include "lib/core/cluster/op_history.h"
#include "lib/core/durable/op_journal.h"
#include "lib/core/guards/automation.h"
#include "lib/core/guards/stand_back.h"
#include "lib/core/operation/operations.h"

namespace failoverd::core {

class CopyQueue {
 public:
  CopyQueue(Model& model, Outbox& outbox, OpHistory& ops, Operations& operations,
            OpJournal& journal, const Automation& automation, const StandBack& stand_back)
      : model_(model),
        outbox_(outbox),
        ops_(ops),
        operations_(operations),
        journal_(journal),
        automation_(automation),
        stand_back_(stand_back) {}

  // The op has been opened in the OpHistory; it is the partition's own only when its turn has come.
  void add(OpId op, PartitionKey at, const Partition&, const Treatment&);
  // Begins those whose turn has come; cancels those that nobody needs any more.
  void look();
  bool waits(PartitionKey at, TabletIndex replica) const {
    return waiting_.contains({at, replica});
  }
  bool waits(PartitionKey at) const;  // For whichever replica.
  // Those that no operator ordered.
  void cancel_all(const std::string& why);
  // That of this op; false: it does not wait here.
  bool cancel(OpId, const std::string& why);
  // Those onto this tablet, whoever ordered them.
  void cancel_onto(TabletIndex replica, const std::string& why);
  void stop() { waiting_.clear(); }  // The lock is lost.

  // Partitions to diagnose again; the brain takes them.
  std::set<PartitionKey> changed;

 private:
  using Key = std::pair<PartitionKey, TabletIndex>;  // The replica's.
  struct Waiting {
    OpId op = 0;
    Treatment what;
    TabletIndex leader = 0;
    Term leader_term = 0;
    Incarnation incarnation = 0;
    Instant since;
  };
  std::optional<std::string> why_needless(PartitionKey, const Waiting&) const;
  bool has_turn(const Waiting&) const;
  void begin(Key);
  void cancel(Key, const std::string& why);

  Model& model_;
  Outbox& outbox_;
  OpHistory& ops_;
  Operations& operations_;
  OpJournal& journal_;
  const Automation& automation_;
  const StandBack& stand_back_;
  std::map<Key, Waiting> waiting_;
};

}  // namespace failoverd::core
