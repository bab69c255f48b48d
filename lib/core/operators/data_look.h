// The look that recoverdata takes before it decides: where nobody leads a partition, every replica
// whose tablet is there is loaded as follower, and says how far its log goes. Nothing else is
// changed, and what is loaded stays so: a follower takes no puts and probes nobody. Beside a leader
// nothing is loaded: it has to let go of a returned replica first (SAFETY 10). Owned by the brain.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/core/api/asker.h"
#include "lib/core/api/outbox.h"
#include "lib/core/cluster/model.h"
#include "lib/core/durable/write_pace.h"
#include "lib/core/guards/automation.h"
#include "lib/core/guards/stand_back.h"
#include "lib/core/operation/cleanup.h"
#include "lib/core/repair/copy_queue.h"

namespace failoverd::core {

// How far the last look of this daemon's is.
struct DataLookState {
  std::uint64_t number = 0;  // Rises with each; 0: there was none.
  std::string by;
  std::uint64_t replicas = 0;  // It asks, and loads where they are not in memory.
  std::uint64_t still = 0;     // Of these it has not done with.
  // Those that could not be loaded, and why: a sentence each.
  std::vector<std::string> not_loaded;
  bool ended() const { return still == 0; }
};

class DataLook : public Asker {
 public:
  DataLook(Model& model, Outbox& outbox, const Cleanup& cleanup, const CopyQueue& copies,
           const Automation& automation, const StandBack& stand_back)
      : model_(model),
        outbox_(outbox),
        cleanup_(cleanup),
        copies_(copies),
        automation_(automation),
        stand_back_(stand_back) {}

  // Whether the replicas of this partition are looked at: nobody leads it, or may, and nothing
  // works on it.
  bool looks_at(PartitionKey, const Partition&) const;
  // Those replicas.
  std::vector<TabletIndex> replicas_of(PartitionKey, const Partition&) const;

  void begin(const std::string& by);
  // Asks whose turn has come. Call in every step.
  void look();
  void stop();  // The lock is lost.
  void answered(const ReplyTo&, const Answer&) override;

  const DataLookState& state() const { return state_; }

 private:
  enum What : std::uint32_t { kTermPair, kStatus, kLoad };
  using Key = std::pair<PartitionKey, TabletIndex>;
  struct One {
    What next = kTermPair;
    bool asked = false;
    Instant since;                // It has said or done nothing of use since then.
    Instant not_before;           // Is not asked again until then.
    bool loaded = false;          // It says so; its tablet's next report shows it to everybody.
    std::optional<Instant> told;  // When it said that it loads.
    int tells = 0;                // So often it has said so.
    bool has_nothing = false;     // To load.
    std::string trouble;          // What was last in the way.
  };

  void ask(const Key&, One&);
  // Why it is not waited for any more; empty: it is, unless it is `loaded`.
  std::string why_given_up(const Key&, const One&) const;
  bool is_seen(const Key&) const;
  void status_answered(const Key&, One&, const Answer&);
  void load_answered(One&, const Answer&);

  Model& model_;
  Outbox& outbox_;
  const Cleanup& cleanup_;
  const CopyQueue& copies_;
  const Automation& automation_;
  const StandBack& stand_back_;
  std::map<Key, One> ones_;
  DataLookState state_;
  WritePace pace_{outbox_, ReplyTo::Owner::kLook};
};

}  // namespace failoverd::core
