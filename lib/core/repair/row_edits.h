// What is published of a partition without an op of its own; nobody waits for it. Owned by the
// brain.
#pragma once

#include <optional>
#include <string>

#include "lib/core/api/outbox.h"
#include "lib/core/cluster/model.h"
#include "lib/core/cluster/op_history.h"
#include "lib/core/durable/publisher.h"
#include "lib/core/election/elections.h"
#include "lib/core/guards/automation.h"
#include "lib/core/guards/stand_back.h"

namespace failoverd::core {

// Writes what a partition's replicas on dead tablets were last heard to hold when its last tablet
// is gone (SAFETY 6), or an election waits for one of them (SAFETY 20): a successor must know whom
// to wait for. And takes it back when it is led again.
class LastOffsets : public Publishing {
 public:
  LastOffsets(const Model& model, Publisher& publisher, const Elections& elections,
              const StandBack& stand_back)
      : model_(model), publisher_(publisher), elections_(elections), stand_back_(stand_back) {}

  // Publishes them, or what takes them back, if that is due.
  void look(PartitionKey, const Partition&);

  std::optional<PartitionEdit> edit(OpId, const Partition&) override;
  void published(OpId) override {}
  void gone(OpId, const std::string&) override {}

 private:
  static OpId id(PartitionKey at) { return ~packed(at); }
  bool lost_every_tablet(const Partition&) const;  // Every alive row's.
  bool are_old(PartitionKey, const Partition&) const;

  const Model& model_;
  Publisher& publisher_;
  const Elections& elections_;
  const StandBack& stand_back_;
};

// Publishes once more what an old writer has overwritten (SAFETY 13). Whatever else of that
// partition is published takes it along.
class PutBack : public Publishing {
 public:
  PutBack(const Model& model, Outbox& outbox, Publisher& publisher, const StandBack& stand_back)
      : model_(model), outbox_(outbox), publisher_(publisher), stand_back_(stand_back) {}

  void look(PartitionKey, const Partition&);

  // Nothing of its own: Model::put_back() fills it.
  std::optional<PartitionEdit> edit(OpId, const Partition&) override;
  void published(OpId) override {}
  void gone(OpId, const std::string&) override {}

 private:
  static OpId id(PartitionKey at) { return ~packed(at) ^ (OpId{1} << 61); }

  const Model& model_;
  Outbox& outbox_;
  Publisher& publisher_;
  const StandBack& stand_back_;
};

// Sets dead the rows of followers that are lost while an op works on their partition: no copy of
// another replica is worth an alive row that does not follow (SAFETY 1).
class LostRows : public Publishing {
 public:
  LostRows(const Model& model, Outbox& outbox, const OpHistory& ops, Publisher& publisher,
           const Automation& automation, const StandBack& stand_back)
      : model_(model),
        outbox_(outbox),
        ops_(ops),
        publisher_(publisher),
        automation_(automation),
        stand_back_(stand_back) {}

  // Publishes it if that is due.
  void look(PartitionKey, const Partition&);

  std::optional<PartitionEdit> edit(OpId, const Partition&) override;
  void published(OpId) override {}
  void gone(OpId, const std::string&) override {}

 private:
  static OpId id(PartitionKey at) { return ~packed(at) ^ (OpId{1} << 62); }
  static PartitionKey partition_of(OpId op) { return unpacked(~(op ^ (OpId{1} << 62))); }

  const Model& model_;
  Outbox& outbox_;
  const OpHistory& ops_;
  Publisher& publisher_;
  const Automation& automation_;
  const StandBack& stand_back_;
};

}  // namespace failoverd::core
