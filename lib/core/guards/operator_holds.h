// What operators keep automatic failover away from: counts as soon as it is ordered, is written
// beside, one znode each, and goes when it expires or is removed. Decides nothing about partitions;
// Automation asks it. Owned by the brain.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lib/core/api/hold.h"
#include "lib/core/api/outbox.h"
#include "lib/core/cluster/model.h"
#include "lib/core/durable/write_pace.h"

namespace failoverd::core {

class OperatorHolds {
 public:
  OperatorHolds(const Model& model, Outbox& outbox) : model_(model), outbox_(outbox) {}

  // A new tenure: what was there before.
  void start(const std::vector<OperatorHold>& left);
  void stop();  // The lock is lost; whoever waits for an answer is told so.

  // Gives its id, which `hold` needs not have. `asked`: who is given `answer` when it is written,
  // and 304 if the lock is lost before.
  std::uint64_t add(OperatorHold hold, RequestId asked, OperatorAnswer answer);
  // All that was pending by it has ended.
  void nothing_is_pending(std::uint64_t id);
  // False: there is none. `asked`: who is given `answer` when its znode is gone.
  bool remove(std::uint64_t id, const std::string& why, std::optional<RequestId> asked = {},
              OperatorAnswer answer = {});
  // Those that have expired go, and what is new is written. Call in every step with a lease.
  void look();
  void answered(const ReplyTo&, bool ok);

  std::vector<OperatorHold> all() const;
  const OperatorHold* find(std::uint64_t id) const;
  // The hold by which that tablet is offline; null: it is not.
  const OperatorHold* offline(const Endpoint& tablet) const;
  // What is left alone because of this tablet's replica of the partition; null: nothing is.
  const OperatorHold* on(PartitionKey, TabletIndex) const;

  // Something is held, or no longer: partitions are to be diagnosed again. The brain takes it.
  bool changed = false;

 private:
  struct Entry {
    OperatorHold hold;
    bool removed = false;
    bool dirty = true;    // To be written.
    bool flying = false;  // A write or its removal is under way,
    bool drops = false;   // and it is the removal.
    bool sent = false;    // It may be there.
    std::optional<RequestId> asked;
    OperatorAnswer answer;
  };
  void tell(Entry&);
  void flush();

  const Model& model_;
  Outbox& outbox_;
  std::map<std::uint64_t, Entry> entries_;
  std::uint64_t last_ = 0;
  WritePace pace_{outbox_, ReplyTo::Owner::kHolds};
};

}  // namespace failoverd::core
