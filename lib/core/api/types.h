// The field's words as plain values. No behaviour, no I/O.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "lib/base/time.h"

namespace failoverd::core {

using Endpoint = std::string;  // "ip:port", a tablet's name in the rows and below nodes/.
using Term = std::uint64_t;
using Offset = std::uint64_t;     // Log index of the last entry; 0: none.
using OpId = std::uint64_t;       // From 1,000,000,001; 0: none.
using RequestId = std::uint64_t;  // Pairs a command with the event that answers it.
using Incarnation =
    std::int64_t;  // czxid of a tablet's znode: tells one registration from the next.

// Our op ids start far away from the nameserver's, whose task registry they share (FEDB.md 8).
inline constexpr OpId kFirstOpId = 1'000'000'001;

// No cluster counts so far by elections: a term above it is damage, and is neither believed nor
// outbid (SAFETY 16). Far enough from the end that no sum overflows.
inline constexpr Term kHighestTerm = Term{1} << 62;
// The same of a log's entries: at ten million puts a second it is reached after 14,000 years.
inline constexpr Offset kHighestOffset = Offset{1} << 62;

struct PartitionKey {
  std::uint32_t tid = 0;
  std::uint32_t pid = 0;
  auto operator<=>(const PartitionKey&) const = default;
};

// One number for a partition, where a key is a number.
constexpr std::uint64_t packed(PartitionKey at) { return std::uint64_t{at.tid} << 32 | at.pid; }
constexpr PartitionKey unpacked(std::uint64_t key) {
  return {static_cast<std::uint32_t>(key >> 32), static_cast<std::uint32_t>(key)};
}

enum class Mode : std::uint8_t { kLeader = 1, kFollower = 2 };

// TableState of FEDB.md 3.
enum class TableState : std::uint8_t {
  kUndefined = 0,
  kNormal = 1,
  kLoading = 2,
  kMakingSnapshot = 3,
  kSnapshotPaused = 4,
};

struct TermPair {
  Term term = 0;
  Offset offset = 0;  // First offset written in that term.
  bool operator==(const TermPair&) const = default;
};

// One PartitionMeta, as far as failoverd decides by it.
struct Row {
  Endpoint endpoint;
  bool is_leader = false;
  bool is_alive = false;
  bool operator==(const Row&) const = default;
};

struct PartitionShape {
  std::uint32_t pid = 0;
  std::vector<Row> rows;
  std::vector<TermPair> terms;
  bool operator==(const PartitionShape&) const = default;
};

// Where a table's rows live: StorageMode of FEDB.md 8.
enum class Storage : std::uint8_t { kMemory = 1, kSsd = 2, kHdd = 3 };

// A TableInfo znode, as far as failoverd decides by it.
struct TableShape {
  std::string znode;  // Relative to the cluster's root: "table/table_data/flow".
  std::int32_t version = 0;
  std::int64_t created = 0;  // czxid: a znode that was made anew counts its versions anew.
  std::uint32_t bytes = 0;   // Size of the value: several tables share one multi up to its limit.
  std::string name;
  std::string db;
  std::uint32_t tid = 0;
  std::vector<PartitionShape> partitions;
  Storage storage = Storage::kMemory;
  std::uint32_t base_tid = 0;  // Above 0: it holds aggregates of that table.

  // Its replicas are to be seen on their tablets only when they have been loaded (FEDB.md 8).
  bool is_on_disk() const { return storage != Storage::kMemory; }
  bool operator==(const TableShape&) const = default;
};

// It holds what it had: while it loads, its offset says nothing (FEDB.md 3.2).
constexpr bool is_loaded(TableState state) {
  return state != TableState::kUndefined && state != TableState::kLoading;
}

enum class OpType : std::uint8_t {
  kMakeSnapshotOP = 1,
  kAddReplicaOP,
  kDelReplicaOP,
  kChangeLeaderOP,
  kOfflineReplicaOP,
  kReAddReplicaOP,
  kReAddReplicaNoSendOP,
  kReAddReplicaWithDropOP,
  kReAddReplicaSimplifyOP,
  kUpdateTableAliveOP,
  kMigrateOP,
  kReLoadTableOP,
  kUpdatePartitionStatusOP,
  kRecoverTableOP,
  kHandoverOP = 100,  // The nameserver has no such op; nor the next.
  kFullRestartOP,
};

// A handover ends in one.
constexpr bool is_election(OpType type) {
  return type == OpType::kChangeLeaderOP || type == OpType::kFullRestartOP ||
         type == OpType::kHandoverOP;
}

enum class Task : std::uint8_t {
  kNone = 0,  // Shown as "-".
  kMakeSnapshot,
  kPauseSnapshot,
  kRecoverSnapshot,
  kSendSnapshot,
  kLoadTable,
  kAddReplica,
  kAddTableInfo,
  kDelReplica,
  kDelTableInfo,
  kChangeLeader,
  kUpdatePartitionStatus,
  kDropTable,
  kUpdateTableAlive,
  kUpdateTableInfo,
  kSelectLeader,
  kUpdateLeaderInfo,
  kRecoverTable,
  kCheckBinlogSyncProgress,
};

enum class OpStatus : std::uint8_t { kInited = 1, kDoing, kDone, kFailed, kCanceled };

// What is known of a tablet; the words of metric failoverd_tablets{state}.
enum class TabletState : std::uint8_t {
  kUnknown,  // Not asked yet, or not for long enough to tell. Shown as suspect.
  kHealthy,
  kSuspect,    // znode there, no answer.
  kCrashed,    // Its process is gone: refused.
  kLost,       // No znode, no answer for `silence`.
  kCutOff,     // No znode, answers.
  kRestarted,  // Answers, and no longer holds what it held.
  kHung,       // Its znode is there, its leaders hang. This version gives no such verdict.
  kStranger,   // Another cluster's process answers on its address (SAFETY 21).
};

const char* to_text(Mode);
const char* to_text(TableState);
const char* to_text(OpType);
const char* to_text(Task);
const char* to_text(OpStatus);
const char* to_text(TabletState);
std::string to_text(PartitionKey);  // "2:0": tid:pid.

}  // namespace failoverd::core
