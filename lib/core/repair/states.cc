#include "lib/core/repair/states.h"

#include <iterator>

#include "lib/base/check.h"

namespace failoverd::core {
namespace {

constexpr OpType kElect[] = {OpType::kChangeLeaderOP};
constexpr OpType kRestart[] = {OpType::kFullRestartOP};
constexpr OpType kSetDead[] = {OpType::kOfflineReplicaOP};
constexpr OpType kSetOnlyDead[] = {OpType::kUpdatePartitionStatusOP};
constexpr OpType kRecover[] = {OpType::kRecoverTableOP,         OpType::kReAddReplicaSimplifyOP,
                               OpType::kReAddReplicaNoSendOP,   OpType::kReAddReplicaWithDropOP,
                               OpType::kReAddReplicaOP,         OpType::kReLoadTableOP,
                               OpType::kUpdatePartitionStatusOP};

constexpr const char* kWouldElect = "elect a new leader";
constexpr const char* kWouldSetDead = "set dead a row";

constexpr StateRow kStates[] = {
    {Condition::kHealthy,
     "every row is alive, its leader leads and the others follow",
     nullptr,
     {},
     "",
     "nothing"},
    {Condition::kLeaderLost, "its leader's tablet is dead, or does not hold it; another can lead",
     kWouldElect, kElect, "", ""},
    {Condition::kNoLeader, "no alive row leads it, and one can", kWouldElect, kElect, "", ""},
    {Condition::kAllDown, "no alive row's tablet holds it, and one can load it",
     "load the replicas and elect a leader", kRestart, "", ""},
    {Condition::kNoCandidate,
     "no alive row can lead it or load it",
     nullptr,
     {},
     "",
     "the tablet of an alive row"},
    {Condition::kUnfinished, "an election was begun and not finished", nullptr, kElect, "", ""},
    {Condition::kFollowerLost, "an alive follower row does not follow", kWouldSetDead, kSetDead, "",
     ""},
    {Condition::kTwoLeaders,
     "another than its leader leads, or may",
     nullptr,
     {},
     "the other is told to follow",
     "that tablet's answer"},
    {Condition::kFollowerStalled,
     "an alive follower stands still behind its leader",
     nullptr,
     {},
     "it and its leader are asked why",
     "their answers, or that it moves"},
    {Condition::kSingleLost, "its only replica's tablet is dead", kWouldSetDead, kSetOnlyDead, "",
     ""},
    {Condition::kReturned, "a dead row's tablet is back, or the only replica does not lead",
     "bring back a replica", kRecover, "", ""},
    {Condition::kDegraded,
     "it is served, and a row is dead",
     nullptr,
     {},
     "",
     "the dead row's tablet"},
    {Condition::kUncertain,
     "one of its tablets is suspect, or not heard of yet",
     nullptr,
     {},
     "",
     "a verdict"},
    {Condition::kQuarantined,
     "its rows or terms contradict each other",
     nullptr,
     {},
     "",
     "somebody who mends its znode"},
};

constexpr TaskRow kElection[] = {
    {Task::kSelectLeader, Seat::kReplica, kNoLimit, Undo::kNone},
    {Task::kChangeLeader, Seat::kReplica, kNoLimit, Undo::kNone},
    {Task::kUpdateLeaderInfo, Seat::kMetadata, kNoLimit, Undo::kNone},
};

constexpr TaskRow kHandover[] = {
    {Task::kUpdatePartitionStatus, Seat::kMetadata, kNoLimit, Undo::kNone},
    {Task::kCheckBinlogSyncProgress, Seat::kReplica, kNoLimit, Undo::kNone},
    {Task::kChangeLeader, Seat::kLeader, kNoLimit, Undo::kNone},
    {Task::kSelectLeader, Seat::kReplica, kNoLimit, Undo::kNone},
    {Task::kChangeLeader, Seat::kReplica, kNoLimit, Undo::kNone},
    {Task::kUpdateLeaderInfo, Seat::kMetadata, kNoLimit, Undo::kNone},
};

constexpr OpRow kOps[] = {
    {OpType::kChangeLeaderOP, "elects among those that serve", kElection},
    {OpType::kFullRestartOP, "loads every alive row's replica and elects among them", kElection},
    {OpType::kHandoverOP, "an operator's: the leader lives, and goes on as a follower", kHandover},
    {OpType::kOfflineReplicaOP, "sets a lost follower's row dead", kOfflineReplicaTasks},
    {OpType::kUpdatePartitionStatusOP,
     "sets the only replica's row; or a partition is written by hand", kUpdateRowTasks},
    {OpType::kUpdateTableAliveOP, "ordered: rows are set by hand, or by recoverdata",
     kUpdateRowTasks},
    {OpType::kReLoadTableOP, "brings back the only replica", kReLoadTableTasks},
    {OpType::kRecoverTableOP, "finds out what a returned replica needs", kRecoverTableTasks},
    {OpType::kReAddReplicaSimplifyOP, "in memory, and its leader has what it lacks",
     kReAddReplicaSimplifyTasks},
    {OpType::kReAddReplicaNoSendOP, "loaded, and its leader has what it lacks",
     kReAddReplicaNoSendTasks},
    {OpType::kReAddReplicaWithDropOP, "its log cannot go on: copied anew",
     kReAddReplicaWithDropTasks},
    {OpType::kReAddReplicaOP, "nothing to load: copied", kReAddReplicaTasks},
    {OpType::kAddReplicaOP, "ordered: a new replica", kAddReplicaTasks},
    {OpType::kMigrateOP, "ordered: a new replica in the place of another one", kMigrateTasks},
    {OpType::kDelReplicaOP, "ordered: a replica goes", kDelReplicaTasks},
    {OpType::kMakeSnapshotOP, "ordered: its leader makes a snapshot", kMakeSnapshotTasks},
};

constexpr bool nothing_stays_paused() {
  for (const OpRow& row : kOps) {
    if (!all_is_undone(row.tasks)) return false;
  }
  return true;
}
static_assert(nothing_stays_paused());

const char* name_of(Seat seat) {
  switch (seat) {
    case Seat::kLeader:
      return "leader";
    case Seat::kReplica:
      return "replica";
    case Seat::kSource:
      return "source";
    case Seat::kMetadata:
      return "ZooKeeper";
  }
  return "?";
}

const char* name_of(Undo undo) {
  switch (undo) {
    case Undo::kNone:
      return "";
    case Undo::kRecoverSnapshot:
      return "taken back by RecoverSnapshot";
    case Undo::kDelReplica:
      return "taken back by DelReplica";
    case Undo::kSettleRows:
      return "settled, however it ends";
    case Undo::kDropCopy:
      return "taken back by DropTable";
    case Undo::kDelSource:
      return "its leader lets go of the source";
  }
  return "?";
}

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.resize(width, ' ');
  return text;
}

std::string without_spaces_at_the_end(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

std::string text_of(const StateRow& row) {
  constexpr std::size_t kName = 24;
  std::string text = padded(to_text(row.condition), kName) + row.meaning + "\n";
  for (const OpType op : row.ops) text += padded("", kName) + "op: " + to_text(op) + "\n";
  if (*row.done_without_op) text += padded("", kName) + "done: " + row.done_without_op + "\n";
  if (*row.waits_for) text += padded("", kName) + "waits for: " + row.waits_for + "\n";
  return text;
}

std::string text_of(const OpRow& row) {
  std::string text = padded(to_text(row.type), 28) + row.purpose + "\n";
  for (const TaskRow& task : row.tasks) {
    text += without_spaces_at_the_end(padded("", 4) + padded(to_text(task.task), 28) +
                                      padded(name_of(task.seat), 12) + name_of(task.undo));
  }
  return text;
}

}  // namespace

std::span<const StateRow> states() { return kStates; }

const StateRow& state(Condition condition) {
  const auto i = static_cast<std::size_t>(condition);
  CHECK(i < std::size(kStates));
  CHECK(kStates[i].condition == condition);
  return kStates[i];
}

std::span<const OpRow> ops_as_tables() { return kOps; }

std::string fsm_text() {
  std::string text = "A partition's states; its worst replica decides which one it is in.\n\n";
  for (const StateRow& row : kStates) text += text_of(row);
  text += "\nOps, task by task, and where each task is carried out.\n\n";
  for (const OpRow& row : kOps) text += text_of(row);
  return text;
}

}  // namespace failoverd::core
