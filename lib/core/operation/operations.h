// Carries out the ops that are lists of tasks (task_tables.h), one task after the other. Every task
// looks before it acts, so that running it twice is harmless and a lost answer is polled, not
// repeated (SAFETY 17). However an op ends, what it paused, registered or half-added is taken back
// first (SAFETY 11). Owned by the brain. What each task asks and does is a row of
// task_behaviour.cc, made of steps in tasks.cc and findings.cc.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lib/core/api/asker.h"
#include "lib/core/api/outbox.h"
#include "lib/core/cluster/load_step.h"
#include "lib/core/cluster/model.h"
#include "lib/core/cluster/op_history.h"
#include "lib/core/durable/op_journal.h"
#include "lib/core/durable/publisher.h"
#include "lib/core/operation/choose_recovery.h"
#include "lib/core/operation/cleanup.h"
#include "lib/core/operation/task_tables.h"

namespace failoverd::core {

// What helps a partition: an op, and whom it is about.
struct Treatment {
  OpType type{};
  std::span<const TaskRow> table;
  TabletIndex replica = 0;
  bool alive = true;  // What its row is to become.
  std::optional<std::uint64_t> lost_entries = 0;
  std::string why;
  // An operator ordered it: it goes on with auto_failover off, too, and so does what follows it.
  bool ordered = false;
  TabletIndex from = 0;  // kMigrateOP: whose replica goes.
  bool any = false;      // kHandoverOP: whichever follower can best (standing.h) is to lead.
  // What its replica held when it was compared, and its leader's binlog has to reach.
  std::optional<Offset> held = std::nullopt;
  bool accepts_loss = false;  // kReLoadTableOP: it leads, also where it came up with nothing.
  bool by_hand = false;       // The row is set whatever its replica holds (kUpdateTableAliveOP).
  // Then: all rows that lie (rows_that_lie) become alive, as followers'. Whoever holds most is
  // found by an election.
  bool every_row = false;
};

class Operations : public Publishing, public Asker {
 public:
  Operations(Model& model, Outbox& outbox, OpHistory& ops, Publisher& publisher, OpJournal& journal,
             Cleanup& cleanup)
      : model_(model),
        outbox_(outbox),
        ops_(ops),
        publisher_(publisher),
        journal_(journal),
        cleanup_(cleanup) {}

  // The op has been opened in the OpHistory and is the partition's.
  void begin(OpId op, PartitionKey at, const Treatment& treatment);
  // A predecessor's, opened in the same way: goes on where it stands, or is taken back.
  void resume(const BegunOp& op);
  void stop();
  // Ends those that have changed nothing yet and that nobody ordered; `all`: takes back the others.
  void call_off(const std::string& why, bool all);
  // Takes back one of them; where that is not possible any more it goes on. False: it does not run.
  bool call_off(OpId, const std::string& why);
  // Whether anything may be changed now. Call in every step.
  void may_change(bool may);

  void answered(const ReplyTo&, const Answer&) override;
  void timer(const ReplyTo&) override;
  void journaled(OpId);
  // The leader changed or died, the replica's tablet died: what depends on them is taken back.
  void look_again(PartitionKey at);
  // The partition needs a leader first: what works on it is taken back.
  void give_way(PartitionKey at, const std::string& why);
  // An op under way sets this replica's row dead.
  bool sets_dead(PartitionKey at, TabletIndex replica) const;
  // Whether a replica is alive after it that was not before.
  static bool brings_alive(const Treatment&);
  // An op under way is to bring this replica alive, beside others; those of all partitions.
  bool brings_back(PartitionKey at, TabletIndex replica) const;
  std::vector<OpId> bringing_back(TabletIndex replica) const;
  // Whether this task has its row in task_behaviour.cc.
  static bool carries_out(Task);
  // Ops that copy from or to this tablet now.
  int copies_on(TabletIndex) const;

  // Ops that ended since the brain last looked.
  struct Ended {
    PartitionKey at;
    TabletIndex replica = 0;
    bool failed = false;
    std::string why;                // It failed.
    bool recovered = false;         // The replica is alive again.
    bool detached = false;          // Its leader does not send to it any more.
    std::optional<Treatment> next;  // kRecoverTableOP: what the replica needs.
  };
  std::vector<Ended> ended;

