// Partitions that operators have written by hand, on their way into ZooKeeper: each is an op that
// holds its partition, is published once, and answers whoever asked when it is written or is not.
// Nothing is overwritten that he has not read. Owned by the brain.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lib/core/api/event.h"
#include "lib/core/api/outbox.h"
#include "lib/core/cluster/model.h"
#include "lib/core/cluster/op_history.h"
#include "lib/core/durable/number_block.h"
#include "lib/core/durable/op_journal.h"
#include "lib/core/durable/publisher.h"
#include "lib/core/guards/stand_back.h"

namespace failoverd::core {

class PartitionEdits : public Publishing {
 public:
  PartitionEdits(Model& model, Outbox& outbox, OpHistory& ops, NumberBlock& op_ids,
                 OpJournal& journal, Publisher& publisher, const StandBack& stand_back)
      : model_(model),
        outbox_(outbox),
        ops_(ops),
        op_ids_(op_ids),
        journal_(journal),
        publisher_(publisher),
        stand_back_(stand_back) {}

  // Why the partition is not at rest; none: it may be edited.
  std::optional<std::string> what_works_on(PartitionKey) const;
  // Begins it. False: no number for its op has been reserved yet.
  bool begin(const OperatorAsked&, PartitionKey, std::vector<std::string> plan);
  // Ends one that is not on its way to ZooKeeper; one that is, is over when its answer comes, and
  // is not sent again where that is lost. False: it is none of ours.
  bool call_off(OpId, const std::string& why);
  bool any(OpId op) const { return edits_.contains(op); }
  void stop();  // The lock is lost.

  std::optional<PartitionEdit> edit(OpId, const Partition&) override;
  void published(OpId) override;
  void gone(OpId, const std::string& why) override;
  void refused(OpId, const std::string& why) override;

  // Partitions to diagnose again; the brain takes them.
  std::set<PartitionKey> changed;

 private:
  struct Edit {
    RequestId asked = 0;
    PartitionKey at;
    WholePartition whole;
    std::int32_t version = 0;  // Of the znode that it replaces a part of.
    std::vector<std::string> plan;
    bool sent = false;
    std::string why_not;  // Set: it is not to be written any more.
    std::string canceled_by = {};
  };
  std::string why_not(const Edit&, const Partition&) const;
  bool is_as_wanted(const Edit&, const Partition&) const;
  void end(OpId, const std::string& why_not, OpStatus unless_done = OpStatus::kFailed);

  Model& model_;
  Outbox& outbox_;
  OpHistory& ops_;
  NumberBlock& op_ids_;
  OpJournal& journal_;
  Publisher& publisher_;
  const StandBack& stand_back_;
  std::map<OpId, Edit> edits_;
};

}  // namespace failoverd::core
