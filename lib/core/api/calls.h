// The calls that the brain asks for at a tablet, and what comes back (FEDB.md 3.2). Plain values:
// lib/fedb turns them into messages.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "lib/core/api/types.h"

namespace failoverd::core {

// GetTableStatus of everything that the tablet holds, or of one partition.
struct GetTableStatus {
  std::optional<PartitionKey> at = std::nullopt;
};

struct GetTermPair {
  PartitionKey at;
};

// AppendEntries with pre_log_index 0 and no entries: the election probe, and the fence (SAFETY 3).
struct Probe {
  PartitionKey at;
  Term term = 0;
};

// ChangeRole to leader.
struct Promote {
  PartitionKey at;
  Term term = 0;
  std::vector<Endpoint> replicas;
};

// ChangeRole to follower.
struct Demote {
  PartitionKey at;
};

struct DelReplica {
  PartitionKey at;
  Endpoint replica;
};

struct GetTableFollower {
  PartitionKey at;
};

struct RecoverSnapshot {
  PartitionKey at;
};

// The leader starts sending to it.
struct AddReplica {
  PartitionKey at;
  Endpoint replica;
};

struct PauseSnapshot {
  PartitionKey at;
};

// From the disk, asynchronously: finished when GetTableStatus says kNormal. Always as follower
// (SAFETY 19): a leader that waits to be loaded takes puts, which cost everything that was there
// before. Of a table in memory no task is registered: what the tablet holds tells more than what it
// remembers. One on disk is to be seen only when it has been loaded, and a second load would fail
// and cost the replica: it is registered as (op, kLoadTable), with its partition.
struct LoadTable {
  PartitionKey at;
  std::string name;
  std::string db;
  OpId op = 0;  // 0: no task is registered.
  OpType type{};
  std::uint32_t base_tid = 0;
};

// Asynchronous: registered as (op, kSendSnapshot), told by GetTaskStatus.
struct SendSnapshot {
  PartitionKey at;
  Endpoint to;
  OpId op = 0;
  OpType type{};
};

// Asynchronous: registered as (op, kDropTable), told by GetTaskStatus. Moves the partition's
// directory into the recycle bin.
struct DropTable {
  PartitionKey at;
  OpId op = 0;
  OpType type{};
};

// Asynchronous: registered as (op, kMakeSnapshot), told by GetTaskStatus.
struct MakeSnapshot {
  PartitionKey at;
  OpId op = 0;
  OpType type{};
};

// Moves the binlog into the recycle bin.
struct DeleteBinlog {
  PartitionKey at;
};

// The offset of its snapshot: what its binlog no longer holds.
struct GetManifest {
  PartitionKey at;
};

struct GetTaskStatus {};

// The tablet forgets the tasks of an op. `of`: whose op it was; none: nobody knows any more.
struct DeleteOpTask {
  OpId op = 0;
  std::optional<PartitionKey> of = std::nullopt;
};

using Call =
    std::variant<GetTableStatus, GetTermPair, Probe, Promote, Demote, DelReplica, GetTableFollower,
                 RecoverSnapshot, AddReplica, PauseSnapshot, LoadTable, SendSnapshot, DropTable,
                 DeleteBinlog, GetManifest, GetTaskStatus, DeleteOpTask, MakeSnapshot>;

// Whether a call changes the tablet: such calls need the lock, the epoch and fresh contact with
// ZooKeeper at the moment of sending (SAFETY 14).
bool changes(const Call&);

// What partition a call is about; none: the whole tablet.
std::optional<PartitionKey> partition_of(const Call&);

// Response codes (FEDB.md 3.2) that decide something.
inline constexpr int kOk = 0;
inline constexpr int kTableIsNotExist = 100;
inline constexpr int kTableAlreadyExists = 101;
inline constexpr int kTableIsLeader = 102;
inline constexpr int kTableIsFollower = 103;
inline constexpr int kTableIsLoading = 104;
inline constexpr int kTableStatusIsNotNormal = 105;
inline constexpr int kTableIsMakingSnapshot = 106;
inline constexpr int kTableStatusIsNotPaused = 107;
inline constexpr int kReplicaAlreadyExists = 119;
inline constexpr int kFailToAppendEntries = 122;
inline constexpr int kSnapshotIsSending = 128;
inline constexpr int kTableDirIsNotExist = 130;
// OpenMLDB's LoadTable: there is no directory, or its table_meta.txt cannot be used (FEDB.md 8).
inline constexpr int kCreateTableFailed = 131;
inline constexpr int kNoPathForStorage = 138;  // Nowhere to put tables of that storage.
inline constexpr int kNoFollower = 134;        // OpenMLDB from 0.8.5: the leader has none.

// How the call went on its way.
enum class Transport : std::uint8_t {
  kAnswered,  // `code` is the method's own.
  kRefused,   // ECONNREFUSED: not carried out; evidence of a crash (SAFETY 15).
  kBroken,    // Reset or closed before the answer: may have been carried out.
  kGarbled,   // Something else came than an answer: may have been carried out.
  kSilent,    // Deadline passed, or the host cannot be reached: may have been carried out.
  kNotSent,   // Certainly not carried out: we were not allowed to, or had no connection.
  kNowhere,   // The tablet's name is no endpoint: nobody can be asked.
  kStranger,  // Somebody answered who is not known to be this cluster's: as good as no answer.
};

struct ReplicaStatus {
  PartitionKey at;
  Offset offset = 0;
  Mode mode = Mode::kFollower;
  TableState state = TableState::kUndefined;
  std::uint64_t record_cnt = 0;
  std::uint64_t record_bytes = 0;
  std::string name;  // The table's; no generation says its database. Empty: the tablet told none.
};

struct FollowerOffset {
  Endpoint endpoint;
  Offset offset = 0;
};

// A task in the tablet's registry.
struct RegisteredTask {
  OpId op = 0;
  Task task{};
  OpStatus status{};
  std::optional<PartitionKey> at = std::nullopt;  // Where whoever ordered it has said so.

  // Or waits for its turn there.
  bool runs() const { return status == OpStatus::kInited || status == OpStatus::kDoing; }
};

// One struct for all answers; which fields are set depends on the call.
struct Answer {
  Transport transport = Transport::kNotSent;
  int code = 0;            // With kAnswered.
  std::string text;        // The tablet's msg, or the transport's reason. For people.
  Term term = 0;           // GetTermPair; Probe: the replica's term, if the tablet tells it.
  Offset offset = 0;       // GetTermPair, Probe, GetTableFollower (the leader's own), GetManifest.
  bool has_table = false;  // GetTermPair.
  bool is_leader = false;  // GetTermPair.
  std::vector<ReplicaStatus> replicas;    // GetTableStatus.
  std::vector<FollowerOffset> followers;  // GetTableFollower.
  std::vector<RegisteredTask> tasks;      // GetTaskStatus.

  bool ok() const { return transport == Transport::kAnswered && code == kOk; }
  bool answered() const { return transport == Transport::kAnswered; }
  bool says(int what) const { return answered() && code == what; }
  // Certainly not carried out.
  bool never_sent() const {
    return transport == Transport::kNotSent || transport == Transport::kRefused;
  }
  // GetTableStatus: of this partition; null: the tablet does not hold it.
  const ReplicaStatus* status_of(PartitionKey at) const;
  // GetTableFollower: whether the leader said whom it sends to, and whether this one is among them.
  bool tells_followers() const { return ok() || says(kNoFollower); }
  bool sends_to(const Endpoint&) const;
};

const char* to_text(Transport);
std::string to_text(const Call&);
std::string to_text(const Answer&);

}  // namespace failoverd::core
