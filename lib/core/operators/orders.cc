#include "lib/core/operators/orders.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "lib/base/check.h"
#include "lib/core/cluster/relatives.h"
#include "lib/core/cluster/standing.h"
#include "lib/core/durable/refusals.h"

namespace failoverd::core {
namespace {

constexpr int kHandoverTries = 3;

}  // namespace

OpId Orders::add(Order order) {
  open(order);
  waiting_.push_back(std::move(order));
  return waiting_.back().op;
}

void Orders::open(Order& order) {
  const auto id = op_ids_.take(1);
  CHECK(id);
  order.op = *id;
  ++open_[order.command];
  ++of_partition_[order.at];
  const Table& table = *model_.table(order.at.tid);
  OpRecord record;
  record.id = *id;
  record.type = order.what.type;
  record.table = table.shape.name;
  record.db = table.shape.db;
  record.at = order.at;
  record.replica = model_.tablet(order.what.replica).endpoint;
  record.started = outbox_.now;
  record.detail = "waits for its turn";
  ops_.begin(record);
  outbox_.note(Severity::kInfo, "operator",
               std::string{to_text(order.what.type)} + " of " + model_.name_of(order.at) + ": " +
                   order.what.why,
               {{"op_id", std::to_string(*id)},
                {"table", record.table},
                {"pid", std::to_string(order.at.pid)},
                {"tablet", record.replica},
                {"by", order.by}});
}

bool Orders::waits(OpId op) const {
  return std::any_of(waiting_.begin(), waiting_.end(),
                     [&](const Order& order) { return order.op == op; });
}

bool Orders::any_of(PartitionKey at) const { return of_partition_.contains(at); }

bool Orders::is_running(PartitionKey at) const {
  return std::any_of(running_.begin(), running_.end(),
                     [&](const auto& entry) { return entry.second.at == at; });
}

void Orders::cancel_command(std::uint64_t command, const std::string& why) {
  std::deque<Order> still;
  for (Order& order : std::exchange(waiting_, {})) {
    if (order.command == command) {
      end(order, OpStatus::kCanceled, why);
    } else {
      still.push_back(std::move(order));
    }
  }
  waiting_ = std::move(still);
  for (auto& [op, order] : running_) {
    if (order.command == command) try_no_more(order);
  }
}

std::vector<PartitionKey> Orders::cancel_returns(TabletIndex tablet, const std::string& why) {
  const auto returns = [&](const Treatment& what) {
    if (what.replica != tablet || what.any || !what.alive) return false;
    const bool is_only_one = what.type == OpType::kReLoadTableOP;
    return what.type == OpType::kHandoverOP || (Operations::brings_alive(what) && !is_only_one);
  };
  std::vector<PartitionKey> led;
  const auto forget_next = [&](Order& order) {
    const Treatment& last = order.then ? *order.then : order.what;
    if (last.type == OpType::kHandoverOP && returns(last)) led.push_back(order.at);
    try_no_more(order);
  };
  std::deque<Order> still;
  for (Order& order : std::exchange(waiting_, {})) {
    if (returns(order.what) || (order.then && returns(*order.then))) forget_next(order);
    if (returns(order.what)) {
      end(order, OpStatus::kCanceled, why);
    } else {
      still.push_back(std::move(order));
    }
  }
  waiting_ = std::move(still);
  for (auto& [op, order] : running_) {
    if (returns(order.what) || (order.then && returns(*order.then))) forget_next(order);
  }
  return led;
}

void Orders::try_no_more(Order& order) {
  order.then.reset();
  order.tries = kHandoverTries;
}

void Orders::try_no_more(OpId op) {
  const auto found = running_.find(op);
  if (found != running_.end()) try_no_more(found->second);
}

void Orders::stop() {
  waiting_.clear();
  running_.clear();
  open_.clear();
  of_partition_.clear();
}

void Orders::ended(const Order& order) {
  const auto found = open_.find(order.command);
  if (found != open_.end() && --found->second == 0) open_.erase(found);
  const auto at = of_partition_.find(order.at);
  if (at != of_partition_.end() && --at->second == 0) of_partition_.erase(at);
  if (order.what.type == OpType::kRecoverTableOP) brings_back(order, false);
}

void Orders::brings_back(const Order& order, bool is) {
  Partition* p = model_.partition(order.at);
  Replica* r = p ? p->on(order.what.replica) : nullptr;
  if (r) r->ordered_back = is;
}

void Orders::look() {
  if (!stand_back_.may_change()) return;
  look_at_running();
  std::deque<Order> still;
  while (!waiting_.empty()) {
    Order order = std::move(waiting_.front());
    waiting_.pop_front();
    if (order.what.type == OpType::kRecoverTableOP) brings_back(order, true);
    // What it is like when that has ended decides what the order comes to.
    if (!model_.partition(order.at)) {
      end(order, OpStatus::kCanceled, "the partition is gone");
    } else if (auto other = other_op(order)) {
      ops_.find(order.op)->detail = "waits for " + *other;
      still.push_back(std::move(order));
    } else if (const auto already = is_done_already(order)) {
      end(order, OpStatus::kDone, *already);
      if (order.then) follow(order, still);
    } else if (leads_by_now(order)) {
      hand_over_first(std::move(order), still);
    } else if (const auto why = why_impossible(order)) {
      end(order, OpStatus::kFailed, *why);
    } else if (auto waits = waits_for(order)) {
      ops_.find(order.op)->detail = "waits for " + *waits;
      still.push_back(std::move(order));
    } else if (!may_elect(order)) {
      ops_.find(order.op)->detail = "waits for it to be written that its leader leads";
      still.push_back(std::move(order));
    } else {
      begin(order);
    }
  }
  waiting_ = std::move(still);
}

// SAFETY 12: somebody set the row of its leader dead by hand, and it leads: it may hold what nobody
// else does.
bool Orders::may_elect(const Order& order) {
  return order.what.type != OpType::kChangeLeaderOP || order.force ||
         handovers_.may_be_elected(order.at, [&] { return std::optional{order.op}; });
}

// A put that came in at the last moment, or clients that went on for too long, do not keep a tablet
// from going offline.
bool Orders::is_tried_again(const Order& order, const OpRecord& ended) const {
  const Partition* p = model_.partition(order.at);
  return order.what.type == OpType::kHandoverOP && ended.status == OpStatus::kFailed &&
         order.tries < kHandoverTries && order.then && p && p->leader();
}

// Those that have ended make room, and are followed by what was to follow.
void Orders::look_at_running() {
  std::vector<Order> followed;
  std::vector<Order> again;
  std::vector<Order> gone;
  std::erase_if(running_, [&](const auto& entry) {
    if (ops_.find(entry.first)) return false;
    const Order& ended = entry.second;
    const auto& all = ops_.ended();
    const auto record = std::find_if(all.rbegin(), all.rend(),
                                     [&](const OpRecord& r) { return r.id == entry.first; });
    const bool done = record != all.rend() && record->status == OpStatus::kDone;
    if (done && ended.then) followed.push_back(ended);
    if (record != all.rend() && is_tried_again(ended, *record)) again.push_back(ended);
    gone.push_back(ended);
    return true;
  });
  for (Order& order : again) {
    if (!has_ids(1)) break;
    ++order.tries;
    open(order);
    waiting_.push_back(std::move(order));
  }
  for (const Order& order : followed) follow(order, waiting_);
  for (const Order& order : gone) ended(order);
}

void Orders::follow(Order order, std::deque<Order>& to) {
  if (!has_ids(1) || !model_.partition(order.at)) return;
  order.what = *std::exchange(order.then, std::nullopt);
  open(order);
  to.push_back(std::move(order));
}

// Somebody else was faster: how it is now.
std::optional<std::string> Orders::is_done_already(const Order& order) const {
  const Partition* p = model_.partition(order.at);
  const Treatment& what = order.what;
  const Replica* r = p->on(what.replica);
  if (what.type == OpType::kRecoverTableOP && r && r->is_alive)
    return "its replica is alive already";
  if (what.type == OpType::kOfflineReplicaOP && r && !r->is_alive) return "its row is dead already";
  const Replica* leader = p->leader();
  if (!leader) return std::nullopt;
  std::string leads = model_.tablet(leader->tablet).endpoint + " leads it by now";
  // Whoever hands over anything but what it leads would be handed something, perhaps.
  if (what.type == OpType::kHandoverOP && what.any && leader != r) return leads;
  const bool elects = what.type == OpType::kChangeLeaderOP && !order.force;
  if (!elects || standing(model_, *leader) != Standing::kServes) return std::nullopt;
  const bool goes_offline = !what.alive;  // Anybody but r.
  const bool as_ordered = goes_offline ? leader != r : what.any || leader == r;
  return as_ordered ? std::optional{leads} : std::nullopt;
}

// What was to go offline as a follower has become the leader meanwhile.
bool Orders::leads_by_now(const Order& order) const {
  const Partition* p = model_.partition(order.at);
  const Replica* leader = p->leader();
  return order.what.type == OpType::kOfflineReplicaOP && leader &&
         leader->tablet == order.what.replica && p->replicas.size() > 1;
}

void Orders::hand_over_first(Order order, std::deque<Order>& to) {
  if (!has_ids(1)) {
    to.push_back(std::move(order));
    return;
  }
  Order first = order;
  first.then = order.what;
  first.what.type = OpType::kHandoverOP;
  first.what.table = {};
  first.what.any = true;
  end(order, OpStatus::kCanceled, "it leads by now, and is handed over first");
  open(first);
  to.push_back(std::move(first));
}

// What was checked when it was ordered may be otherwise now.
std::optional<std::string> Orders::why_impossible(const Order& order) const {
  const Partition* p = model_.partition(order.at);
  const Table& table = *model_.table(order.at.tid);
  if (p->diagnosis.condition == Condition::kQuarantined) return p->diagnosis.text();
  if (table.refusal) return "ZooKeeper does not take its table: " + Refusals::waits_for(table);
  const OpType type = order.what.type;
  const Tablet& tablet = model_.tablet(order.what.replica);
  const Replica* r = p->on(order.what.replica);
  const Replica* leader = p->leader();
  if (type == OpType::kHandoverOP && !leader) return "it has no leader that could hand it over";
  if (type == OpType::kHandoverOP && !order.what.any && leader == r) {
    return tablet.endpoint + " leads it already";
  }
  if (type == OpType::kMakeSnapshotOP && !leader) return "it has no leader";
  const bool elects = type == OpType::kChangeLeaderOP && !order.force && order.what.alive;
  if (elects && leader && standing(model_, *leader) == Standing::kServes) {
    return model_.tablet(leader->tablet).endpoint + " leads it by now; named again, it hands over";
  }
  if (is_election(type)) {
    const bool somebody_is_there =
        std::any_of(p->replicas.begin(), p->replicas.end(),
                    [&](const Replica& one) { return is_there(model_.tablet(one.tablet)); });
    const bool possible = has_candidate(model_, *p) || who_may_answer(order) ||
                          (order.accept_loss && somebody_is_there);
    return possible ? std::nullopt : std::optional{"nobody can lead it: " + p->diagnosis.text()};
  }
  if (type == OpType::kOfflineReplicaOP && !r)
    return tablet.endpoint + " is no replica of it any more";
  if (order.what.by_hand && stand_back_.auto_failover()) return "auto_failover is enabled";
  if (order.what.by_hand && order.what.alive && r && !r->is_alive && leader &&
      standing(model_, *leader) == Standing::kServes) {  // SAFETY 1, 18.
    return model_.tablet(leader->tablet).endpoint + " leads it by now, and nothing says that " +
           tablet.endpoint + " holds all of it: recovertable brings it back";
  }
  if (type == OpType::kRecoverTableOP) {
    if (!r) return tablet.endpoint + " is no replica of it any more";
    if (tablet.verdict.dead()) return tablet.endpoint + " died before its turn came";
    if (p->replicas.size() > 1 && !leader) return "it has no leader to recover from";
  }
  return std::nullopt;
}

// A tablet that could serve what is needed, where none is known to: a suspect one, or one that has
// not been asked yet.
std::optional<Endpoint> Orders::who_may_answer(const Order& order) const {
  const Partition& p = *model_.partition(order.at);
  const bool hands_over = order.what.type == OpType::kHandoverOP;
  if (hands_over) {
    if (!order.what.any || best_to_take_over(model_, order.at)) return std::nullopt;
  } else if (!is_election(order.what.type) || order.accept_loss || has_candidate(model_, p)) {
    return std::nullopt;
  }
  const auto unclear = std::ranges::find_if(p.replicas, [&](const Replica& r) {
    const bool is_passed_over = r.leads() && (hands_over || order.force);
    return r.is_alive && !is_passed_over && (r.vouches() || !hands_over) &&
           standing(model_, r) == Standing::kUnclear;
  });
  if (unclear == p.replicas.end()) return std::nullopt;
  return model_.tablet(unclear->tablet).endpoint;
}

// What else works on its partition; none: nothing does.
std::optional<std::string> Orders::other_op(const Order& order) const {
  const Partition& p = *model_.partition(order.at);
  if (p.op == 0) {  // SAFETY 13.
    const NameserverOp* its = stand_back_.nameserver_op(model_.table(order.at.tid)->shape, p.pid);
    return its ? std::optional{"the nameserver's own op " + to_text(*its)} : std::nullopt;
  }
  const OpRecord* other = ops_.find(p.op);
  return "op " + std::to_string(p.op) +
         (other ? std::string{" ("} + to_text(other->type) + ")" : "") + " of its partition";
}

std::optional<std::string> Orders::waits_for(const Order& order) const {
  const Partition& p = *model_.partition(order.at);
  if (order.at_once > 0) {
    const auto run = std::count_if(running_.begin(), running_.end(), [&](const auto& entry) {
      return entry.second.command == order.command && ops_.find(entry.first);
    });
    if (run >= order.at_once)
      return "others of its command, " + std::to_string(order.at_once) + " at once";
  }
  if (copies(order.what.table)) {
    const Replica* leader = p.leader();
    const int most = outbox_.policy.recovery.max_copies_per_tablet;
    const bool turn = operations_.copies_on(order.what.replica) < most &&
                      (!leader || operations_.copies_on(leader->tablet) < most);
    if (!turn) return "its turn: recovery.max_copies_per_tablet allows no more copies there";
  }
  const Replica* r = p.on(order.what.replica);
  // SAFETY 1, 12: until then no alive leader's row is written.
  if (const Replica* leader = p.leader(); leader && leader->stepping_down) {
    if (order.what.type == OpType::kOfflineReplicaOP) return "a handover that was begun";
  }
  const bool hands_over = order.what.type == OpType::kHandoverOP;
  if (hands_over && p.unfinished_term) return "an election that was begun";
  if (const auto tablet = who_may_answer(order)) return *tablet + " to answer";
  if (hands_over && order.what.any) {  // It goes after it, then.
    for (const PartitionKey key : relatives(model_, order.at)) {
      const OpRecord* other = ops_.find(model_.partition(key)->op);
      if (other && other->type == OpType::kHandoverOP)
        return "the handover of " + model_.name_of(key);
    }
  }
  const bool to_it = hands_over && !order.what.any && r && !r->is_alive;
  if (to_it && copies_.waits(order.at, r->tablet)) return "its copy, whose turn comes later";
  if (order.what.type != OpType::kRecoverTableOP || !r) return std::nullopt;
  if (!has_returned(model_, p, *r)) {
    const bool leads = r->report.held && r->report.mode == Mode::kLeader;
    return model_.tablet(r->tablet).endpoint + (leads ? " to be told to follow" : " to answer");
  }
  if (copies_.waits(order.at, r->tablet)) return "a copy of it that waits for its turn";
  if (cleanup_.may_still_drop(order.at, r->tablet)) return "what an earlier op told its tablet";
  return std::nullopt;
}

void Orders::begin(Order& order) {
  Partition& p = *model_.partition(order.at);
  p.op = order.op;
  if (is_election(order.what.type)) model_.count_leaders();
  if (order.what.type == OpType::kHandoverOP) {
    handovers_.begin(order.op, order.at,
                     order.what.any ? std::nullopt : std::optional{order.what.replica});
  } else if (is_election(order.what.type)) {
    std::optional<Elections::Handed> handed;
    if (!order.force) handed = handovers_.adopt(order.at);
    elections_.begin(order.op, order.what.type, order.at, Duration{0}, handed, /*ordered=*/true);
    if (!order.what.any) elections_.prefer(order.op, order.what.replica);
    if (order.accept_loss) {
      const auto named = order.what.any ? std::nullopt : std::optional{order.what.replica};
      elections_.accept_loss(order.at, {order.by, order.force, named});
    }
  } else {
    // It was ordered of whoever leads.
    if (order.what.type == OpType::kMakeSnapshotOP) order.what.replica = p.leader()->tablet;
    operations_.begin(order.op, order.at, order.what);
  }
  running_.emplace(order.op, std::move(order));
}

bool Orders::cancel(OpId op, const std::string& why) {
  const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                  [&](const Order& order) { return order.op == op; });
  if (found == waiting_.end()) return false;
  const Order order = std::move(*found);
  waiting_.erase(found);
  end(order, OpStatus::kCanceled, why);
  return true;
}

void Orders::cancel_all(const std::string& why) {
  for (const Order& order : std::exchange(waiting_, {})) end(order, OpStatus::kCanceled, why);
  for (auto& [op, order] : running_) try_no_more(order);
}

void Orders::end(const Order& order, OpStatus status, const std::string& how) {
  ended(order);
  if (order.what.type == OpType::kChangeLeaderOP) handovers_.adopt_not(order.at);
  const Instant began = ops_.find(order.op)->started;
  ops_.end(order.op, status, outbox_.now, how);
  journal_.finished(ops_.ended().back());
  outbox_.out.emplace_back(CountOp{order.op, order.what.type, status, outbox_.now - began});
  changed.insert(order.at);
}

}  // namespace failoverd::core
