// recoverdata: every partition that is not healthy is put into automation's care, whatever the
// switch and holds say, until it is healthy or nothing more can be done for it. Where no row is
// alive, the rows are set alive first: who holds most is found out by the election (SAFETY 6).
// Owned by the brain.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "lib/core/api/outbox.h"
#include "lib/core/cluster/lying_rows.h"
#include "lib/core/cluster/model.h"
#include "lib/core/durable/write_pace.h"
#include "lib/core/guards/automation.h"
#include "lib/core/operators/orders.h"
#include "lib/core/repair/copy_queue.h"

namespace failoverd::core {

// How far the last recoverdata of this daemon's is.
struct DataRecoveryState {
  std::uint64_t number = 0;  // Rises with each; 0: there was none.
  std::string by;
  std::uint64_t partitions = 0;   // It took into its care.
  std::uint64_t healthy = 0;      // Of these.
  std::vector<std::string> left;  // What was given up, and why: a sentence each.
  std::uint64_t still = 0;        // It works on.
  bool ended() const { return still == 0; }
};

class DataRecovery {
 public:
  DataRecovery(Model& model, Outbox& outbox, Automation& automation, const Orders& orders,
               const CopyQueue& copies)
      : model_(model), outbox_(outbox), automation_(automation), orders_(orders), copies_(copies) {}

  // One sentence: what is known of a partition that is not healthy, and what will be done.
  std::string plan(PartitionKey, const Partition&) const;

  // `prepared`: those whose rows are set first, by orders that have been added.
  void begin(const std::string& by, const std::set<PartitionKey>& all,
             const std::set<PartitionKey>& prepared);
  // Takes into care whose rows are set, and lets go of what is healthy or cannot be helped.
  void look();
  void stop();  // The lock is lost.

  const DataRecoveryState& state() const { return state_; }

  // Partitions to diagnose again; the brain takes them.
  std::set<PartitionKey> changed;

 private:
  struct Care {
    Condition seen{};
    Instant since;  // It is so, and no op works on it.
  };
  bool is_over(PartitionKey, Care&, std::string* why);
  std::string lies(const Partition&, const LyingRows&) const;

  Model& model_;
  Outbox& outbox_;
  Automation& automation_;
  const Orders& orders_;
  const CopyQueue& copies_;
  std::map<PartitionKey, Care> care_;
  DataRecoveryState state_;
  Instant look_at_;  // Not before.
  WritePace pace_{outbox_, ReplyTo::Owner::kCare};
};

}  // namespace failoverd::core
