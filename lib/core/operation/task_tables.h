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

// Where a task is carried out. kSource: where the replica is that moves away.
enum class Seat : std::uint8_t { kLeader, kReplica, kSource, kMetadata };

// What takes a task back when it or a later one fails. kNone: nothing is left behind.
// kSettleRows: a row that was added and is not alive goes, and to whom has none nobody sends.
// kDropCopy: what was copied to a tablet that has no row is dropped there. kDelSource: DelReplica
// of the source; follows from kSettleRows, and stands in no table.
enum class Undo : std::uint8_t {
  kNone,
  kRecoverSnapshot,
  kDelReplica,
  kSettleRows,
  kDropCopy,
  kDelSource,
};

// Whom a task is about: the op's replica, the one that moves away, or whatever the seat's tablet
// holds of the partition without a row.
enum class About : std::uint8_t { kReplica, kSource, kRowless };

struct TaskRow {
  Task task = Task::kNone;
  Seat seat = Seat::kMetadata;
  Duration at_most{};  // The whole task; kNoLimit: as long as both tablets live.
  Undo undo = Undo::kNone;
  About about = About::kReplica;
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

// A new replica. What an earlier one has left on its tablet goes first: SendSnapshot is refused
// where the table is in memory, and LoadTable reads an old binlog behind the snapshot that came.
// Its row is there as soon as its leader sends to it, and comes alive when it has caught up.
inline constexpr TaskRow kAddReplicaTasks[] = {
    {Task::kDelReplica, Seat::kLeader, kJoinsAReplica, Undo::kNone},
    {Task::kDropTable, Seat::kReplica, kNoLimit, Undo::kNone, About::kRowless},
    {Task::kPauseSnapshot, Seat::kLeader, kNoLimit, Undo::kRecoverSnapshot},
    {Task::kSendSnapshot, Seat::kLeader, kNoLimit, Undo::kNone},
    {Task::kLoadTable, Seat::kReplica, kNoLimit, Undo::kDropCopy},
    {Task::kAddReplica, Seat::kLeader, kQuick, Undo::kDelReplica},
    {Task::kRecoverSnapshot, Seat::kLeader, kQuick, Undo::kNone},
    {Task::kAddTableInfo, Seat::kMetadata, kNoLimit, Undo::kSettleRows},
    {Task::kCheckBinlogSyncProgress, Seat::kReplica, kNoLimit, Undo::kNone},
    {Task::kUpdatePartitionStatus, Seat::kMetadata, kNoLimit, Undo::kNone},
};

// The same, and another one goes. Unlike the nameserver's: its leader's snapshots stay paused until
// it sends to the new replica, so that nothing is deleted that this one needs; and the source's row
// goes before its leader lets go of it: a daemon that dies in between leaves nobody alive whom
// nobody sends to.
inline constexpr TaskRow kMigrateTasks[] = {
    {Task::kDelReplica, Seat::kLeader, kJoinsAReplica, Undo::kNone},
    {Task::kDropTable, Seat::kReplica, kNoLimit, Undo::kNone, About::kRowless},
    {Task::kPauseSnapshot, Seat::kLeader, kNoLimit, Undo::kRecoverSnapshot},
    {Task::kSendSnapshot, Seat::kLeader, kNoLimit, Undo::kNone},
    {Task::kLoadTable, Seat::kReplica, kNoLimit, Undo::kDropCopy},
    {Task::kAddReplica, Seat::kLeader, kQuick, Undo::kDelReplica},
    {Task::kRecoverSnapshot, Seat::kLeader, kQuick, Undo::kNone},
    {Task::kAddTableInfo, Seat::kMetadata, kNoLimit, Undo::kSettleRows},
    {Task::kCheckBinlogSyncProgress, Seat::kReplica, kNoLimit, Undo::kNone},
    {Task::kUpdateTableInfo, Seat::kMetadata, kNoLimit, Undo::kNone},
    {Task::kDelReplica, Seat::kLeader, kNoLimit, Undo::kNone, About::kSource},
    {Task::kDropTable, Seat::kSource, kNoLimit, Undo::kNone, About::kRowless},
};

// In this order for the same reason as kOfflineReplicaTasks.
inline constexpr TaskRow kDelReplicaTasks[] = {
    {Task::kDelTableInfo, Seat::kMetadata, kNoLimit, Undo::kSettleRows},
    {Task::kDelReplica, Seat::kLeader, kNoLimit, Undo::kNone},
    {Task::kDropTable, Seat::kReplica, kNoLimit, Undo::kNone, About::kRowless},
};

inline constexpr TaskRow kMakeSnapshotTasks[] = {
    {Task::kMakeSnapshot, Seat::kLeader, kNoLimit, Undo::kNone},
};

constexpr bool has(std::span<const TaskRow> table, Task task) {
  return std::any_of(table.begin(), table.end(), [&](const TaskRow& r) { return r.task == task; });
}

// Which row it is, of a table that has it once; without it: behind all.
constexpr std::size_t place_of(std::span<const TaskRow> table, Task task) {
  return static_cast<std::size_t>(
      std::find_if(table.begin(), table.end(), [&](const TaskRow& r) { return r.task == task; }) -
      table.begin());
}

// The task with which it is settled whose row goes; behind all: nobody's does.
constexpr std::size_t place_of_final_rows(std::span<const TaskRow> table) {
  return std::min(place_of(table, Task::kUpdateTableInfo), place_of(table, Task::kDelTableInfo));
}

// Whether it changes which rows there are.
constexpr bool changes_which_rows(std::span<const TaskRow> table) {
  return has(table, Task::kAddTableInfo) || has(table, Task::kDelTableInfo);
}

// Whether its tablet lists it, and refuses it a second time, until it is told to forget it.
constexpr bool is_registered(Task task) {
  return task == Task::kSendSnapshot || task == Task::kDropTable || task == Task::kMakeSnapshot;
}

constexpr bool registers(std::span<const TaskRow> table) {
  return std::any_of(table.begin(), table.end(),
                     [](const TaskRow& r) { return is_registered(r.task); });
}

// Whether it moves a whole replica over the network: bounded by recovery.max_copies_per_tablet.
constexpr bool copies(std::span<const TaskRow> table) { return has(table, Task::kSendSnapshot); }

// Whether a successor must know of it before its first task.
constexpr bool leaves_something(std::span<const TaskRow> table) {
  return registers(table) || std::any_of(table.begin(), table.end(),
                                         [](const TaskRow& r) { return r.undo != Undo::kNone; });
}

// A pause that outlives its op would stop that partition's snapshots for ever, and what was half
// added is sent to without anybody knowing (SAFETY 11).
constexpr bool all_is_undone(std::span<const TaskRow> table) {
  for (const TaskRow& row : table) {
    if (row.task == Task::kPauseSnapshot && row.undo != Undo::kRecoverSnapshot) return false;
    if (row.task == Task::kAddReplica && row.undo != Undo::kDelReplica) return false;
    const bool rows = row.task == Task::kAddTableInfo || row.task == Task::kDelTableInfo;
    if (rows && row.undo != Undo::kSettleRows) return false;
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
    case OpType::kAddReplicaOP:
      return kAddReplicaTasks;
    case OpType::kMigrateOP:
      return kMigrateTasks;
    case OpType::kDelReplicaOP:
      return kDelReplicaTasks;
    case OpType::kMakeSnapshotOP:
      return kMakeSnapshotTasks;
    default:
      return {};
  }
}

}  // namespace failoverd::core
