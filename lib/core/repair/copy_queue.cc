#include "lib/core/repair/copy_queue.h"

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "lib/base/check.h"
#include "lib/core/cluster/standing.h"
#include "lib/core/durable/refusals.h"

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
  w.since = outbox_.now;
}

bool CopyQueue::waits(PartitionKey at) const {
  return std::any_of(waiting_.begin(), waiting_.end(),
                     [&](const auto& w) { return w.first.first == at; });
}

// None: it is needed still.
std::optional<std::string> CopyQueue::why_needless(PartitionKey at, const Waiting& w) const {
  const Tablet& replica = model_.tablet(w.what.replica);
  const Tablet& leads = model_.tablet(w.leader);
  const Partition* p = model_.partition(at);
  const Replica* r = p ? p->on(w.what.replica) : nullptr;
  if (!r) return replica.endpoint + " is no replica of it any more";
  const Replica* leader = p->leader();
  const bool same = leader && leader->tablet == w.leader && p->published_term() == w.leader_term;
  if (!same || p->unfinished_term) return leads.endpoint + " does not lead it any more";
  if (leads.verdict.dead()) return "its leader's tablet " + leads.endpoint + " is dead";
  // What an operator orders of it meanwhile does not wait behind what is held.
  const OperatorHold* hold = automation_.kept_away(at, w.what.replica);
  if (hold && !w.what.ordered) return to_text(*hold);
  if (replica.incarnation != w.incarnation) return replica.endpoint + " has restarted";
  if (!has_returned(model_, *p, *r)) return replica.endpoint + " cannot be brought back now";
  return std::nullopt;
}

bool CopyQueue::has_turn(const Waiting& w) const {
  const int most = outbox_.policy.recovery.max_copies_per_tablet;
  return operations_.copies_on(w.leader) < most && operations_.copies_on(w.what.replica) < most;
}

void CopyQueue::look() {
  if (waiting_.empty() || !stand_back_.may_change()) return;
  using Rank = std::tuple<int, Instant, Key>;
  std::vector<Rank> order;
  std::vector<std::pair<Key, std::string>> needless;
  for (const auto& [key, w] : waiting_) {
    if (auto why = why_needless(key.first, w)) {
      needless.emplace_back(key, std::move(*why));
    } else {
      order.emplace_back(live_replicas(*model_.partition(key.first)), w.since, key);
    }
  }
  for (const auto& [key, why] : needless) cancel(key, why + "; it waited for its turn");
  std::sort(order.begin(), order.end());
  for (const auto& [live, since, key] : order) begin(key);
}

// Or says what it waits for.
void CopyQueue::begin(Key key) {
  const PartitionKey at = key.first;
  const Waiting& w = waiting_.at(key);
  Partition& p = *model_.partition(at);
  if (p.op != 0) return;
  if (const auto* its = stand_back_.nameserver_op(model_.table(at.tid)->shape, at.pid)) {
    ops_.find(w.op)->detail = "waits for the nameserver's own op " + to_text(*its);  // SAFETY 13.
    return;
  }
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
  ops_.end(w.mapped().op, OpStatus::kCanceled, outbox_.now, why);
  journal_.finished(ops_.ended().back());
  outbox_.out.emplace_back(CountOp{w.mapped().op, w.mapped().what.type, OpStatus::kCanceled,
                                   outbox_.now - w.mapped().since});
  changed.insert(key.first);
}

void CopyQueue::cancel_all(const std::string& why) {
  std::vector<Key> keys;
  for (const auto& [key, w] : waiting_) {
    if (!w.what.ordered) keys.push_back(key);
  }
  for (const Key& key : keys) cancel(key, why);
}

void CopyQueue::cancel_onto(TabletIndex replica, const std::string& why) {
  std::vector<Key> keys;
  for (const auto& [key, w] : waiting_) {
    if (key.second == replica) keys.push_back(key);
  }
  for (const Key& key : keys) cancel(key, why);
}

bool CopyQueue::cancel(OpId op, const std::string& why) {
  const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                  [&](const auto& entry) { return entry.second.op == op; });
  if (found == waiting_.end()) return false;
  cancel(Key{found->first}, why);
  return true;
}

}  // namespace failoverd::core
