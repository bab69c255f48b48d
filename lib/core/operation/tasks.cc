// Operations: the steps that tasks are made of: what is looked at, what is done, and what the
// answers mean (FEDB.md 3.2, 4). Which task is made of which: task_behaviour.cc. What a returned
// replica holds, and how far it is: findings.cc. How one is loaded: loads.cc.
#include <algorithm>

#include "lib/base/check.h"
#include "lib/core/api/timing.h"
#include "lib/core/operation/operations.h"

namespace failoverd::core {

TabletIndex Operations::seat(const Operation& o) {
  switch (o.what.table[o.row].seat) {
    case Seat::kLeader:
      return o.leader;
    case Seat::kSource:
      return o.what.from;
    case Seat::kReplica:
    case Seat::kMetadata:
      break;
  }
  return o.what.replica;
}

TabletIndex Operations::whose(const Operation& o) {
  const TaskRow& row = o.what.table[o.row];
  const bool source = row.seat == Seat::kSource || row.about == About::kSource;
  return source ? o.what.from : o.what.replica;
}

Replica* Operations::row_about(const Operation& o) {
  Partition* p = model_.partition(o.at);
  return p ? p->on(whose(o)) : nullptr;
}

void Operations::ask_followers(Operation& o) {
  ask(o, kLook, seat(o), GetTableFollower{o.at}, kLookAtMost);
}

void Operations::ask_registry(Operation& o) {
  ask(o, kLook, seat(o), GetTaskStatus{}, kLookAtMost);
}

void Operations::ask_status(Operation& o) {
  ask(o, kLook, seat(o), GetTableStatus{o.at}, kLookAtMost);
}

void Operations::answered(const ReplyTo& reply_to, const Answer& answer) {
  Operation* o = find(reply_to.key);
  if (!o || reply_to.what >> 8 != (o->step & 0xffffff)) return;
  const auto question = static_cast<Question>(reply_to.what & 0xff);
  if (o->ending) {
    const bool drops = question >= kUndoForget && question <= kUndoDrop;
    if (question == kUndo) taken_back(*o, answer);
    if (drops) dropping_copy(*o, question, answer);
    return;
  }
  const TaskBehaviour& task = behaviour(*o);
  if (!answer.answered()) {  // It may have been done all the same: look again (SAFETY 17).
    const bool seen_anyway = question == kAct && task.asked_again;
    const bool never_sent = question == kAct && answer.never_sent() && !o->sent_before;
    if (seen_anyway || never_sent) o->acted = false;
    if (never_sent) o->unanswered = false;
    const bool again = std::exchange(o->silent, reply_to.tablet) == reply_to.tablet;
    const bool is_stranger = answer.transport == Transport::kStranger;
    const bool is_source = goes(*o) == reply_to.tablet && rows_are_final(*o);
    const bool is_target = o->what.replica == reply_to.tablet && o->what.alive;
    if ((is_source || is_target) && (is_stranger || again) &&
        !model_.tablet(reply_to.tablet).is_of_cluster()) {
      // Without a row and a znode nobody looks after it: nothing would ever say that it is dead.
      return cancel(
          *o, name(reply_to.tablet) + (is_stranger ? " does not answer as this cluster's tablet"
                                                   : " does not answer, and has no znode"));
    }
    says(*o, name(reply_to.tablet) + " does not answer (" + to_text(answer) + "); asked again");
    look_later(*o);
    return;
  }
  if (o->silent == reply_to.tablet) {
    o->silent.reset();
    says(*o, o->what.why);
  }
  if (question == kAct) return acted(*o, answer);
  const auto said = std::find_if(task.answers.begin(), task.answers.end(), [&](const Said& s) {
    return s.leads_to && s.question == question;
  });
  CHECK(said != task.answers.end());
  (this->*said->leads_to)(*o, answer);
}

void Operations::looked_at_followers(Operation& o, const Answer& answer) {
  if (!answer.tells_followers()) {
    fail(o, leader(o) + ": " + to_text(answer));
    return;
  }
  if (!o.what.alive && is_alive(o)) {  // Somebody has brought it back meanwhile.
    cancel(o, replica(o) + " is alive again");
    return;
  }
  const bool wanted = task(o) == Task::kAddReplica;
  answer.sends_to(name(whose(o))) == wanted ? next(o) : start(o);
}

void Operations::looked_at_snapshot(Operation& o, const Answer& answer) {
  const ReplicaStatus* s = answer.status_of(o.at);
  if (!answer.ok() || !s) {
    fail(o, leader(o) + " should lead and does not hold it: " + to_text(answer));
    return;
  }
  const bool paused = s->state == TableState::kSnapshotPaused;
  const bool wanted = task(o) == Task::kPauseSnapshot;
  if (paused == wanted) {
    next(o);
  } else if (paused || s->state == TableState::kNormal) {
    act(o);
  } else {
    says(o, "waits for a snapshot that " + leader(o) + " is making");
    look_later(o);
  }
}

// The only replica leads as soon as it is loaded (SAFETY 19), and says so itself before its row
// does. One whose snapshots are paused takes no ChangeRole (SAFETY 7).
void Operations::looked_at_role(Operation& o, const Answer& answer) {
  const ReplicaStatus* s = answer.status_of(o.at);
  if (!answer.ok() || !s) {
    fail(o, replica(o) + " lost it meanwhile: " + to_text(answer));
  } else if (s->mode == Mode::kLeader) {
    next(o);
  } else if (s->state == TableState::kNormal) {
    act(o);
  } else if (s->state == TableState::kSnapshotPaused) {
    ask(o, kUnpause, seat(o), RecoverSnapshot{o.at}, kActAtMost);
  } else {
    says(o, "waits for a snapshot that " + replica(o) + " is making");
    look_later(o);
  }
}

// A predecessor's op had come further, and the replica has restarted since: what its leader still
// sends would get there while it loads (SAFETY 10).
void Operations::looked_for_it(Operation& o, const Answer& answer) {
  if (!answer.tells_followers() || answer.sends_to(replica(o))) {
    cancel(o, replica(o) + " restarted since it was added");
  } else {
    act(o);
  }
}

void Operations::looked_at_registry(Operation& o, const Answer& answer) {
  if (!answer.ok()) {
    says(o, name(seat(o)) + ": GetTaskStatus " + to_text(answer));
    look_later(o);
    return;
  }
  const auto found =
      std::find_if(answer.tasks.begin(), answer.tasks.end(),
                   [&](const RegisteredTask& t) { return t.op == o.op && t.task == task(o); });
  if (found == answer.tasks.end()) {
    if (o.acted && o.unanswered && outbox_.now - *o.acted_at < kArrivesWithin) {
      says(o, name(seat(o)) + " has not answered " + to_text(task(o)) + ": it may arrive yet");
      look_later(o);
    } else if (o.acted) {
      fail(o, std::string{to_text(task(o))} + " was sent and is not known any more");
    } else {
      start(o);
    }
    return;
  }
  switch (found->status) {
    case OpStatus::kDone:
      taken(o);
      next(o);
      return;
    case OpStatus::kInited:
    case OpStatus::kDoing:
      look_later(o);
      return;
    case OpStatus::kFailed:
    case OpStatus::kCanceled:
      if (o.refused) return forget_refused(o);
      fail(o, std::string{to_text(task(o))} + " failed on " + name(seat(o)));
  }
}

void Operations::look_at_target(Operation& o) {
  ask(o, kTarget, whose(o), GetTableStatus{o.at}, kLookAtMost);
}

// A successor must not drop what has been copied: then its leader knows that it was told to copy.
// It knows it until the op is over, or is a leader no more.
void Operations::ask_whether_sent(Operation& o) {
  const bool may_be_sent =
      o.row < place_of(o.what.table, Task::kSendSnapshot) && has(o.what.table, Task::kSendSnapshot);
  may_be_sent ? ask(o, kListed, o.leader, GetTaskStatus{}, kLookAtMost) : ask_registry(o);
}

void Operations::looked_whether_sent(Operation& o, const Answer& answer) {
  if (!answer.ok()) {
    says(o, leader(o) + ": GetTaskStatus " + to_text(answer));
    look_later(o);
    return;
  }
  const bool sent = std::any_of(
      answer.tasks.begin(), answer.tasks.end(),
      [&](const RegisteredTask& t) { return t.op == o.op && t.task == Task::kSendSnapshot; });
  sent ? next(o) : ask_registry(o);
}

void Operations::snapshot_may_be_made(Operation& o, const Answer& answer) {
  const ReplicaStatus* s = answer.status_of(o.at);
  if (!answer.ok() || !s) {
    fail(o, leader(o) + " should lead and does not hold it: " + to_text(answer));
  } else if (s->state == TableState::kNormal) {
    act(o);
  } else if (outbox_.now - o.task_began > kQuick && s->state == TableState::kSnapshotPaused) {
    fail(o, "snapshots are paused on " + leader(o));  // What ends a pause waits for ops to end.
  } else {
    const bool paused = s->state == TableState::kSnapshotPaused;
    says(o, paused ? "waits: snapshots are paused on " + leader(o)
                   : "waits for a snapshot that " + leader(o) + " is making");
    look_later(o);
  }
}

// The tablet takes no second task under the same key.
void Operations::forget_refused(Operation& o) {
  o.refused = true;
  ask(o, kForget, seat(o), DeleteOpTask{o.op, o.at}, kActAtMost);
}

void Operations::refused_is_forgotten(Operation& o, const Answer& answer) {
  if (answer.ok()) o.acted = o.unanswered = o.refused = false;
  look_later(o);
}

void Operations::nothing_is_held(Operation& o, const Answer& answer) {
  if (answer.status_of(o.at)) {
    fail(o, replica(o) + " holds it in memory: nothing can be sent there");
  } else {
    confirm(o);
  }
}

// SAFETY 9: nothing is destroyed on a target that is loading, or that is not what it should be.
void Operations::may_be_dropped(Operation& o, const Answer& answer) {
  const ReplicaStatus* s = answer.status_of(o.at);
  if (!s) {
    fail(o, replica(o) + " holds nothing that could be dropped");
  } else if (s->state == TableState::kNormal || s->state == TableState::kSnapshotPaused) {
    confirm(o);
  } else {
    look_later(o);
  }
}

// SAFETY 9: another tablet has just answered that it leads with the published term.
void Operations::confirm(Operation& o) {
  ask(o, kConfirm, o.leader, GetTermPair{o.at}, kConfirmAtMost);
}

// SAFETY 9: an alive row goes only while another tablet has just said that it leads: its own may
// have restarted since with less than this replica holds. Nothing is asked where it is gone
// already.
void Operations::confirm_then_publish(Operation& o) {
  const TabletIndex goes = task(o) == Task::kUpdateTableInfo ? o.what.from : o.what.replica;
  const Partition* p = model_.partition(o.at);
  p && p->on(goes) ? confirm(o) : publish_row(o);
}

void Operations::leader_lets_row_go(Operation& o, const Answer& answer) {
  if (!says_it_leads(o, answer)) return;
  leader_leads(o) ? publish_row(o) : fail(o, "its leader changed meanwhile: no row is removed");
}

// Whether the leader says that it leads with the published term; if not, the op has ended. One that
// leads with another one owes it to an election that nobody remembers, or to a ChangeRole that was
// carried out late: it is elected anew before anything else (SAFETY 5, 8).
bool Operations::says_it_leads(Operation& o, const Answer& answer) {
  if (answer.ok() && answer.is_leader && answer.term == o.leader_term) return true;
  Partition* p = model_.partition(o.at);
  const Term published = p ? p->published_term() : 0;
  const bool another = answer.ok() && answer.is_leader && answer.term != published;
  if (p && another && answer.term <= kHighestTerm) {
    p->unfinished_term = std::max(answer.term, published + 1);
    p->saw(answer.term);
    cancel(o, leader(o) + " leads with term " + std::to_string(answer.term) + ", and term " +
                  std::to_string(published) + " is published");
  } else {
    fail(o, leader(o) + " does not say that it leads with the published term " +
                std::to_string(o.leader_term) + ": " + to_text(answer));
  }
  return false;
}

// SAFETY 9: never the last copy, nor one that counts. What has no row is one more than those that
// have one.
bool Operations::may_be_destroyed(const Operation& o) const {
  const Partition* p = model_.partition(o.at);
  if (!p || !leader_leads(o) || whose(o) == o.leader) return false;
  const Replica* r = p->on(whose(o));
  if (o.what.table[o.row].about == About::kRowless) return !r;
  return p->replicas.size() + (r ? 0 : 1) >= 2 && !(r && r->is_alive);
}

void Operations::leader_confirmed(Operation& o, const Answer& answer) {
  if (!says_it_leads(o, answer)) return;
  if (may_be_destroyed(o)) {
    confirmed(o);
  } else {
    fail(o, "the rows changed meanwhile: nothing is deleted");
  }
}

void Operations::delete_binlog(Operation& o) {
  ask(o, kDeleteBinlog, seat(o), DeleteBinlog{o.at}, kActAtMost);
}

void Operations::act(Operation& o) {
  Partition* p = model_.partition(o.at);
  if (Replica* r = p ? p->on(o.what.replica) : nullptr) {
    if (task(o) == Task::kAddReplica) r->detached = false;
    if (task(o) == Task::kSendSnapshot) {  // What it had is gone, and nobody misses it in a copy.
      r->report.offset = 0;
      r->report.had.reset();
    }
  }
  o.sent_before = o.acted;
  o.acted = o.unanswered = true;
  o.acted_at = outbox_.now;
  const TaskBehaviour& task = behaviour(o);
  ask(o, kAct, seat(o), (this->*task.call)(o), task.answers_within);
}

// Once, and as soon as its tablet has taken the order: it may die before it says that it is done.
void Operations::count_lost(Operation& o) {
  const std::uint64_t lost = o.what.lost_entries.value_or(0);
  if (lost == 0 || std::exchange(o.counted, true)) return;
  outbox_.out.emplace_back(CountLost{o.at, lost});
  outbox_.note(
      Severity::kWarning, "op",
      replica(o) + " held " + std::to_string(lost) + " entries of " + model_.name_of(o.at) +
          " that the partition does not have: they are dropped with its replica, and lie in "
          "its recycle bin",
      {{"op_id", std::to_string(o.op)},
       {"tablet", replica(o)},
       {"partition", model_.name_of(o.at)},
       {"lost_entries", std::to_string(lost)}});
  if (o.journaled) journal_.begin(entry(o));  // A successor does not count them again.
}

void Operations::acted(Operation& o, const Answer& answer) {
  o.unanswered = false;
  const TaskBehaviour& task = behaviour(o);
  const bool loads = task.task == Task::kLoadTable || task.task == Task::kRecoverTable;
  if (loads && !answer.ok()) load_is_over(o);  // It was refused, and is registered all the same.
  if (loads) load_was_refused(o, answer);
  const auto is_one_of = [&](const Codes& codes) {
    return std::find(codes.begin(), codes.end(), answer.code) != codes.end();
  };
  if (answer.ok() || is_one_of(task.done_already)) {
    o.acted_at = outbox_.now;
    taken(o);
    task.ok_means == OkMeans::kBegun ? look_later(o) : next(o);
  } else if (is_one_of(task.not_now)) {
    is_registered(task.task) ? forget_refused(o) : look_later(o);
  } else if (answer.says(kTableDirIsNotExist) && is_one_of(task.nothing_there)) {
    nothing_on_disk(o);
  } else if (is_one_of(task.nothing_there)) {
    cannot_be_loaded(o);
  } else {
    fail(o, name(seat(o)) + ": " + to_text(task.task) + " " + to_text(answer));
  }
}

}  // namespace failoverd::core
