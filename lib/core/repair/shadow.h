// mode: shadow. Decides what would be begun, by the same diagnoses and the same rules as if it
// acted, does nothing, and remembers it; then what came instead, by whoever steers the cluster:
// who leads when, and what each may have lost. Owned by the brain.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>

#include "lib/core/api/outbox.h"
#include "lib/core/cluster/model.h"

namespace failoverd::core {

// One loss of a partition's leader, as failoverd saw it and as it came out.
struct ShadowFailover {
  std::uint64_t number = 0;  // Counts from 1.
  PartitionKey at;
  std::string partition;  // "flow/3", "shop.flow/3".
  std::string why;        // The diagnosis.
  Instant lost;           // The first sign of it.
  Instant decided;        // An election would have begun then.
  Endpoint leader;        // That is lost; empty: no row leads.
  // Who would be probed first: of the alive rows on tablets that live the one that is known to hold
  // most. Empty: nobody could lead, so that it would wait.
  Endpoint candidate;
  // So many acknowledged entries would be lost by the last samples: what the leader was last heard
  // to hold beyond the candidate. None: not known.
  std::optional<std::uint64_t> would_lose;
  // What came instead; none: the partition has no leader yet.
  std::optional<Instant> led;
  Endpoint led_by;
  Term term = 0;  // The published one; of an old leader that is back the same as before.
  std::optional<std::uint64_t> lost_entries;  // By its TermPair, in the same way.
};

class Shadow {
 public:
  Shadow(const Model& model, Outbox& outbox) : model_(model), outbox_(outbox) {}

  // Whether it is the mode that the daemon runs in.
  bool is_on() const { return outbox_.policy.shadow; }
  // A partition was diagnosed.
  void look(PartitionKey, const Partition&);

  // The oldest first; at most kKept of them.
  const std::deque<ShadowFailover>& failovers() const { return failovers_; }
  static constexpr std::size_t kKept = 10'000;

 private:
  struct Open {
    std::uint64_t number = 0;
    std::optional<Offset> leader_offset;
  };
  void begins(PartitionKey, const Partition&);
  void ends(PartitionKey, const Partition&, const Open&);
  ShadowFailover* find(std::uint64_t number);

  const Model& model_;
  Outbox& outbox_;
  std::deque<ShadowFailover> failovers_;
  std::uint64_t last_number_ = 0;
  std::map<PartitionKey, Open> open_;
  std::map<PartitionKey, std::string> said_;  // Anything else that would be done.
};

}  // namespace failoverd::core
