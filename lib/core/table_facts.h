// Takes what was read of the cluster's tables into the model. Owned by the brain.
#pragma once

#include <set>

#include "lib/core/api/event.h"
#include "lib/core/api/outbox.h"
#include "lib/core/cluster/model.h"
#include "lib/core/durable/election_records.h"
#include "lib/core/durable/refusals.h"
#include "lib/core/election/elections.h"
#include "lib/core/guards/stand_back.h"

namespace failoverd::core {

class TableFacts {
 public:
  TableFacts(Model& model, Outbox& outbox, ElectionRecords& records, Refusals& refusals,
             Elections& elections, const StandBack& stand_back)
      : model_(model),
        outbox_(outbox),
        records_(records),
        refusals_(refusals),
        elections_(elections),
        stand_back_(stand_back) {}

  void listed(const TablesListed&);
  // True: its rows are others than they were.
  bool read(const TableRead&);
  void unreadable(const TableUnreadable&);

  // Partitions to diagnose again; the brain takes them.
  std::set<PartitionKey> changed;

 private:
  bool is_known(const TableRead&);
  void mark(const Table&);
  void somebody_named_a_leader(PartitionKey, Partition&);

  Model& model_;
  Outbox& outbox_;
  ElectionRecords& records_;
  Refusals& refusals_;
  Elections& elections_;
  const StandBack& stand_back_;
};

}  // namespace failoverd::core
