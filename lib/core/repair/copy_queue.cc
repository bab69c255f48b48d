#include "lib/core/repair/copy_queue.h"

#include <algorithm>
#include <tuple>
#include <vector>

#include "lib/base/check.h"
#include "lib/core/durable/refusals.h"
#include "lib/core/repair/diagnosis.h"

namespace failoverd::core {
namespace {

int live_replicas(const Partition& p) {
  return static_cast<int>(std::count_if(p.replicas.begin(), p.replicas.end(),
                                        [](const Replica& r) { return r.is_alive; }));
}

}  // namespace

void CopyQueue::add(OpId op, PartitionKey at, const Partition& p, const Treatment& treatment) {
  const Replica* leader = p.leader();
  CHECK(leader);
  Waiting& w = waiting_[{at, treatment.replica}];
  w.op = op;
  w.what = treatment;
  w.leader = leader->tablet;
  w.leader_term = p.published_term();
  w.incarnation = model_.tablet(treatment.replica).incarnation;
  w.since = desk_.now;
}

bool CopyQueue::waits(PartitionKey at) const {
  return std::any_of(waiting_.begin(), waiting_.end(),
                     [&](const auto& w) { return w.first.first == at; });
}

bool CopyQueue::still_needed(PartitionKey at, const Waiting& w) const {
  const Partition* p = model_.partition(at);
  const Replica* leader = p ? p->leader() : nullptr;
  const Replica* r = p ? p->on(w.what.replica) : nullptr;
  return leader && r && leader->tablet == w.leader && p->published_term() == w.leader_term &&
         !p->unfinished_term && !model_.tablet(w.leader).verdict.dead() &&
         has_returned(model_, *p, *r) && model_.tablet(r->tablet).incarnation == w.incarnation;
}

bool CopyQueue::has_turn(const Waiting& w) const {
  const int most = desk_.policy.recovery.max_copies_per_tablet;
  return operations_.copies_on(w.leader) < most && operations_.copies_on(w.what.replica) < most;
}

void CopyQueue::look() {
  if (waiting_.empty() || !stand_back_.may_change()) return;
  using Rank = std::tuple<int, Instant, Key>;
  std::vector<Rank> order;
  std::vector<Key> needless;
  for (const auto& [key, w] : waiting_) {
    if (still_needed(key.first, w)) {
      order.emplace_back(live_replicas(*model_.partition(key.first)), w.since, key);
    } else {
      needless.push_back(key);
    }
  }
  for (const Key& key : needless) {
    cancel(key, "its leader or its tablet changed while it waited for its turn");
  }
  std::sort(order.begin(), order.end());
  for (const auto& [live, since, key] : order) begin(key);
}

// Or says what it waits for.
void CopyQueue::begin(Key key) {
  const PartitionKey at = key.first;
  const Waiting& w = waiting_.at(key);
  Partition& p = *model_.partition(at);
  if (p.op != 0) return;
  if (const Table& table = *model_.table(at.tid); table.refusal) {
    ops_.find(w.op)->detail = "waits for " + Refusals::waits_for(table);
    return;
  }
  if (!has_turn(w)) {
    ops_.find(w.op)->detail = "waits for its turn: " + model_.tablet(w.leader).endpoint + " or " +
                              model_.tablet(w.what.replica).endpoint +
                              " copies already as many as " +
                              "recovery.max_copies_per_tablet allows";
    return;
  }
  p.op = w.op;
  operations_.begin(w.op, at, w.what);
  waiting_.erase(key);
}

void CopyQueue::cancel(Key key, const std::string& why) {
  const auto w = waiting_.extract(key);
  CHECK(!w.empty());
  ops_.end(w.mapped().op, OpStatus::kCanceled, desk_.now, why);
  journal_.finished(ops_.ended().back());
  desk_.out.emplace_back(CountOp{w.mapped().op, w.mapped().what.type, OpStatus::kCanceled,
                                 desk_.now - w.mapped().since});
  changed.insert(key.first);
}

void CopyQueue::cancel_all(const std::string& why) {
  while (!waiting_.empty()) cancel(waiting_.begin()->first, why);
}

}  // namespace failoverd::core
