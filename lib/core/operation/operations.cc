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
  const bool of_leader = has(treatment.table, Task::kMakeSnapshot);
  const Replica* leader = p.leader();
  if (leader && (of_leader || leader->tablet != treatment.replica)) {
    o.has_leader = true;
    o.leader = leader->tablet;
    o.leader_term = p.published_term();
  }
  o.incarnation = model_.tablet(treatment.replica).incarnation;
  // A table on disk may have come into memory since it was looked for.
  o.findings.binlog_kept = outbox_.policy.recovery.reuse_binlog || model_.is_on_disk(o.at);
  if (auto wrong = why_not_begun(o, p)) return cancel(o, *wrong);
  if (!leaves_something(treatment.table) || !o.has_leader) {
    run(o);
    return;
  }
  says(o, "is being recorded");
  journal_.begin(entry(o));
}

// What an operator ordered, and what has become impossible since; none: it begins.
std::optional<std::string> Operations::why_not_begun(const Operation& o, const Partition& p) const {
  const auto& table = o.what.table;
  if (!changes_which_rows(table) && !has(table, Task::kMakeSnapshot)) return std::nullopt;
  if (!o.has_leader) {
    const Replica* leader = p.leader();
    return leader ? name(leader->tablet) + " leads it" : "the partition has no leader to ask";
  }
  if (has(table, Task::kAddTableInfo) && p.on(o.what.replica)) {
    return replica(o) + " is a replica of it already";
  }
  if (!goes(o)) return std::nullopt;
  const Replica* gone = p.on(*goes(o));
  if (!gone) return name(*goes(o)) + " is no replica of it any more";
  if (may_lead(*gone)) return name(*goes(o)) + " leads it, or may";
  return std::nullopt;
}

BegunOp Operations::entry(const Operation& o) const {
  BegunOp entry;
  entry.id = o.op;
  entry.type = o.what.type;
  entry.at = o.at;
  entry.replica = replica(o);
  entry.incarnation = o.incarnation;
  if (moves(o)) entry.from = name(o.what.from);
  if (o.has_leader) entry.leader = leader(o);
  entry.leader_term = o.leader_term;
  if (o.what.lost_entries) entry.lost_entries = o.counted ? 0 : *o.what.lost_entries;
  entry.held = o.what.held;
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
  if (!begun.from.empty()) o.what.from = model_.tablet_index(begun.from);
  o.what.alive = !has(o.what.table, Task::kDelTableInfo);
  o.what.lost_entries = begun.lost_entries;
  o.what.held = begun.held;
  o.what.why = begun.why;
  o.began = begun.started;
  o.has_leader = true;
  o.leader = model_.tablet_index(begun.leader);
  o.leader_term = begun.leader_term;
  o.incarnation = begun.incarnation;
  o.journaled = o.resumed = true;
  of_partition_[begun.at] = begun.id;
  const bool only_comes_alive = brings_alive(o.what) && !moves(o);
  if (only_comes_alive && is_alive(o)) {  // All was done; only that is not recorded.
    finish(o, OpStatus::kDone, o.what.why);
    return;
  }
  if (rows_are_settled(o)) o.row = place_of_final_rows(o.what.table) + 1;
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

// What cannot be taken back goes on to its end.
bool Operations::call_off(OpId op, const std::string& why) {
  Operation* o = find(op);
  if (!o) return false;
  if (!rows_are_final(*o)) cancel(*o, why);
  return true;
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
  o.silent.reset();
  ++o.step;
  o.task_began = outbox_.now;
  o.acted_at.reset();
  o.acted = o.unanswered = o.refused = false;
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
    return;
  }
  look_again(o->at);  // Of a tablet without a row of it nobody says that it has died.
  o = find(reply_to.key);
  if (o && !o->ending) look(*o);
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
    const bool settles = !o->undo.empty() && o->undo.back() == Undo::kSettleRows;
    if (!settles && leader_is_gone(*o)) end(o->op, *o->ending, o->how);
    return;
  }
  if (rows_are_final(*o)) return look_again_at_what_goes(*o, *p);
  if (needs_its_row(*o) && !p->on(o->what.replica)) {
    cancel(*o, replica(*o) + " is no replica of it any more");
    return;
  }
  if (brings_alive(o->what) && leaves_something(o->what.table) && !o->publishing && is_alive(*o)) {
    cancel(*o, replica(*o) + " is alive already");
    return;
  }
  const bool depends = p->replicas.size() > 1 || o->has_leader;
  if (depends && !leader_leads(*o) && !o->what.by_hand) {
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
  if (op == of_partition_.end()) return;
  // What somebody writes by hand is what the election is to begin with.
  if (Operation& o = *find(op->second); !o.what.by_hand) cancel(o, "its leader is lost: " + why);
}

