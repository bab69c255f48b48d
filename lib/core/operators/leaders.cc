// Operators' commands that move leaders: another one for a partition, and a tablet that leads and
// follows nothing any more.
#include <algorithm>
#include <utility>

#include "lib/core/cluster/history.h"
#include "lib/core/cluster/relatives.h"
#include "lib/core/cluster/standing.h"
#include "lib/core/operation/task_tables.h"
#include "lib/core/operators/operators.h"

namespace failoverd::core {
namespace {

namespace o = operators;

std::string number(std::uint64_t n) { return std::to_string(n); }

}  // namespace

// What is known of a replica that could be elected: "B:1 at offset 14".
std::string Operators::stands_text(PartitionKey at, const Replica& r) const {
  const Tablet& t = model_.tablet(r.tablet);
  const auto known = model_.known_offset(at, r);
  if (!known) return t.endpoint + ", which has not been loaded";
  const auto agreed = agrees_to(model_, at, *model_.partition(at), r.tablet, *known);
  std::string text =
      t.endpoint + (r.report.held ? " at" : ", last known at") + " offset " + number(*known);
  if (!agreed) return text + " (whom it followed last is not known)";
  return *agreed < *known ? text + " (the partition's up to " + number(*agreed) + ")" : text;
}

// SAFETY 1, overruled: no alive row's replica serves, and what those alone hold may be lost.
Operators::Outcome Operators::elect_without_alive_rows(const o::ChangeLeader& c, PartitionKey at,
                                                       const Partition& p) {
  const auto named = model_.find_tablet(c.candidate);
  const bool any = c.candidate.empty() || c.candidate == "auto";
  std::string gone;
  std::string stand;
  Offset lost = 0;
  Offset best = 0;
  for (const Replica& r : p.replicas) {
    const Tablet& t = model_.tablet(r.tablet);
    const Offset known = model_.known_offset(at, r).value_or(0);
    if (r.is_alive) {
      gone += (gone.empty() ? "" : ", ") + t.endpoint + " (" + to_text(t.verdict.state) +
              (known > 0 ? ", last known at offset " + number(known) : "") + ")";
      lost = std::max(lost, known);
    } else if (is_there(t) && (any || named == r.tablet)) {
      stand += (stand.empty() ? "" : "; ") + stands_text(at, r);
      best = std::max(best, agrees_to(model_, at, p, r.tablet, known).value_or(known));
    }
  }
  if (stand.empty() && !any) {
    return refuse(
        kCreateOpFailed, "create op failed",
        c.candidate + " has no replica of " + model_.name_of(at) + " that could be elected now");
  }
  const bool may_load = std::any_of(p.replicas.begin(), p.replicas.end(), [&](const Replica& r) {
    return r.is_alive && is_there(model_.tablet(r.tablet));
  });
  if (stand.empty() && !may_load) {
    return refuse(kNoAliveFollower, "no alive follower",
                  "no tablet that is there has a replica of it: nobody could be elected");
  }
  Outcome outcome;
  Treatment what;
  what.type = OpType::kChangeLeaderOP;
  what.replica = any ? p.replicas.front().tablet : *named;
  what.any = any;
  std::string text = gone.empty() ? "no replica is alive" : "no alive replica leads: " + gone;
  if (may_load) text += ". Who of these is there is loaded, and leads if it holds anything";
  text += std::string{may_load ? "; if not, elected is " : ". Elected is "} +
          std::string{any ? "the best of those whose rows are dead" : "this one"} +
          ", loaded as follower where it is not in memory: " + (stand.empty() ? "nobody" : stand);
  text += lost > best ? ". At least " + number(lost - best) + " entries are given up, and "
                      : ". Given up is ";
  text += "what the alive replicas took since they were last heard of; their rows die";
  plan(outcome, at, what, text);
  outcome.orders.back().accept_loss = true;
  outcome.orders.back().force = c.force;
  return outcome;
}

// One that is under way goes on, and is not ordered anew.
Operators::Outcome Operators::accept_loss_of_election(const o::ChangeLeader& c, PartitionKey at,
                                                      const Partition& p) {
  Outcome outcome;
  if (has_candidate(model_, p)) {
    outcome.answer.plan.push_back(model_.name_of(at) +
                                  ": its election goes on with the replicas that are there");
  } else {
    outcome = elect_without_alive_rows(c, at, p);
    if (outcome.refused()) return outcome;
    const Order& order = outcome.orders.back();
    if (!order.what.any) outcome.acceptance.named = order.what.replica;
    outcome.orders.clear();
  }
  outcome.answer.ops.push_back(p.op);
  outcome.accepts = at;
  outcome.acceptance.forced = c.force;
  return outcome;
}

// The only replica came up with nothing: what it had is lost.
Operators::Outcome Operators::lead_with_nothing(const o::ChangeLeader& c, PartitionKey at,
                                                const Replica& r) {
  const bool leads = r.report.held && r.report.mode == Mode::kLeader;
  if (!c.accept_loss || !r.report.had || leads) return refuse(kNoFollower, "no follower");
  Outcome outcome;
  Treatment what;
  what.type = OpType::kReLoadTableOP;
  what.table = kReLoadTableTasks;
  what.replica = r.tablet;
  what.accepts_loss = true;
  plan(outcome, at, what,
       "its only replica, " + model_.tablet(r.tablet).endpoint + ", leads with nothing; the " +
           number(*r.report.had) + " entries that it had are given up");
  return outcome;
}

// What leads beside it goes along, where it can (FEDB.md 8).
void Operators::plan_relatives(Outcome& outcome, PartitionKey at, TabletIndex from,
                               TabletIndex to) {
  const Endpoint& there = model_.tablet(to).endpoint;
  for (const PartitionKey key : relatives(model_, at)) {
    const Partition& p = *model_.partition(key);
    const Replica* leader = p.leader();
    if (!leader || leader->tablet != from) continue;
    const Replica* follower = p.on(to);
    if (!follower || !can_take_over(model_, *follower)) {
      outcome.answer.plan.push_back(model_.name_of(key) + ": its leader belongs beside " +
                                    model_.name_of(at) + "'s and stays on " +
                                    model_.tablet(from).endpoint + ": " + there +
                                    " has no follower of it that could take it over");
      continue;
    }
    Treatment what;
    what.type = OpType::kHandoverOP;
    what.replica = to;
    plan(outcome, key, what, "goes along to " + there + ": both leaders belong on one tablet");
  }
}

Operators::Outcome Operators::carry_out(const o::ChangeLeader& c) {
  Table* table = find(c.table);
  if (!table) return no_table(c.table);
  const PartitionKey at{table->shape.tid, c.pid};
  const Partition* p = model_.partition(at);
  if (!p) return refuse(kPidIsNotExist, "pid is not exist");
  if (p->replicas.size() == 1) return lead_with_nothing(c, at, p->replicas.front());
  const OpRecord* running = ops_.find(p->op);
  if (c.accept_loss && running && is_election(running->type)) {
    return accept_loss_of_election(c, at, *p);
  }
  if (c.accept_loss && !has_candidate(model_, *p)) return elect_without_alive_rows(c, at, *p);
  Outcome outcome;
  const Replica* leader = p->leader();
  if (leader && c.candidate.empty() && !c.force) {
    return refuse(kLeaderIsAlive, "leader is alive", "`auto` hands it over without loss");
  }
  const auto follows = [&](const Replica& r) { return r.is_alive && !r.leads(); };
  if (std::none_of(p->replicas.begin(), p->replicas.end(), follows)) {
    return refuse(kNoAliveFollower, "no alive follower",
                  leader && standing(model_, *leader) == Standing::kServes
                      ? "recovertable brings one back"
                      : "--accept-loss elects among those whose rows are dead");
  }
  bool any = c.candidate.empty() || c.candidate == "auto";
  auto tablet = any ? std::nullopt : model_.find_tablet(c.candidate);
  if (any && leader && !c.force && !relatives(model_, at).empty()) {
    // Known now, so that they can go there, too.
    model_.count_leaders();
    if (const Replica* best = best_to_take_over(model_, at)) tablet = best->tablet;
    any = !tablet;
  }
  const Replica* to = tablet ? p->on(*tablet) : nullptr;
  if (!any && (!to || !follows(*to))) {
    return refuse(kCreateOpFailed, "create op failed",
                  c.candidate + " is no alive follower of " + model_.name_of(at));
  }
  const bool alive = leader && standing(model_, *leader) != Standing::kGone && !c.force;
  Treatment what;
  what.replica = to ? to->tablet : leader ? leader->tablet : p->replicas.front().tablet;
  what.type = alive ? OpType::kHandoverOP : OpType::kChangeLeaderOP;
  what.any = any;
  const std::string whom = to ? model_.tablet(to->tablet).endpoint : "the follower that holds most";
  if (alive) {
    plan(outcome, at, what,
         "leadership goes from " + model_.tablet(leader->tablet).endpoint + " to " + whom +
             "; no row is lost, writes wait for a moment");
    if (to) plan_relatives(outcome, at, leader->tablet, to->tablet);
  } else {
    plan(outcome, at, what,
         "the alive follower that holds most is elected" +
             std::string{c.accept_loss ? "; what only others are known to hold is given up" : ""});
  }
  outcome.orders.front().accept_loss = c.accept_loss;
  outcome.orders.front().force = c.force;
  return outcome;
}

// Leaders are handed over, or elected anew where the tablet is dead; followers' rows are set dead.
void Operators::plan_offline(Outcome& outcome, PartitionKey at, Partition& p, TabletIndex tablet) {
  const Replica* r = p.on(tablet);
  const Tablet& t = model_.tablet(tablet);
  // What brings it back is called off, and may be done all the same.
  const bool comes_back = p.leader() && operations_.brings_back(at, tablet);
  if (!r || (!r->is_alive && !comes_back)) return;
  Treatment what;
  what.replica = tablet;
  what.alive = false;
  if (p.replicas.size() == 1) {
    if (!t.verdict.dead() || t.evidence.registered) {  // SAFETY 1.
      outcome.answer.plan.push_back(model_.name_of(at) + ": its only replica is there: stays");
      return;
    }
    what.type = OpType::kUpdatePartitionStatusOP;
    what.table = kUpdateRowTasks;
    plan(outcome, at, what, "its only replica's row is set dead");
    return;
  }
  const bool leads = r->is_leader;
  if (!leads && p.leader()) {
    what.type = OpType::kOfflineReplicaOP;
    what.table = kOfflineReplicaTasks;
    plan(outcome, at, what,
         r->is_alive ? "the follower's row is set dead"
                     : "what brings its replica back is called off");
    return;
  }
  const bool others = std::any_of(p.replicas.begin(), p.replicas.end(), [&](const Replica& other) {
    return other.is_alive && other.tablet != tablet;
  });
  if (!others) {  // SAFETY 1: the last alive row stays alive.
    outcome.answer.plan.push_back(model_.name_of(at) + ": nobody else can lead it: stays");
    return;
  }
  what.any = true;
  const bool hands_over = p.leader() == r && standing(model_, *r) != Standing::kGone;
  what.type = hands_over ? OpType::kHandoverOP : OpType::kChangeLeaderOP;
  plan(outcome, at, what,
       hands_over ? "its leader is handed over, and its row set dead"
                  : "the alive follower that holds most is elected");
  if (!hands_over) return;
  outcome.hold->led.push_back(at);
  Treatment then;
  then.replica = tablet;
  then.alive = false;
  then.ordered = true;
  then.type = OpType::kOfflineReplicaOP;
  then.table = kOfflineReplicaTasks;
  then.why = t.endpoint + " goes offline";
  outcome.orders.back().then = then;
}

Operators::Outcome Operators::carry_out(const o::OfflineEndpoint& c) {
  if (c.concurrency > o::kMostConcurrency || c.concurrency == 0) {
    return refuse(kInvalidParameter, "invalid parameter", "concurrency is 1 to 8");
  }
  const auto tablet = listed(c.endpoint);
  if (!tablet) return refuse(kEndpointIsNotExist, "endpoint is not exist");
  Outcome outcome;
  outcome.hold.emplace();
  outcome.hold->tablet = c.endpoint;
  outcome.hold->offline = true;
  outcome.hold->reason = "offlineendpoint";
  for (const PartitionKey at : model_.tablet(*tablet).hosts) {
    if (Partition* p = model_.partition(at)) plan_offline(outcome, at, *p, *tablet);
  }
  for (Order& order : outcome.orders) {
    order.at_once = c.concurrency;
    outcome.hold->pending.push_back(order.at);
  }
  return outcome;
}

}  // namespace failoverd::core
