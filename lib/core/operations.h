// Ops that are lists of tasks: the tables, and what carries them out one task after the other. No
// conditions in a table: two situations that need different steps are two tables, and the brain
// chooses. Every task looks before it acts, so that running it twice is harmless. Owned by the
// brain.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lib/core/desk.h"
#include "lib/core/model.h"
#include "lib/core/op_log.h"
#include "lib/core/publisher.h"

namespace failoverd::core {

// Where a task is carried out.
enum class Seat : std::uint8_t { kLeader, kReplica, kMetadata };

// What takes a task back when a later one fails. kNone: nothing is left behind.
enum class Undo : std::uint8_t { kNone, kRecoverSnapshot, kDelReplica };

struct TaskRow {
  Task task = Task::kNone;
  Seat seat = Seat::kMetadata;
  Duration at_most{};  // One attempt; for metadata: none, it is tried until it is written.
  Undo undo = Undo::kNone;
};

inline constexpr Duration kNoLimit{};
// ChangeRole(follower) and DelReplica wait for a hung follower: 12 s, OpenMLDB 20 s (FEDB.md 3.2).
inline constexpr Duration kJoinsAReplica = std::chrono::seconds{25};

// The follower's tablet is dead: its row dies, then its leader stops sending to it. In this order:
// a daemon that dies in between leaves a dead row that is still sent to, which recovery takes for
// granted; the other way round it would leave an alive one that nobody sends to, which looks
// healthy for ever.
inline constexpr TaskRow kOfflineReplica[] = {
    {Task::kUpdatePartitionStatus, Seat::kMetadata, kNoLimit, Undo::kNone},
    {Task::kDelReplica, Seat::kLeader, kJoinsAReplica, Undo::kNone},
};

// The only replica's tablet is dead: its row says so, and stays the leader's.
inline constexpr TaskRow kSingleReplicaLost[] = {
    {Task::kUpdatePartitionStatus, Seat::kMetadata, kNoLimit, Undo::kNone},
};

// A pause that outlives its op would stop that partition's snapshots for ever (SAFETY 11).
constexpr bool pauses_are_undone(std::span<const TaskRow> table) {
  for (const TaskRow& row : table) {
    if (row.task == Task::kPauseSnapshot && row.undo != Undo::kRecoverSnapshot) return false;
  }
  return true;
}
static_assert(pauses_are_undone(kOfflineReplica));
static_assert(pauses_are_undone(kSingleReplicaLost));

class Operations : public Publishing {
 public:
  Operations(Model& model, Desk& desk, OpLog& ops, Publisher& publisher)
      : model_(model), desk_(desk), ops_(ops), publisher_(publisher) {}

  // The op has been opened in the OpLog and is the partition's. replica: whom it is about.
  void begin(OpId op, OpType type, PartitionKey at, TabletIndex replica,
             std::span<const TaskRow> table);
  void stop();
  // Ends those that have not published yet.
  void call_off(const std::string& why);

  void answered(const Route&, const Answer&);
  // The leader changed or died: what waits for an answer of the old one gives up.
  void look_again(PartitionKey at);

  // Ops that ended since the brain last looked, and whether they failed.
  struct Ended {
    PartitionKey at;
    bool failed = false;
  };
  std::vector<Ended> ended;

  std::optional<PartitionEdit> edit(OpId, const Partition&) override;
  void published(OpId) override;
  void gone(OpId, const std::string& why) override;

 private:
  struct Operation {
    OpId op = 0;
    OpType type{};
    PartitionKey at;
    TabletIndex replica = 0;
    std::span<const TaskRow> table;
    std::size_t row = 0;
    TabletIndex leader = 0;  // Where the present task runs, if its seat is the leader.
    bool publishing = false;
    std::uint32_t attempt = 0;
    Instant began;
  };

  Operation* find(OpId);
  void run(Operation&);
  void run_at_leader(Operation&);
  void next(Operation&);
  void fail(Operation&, const std::string& why);
  void end(OpId, OpStatus, const std::string& how);

  Model& model_;
  Desk& desk_;
  OpLog& ops_;
  Publisher& publisher_;
  std::map<OpId, Operation> operations_;
  std::map<PartitionKey, OpId> of_partition_;
};

}  // namespace failoverd::core