bool Operations::sets_dead(PartitionKey at, TabletIndex replica) const {
  const auto op = of_partition_.find(at);
  if (op == of_partition_.end()) return false;
  const Operation& o = operations_.at(op->second);
  return !o.ending && !o.what.alive && o.what.replica == replica;
}

bool Operations::returns(const Operation& o, TabletIndex replica) const {
  const Partition* p = model_.partition(o.at);
  return !o.ending && brings_alive(o.what) && o.what.replica == replica && p &&
         p->replicas.size() > 1;
}

bool Operations::brings_back(PartitionKey at, TabletIndex replica) const {
  const auto op = of_partition_.find(at);
  return op != of_partition_.end() && returns(operations_.at(op->second), replica);
}

std::vector<OpId> Operations::bringing_back(TabletIndex replica) const {
  std::vector<OpId> ops;
  for (const auto& [op, o] : operations_) {
    if (returns(o, replica)) ops.push_back(op);
  }
  return ops;
}

// --- Ending --------------------------------------------------------------------------------------

// `how` by value: it may be the operation's own, which goes.
void Operations::end(OpId op, OpStatus status, std::string how) {
  const Operation o = *find(op);
  if (status != OpStatus::kDone && rows_are_settled(o)) {  // What else could be done was not.
    status = OpStatus::kDone;
    how = "what " + name(*goes(o)) + " still holds of it is left there: " + how;
  }
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
  const bool repairs = !changes_which_rows(o.what.table) && !has(o.what.table, Task::kMakeSnapshot);
  result.failed = status == OpStatus::kFailed && repairs;
  if (result.failed) result.why = ops_.ended().back().detail;
  result.detached = done && !o.what.alive && o.has_leader && has(o.what.table, Task::kDelReplica);
  result.recovered = done && o.what.alive && !o.plan && brings_alive(o.what);
  if (done && o.plan) {
    result.next =
        Treatment{o.plan->type, table_of(o.plan->type), o.what.replica, true, o.plan->lost_entries,
                  o.plan->why,  o.what.ordered};
    if (!copies(result.next->table)) result.next->held = o.findings.offset;
  }
  ended.push_back(std::move(result));
  tell_how_it_ended(o, ops_.ended().back());
}

// Its entry goes, unless something is left on a tablet that only the cleanup can take away.
void Operations::leave_clean(const Operation& o) {
  BegunOp over = entry(o);
  over.over = true;
  const Task last = o.unanswered ? task(o) : Task::kNone;
  const Task unanswered = o.drop_unanswered ? Task::kDropTable : last;
  over.paused = unanswered == Task::kPauseSnapshot ||
                std::find(o.undo.begin(), o.undo.end(), Undo::kRecoverSnapshot) != o.undo.end();
  over.sends =
      changes_which_rows(o.what.table) && std::any_of(o.undo.begin(), o.undo.end(), [](Undo undo) {
        return undo == Undo::kDelReplica || undo == Undo::kDelSource;
      });
  if (o.journaled && (over.paused || registers(o.what.table))) {
    cleanup_.begin(over, unanswered);
  } else {
    journal_.drop(o.op);
  }
}

std::string Operations::what_was_done(const Operation& o) const {
  if (moves(o)) return replica(o) + " holds, in the place of " + name(o.what.from) + ", ";
  if (has(o.what.table, Task::kAddTableInfo)) return replica(o) + " holds now ";
  if (has(o.what.table, Task::kDelTableInfo)) return replica(o) + " does not hold any more ";
  if (has(o.what.table, Task::kMakeSnapshot)) return replica(o) + " has made a snapshot of ";
  return replica(o) + " is alive again in ";
}

void Operations::tell_how_it_ended(const Operation& o, const OpRecord& record) {
  const bool done = record.status == OpStatus::kDone;
  const bool rows = changes_which_rows(o.what.table);
  // Nothing new, or the op that follows says it.
  if (done && ((!o.what.alive && !rows) || o.plan)) return;
  const std::string where = partition_name(record.db, record.table, o.at.pid);
  std::string text = what_was_done(o) + where + " by " + to_text(o.what.type);
  if (done && rows && record.detail != o.what.why) text += "; " + record.detail;
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
