// What failoverd keeps in ZooKeeper for its successors beside election records: the ops that have
// begun and must not be left half-done, those that have finished, and what is known of replicas
// whose tablet may come back with another history than the partition's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lib/core/api/op_record.h"
#include "lib/core/api/types.h"

namespace failoverd::core {

// Of one replica, in <root>/failoverd/replicas/<tid>. Written with the publish that sets its row
// dead, when its partition loses its last tablet, and before it is sent anything new.
struct Lineage {
  Endpoint endpoint;
  // The published term whose leader it followed last: up to that term's end its log is a prefix of
  // the partition's. 0: not known, or it may have led another.
  Term followed = 0;
  std::optional<Offset> last_offset;  // The last that was heard of it.
  // It may have followed a later leader, too, whose term was published only after that: of what it
  // holds beyond the end of `followed` nobody knows whether the partition has it.
  bool or_later = false;
  // An operator has set its row alive, and it is not known to have followed the leader that was
  // published last: it vouches for nothing. The rest is what was known while its row was dead.
  bool by_hand = false;
  bool operator==(const Lineage&) const = default;
};

// How a partition of which something is kept was written last. A history that ends before it was
// written by somebody who had read the table earlier (SAFETY 13).
struct PublishedLeader {
  std::vector<TermPair> terms;  // The end of the history, kPublishedTerms at most.
  Endpoint leader;              // Empty: none.
  std::vector<Endpoint> dead;   // Whose rows were dead.
  std::int64_t created = 0;     // TableShape::created: another table is another.
  bool operator==(const PublishedLeader&) const = default;
};
inline constexpr std::size_t kPublishedTerms = 4;

struct PartitionLineages {
  PartitionKey at;
  std::vector<Lineage> replicas;
  std::optional<PublishedLeader> published = {};
  bool operator==(const PartitionLineages&) const = default;
};

// An op that pauses, registers or copies: <root>/failoverd/ops/<id>, written before its first task.
// A successor goes on with it, or takes back what it did (SAFETY 11).
struct BegunOp {
  OpId id = 0;
  OpType type{};
  PartitionKey at;
  Endpoint replica;
  Incarnation incarnation = 0;  // Of the replica's tablet.
  Endpoint from = {};           // kMigrateOP: whose replica goes; else empty.
  Endpoint leader;
  Term leader_term = 0;  // The published one.
  // What the replica's log holds beyond the partition's and is still to be counted, which is when
  // it is dropped; none: not known. Never compared again (SAFETY 10).
  std::optional<std::uint64_t> lost_entries;
  // What its replica held when it was compared, and its leader's binlog has to reach; none: it is
  // copied.
  std::optional<Offset> held = {};
  Instant started;
  std::string why;
  // It has ended; only its tasks in the tablets' registries are left, a pause that its leader may
  // still be in, and that its leader may still send to whom has no row.
  bool over = false;
  bool paused = false;
  bool sends = false;
  bool operator==(const BegunOp&) const = default;
};

// Some of the last ops that ended: <root>/failoverd/ops/finished-<number modulo kFinishedZnodes>.
struct FinishedOps {
  std::uint64_t number = 0;  // Rises.
  std::vector<OpRecord> ops;
  bool operator==(const FinishedOps&) const = default;
};
inline constexpr std::uint64_t kFinishedZnodes = 100;
inline constexpr std::size_t kOpsPerZnode = 100;

}  // namespace failoverd::core
