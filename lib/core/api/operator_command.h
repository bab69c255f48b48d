// What an operator asks for, and what he is told at once. Plain values; the codes and their words
// are the nameserver's (docs/wire.md), the checks are made in lib/core/operators.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "lib/core/api/types.h"

namespace failoverd::core {

// Tables of two databases may have one name.
struct TableName {
  std::string name;
  std::string db;  // Empty: outside every database.
};

namespace operators {

// How many ops of one command run at once.
inline constexpr std::uint32_t kConcurrency = 2;
inline constexpr std::uint32_t kMostConcurrency = 8;

// Another leader for a partition.
struct ChangeLeader {
  TableName table;
  std::uint32_t pid = 0;
  // The follower that is to lead, or "auto": any. Empty: any, and the leader's row must be dead.
  Endpoint candidate = {};
  bool accept_loss = false;  // SAFETY 1, 20: what others are known to hold may be lost.
  bool force = false;        // The leader hangs: it is not waited for, and not handed over.
};

// Nothing is to be led or followed there, until RecoverEndpoint.
struct OfflineEndpoint {
  Endpoint endpoint;
  std::uint32_t concurrency = kConcurrency;
};

// Brings back all that has a row there.
struct RecoverEndpoint {
  Endpoint endpoint;
  bool need_restore = false;  // What it led it leads again afterwards.
  std::uint32_t concurrency = kConcurrency;
};

// Brings back one replica.
struct RecoverTable {
  TableName table;
  std::uint32_t pid = 0;
  Endpoint endpoint;
};

// The replicas of these partitions from one tablet to another.
struct Migrate {
  Endpoint from;
  TableName table;
  std::vector<std::uint32_t> pids;
  Endpoint to;
};

// One more follower for each of these partitions.
struct AddReplicas {
  TableName table;
  std::vector<std::uint32_t> pids;
  Endpoint endpoint;
};

// The followers of these partitions go from that tablet, and what it holds of them is dropped.
struct DelReplicas {
  TableName table;
  std::vector<std::uint32_t> pids;
  Endpoint endpoint;
};

// The partition's leader makes a snapshot.
struct MakeSnapshot {
  TableName table;
  std::uint32_t pid = 0;
};

// Takes back what was begun; finishes what cannot be taken back (SAFETY 3).
struct CancelOp {
  OpId op = 0;
};

// Edits rows by hand; refused while auto_failover is on.
struct UpdateTableAlive {
  TableName table;
  std::optional<std::uint32_t> pid;  // None: all.
  Endpoint endpoint;
  bool alive = false;
};

// Keeps automatic failover away from something.
struct AddHold {
  Endpoint tablet;  // Or:
  TableName table;  // or neither, then `everything` must be said.
  std::optional<std::uint32_t> pid;
  bool everything = false;
  std::string reason;
  std::string by;    // Whose it is; empty: whoever asks.
  Duration lasts{};  // From one second to kLongestHold.
};
inline constexpr Duration kLongestHold = std::chrono::hours{24 * 365};

// Ends a hold, by its id.
struct RemoveHold {
  std::uint64_t hold = 0;
};

// Brings the whole cluster to health, with the switch on or off and whatever is held.
struct RecoverData {
  // Only loads what nobody leads, as follower, so that what there is can be seen first.
  bool look = false;
};

// Replaces a partition by hand, rows and history; refused while auto_failover is on.
struct SetTablePartition {
  TableName table;
  PartitionShape partition;               // As it is to be.
  std::string message;                    // The same as a TablePartition, with all that it says.
  std::int32_t version = 0;               // Of the znode in which the partition was read.
  std::vector<std::string> what_changes;  // A line each; empty: nothing does.
};

}  // namespace operators

using OperatorCommand =
    std::variant<operators::ChangeLeader, operators::OfflineEndpoint, operators::RecoverEndpoint,
                 operators::RecoverTable, operators::Migrate, operators::AddReplicas,
                 operators::DelReplicas, operators::MakeSnapshot, operators::CancelOp,
                 operators::UpdateTableAlive, operators::AddHold, operators::RemoveHold,
                 operators::RecoverData, operators::SetTablePartition>;

// What is said to a command: refused, done, or begun.
struct OperatorAnswer {
  int code = 0;                   // 0: it is done, or its ops have been opened.
  std::string error;              // The code's words: "leader is alive".
  std::string hint;               // What would be right; may be empty.
  std::vector<OpId> ops;          // Those that were opened, in the order in which they begin.
  std::vector<std::string> plan;  // What is done, a sentence for each partition.
  std::uint64_t hold = 0;         // AddHold, OfflineEndpoint: the hold's id.
};

// Codes of the nameserver's that nothing else here needs.
inline constexpr int kAutoFailoverIsEnabled = 301;
inline constexpr int kEndpointIsNotExist = 302;
inline constexpr int kTabletIsNotHealthy = 303;
inline constexpr int kSetZkFailed = 304;
inline constexpr int kCreateOpFailed = 305;
inline constexpr int kInvalidParameter = 307;
inline constexpr int kPidIsNotExist = 308;
inline constexpr int kLeaderIsAlive = 309;
inline constexpr int kNoAliveFollower = 310;
inline constexpr int kTableIsAlive = 311;
inline constexpr int kOpStatusIsNotDoing = 312;
inline constexpr int kReplicaIsThere = 317;
inline constexpr int kSourceNotHealthy = 318;
inline constexpr int kTargetNotHealthy = 319;
inline constexpr int kMigrateFailed = 320;
inline constexpr int kNoPidHasUpdate = 321;

}  // namespace failoverd::core
