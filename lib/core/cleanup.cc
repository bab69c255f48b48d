#include "lib/core/cleanup.h"

#include <utility>
#include <vector>

namespace failoverd::core {
namespace {

constexpr Duration kAtMost = std::chrono::seconds{2};
constexpr Duration kAgain = std::chrono::seconds{1};

}  // namespace

Cleanup::Left& Cleanup::take(const BegunOp& over) {
  Left& left = left_[over.id];
  left.op = over;
  const TabletIndex leader = model_.tablet_index(over.leader);
  left.items.insert({kForgetTasks, leader});
  left.items.insert({kForgetTasks, model_.tablet_index(over.replica)});
  if (over.paused) left.items.insert({kRecoverSnapshot, leader});
  return left;
}

void Cleanup::begin(const BegunOp& over) {
  take(over);
  journal_.begin(over);  // Before a task is forgotten that tells a successor how far the op is.
}

void Cleanup::resume(const BegunOp& over) {
  Left& left = take(over);
  left.journaled = true;
  clean(left);
}

void Cleanup::journaled(OpId op) {
  const auto left = left_.find(op);
  if (left == left_.end() || left->second.journaled) return;
  left->second.journaled = true;
  clean(left->second);
}

void Cleanup::clean(Left& left) {
  const OpId op = left.op.id;
  const std::vector<Item> items(left.items.begin(), left.items.end());
  for (const auto& [what, tablet] : items) {
    const Tablet& t = model_.tablet(tablet);
    if (!t.evidence.registered && t.hosts.empty()) {  // It is no part of the cluster any more.
      const bool last = left.items.size() == 1;
      done(left, {what, tablet});
      if (last) return;
      continue;
    }
    const Partition* p = model_.partition(left.op.at);
    const Replica* asked = p ? p->on(tablet) : nullptr;
    if (asked && asked->may_lead_term) {  // SAFETY 5: it is told to follow first.
      again(left);
      continue;
    }
    if (!left.asked.insert({what, tablet}).second) continue;
    const Route route{Route::Owner::kCleanup, op, what, tablet, {}};
    if (what == kForgetTasks) {
      desk_.call(route, model_.tablet(tablet).endpoint, DeleteOpTask{op}, kAtMost);
    } else {
      desk_.call(route, model_.tablet(tablet).endpoint, RecoverSnapshot{left.op.at}, kAtMost);
    }
  }
}

void Cleanup::answered(const Route& route, const Answer& answer) {
  const auto left = left_.find(route.key);
  if (left == left_.end()) return;
  const Item item{static_cast<What>(route.what), route.tablet};
  const bool gone = answer.says(kTableStatusIsNotPaused) || answer.says(kTableIsNotExist);
  left->second.asked.erase(item);
  if (answer.ok() || gone) {
    done(left->second, item);
  } else {
    again(left->second);
  }
}

void Cleanup::again(Left& left) {
  if (std::exchange(left.timer_set, true)) return;
  desk_.timer({Route::Owner::kCleanup, left.op.id, 0, 0, {}}, desk_.now + kAgain);
}

void Cleanup::timer(const Route& route) {
  const auto left = left_.find(route.key);
  if (left == left_.end()) return;
  left->second.timer_set = false;
  clean(left->second);
}

void Cleanup::done(Left& left, Item item) {
  left.items.erase(item);
  if (!left.items.empty()) return;
  const OpId op = left.op.id;
  left_.erase(op);
  journal_.drop(op);
}

}  // namespace failoverd::core
