#include "lib/core/operation/cleanup.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lib/core/api/timing.h"
#include "lib/core/operation/task_tables.h"

namespace failoverd::core {
namespace {

constexpr TabletIndex kTurns = 10;
// The reply_to of what is no op's. Ops count from kFirstOpId.
constexpr OpId kNoOp = 0;

}  // namespace

Cleanup::Left& Cleanup::take(const BegunOp& over) {
  Left& left = left_[over.id];
  left.op = over;
  const TabletIndex leader = model_.tablet_index(over.leader);
  left.items.insert({kForgetTasks, leader});
  left.items.insert({kForgetTasks, model_.tablet_index(over.replica)});
  if (!over.from.empty()) left.items.insert({kForgetTasks, model_.tablet_index(over.from)});
  if (over.paused) left.items.insert({kRecoverSnapshot, leader});
  if (over.sends) left.items.insert({kLetGo, leader});
  if (over.sends && !over.from.empty()) left.items.insert({kLetGoSource, leader});
  return left;
}

// What is sent to a replica with a row is seen to where rows are (SAFETY 11).
bool Cleanup::has_row(const Left& left, What what) const {
  const Endpoint& endpoint = what == kLetGo ? left.op.replica : left.op.from;
  const Partition* p = model_.partition(left.op.at);
  const auto tablet = model_.find_tablet(endpoint);
  return !p || (tablet && p->on(*tablet));
}

void Cleanup::begin(const BegunOp& over, Task unanswered) {
  Left& left = take(over);
  const Instant until = outbox_.now + kArrivesWithin;
  if (unanswered == Task::kDropTable) left.drop_may_come_until = until;
  if (unanswered == Task::kPauseSnapshot) left.pause_may_come_until = until;
  journal_.begin(over);  // Before a task is forgotten that tells a successor how far the op is.
}

void Cleanup::resume(const BegunOp& over) {
  Left& left = take(over);
  left.journaled = true;
  if (over.paused) left.pause_may_come_until = outbox_.now + kArrivesWithin;
  clean(left);
}

void Cleanup::journaled(OpId op) {
  const auto left = left_.find(op);
  if (left == left_.end() || left->second.journaled) return;
  left->second.journaled = true;
  clean(left->second);
}

void Cleanup::ask(OpId op, What what, TabletIndex tablet, Call call) {
  outbox_.call({ReplyTo::Owner::kCleanup, op, what, tablet, {}}, model_.tablet(tablet).endpoint,
               std::move(call), kCleanupAtMost);
}

void Cleanup::clean(Left& left) {
  const OpId op = left.op.id;
  const std::vector<Item> items(left.items.begin(), left.items.end());
  for (const auto& [what, tablet] : items) {
    const Tablet& t = model_.tablet(tablet);
    const bool lets_go = what == kLetGo || what == kLetGoSource;
    // It is no part of the cluster any more; which is not known while a table cannot be read.
    const bool left_us = !t.evidence.registered && t.hosts.empty();
    const bool needless = left_us || (lets_go && has_row(left, what));
    if (needless && model_.unreadable().empty()) {
      const bool last = left.items.size() == 1;
      done(left, {what, tablet});
      if (last) return;
      continue;
    }
    const Partition* p = model_.partition(left.op.at);
    const Replica* asked = p ? p->on(tablet) : nullptr;
    if (asked && asked->in_doubt_term) {  // SAFETY 5: it is told to follow first.
      again(left);
      continue;
    }
    if (!left.asked.insert({what, tablet}).second) continue;
    if (what == kForgetTasks) {
      ask(op, kLookForTasks, tablet, GetTaskStatus{});
    } else if (lets_go) {
      const Endpoint& gone = what == kLetGo ? left.op.replica : left.op.from;
      ask(op, what, tablet, DelReplica{left.op.at, gone});
    } else {
      ask(op, what, tablet, RecoverSnapshot{left.op.at});
    }
  }
}

void Cleanup::answered(const ReplyTo& reply_to, const Answer& answer) {
  if (reply_to.what == kLookThrough) {
    looked_through(reply_to.tablet, answer);
    return;
  }
  const auto left = left_.find(reply_to.key);
  if (left == left_.end()) return;
  if (reply_to.what == kLookForTasks) {
    looked_for_tasks(left->second, reply_to.tablet, answer);
    return;
  }
  const Item item{static_cast<What>(reply_to.what), reply_to.tablet};
  // Not paused, or not sent to, any more; or it does not lead.
  const bool gone = answer.says(kTableStatusIsNotPaused) || answer.says(kTableIsNotExist) ||
                    answer.says(kNoFollower) || answer.says(kTableIsFollower);
  left->second.asked.erase(item);
  // SAFETY 11: a pause that was not answered is carried out when its tablet gets to it.
  const auto& until = left->second.pause_may_come_until;
  const bool comes = item.first == kRecoverSnapshot && answer.says(kTableStatusIsNotPaused) &&
                     until && outbox_.now < *until;
  if (!comes && (answer.ok() || gone)) {
    done(left->second, item);
  } else {
    again(left->second);
  }
}

// A task that waits for its turn on the tablet, or runs, must be seen until it has ended: a drop
// that nobody knows of would destroy what was brought back meanwhile (SAFETY 9).
void Cleanup::looked_for_tasks(Left& left, TabletIndex tablet, const Answer& answer) {
  const OpId op = left.op.id;
  const Endpoint& endpoint = model_.tablet(tablet).endpoint;
  const bool known = std::any_of(answer.tasks.begin(), answer.tasks.end(),
                                 [&](const RegisteredTask& t) { return t.op == op; });
  const bool runs = std::any_of(answer.tasks.begin(), answer.tasks.end(),
                                [&](const RegisteredTask& t) { return t.op == op && t.runs(); });
  const bool is_same =
      endpoint == left.op.replica && model_.tablet(tablet).incarnation == left.op.incarnation;
  const bool may_arrive = !known && left.drop_may_come_until &&
                          outbox_.now < *left.drop_may_come_until &&
                          (is_same || endpoint == left.op.from);
  if (answer.ok() && !runs && !may_arrive) {
    ask(op, kForgetTasks, tablet, DeleteOpTask{op, left.op.at});
    return;
  }
  if (runs && !std::exchange(left.waits, true)) {
    outbox_.note(Severity::kInfo, "op",
                 endpoint + " still has a task of op " + std::to_string(op) +
                     " to carry out, which is over; it is waited for",
                 {{"op_id", std::to_string(op)}, {"tablet", endpoint}});
  }
  left.asked.erase({kForgetTasks, tablet});
  again(left);
}

bool Cleanup::may_still_drop(PartitionKey at, TabletIndex replica) const {
  return std::any_of(left_.begin(), left_.end(), [&](const auto& entry) {
    const Left& left = entry.second;
    const Endpoint& endpoint = model_.tablet(replica).endpoint;
    if (left.op.at != at) return false;
    const bool its = endpoint == left.op.replica || endpoint == left.op.from;
    const bool drops = left.items.contains({kForgetTasks, replica}) &&
                       has(table_of(left.op.type), Task::kDropTable);
    const TabletIndex leader = model_.tablet_index(left.op.leader);
    const bool lets_go = left.items.contains({kLetGo, leader}) && endpoint == left.op.replica;
    const bool lets_source_go =
        left.items.contains({kLetGoSource, leader}) && endpoint == left.op.from;
    return (its && drops) || lets_go || lets_source_go;
  });
}

void Cleanup::again(Left& left) {
  if (std::exchange(left.timer_set, true)) return;
  outbox_.timer({ReplyTo::Owner::kCleanup, left.op.id, 0, 0, {}}, outbox_.now + kCleanupAgain);
}

void Cleanup::timer(const ReplyTo& reply_to) {
  if (reply_to.key == kNoOp) {
    look_around();
    return;
  }
  const auto left = left_.find(reply_to.key);
  if (left == left_.end()) return;
  left->second.timer_set = false;
  clean(left->second);
}

void Cleanup::done(Left& left, Item item) {
  left.items.erase(item);
  changed.insert(left.op.at);
  if (!left.items.empty()) return;
  const OpId op = left.op.id;
  left_.erase(op);
  journal_.drop(op);
}

void Cleanup::look_around() {
  for (TabletIndex i = turn_; i < model_.tablet_count(); i += kTurns) {
    const TabletState state = model_.tablet(i).verdict.state;  // One that lost all stays restarted.
    if (state != TabletState::kHealthy && state != TabletState::kRestarted) continue;
    ask(kNoOp, kLookThrough, i, GetTaskStatus{});
  }
  turn_ = (turn_ + 1) % kTurns;
  outbox_.timer({ReplyTo::Owner::kCleanup, kNoOp, 0, 0, {}}, outbox_.now + kRegistryTurn);
}

// The op is under way, or over and this tablet's tasks of it are still to be forgotten. One that
// waits for another tablet only, which may be a stranger's for good, does not see to this one.
bool Cleanup::is_seen_to(OpId op, TabletIndex tablet) const {
  if (!journal_.has(op)) return false;
  const auto left = left_.find(op);
  return left == left_.end() || left->second.items.contains({kForgetTasks, tablet});
}

// What is ours and belongs to no op any more was carried out after its op had ended. What still
// runs is left until it has ended: whoever sends there again must see it.
void Cleanup::looked_through(TabletIndex tablet, const Answer& answer) {
  std::set<OpId> strays;
  std::set<OpId> running;
  std::set<OpId> late;  // Not loads: whoever told it to load has seen that it did.
  for (const RegisteredTask& t : answer.tasks) {
    if (t.op < kFirstOpId || is_seen_to(t.op, tablet)) continue;
    (t.runs() ? running : strays).insert(t.op);
    if (t.task != Task::kLoadTable) late.insert(t.op);
  }
  for (const OpId op : strays) {
    if (running.contains(op)) continue;
    const Endpoint& endpoint = model_.tablet(tablet).endpoint;
    if (late.contains(op))
      outbox_.note(Severity::kInfo, "op",
                   endpoint + " carried out a task of op " + std::to_string(op) +
                       " after that had ended; it is told to forget it",
                   {{"op_id", std::to_string(op)}, {"tablet", endpoint}});
    ask(kNoOp, kForgetStrays, tablet, DeleteOpTask{op});
  }
}

}  // namespace failoverd::core
