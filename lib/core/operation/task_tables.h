// The ops that are lists of tasks, as tables: what, where, how long at most, what takes it back. No
// conditions in a table: two situations that need different steps are two tables, and
// treatments.cc and choose_recovery.h choose. operations.h carries them out.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "lib/core/api/timing.h"
#include "lib/core/api/types.h"

namespace failoverd::core {

// Where a task is carried out.
enum class Seat : std::uint8_t { kLeader, kReplica, kMetadata };

// What takes a task back when it or a later one fails. kNone: nothing is left behind.
enum class Undo : std::uint8_t { kNone, kRecoverSnapshot, kDelReplica };

struct TaskRow {
  Task task = Task::kNone;
  Seat seat = Seat::kMetadata;
  Duration at_most{};  // The whole task; kNoLimit: as long as both tablets live.
  Undo undo = Undo::kNone;
};

// The follower's tablet is dead: its row dies, then its leader stops sending to it. In this order:
// a daemon that dies in between leaves a dead row that is still sent to, which recovery takes for
// granted; the other way round it would leave an alive one that nobody sends to, which looks
// healthy for ever.
inline constexpr TaskRow kOfflineReplicaTasks[] = {
    {Task::kUpdatePartitionStatus, Seat::kMetadata, kNoLimit, Undo::kNone},
    {Task::kDelReplica, Seat::kLeader, kJoinsAReplica, Undo::kNone},
};

// Only the row of a partition's only replica changes: dead with its tablet, alive again with it.
inline constexpr TaskRow kUpdateRowTasks[] = {
    {Task::kUpdatePartitionStatus, Seat::kMetadata, kNoLimit, Undo::kNone},
};

// The only replica is back, with nothing in memory, or as a follower that nobody has told to lead
// yet. Its row comes alive when it leads (SAFETY 19).
inline constexpr TaskRow kReLoadTableTasks[] = {
    {Task::kLoadTable, Seat::kReplica, kNoLimit, Undo::kNone},
    {Task::kChangeLeader, Seat::kReplica, kNoLimit, Undo::kNone},
    {Task::kUpdatePartitionStatus, Seat::kMetadata, kNoLimit, Undo::kNone},
};

// Finds out what a returned replica needs; the op that gives it follows (choose_recovery.h). The
// leader lets go of it first: a position left behind is never found again (SAFETY 10).
inline constexpr TaskRow kRecoverTableTasks[] = {
    {Task::kDelReplica, Seat::kLeader, kJoinsAReplica, Undo::kNone},
    {Task::kRecoverTable, Seat::kReplica, kNoLimit, Undo::kNone},
};

inline constexpr TaskRow kReAddReplicaSimplifyTasks[] = {
    {Task::kAddReplica, Seat::kLeader, kQuick, Undo::kDelReplica},
    {Task::kCheckBinlogSyncProgress, Seat::kReplica, kNoLimit, Undo::kNone},
    {Task::kUpdatePartitionStatus, Seat::kMetadata, kNoLimit, Undo::kNone},
};

inline constexpr TaskRow kReAddReplicaNoSendTasks[] = {
    {Task::kPauseSnapshot, Seat::kLeader, kNoLimit, Undo::kRecoverSnapshot},
    {Task::kLoadTable, Seat::kReplica, kNoLimit, Undo::kNone},
    {Task::kAddReplica, Seat::kLeader, kQuick, Undo::kDelReplica},
    {Task::kRecoverSnapshot, Seat::kLeader, kQuick, Undo::kNone},
    {Task::kCheckBinlogSyncProgress, Seat::kReplica, kNoLimit, Undo::kNone},
    {Task::kUpdatePartitionStatus, Seat::kMetadata, kNoLimit, Undo::kNone},
};

inline constexpr TaskRow kReAddReplicaWithDropTasks[] = {
    {Task::kPauseSnapshot, Seat::kLeader, kNoLimit, Undo::kRecoverSnapshot},
    {Task::kDropTable, Seat::kReplica, kNoLimit, Undo::kNone},
    {Task::kSendSnapshot, Seat::kLeader, kNoLimit, Undo::kNone},
    {Task::kLoadTable, Seat::kReplica, kNoLimit, Undo::kNone},
    {Task::kAddReplica, Seat::kLeader, kQuick, Undo::kDelReplica},
    {Task::kRecoverSnapshot, Seat::kLeader, kQuick, Undo::kNone},
    {Task::kCheckBinlogSyncProgress, Seat::kReplica, kNoLimit, Undo::kNone},
    {Task::kUpdatePartitionStatus, Seat::kMetadata, kNoLimit, Undo::kNone},
};

inline constexpr TaskRow kReAddReplicaTasks[] = {
    {Task::kPauseSnapshot, Seat::kLeader, kNoLimit, Undo::kRecoverSnapshot},
    {Task::kSendSnapshot, Seat::kLeader, kNoLimit, Undo::kNone},
    {Task::kLoadTable, Seat::kReplica, kNoLimit, Undo::kNone},
    {Task::kAddReplica, Seat::kLeader, kQuick, Undo::kDelReplica},
    {Task::kRecoverSnapshot, Seat::kLeader, kQuick, Undo::kNone},
    {Task::kCheckBinlogSyncProgress, Seat::kReplica, kNoLimit, Undo::kNone},
    {Task::kUpdatePartitionStatus, Seat::kMetadata, kNoLimit, Undo::kNone},
};

constexpr bool has(std::span<const TaskRow> table, Task task) {
  return std::any_of(table.begin(), table.end(), [&](const TaskRow& r) { return r.task == task; });
}

// Whether it moves a whole replica over the network: bounded by recovery.max_copies_per_tablet.
constexpr bool copies(std::span<const TaskRow> table) { return has(table, Task::kSendSnapshot); }

// Whether a successor must know of it before its first task.
constexpr bool leaves_something(std::span<const TaskRow> table) {
  return std::any_of(table.begin(), table.end(),
                     [](const TaskRow& r) { return r.undo != Undo::kNone; });
}

// A pause that outlives its op would stop that partition's snapshots for ever, and what was half
// added is sent to without anybody knowing (SAFETY 11).
constexpr bool all_is_undone(std::span<const TaskRow> table) {
  for (const TaskRow& row : table) {
    if (row.task == Task::kPauseSnapshot && row.undo != Undo::kRecoverSnapshot) return false;
    if (row.task == Task::kAddReplica && row.undo != Undo::kDelReplica) return false;
  }
  return !has(table, Task::kPauseSnapshot) || has(table, Task::kRecoverSnapshot);
}

// The table of an op that a successor may find in the journal; empty for the others.
constexpr std::span<const TaskRow> table_of(OpType type) {
  switch (type) {
    case OpType::kReAddReplicaOP:
      return kReAddReplicaTasks;
    case OpType::kReAddReplicaNoSendOP:
      return kReAddReplicaNoSendTasks;
    case OpType::kReAddReplicaWithDropOP:
      return kReAddReplicaWithDropTasks;
    case OpType::kReAddReplicaSimplifyOP:
      return kReAddReplicaSimplifyTasks;
    default:
      return {};
  }
}

}  // namespace failoverd::core