  std::optional<PartitionEdit> edit(OpId, const Partition&) override;
  void published(OpId) override;
  void gone(OpId, const std::string& why) override;
  void refused(OpId, const std::string& why) override;

 private:
  struct Operation {
    OpId op = 0;
    PartitionKey at;
    Treatment what;
    Instant began;
    // Whom it deals with, fixed when it began.
    TabletIndex leader = 0;
    Term leader_term = 0;  // The published one.
    Incarnation incarnation = 0;
    bool has_leader = false;
    // Where it stands.
    std::size_t row = 0;
    std::uint32_t step = 0;  // What was asked last; answers to earlier questions are void.
    Instant task_began;
    Duration pause{};    // Before the next look.
    bool acted = false;  // The present task has been sent, at acted_at.
    std::optional<Instant> acted_at;
    bool unanswered = false;  // What was sent then.
    std::string lacks;        // Why its replica may have a gap, which a successor has to know, too.
    bool sent_before = false;  // It had been sent already, and this was another try.
    bool refused = false;      // For now, and its tablet has it registered as failed.
    // Who did not answer when it was asked last: the detail says so.
    std::optional<TabletIndex> silent;
    bool counted = false;  // Its lost entries.
    bool resumed = false;  // Where a predecessor stood is not known.
    bool keeping = false;  // Its publish is about what is kept, not about rows.
    bool journaled = false;
    bool publishing = false;
    // Taking back: what is left to do, the last first; then it ends with this.
    std::vector<Undo> undo;
    std::optional<OpStatus> ending;
    Instant ending_since;
    bool may_be_written = false;   // What was on its way to ZooKeeper then.
    bool drop_unanswered = false;  // That of what was copied.
    std::string how;
    // kRecoverTable.
    Findings findings;
    std::optional<Offset> fence_reading;
    std::optional<RecoveryPlan> plan;
    // kCheckBinlogSyncProgress: what its leader was read to have after AddReplica (SAFETY 18); the
    // follower's last offset, and since when.
    std::optional<Offset> goal;
    Offset reached = 0;
    std::optional<Instant> reached_at;
  };
  // What was asked; the lower half of ReplyTo::what.
  enum Question : std::uint32_t {
    kLook,         // How far the task is.
    kConfirm,      // SAFETY 9: does the leader lead?
    kTarget,       // SAFETY 9: does the target hold the table?
    kAct,          // Do it.
    kUndo,         // Take it back.
    kUndoForget,   // Drop what was copied: its key in the registry,
    kUndoLook,     // whether it is there,
    kUndoConfirm,  // whether the leader leads (SAFETY 9),
    kUndoDrop,     // then do it.
    kUnpause,      // Somebody else's pause is in its way.
    kListed,       // Does its leader send to it already? Was it told to copy?
    kLoad,         // Whatever is on its disk, so that it can be dropped.
    kLoadTasks,    // Whether a table on disk is being loaded already.
    kForgetLoad,   // A load of this op that is over: its key is taken until then.
    kForget,       // A task that was refused.
    kDeleteBinlog,
    kTermPair,  // The replica's, its leader's.
    kLeaderPair,
    kFence,
    kManifest,
    kLookTimer,
    kUndoTimer,
  };

  enum class MayBeSentTo : std::uint8_t { kNo, kUnclear, kYes };

  Operation* find(OpId);
  const Endpoint& name(TabletIndex i) const { return model_.tablet(i).endpoint; }
  const Endpoint& replica(const Operation& o) const { return name(o.what.replica); }
  const Endpoint& leader(const Operation& o) const { return name(o.leader); }
  static Task task(const Operation& o) { return o.what.table[o.row].task; }
  bool leader_leads(const Operation&) const;
  bool leader_is_gone(const Operation&) const;
  bool is_alive(const Operation&) const;  // The row that the op is about.
  bool returns(const Operation&, TabletIndex replica) const;
  BegunOp entry(const Operation&) const;
  std::optional<std::string> why_not_begun(const Operation&, const Partition&) const;

