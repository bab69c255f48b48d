// Operations: how an op goes from task to task, and how it ends. What a task is: tasks.cc.
#include "lib/core/operation/operations.h"

#include <algorithm>

#include "lib/base/check.h"
#include "lib/core/api/timing.h"

namespace failoverd::core {

Operations::Operation* Operations::find(OpId op) {
  const auto found = operations_.find(op);
  return found == operations_.end() ? nullptr : &found->second;
}

void Operations::begin(OpId op, PartitionKey at, const Treatment& treatment) {
  Operation& o = operations_[op];
  o.op = op;
  o.at = at;
  o.what = treatment;
  o.began = outbox_.now;
  of_partition_[at] = op;
  const Partition& p = *model_.partition(at);
  if (const Replica* leader = p.leader(); leader && leader->tablet != treatment.replica) {
    o.has_leader = true;
    o.leader = leader->tablet;
    o.leader_term = p.published_term();
  }
  o.incarnation = model_.tablet(treatment.replica).incarnation;
  o.findings.binlog_kept = outbox_.policy.recovery.reuse_binlog;
  if (!leaves_something(treatment.table) || !o.has_leader) {
    run(o);
    return;
  }
  says(o, "is being recorded");
  journal_.begin(entry(o));
}

BegunOp Operations::entry(const Operation& o) const {
  BegunOp entry;
  entry.id = o.op;
  entry.type = o.what.type;
  entry.at = o.at;
  entry.replica = replica(o);
  entry.incarnation = o.incarnation;
  if (o.has_leader) entry.leader = leader(o);
  entry.leader_term = o.leader_term;
  if (o.what.lost_entries) entry.lost_entries = o.counted ? 0 : *o.what.lost_entries;
  entry.started = o.began;
  entry.why = o.what.why;
  return entry;
}

bool Operations::is_alive(const Operation& o) const {
  const Partition* p = model_.partition(o.at);
  const Replica* r = p ? p->on(o.what.replica) : nullptr;
  return r && r->is_alive;
}

void Operations::resume(const BegunOp& begun) {
  Operation& o = operations_[begun.id];
  o.op = begun.id;
  o.at = begun.at;
  o.what.type = begun.type;
  o.what.table = table_of(begun.type);
  o.what.replica = model_.tablet_index(begun.replica);
  o.what.lost_entries = begun.lost_entries;
  o.what.why = begun.why;
  o.began = begun.started;
  o.has_leader = true;
  o.leader = model_.tablet_index(begun.leader);
  o.leader_term = begun.leader_term;
  o.incarnation = begun.incarnation;
  o.journaled = o.resumed = true;
  of_partition_[begun.at] = begun.id;
  if (is_alive(o)) {  // All was done; only that is not recorded. Nothing of it is done again.
    finish(o, OpStatus::kDone, o.what.why);
    return;
  }
  run(o);
  look_again(begun.at);
}

void Operations::stop() {
  operations_.clear();
  of_partition_.clear();
  ended.clear();
}

void Operations::call_off(const std::string& why, bool all) {
  std::vector<OpId> running;
  running.reserve(operations_.size());
  for (const auto& [op, o] : operations_) running.push_back(op);
  for (const OpId op : running) {
    Operation* o = find(op);
    const bool untouched = o->row == 0 && !o->acted && !o->resumed && !o->what.ordered;
    if (all || untouched) cancel(*o, why);
  }
}

bool Operations::call_off(OpId op, const std::string& why) {
  Operation* o = find(op);
  if (o) cancel(*o, why);
  return o != nullptr;
}

void Operations::journaled(OpId op) {
  Operation* o = find(op);
  if (!o || o->journaled) return;
  o->journaled = true;
  if (!o->ending) run(*o);
}

int Operations::copies_on(TabletIndex tablet) const {
  return static_cast<int>(
      std::count_if(operations_.begin(), operations_.end(), [&](const auto& entry) {
        const Operation& o = entry.second;
        return copies(o.what.table) && (o.leader == tablet || o.what.replica == tablet);
      }));
}

// Its tablet is dead, or somebody else answers there (SAFETY 21).
bool Operations::leader_is_gone(const Operation& o) const {
  return model_.tablet(o.leader).verdict.dead() || is_another(model_, leader(o), o.at);
}

bool Operations::leader_leads(const Operation& o) const {
  const Partition* p = model_.partition(o.at);
  const Replica* leads = p ? p->leader() : nullptr;
  return leads && leads->tablet == o.leader && !leader_is_gone(o) &&
         p->published_term() == o.leader_term && !p->unfinished_term;
}

void Operations::says(Operation& o, std::string what) {
  if (OpRecord* record = ops_.find(o.op)) record->detail = std::move(what);
}

void Operations::ask(Operation& o, Question question, TabletIndex tablet, Call call,
                     Duration deadline) {
  ++o.step;
  outbox_.call({ReplyTo::Owner::kOperations, o.op, question | o.step << 8, tablet, {}},
               name(tablet), std::move(call), deadline);
}

void Operations::run(Operation& o) {
  OpRecord* record = ops_.find(o.op);
  CHECK(record);
  const TaskRow& row = o.what.table[o.row];
  record->status = OpStatus::kDoing;
  record->task = row.task;
  record->detail = o.what.why;
  ++o.step;
  o.task_began = outbox_.now;
  o.acted_at.reset();
  o.acted = o.unanswered = false;
  o.pause = {};
  if (row.seat == Seat::kLeader && !o.has_leader) {
    fail(o, "the partition has no leader to ask");
  } else {
    look(o);
  }
}

void Operations::next(Operation& o) {
  if (++o.row < o.what.table.size()) {
    run(o);
    return;
  }
  end(o.op, OpStatus::kDone, o.plan ? o.plan->why : o.what.why);
}

void Operations::look_later(Operation& o) {
  const Duration at_most = o.what.table[o.row].at_most;
  if (at_most != kNoLimit && outbox_.now - o.task_began > at_most) {
    fail(o, std::string{to_text(task(o))} + " took longer than " +
                std::to_string(at_most / std::chrono::seconds{1}) + " s");
    return;
  }
  o.pause = std::clamp(o.pause * 2, kFirstLook, kSlowestLook);
  ++o.step;
  outbox_.timer({ReplyTo::Owner::kOperations, o.op, kLookTimer | o.step << 8, 0, {}},
                outbox_.now + o.pause);
}

void Operations::timer(const ReplyTo& reply_to) {
  Operation* o = find(reply_to.key);
  if (!o || reply_to.what >> 8 != (o->step & 0xffffff)) return;
  if (o->ending) {
    take_back(*o);
  } else {
    look(*o);
  }
}

// The leader changed or died, or the replica's tablet did: nothing of it can go on.
void Operations::look_again(PartitionKey at) {
  const auto op = of_partition_.find(at);
  Operation* o = op == of_partition_.end() ? nullptr : find(op->second);
  if (!o) return;
  const Partition* p = model_.partition(at);
  if (!p) {
    gone(o->op, "the partition is gone");
    return;
  }
  if (o->ending) {
    if (leader_is_gone(*o)) end(o->op, *o->ending, o->how);
    return;
  }
  if (!p->on(o->what.replica)) {
    cancel(*o, replica(*o) + " is no replica of it any more");
    return;
  }
  if (leaves_something(o->what.table) && !o->publishing && is_alive(*o)) {
    cancel(*o, replica(*o) + " is alive already");
    return;
  }
  if (p->replicas.size() > 1 && !leader_leads(*o) && !o->what.by_hand) {
    cancel(*o, "the partition's leader changed or died meanwhile");
    return;
  }
  const Tablet& t = model_.tablet(o->what.replica);
  if (o->what.alive && (t.verdict.dead() || t.incarnation != o->incarnation)) {
    cancel(*o, t.endpoint + " died or restarted meanwhile");
  } else if (o->what.alive && is_another(model_, t.endpoint, at)) {
    cancel(*o, t.endpoint + " is not known to be the same process any more");
  }
}

void Operations::give_way(PartitionKey at, const std::string& why) {
  const auto op = of_partition_.find(at);
  if (op != of_partition_.end()) cancel(*find(op->second), "its leader is lost: " + why);
}

bool Operations::sets_dead(PartitionKey at, TabletIndex replica) const {
  const auto op = of_partition_.find(at);
  if (op == of_partition_.end()) return false;
  const Operation& o = operations_.at(op->second);
  return !o.ending && !o.what.alive && o.what.replica == replica;
}

// --- Metadata ------------------------------------------------------------------------------------

// What is kept is true from here on: the replica's log is a prefix of its leader's, or there is
// none any more.
void Operations::keep_first(Operation& o) {
  const Lineage* kept = model_.kept(o.at, replica(o));
  if (kept && kept->followed == o.leader_term && !kept->or_later) {
    after_keeping(o);
    return;
  }
  o.keeping = o.publishing = true;
  publisher_.want(o.op, o.at, *this, Publisher::Urgency::kNobodyWaits);
}

// SAFETY 1: a follower's row dies only while an alive leader row stands beside it, a single
// replica's only when its znode is gone and its port does not answer.
std::optional<PartitionEdit> Operations::edit(OpId op, const Partition& p) {
  Operation* found = find(op);
  if (!found || !found->publishing) return std::nullopt;
  const Operation& o = *found;
  const Replica* r = p.on(o.what.replica);
  if (!r) return std::nullopt;
  PartitionEdit edit;
  if (o.keeping) {
    const Term followed = task(o) == Task::kRecoverTable ? 0 : o.leader_term;
    edit.kept.push_back({replica(o), followed, r->report.offset, false});
    return edit;
  }
  if (r->is_alive == o.what.alive) return std::nullopt;
  if (o.what.by_hand) {
    edit.rows.push_back({replica(o), r->is_leader, o.what.alive});
    return edit;
  }
  const bool single = p.replicas.size() == 1;
  if (o.what.alive) {
    if (!single && !leader_leads(o)) return std::nullopt;
    edit.rows.push_back({replica(o), single, true});
    const Lineage* kept = model_.kept(o.at, replica(o));
    if (kept && kept->last_offset)
      edit.kept.push_back({replica(o), kept->followed, {}, kept->or_later});
    return edit;
  }
  const Replica* leader = p.leader();
  if (!single && (!leader || leader == r)) return std::nullopt;
  const Tablet& t = model_.tablet(o.what.replica);
  if (single && (!t.verdict.dead() || t.evidence.registered)) return std::nullopt;
  edit.rows.push_back({replica(o), r->is_leader, false});
  edit.kept.push_back(model_.lineage_of(p, *r));
  return edit;
}

void Operations::published(OpId op) {
  Operation* o = find(op);
  if (!o || !o->publishing) return;
  o->publishing = false;
  if (std::exchange(o->keeping, false)) {
    after_keeping(*o);
    return;
  }
  const Partition* p = model_.partition(o->at);
  if (p && p->on(o->what.replica) && is_alive(*o) != o->what.alive) {
    fail(*o, std::string{"the rows changed meanwhile: it cannot be set "} +
                 (o->what.alive ? "alive" : "dead") + " now");
    return;
  }
  next(*o);
}

// What it paused is left to the cleanup.
void Operations::gone(OpId op, const std::string& why) {
  Operation* o = find(op);
  if (!o) return;
  if (!o->ending) o->undo = what_to_undo(*o);
  end(op, OpStatus::kCanceled, why);
}

// SAFETY 11: nothing is left half-done for as long as ZooKeeper does not take its table.
void Operations::refused(OpId op, const std::string& why) {
  Operation* o = find(op);
  if (o && o->publishing) fail(*o, "ZooKeeper does not take its table: " + why);
}

// --- Ending --------------------------------------------------------------------------------------

void Operations::finish(Operation& o, OpStatus status, const std::string& how) {
  if (o.ending) return;
  publisher_.forget(o.op);
  o.publishing = o.keeping = false;
  o.ending = status;
  o.how = how;
  o.undo = what_to_undo(o);
  take_back(o);
}

// From the row at which it stands backwards; a predecessor may have been at any.
std::vector<Undo> Operations::what_to_undo(const Operation& o) {
  std::vector<Undo> undo;
  const std::size_t last = o.resumed ? o.what.table.size() - 1 : o.row;
  for (std::size_t i = 0; i <= last; ++i) {
    const bool done = i < o.row || o.acted || o.resumed;
    if (o.what.table[i].undo != Undo::kNone && done) undo.push_back(o.what.table[i].undo);
  }
  return undo;
}

// SAFETY 11. Again and again until the leader has answered, or is dead: then others lead, and the
// cleanup goes on.
void Operations::take_back(Operation& o) {
  // SAFETY 5: one that may lead is told to follow before anything else.
  const Partition* p = model_.partition(o.at);
  const Replica* asked = p && o.has_leader ? p->on(o.leader) : nullptr;
  const bool may_lead = asked && asked->in_doubt_term;
  if (o.undo.empty() || !o.has_leader || may_lead || leader_is_gone(o)) {
    end(o.op, *o.ending, o.how);
    return;
  }
  if (o.undo.back() == Undo::kDelReplica && is_alive(o)) {  // It follows, and is to go on.
    o.undo.pop_back();
    take_back(o);
    return;
  }
  says(o, "takes back what it did: " + o.how);
  if (o.undo.back() == Undo::kRecoverSnapshot) {
    ask(o, kUndo, o.leader, RecoverSnapshot{o.at}, kTakeBackAtMost);
  } else {
    ask(o, kUndo, o.leader, DelReplica{o.at, replica(o)}, kJoinsAReplica);
  }
}

void Operations::taken_back(Operation& o, const Answer& answer) {
  // Not paused, or not added, any more; or it does not lead.
  const bool gone = answer.says(kTableStatusIsNotPaused) || answer.says(kNoFollower) ||
                    answer.says(kTableIsNotExist) || answer.says(kTableIsFollower);
  if (answer.ok() || gone) {
    o.undo.pop_back();
    take_back(o);
    return;
  }
  ++o.step;
  // Not let out: a new daemon has not heard from the leader yet, and will in a moment.
  const bool soon = answer.transport == Transport::kNotSent;
  outbox_.timer({ReplyTo::Owner::kOperations, o.op, kUndoTimer | o.step << 8, 0, {}},
                outbox_.now + (soon ? kSlowestLook : kTakeBackAgain));
}

// `how` by value: it may be the operation's own, which goes.
void Operations::end(OpId op, OpStatus status, std::string how) {
  const Operation o = *find(op);
  publisher_.forget(op);
  ops_.end(op, status, outbox_.now, std::move(how));
  journal_.finished(ops_.ended().back());
  outbox_.out.emplace_back(CountOp{op, o.what.type, status, outbox_.now - o.began});
  leave_clean(o);
  of_partition_.erase(o.at);
  operations_.erase(op);
  if (Partition* p = model_.partition(o.at)) {
    p->op = 0;
    if (has(o.what.table, Task::kPauseSnapshot)) p->pause_ended = outbox_.now;
  }
  const bool done = status == OpStatus::kDone;
  Ended result;
  result.at = o.at;
  result.replica = o.what.replica;
  result.failed = status == OpStatus::kFailed;
  if (result.failed) result.why = ops_.ended().back().detail;
  result.detached = done && !o.what.alive && o.has_leader;
  result.recovered = done && o.what.alive && !o.plan;
  if (done && o.plan) {
    result.next =
        Treatment{o.plan->type, table_of(o.plan->type), o.what.replica, true, o.plan->lost_entries,
                  o.plan->why,  o.what.ordered};
  }
  ended.push_back(std::move(result));
  tell_how_it_ended(o, ops_.ended().back());
}

// Its entry goes, unless something is left on a tablet that only the cleanup can take away.
void Operations::leave_clean(const Operation& o) {
  BegunOp over = entry(o);
  over.over = true;
  const Task unanswered = o.unanswered ? task(o) : Task::kNone;
  over.paused = unanswered == Task::kPauseSnapshot ||
                std::find(o.undo.begin(), o.undo.end(), Undo::kRecoverSnapshot) != o.undo.end();
  if (o.journaled && (over.paused || copies(o.what.table))) {
    cleanup_.begin(over, unanswered);
  } else {
    journal_.drop(o.op);
  }
}

void Operations::tell_how_it_ended(const Operation& o, const OpRecord& record) {
  const bool done = record.status == OpStatus::kDone;
  if (done && (!o.what.alive || o.plan)) return;  // Nothing new, or the op that follows says it.
  const std::string where = partition_name(record.db, record.table, o.at.pid);
  std::string text = replica(o) + " is alive again in " + where + " by " + to_text(o.what.type);
  if (!done) {
    const bool failed = record.status == OpStatus::kFailed;
    text = std::string{to_text(o.what.type)} + " of " + where + " on " + replica(o) +
           (failed ? " failed: " : " was called off: ") + record.detail;
  }
  const auto took = (record.ended - o.began) / std::chrono::milliseconds{1};
  outbox_.note(record.status == OpStatus::kFailed ? Severity::kWarning : Severity::kInfo, "op",
               text,
               {{"op_id", std::to_string(o.op)},
                {"table", record.table},
                {"pid", std::to_string(o.at.pid)},
                {"tablet", replica(o)},
                {"took_ms", std::to_string(took)}});
}

}  // namespace failoverd::core
