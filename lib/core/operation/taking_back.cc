// Operations: how what an op did is taken back when it ends, whatever the reason (SAFETY 11).
#include <utility>
#include <vector>

#include "lib/core/api/timing.h"
#include "lib/core/operation/operations.h"

namespace failoverd::core {

void Operations::finish(Operation& o, OpStatus status, const std::string& how) {
  if (o.ending) return;
  o.ending = status;
  o.ending_since = outbox_.now;
  o.how = how;
  o.undo = what_to_undo(o);
  o.may_be_written = o.publishing && !o.keeping;
  publisher_.forget(o.op);
  o.publishing = o.keeping = false;
  take_back(o);
}

// From the row at which it stands backwards; a predecessor may have been at any. What is on its way
// to ZooKeeper may be written.
std::vector<Undo> Operations::what_to_undo(const Operation& o) {
  std::vector<Undo> undo;
  const std::size_t last = o.resumed ? o.what.table.size() - 1 : o.row;
  for (std::size_t i = 0; i <= last; ++i) {
    const bool done = i < o.row || o.acted || o.resumed || (o.publishing && !o.keeping);
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
  if (p && !o.undo.empty() && o.undo.back() == Undo::kSettleRows) return settle_rows(o);
  if (o.undo.empty() || !o.has_leader || may_lead || leader_is_gone(o)) {
    end(o.op, *o.ending, o.how);
    return;
  }
  const bool of_replica = o.undo.back() == Undo::kDelReplica || o.undo.back() == Undo::kDropCopy;
  if (of_replica && is_alive(o)) {  // It follows, and is to go on.
    o.undo.pop_back();
    take_back(o);
    return;
  }
  says(o, "takes back what it did: " + o.how);
  if (o.undo.back() == Undo::kDropCopy) {
    drop_copy(o);
  } else if (o.undo.back() == Undo::kRecoverSnapshot) {
    ask(o, kUndo, o.leader, RecoverSnapshot{o.at}, kTakeBackAtMost);
  } else {
    const bool source = o.undo.back() == Undo::kDelSource;
    const Endpoint& gone = source ? name(o.what.from) : replica(o);
    ask(o, kUndo, o.leader, DelReplica{o.at, gone}, kJoinsAReplica);
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

// --- Taking rows back ----------------------------------------------------------------------------

// Also what is on its way to ZooKeeper is waited for: the publisher writes a table's changes one
// after the other. Beside a nameserver nothing is written (SAFETY 13).
void Operations::settle_rows(Operation& o) {
  if (!o.may_be_written && !edit_back(o, *model_.partition(o.at))) return rows_settled(o);
  says(o, "takes back what it did: " + o.how);
  if (!may_change_) return;
  o.publishing = true;
  publisher_.want(o.op, o.at, *this, Publisher::Urgency::kNobodyWaits);
}

void Operations::may_change(bool may) {
  if (std::exchange(may_change_, may) == may) return;
  std::vector<OpId> running;
  running.reserve(operations_.size());
  for (const auto& [op, o] : operations_) running.push_back(op);
  for (const OpId op : running) {
    Operation* found = find(op);
    if (!found || !model_.partition(found->at)) continue;
    Operation& o = *found;
    const bool settles = o.ending && !o.undo.empty() && o.undo.back() == Undo::kSettleRows;
    if (!settles) continue;
    if (may) {
      settle_rows(o);
    } else {
      publisher_.forget(op);
      o.publishing = false;
    }
  }
}

// A row that went after all is not sent to any more.
void Operations::rows_settled(Operation& o) {
  o.undo.pop_back();
  const Partition* p = model_.partition(o.at);
  if (p && goes(o) && !p->on(*goes(o))) {
    o.undo.push_back(moves(o) ? Undo::kDelSource : Undo::kDelReplica);
  }
  take_back(o);
}

// --- Dropping what was copied
// ---------------------------------------------------------------------

void Operations::end_drop_of_copy(Operation& o) {
  o.undo.pop_back();
  take_back(o);
}

// Nobody would ever ask for a copy that has no row; it would only take its tablet's memory. Tried
// once: whoever sends there again drops it first. An earlier DropTable of the op has taken its key.
void Operations::drop_copy(Operation& o) {
  const Partition* p = model_.partition(o.at);
  const bool may = p && !p->on(o.what.replica) && leader_leads(o) &&
                   !model_.tablet(o.what.replica).verdict.dead();
  if (!may) return end_drop_of_copy(o);
  ask(o, kUndoForget, o.what.replica, DeleteOpTask{o.op, o.at}, kTakeBackAtMost);
}

// SAFETY 9, as with every other drop.
void Operations::dropping_copy(Operation& o, Question question, const Answer& answer) {
  if (question == kUndoDrop) o.drop_unanswered = !answer.answered();
  const Partition* p = model_.partition(o.at);
  const bool may = answer.ok() && p && !p->on(o.what.replica) && leader_leads(o);
  if (may && question == kUndoForget) {
    ask(o, kUndoLook, o.what.replica, GetTableStatus{o.at}, kTakeBackAtMost);
    return;
  }
  const ReplicaStatus* s = may && question == kUndoLook ? answer.status_of(o.at) : nullptr;
  const bool ours = s && (s->name.empty() || s->name == model_.table(o.at.tid)->shape.name);
  if (ours && s->mode == Mode::kFollower) {
    if (s->state == TableState::kNormal || s->state == TableState::kSnapshotPaused) {
      ask(o, kUndoConfirm, o.leader, GetTermPair{o.at}, kConfirmAtMost);
    } else if (outbox_.now - o.ending_since < kQuick) {  // It loads.
      ++o.step;
      outbox_.timer({ReplyTo::Owner::kOperations, o.op, kUndoTimer | o.step << 8, 0, {}},
                    outbox_.now + kSlowestLook);
    } else {
      end_drop_of_copy(o);
    }
    return;
  }
  if (may && question == kUndoConfirm && answer.is_leader && answer.term == o.leader_term) {
    o.drop_unanswered = true;
    ask(o, kUndoDrop, o.what.replica, DropTable{o.at, o.op, o.what.type}, kTakeBackAtMost);
    return;
  }
  end_drop_of_copy(o);
}

}  // namespace failoverd::core