  void ask(Operation&, Question, TabletIndex, Call, Duration deadline);
  void run(Operation&);
  void next(Operation&);
  void look_later(Operation&);
  void says(Operation&, std::string what);

  // task_behaviour.cc: every task's row.
  using Step = void (Operations::*)(Operation&);
  struct Said {
    Question question = kLook;
    void (Operations::*leads_to)(Operation&, const Answer&) = nullptr;
  };
  using Codes = std::array<int, 2>;
  // What an answer 0 to a task's call means: it is done, or its end is seen by looking.
  enum class OkMeans : std::uint8_t { kDone, kBegun };
  struct TaskBehaviour {
    Task task;
    bool is_rowless = false;   // Where it is about what has no row.
    Step look = nullptr;       // Asks how far it is; every task begins so, also when it is resumed.
    Step start = nullptr;      // When a look says that it is still to be done.
    Step kept = nullptr;       // After what is kept of the replica was written.
    Step confirmed = nullptr;  // After the leader said that it leads (SAFETY 9).
    Step taken = nullptr;      // As soon as the tablet has taken the order.
    std::array<Said, 9> answers = {};
    Call (Operations::*call)(const Operation&) const = nullptr;
    Duration answers_within = kActAtMost;
    OkMeans ok_means = OkMeans::kDone;
    bool asked_again = false;  // Not answered: told again at once, unless a look finds it.
    // Codes beside 0: as good as 0; later again; a returned replica has nothing to load.
    Codes done_already = {};
    Codes not_now = {};
    Codes nothing_there = {};
  };
  static const std::array<TaskBehaviour, 16> kBehaviours;
  static const TaskBehaviour* find_behaviour(Task, About about = About::kReplica);
  static const TaskBehaviour& behaviour(const Operation&);
  void look(Operation& o) { (this->*behaviour(o).look)(o); }
  void start(Operation&);
  void after_keeping(Operation&);
  void confirmed(Operation&);
  void taken(Operation&);
  Call del_replica(const Operation&) const;
  Call add_replica(const Operation&) const;
  Call pause_snapshot(const Operation&) const;
  Call recover_snapshot(const Operation&) const;
  Call load_table(const Operation&) const;
  Call drop_table(const Operation&) const;
  Call send_snapshot(const Operation&) const;
  Call lead(const Operation&) const;
  Call make_snapshot(const Operation&) const;

  // loads.cc: how a replica is loaded, and what comes up.
  LoadStep load_step(const Operation&, const Answer&) const;
  void loads(Operation&);
  void looked_at_load(Operation&, const Answer&);
  bool only_one_has_lost(Operation&, const ReplicaStatus&);
  void load_is_over(const Operation&);
  void load_if_it_does_not(Operation&);
  void looked_at_load_tasks(Operation&, const Answer&);
  void load_is_forgotten(Operation&, const Answer&);
  void tell_to_load(Operation&);
  void looked_at_recovery(Operation&, const Answer&);
  void load_to_find_out(Operation&);
  MayBeSentTo may_be_sent_to(const Operation&) const;
  void looked_at_rowless(Operation&, const Answer&);
  void told_to_load_rowless(Operation&, const Answer&);
  void load_was_refused(const Operation&, const Answer&);

  // tasks.cc: the steps.
  static TabletIndex seat(const Operation&);   // Where the present task is carried out,
  static TabletIndex whose(const Operation&);  // and whose replica it is about.
  Replica* row_about(const Operation&);        // That replica; null: it has no row (any more).
  void ask_followers(Operation&);
  void ask_registry(Operation&);
  void ask_status(Operation&);
  void looked_at_followers(Operation&, const Answer&);
  void looked_at_snapshot(Operation&, const Answer&);
  void looked_at_role(Operation&, const Answer&);
  void unpaused(Operation& o, const Answer&) { look_later(o); }
  void looked_at_registry(Operation&, const Answer&);
  void looked_for_it(Operation&, const Answer&);
  void look_at_target(Operation&);
  void ask_whether_sent(Operation&);
  void looked_whether_sent(Operation&, const Answer&);
  void snapshot_may_be_made(Operation&, const Answer&);
  void forget_refused(Operation&);
  void refused_is_forgotten(Operation&, const Answer&);
  bool may_be_destroyed(const Operation&) const;
  void nothing_is_held(Operation&, const Answer&);
  void may_be_dropped(Operation&, const Answer&);
  void confirm(Operation&);
  void confirm_then_publish(Operation&);
  void leader_lets_row_go(Operation&, const Answer&);
  bool says_it_leads(Operation&, const Answer&);
  void leader_confirmed(Operation&, const Answer&);
  void delete_binlog(Operation&);
  void act(Operation&);
  void count_lost(Operation&);
  void acted(Operation&, const Answer&);

