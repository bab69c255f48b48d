// Operations: how a replica is loaded, and what comes up (FEDB.md 3.2, SAFETY 10, 19).
#include "lib/core/api/timing.h"
#include "lib/core/cluster/load_step.h"
#include "lib/core/cluster/relatives.h"
#include "lib/core/operation/operations.h"

namespace failoverd::core {

LoadStep Operations::load_step(const Operation& o, const Answer& answer) const {
  return next_load_step(answer.status_of(o.at), o.acted ? o.acted_at : std::nullopt, outbox_.now);
}

void Operations::loads(Operation& o) {
  says(o, name(whose(o)) + " is loading it");
  look_later(o);
}

void Operations::looked_at_load(Operation& o, const Answer& answer) {
  switch (load_step(o, answer)) {
    case LoadStep::kLoaded:
      load_is_over(o);
      if (!only_one_has_lost(o, *answer.status_of(o.at))) next(o);
      return;
    case LoadStep::kLoads:
      return loads(o);
    case LoadStep::kTell:
      return load_if_it_does_not(o);
  }
}

// The only replica has come up with less than it had. With nothing it does not lead: its disk may
// come back, or an operator says that it is lost. With something it leads, as there is nobody to
// wait for, and what is missing is said (SAFETY 20).
bool Operations::only_one_has_lost(Operation& o, const ReplicaStatus& status) {
  Replica* r = row_about(o);
  if (r) has_loaded(*r);
  if (!r || o.what.type != OpType::kReLoadTableOP) return false;
  const Offset known = model_.known_offset(o.at, *r).value_or(0);
  model_.remember_offset(o.at, o.what.replica, status, outbox_.now);
  if (status.offset >= known) return false;
  const std::string what =
      replica(o) + " has " +
      (status.offset == 0 ? "come up with nothing" : "offset " + std::to_string(status.offset)) +
      " of " + model_.name_of(o.at) + ", of which it is the only replica and had offset " +
      std::to_string(known);
  if (status.offset == 0 && !o.what.accepts_loss) {
    const bool news = !r->stuck;
    r->stuck = Stuck{kLostDisk, what, news ? outbox_.now : r->stuck->since};
    fail(o, what + ": its disk is lost, or another one; it does not lead");
    return true;
  }
  const std::uint64_t lost = known - status.offset;
  outbox_.out.emplace_back(EntriesGivenUp{o.at, lost});
  outbox_.note(Severity::kError, "failover",
               what + ": " + std::to_string(lost) + " entries are lost; it leads all the same",
               {{"op_id", std::to_string(o.op)},
                {"tablet", replica(o)},
                {"partition", model_.name_of(o.at)},
                {"lost_entries", std::to_string(lost)}});
  return false;
}

void Operations::load_is_over(const Operation& o) {
  if (o.acted && model_.is_on_disk(o.at)) forget_load(outbox_, name(whose(o)), o.op, o.at);
}

// What is on disk is not to be seen while it loads (FEDB.md 8): its tablet's registry tells.
void Operations::load_if_it_does_not(Operation& o) {
  if (!model_.is_on_disk(o.at)) return tell_to_load(o);
  ask(o, kLoadTasks, whose(o), GetTaskStatus{}, kLookAtMost);
}

void Operations::looked_at_load_tasks(Operation& o, const Answer& answer) {
  if (!answer.ok()) {
    says(o, name(whose(o)) + ": GetTaskStatus " + to_text(answer));
    return look_later(o);
  }
  switch (disk_load(answer.tasks, o.at, o.op)) {
    case DiskLoad::kRuns:
      return loads(o);
    case DiskLoad::kOver:
      return ask(o, kForgetLoad, whose(o), DeleteOpTask{o.op, o.at}, kActAtMost);
    case DiskLoad::kNone:
      return tell_to_load(o);
  }
}

void Operations::load_is_forgotten(Operation& o, const Answer& answer) {
  answer.ok() ? tell_to_load(o) : look_later(o);
}

void Operations::tell_to_load(Operation& o) {
  const bool waits = !o.acted && outbox_.now < o.task_began + kBaseFirst;
  if (waits && base_comes_first(model_, o.at, whose(o))) {
    says(o, "waits until " + name(whose(o)) + " has loaded its base table");
    return look_later(o);
  }
  if (task(o) == Task::kDropTable) {
    ask(o, kLoad, whose(o), load_table(o), kActAtMost);
  } else if (task(o) == Task::kLoadTable) {
    if (!o.resumed || o.acted || !o.has_leader) return act(o);
    ask(o, kListed, o.leader, GetTableFollower{o.at}, kLookAtMost);
  } else if (o.plan) {
    act(o);
  } else {
    // To the letter of FEDB.md 4.3 the binlog goes first.
    o.findings.binlog_kept ? load_to_find_out(o) : confirm(o);
  }
}

void Operations::looked_at_recovery(Operation& o, const Answer& answer) {
  switch (load_step(o, answer)) {
    case LoadStep::kLoaded:
      load_is_over(o);
      if (Replica* r = row_about(o)) has_loaded(*r);
      return look_at_what_it_holds(o);
    case LoadStep::kLoads:
      return loads(o);
    case LoadStep::kTell:
      return load_if_it_does_not(o);
  }
}

// Until it is fenced, one that is loaded takes what an old leader that stood still sends when it
// goes on; then nothing tells its log from its leader's. Where that may be so it is written down
// before, so that everything is copied, whoever goes on (SAFETY 10).
void Operations::load_to_find_out(Operation& o) {
  switch (may_be_sent_to(o)) {
    case MayBeSentTo::kNo:
      return act(o);
    case MayBeSentTo::kUnclear:
      says(o, "waits for a verdict on an old leader that may still send to " + replica(o) +
                  ", for " + std::to_string(kQuick / std::chrono::seconds{1}) + " s at most");
      return look_later(o);
    case MayBeSentTo::kYes:
      break;
  }
  const Lineage* kept = model_.kept(o.at, replica(o));
  if (kept && kept->followed == 0) return act(o);
  o.keeping = o.publishing = true;
  publisher_.want(o.op, o.at, *this, Publisher::Urgency::kNobodyWaits);
}

// By whom an election has gone on without: it has not said since that it follows or holds nothing,
// and its process may be there.
Operations::MayBeSentTo Operations::may_be_sent_to(const Operation& o) const {
  auto may_be = MayBeSentTo::kNo;
  const Partition* p = model_.partition(o.at);
  if (!p) return may_be;
  for (const Replica& r : p->replicas) {
    const bool has_led = r.is_leader || r.in_doubt_term;
    if (r.is_alive || !has_led || r.tablet == o.what.replica) continue;
    const Tablet& t = model_.tablet(r.tablet);
    const TabletState state = t.verdict.state;
    const bool process_is_gone = t.evidence.refused_first || state == TabletState::kCrashed ||
                                 state == TabletState::kStranger;
    const bool said = r.report.asked_at && *r.report.asked_at > r.row_since;
    const bool leads = r.in_doubt_term || (r.report.held && r.report.mode == Mode::kLeader);
    if (process_is_gone || (said && !leads)) continue;
    // A copy costs less than waiting for a verdict that may never come.
    const bool is_unclear = (state == TabletState::kUnknown || state == TabletState::kSuspect) &&
                            !t.evidence.nowhere && outbox_.now - o.task_began <= kQuick;
    if (!is_unclear) return MayBeSentTo::kYes;
    may_be = MayBeSentTo::kUnclear;
  }
  return may_be;
}

// What is only on its disk nobody tells, and nobody drops: it is loaded first (FEDB.md 3.2).
void Operations::looked_at_rowless(Operation& o, const Answer& answer) {
  const Endpoint& endpoint = name(whose(o));
  const Table* table = model_.table(o.at.tid);
  const ReplicaStatus* s = answer.status_of(o.at);
  if (!answer.ok()) {
    says(o, endpoint + ": GetTableStatus " + to_text(answer));
    look_later(o);
  } else if (cleanup_.may_still_drop(o.at, whose(o))) {
    says(o,
         "waits for a DropTable of an op that is over, which " + endpoint + " may carry out yet");
    look_later(o);
  } else if (!s) {
    load_if_it_does_not(o);
  } else if (table && !s->name.empty() && s->name != table->shape.name) {
    fail(o, endpoint + " holds table \"" + s->name + "\" under its tid: that is left alone");
  } else if (s->mode == Mode::kLeader) {
    fail(o, endpoint + " leads it without a row: what it holds may be nowhere else");
  } else if (s->state == TableState::kNormal || s->state == TableState::kSnapshotPaused) {
    confirm(o);
  } else {
    says(o, "waits until " + endpoint + " has loaded what it holds of it, or made its snapshot");
    look_later(o);
  }
}

void Operations::told_to_load_rowless(Operation& o, const Answer& answer) {
  if (answer.says(kTableDirIsNotExist) || answer.says(kCreateTableFailed)) {
    next(o);  // There is nothing, or nothing that could be read.
  } else if (answer.ok() || answer.says(kTableAlreadyExists)) {
    look_later(o);
  } else {
    fail(o, name(whose(o)) + ": LoadTable " + to_text(answer));
  }
}

void Operations::load_was_refused(const Operation& o, const Answer& answer) {
  if (!answer.says(kCreateTableFailed) && !answer.says(kNoPathForStorage)) return;
  if (Replica* r = row_about(o))
    refuses_to_load(outbox_, *r, name(whose(o)), model_.name_of(o.at), answer);
}

}  // namespace failoverd::core