  // findings.cc: what a returned replica holds, and how far it is behind.
  void look_at_what_it_holds(Operation&);
  void nothing_on_disk(Operation&);
  void cannot_be_loaded(Operation&);
  void binlog_deleted(Operation&, const Answer&);
  void it_said_what_it_holds(Operation&, const Answer&);
  void fence(Operation&);
  bool is_fenced(Operation&, const Answer&, bool* above);
  void fence_what_was_copied(Operation&);
  void fenced_before_it_is_added(Operation&, const Answer&);
  void leader_said_what_was_sent(Operation&, const Answer&);
  void fenced_behind_its_leader(Operation&, const Answer&);
  void fenced_to_find_out(Operation&, const Answer&);
  void look_at_leaders_offset(Operation&);
  void leader_said_what_it_has(Operation&, const Answer&);
  void manifest_said(Operation&, const Answer&);
  void decide(Operation&);
  void leader_said_its_goal(Operation&, const Answer&);
  void leader_said_how_far_it_reaches(Operation&, const Answer&);
  void it_said_its_offset(Operation&, const Answer&);

  // rows.cc: what is written to ZooKeeper.
  static bool moves(const Operation&);
  static std::optional<TabletIndex> goes(const Operation&);  // Whose row is to go, if one is.
  static bool needs_its_row(const Operation&);
  static bool rows_are_final(const Operation&);   // For the op; they may have changed since.
  bool rows_are_settled(const Operation&) const;  // They are as it wants them: whose goes is gone.
  static bool may_lead(const Replica&);
  void look_again_at_what_goes(Operation&, const Partition&);
  void keep_first(Operation&);
  void keep(Operation&);
  static Term follows_from_now(const Operation&);
  void publish_row(Operation&);
  std::optional<PartitionEdit> edit_of_kept(const Operation&, const Partition&) const;
  std::optional<PartitionEdit> edit_of_row(const Operation&, const Partition&) const;
  std::optional<PartitionEdit> edit_of_every_row(PartitionKey, const Partition&) const;
  void comes_alive(const Operation&, bool leads, PartitionEdit&) const;
  std::optional<PartitionEdit> edit_that_adds(const Operation&, const Partition&) const;
  std::optional<PartitionEdit> edit_that_removes(const Operation&, const Partition&) const;
  std::optional<PartitionEdit> edit_back(const Operation&, const Partition&) const;
  bool is_as_written(const Operation&) const;

  // Ending; taking_back.cc.
  void fail(Operation& o, const std::string& why) { finish(o, OpStatus::kFailed, why); }
  void cancel(Operation& o, const std::string& why) { finish(o, OpStatus::kCanceled, why); }
  void finish(Operation&, OpStatus, const std::string& how);
  static std::vector<Undo> what_to_undo(const Operation&);
  void take_back(Operation&);
  void taken_back(Operation&, const Answer&);
  void settle_rows(Operation&);
  void rows_settled(Operation&);
  void drop_copy(Operation&);
  void dropping_copy(Operation&, Question, const Answer&);
  void end_drop_of_copy(Operation&);
  void end(OpId, OpStatus, std::string how);
  void leave_clean(const Operation&);
  std::string what_was_done(const Operation&) const;
  void tell_how_it_ended(const Operation&, const OpRecord&);

  Model& model_;
  Outbox& outbox_;
  OpHistory& ops_;
  Publisher& publisher_;
  OpJournal& journal_;
  Cleanup& cleanup_;
  std::map<OpId, Operation> operations_;
  std::map<PartitionKey, OpId> of_partition_;
  bool may_change_ = false;
};

}  // namespace failoverd::core
