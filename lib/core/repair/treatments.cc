#include "lib/core/repair/treatments.h"

#include <algorithm>

#include "lib/core/api/timing.h"
#include "lib/core/repair/diagnosis.h"
#include "lib/core/repair/states.h"

namespace failoverd::core {

const char* would_do(Condition c) { return state(c).would; }

void Treatments::treat(PartitionKey at, Partition& p) {
  if (shadow_.is_on()) return shadow_.look(at, p);
  if (!stand_back_.may_change()) return;
  const Condition what = p.diagnosis.condition;
  // SAFETY 3: what was begun is finished, also with auto_failover off.
  if (!automation_.acts_on(at) && !p.unfinished_term) {
    if (!automation_.is_prepared(at)) would_treat(at, p);
    return;
  }
  // SAFETY 22: judged before the first probe; what was begun goes on to its end (SAFETY 3).
  if (!p.unfinished_term && would_do(what) && is_left_alone(at, p)) return;
  if (elects(what)) {
    elect(at, p);
    return;
  }
  if (!automation_.acts_on(at)) return;
  std::optional<Treatment> treatment;
  if (what == Condition::kFollowerLost || what == Condition::kSingleLost) {
    treatment = treatment_of_lost(at, p);
  } else if (what == Condition::kReturned) {
    treatment = treatment_of_returned(at, p);
  }
  if (treatment) begin(at, p, *treatment);
}

void Treatments::elect(PartitionKey at, Partition& p) {
  if (!handovers_.may_be_elected(at, [this] { return op_ids_.take(1); })) {
    p.diagnosis.waits_for = "it to be written that its leader leads, whose row somebody set dead";
    return;
  }
  if (!leaders_counted_) model_.count_leaders();
  leaders_counted_ = true;
  Duration detect{};
  if (const Replica* leader = p.leader()) {
    const Tablet& t = model_.tablet(leader->tablet);
    if (t.first_sign) detect = std::max(t.since - *t.first_sign, Duration{});
  }
  const OpType type = p.diagnosis.condition == Condition::kAllDown ? OpType::kFullRestartOP
                                                                   : OpType::kChangeLeaderOP;
  const OpId op = open(type, at, p, p.diagnosis.text(), std::nullopt);
  if (op != 0) elections_.begin(op, type, at, detect, handovers_.adopt(at));
}

void Treatments::begin(PartitionKey at, Partition& p, const Treatment& treatment) {
  std::string why = treatment.why.empty() ? p.diagnosis.text() : treatment.why;
  const Replica* leader = p.leader();
  const Replica* r = p.on(treatment.replica);
  if (treatment.type == OpType::kOfflineReplicaOP && leader && r) {  // It may not be the worst.
    why = text_of_lost(model_, follower_state(model_, p, *leader, *r), *r);
  }
  if (const OpId op = open(treatment.type, at, p, why, treatment.replica))
    operations_.begin(op, at, treatment);
}

// True: an operator keeps us away from that tablet's replica, and the partition says so.
bool Treatments::is_held(PartitionKey at, Partition& p, TabletIndex tablet) const {
  const OperatorHold* hold = automation_.held(at, tablet);
  if (!hold) return false;
  p.diagnosis.waits_for = "the end of " + to_text(*hold) + "; lifted by failoverctl hold remove " +
                          std::to_string(hold->id);
  return true;
}

std::optional<Treatment> Treatments::treatment_of_lost(PartitionKey at, Partition& p) const {
  if (p.diagnosis.condition == Condition::kSingleLost) {
    const Replica& only = p.replicas.front();
    if (is_held(at, p, only.tablet)) return std::nullopt;
    if (in_back_off(model_, only, outbox_.now)) return std::nullopt;
    return Treatment{OpType::kUpdatePartitionStatusOP, kUpdateRowTasks, only.tablet, false, 0, ""};
  }
  const Replica* leader = p.leader();
  const Replica* worst = nullptr;
  auto is = FollowerState::kFollows;
  for (const Replica& r : p.replicas) {
    if (&r == leader || !leader || in_back_off(model_, r, outbox_.now)) continue;
    const FollowerState state = follower_state(model_, p, *leader, r);
    if (!is_to_be_set_dead(state) || state <= is || is_held(at, p, r.tablet)) continue;
    is = state;
    worst = &r;
  }
  if (!worst) return std::nullopt;
  return Treatment{OpType::kOfflineReplicaOP, kOfflineReplicaTasks, worst->tablet, false, 0, ""};
}

std::optional<Treatment> Treatments::treatment_of_returned(PartitionKey at, Partition& p) const {
  for (const Replica& r : p.replicas) {
    if (!has_returned(model_, p, r) || in_back_off(model_, r, outbox_.now)) continue;
    if (is_held(at, p, r.tablet)) continue;
    if (const OperatorHold* offline = automation_.kept_away(at, r.tablet)) {
      p.diagnosis.waits_for =
          "the end of " + to_text(*offline) + "; lifted by failoverctl recoverendpoint";
      continue;
    }
    const bool leads = r.report.held && r.report.mode == Mode::kLeader && is_loaded(r.report.state);
    if (p.replicas.size() == 1 && leads) {
      return Treatment{OpType::kUpdatePartitionStatusOP, kUpdateRowTasks, r.tablet, true, 0, ""};
    }
    if (p.replicas.size() == 1) {
      return Treatment{OpType::kReLoadTableOP, kReLoadTableTasks, r.tablet, true, 0, ""};
    }
    if (copies_.waits(at, r.tablet) || cleanup_.may_still_drop(at, r.tablet)) continue;
    return Treatment{OpType::kRecoverTableOP, kRecoverTableTasks, r.tablet, true, 0, ""};
  }
  return std::nullopt;
}

// True: nothing is begun for it now, and it says what it waits for.
bool Treatments::is_left_alone(PartitionKey at, Partition& p) {
  Table& table = *model_.table(at.tid);
  if (const NameserverOp* op = stand_back_.nameserver_op(table.shape, at.pid)) {
    p.diagnosis.waits_for = "the end of the nameserver's own op " + to_text(*op) +
                            "; lifted by cancelop at the nameserver, too";
    return true;
  }
  if (elects(p.diagnosis.condition)) {
    const auto row = std::find_if(p.replicas.begin(), p.replicas.end(),
                                  [](const Replica& r) { return r.is_leader; });
    const Replica* led = p.leader();
    if (!led) led = row == p.replicas.end() ? &p.replicas.front() : &*row;
    if (is_held(at, p, led->tablet)) return true;
  }
  std::string waits;
  if (table.refusal) {
    waits = Refusals::waits_for(table);
  } else if (elects(p.diagnosis.condition) && !refusals_.fits(table, table.partitions.size())) {
    waits = refusals_.holds(table, elections_.of_table(at.tid));
  }
  if (waits.empty()) return false;
  if (!table.refusal && p.look_again_at <= outbox_.now) {  // Others of its table come first.
    p.look_again_at = outbox_.now + kTableAgain;
    outbox_.timer({ReplyTo::Owner::kBrain, packed(at), 0, 0, {}}, p.look_again_at);
  }
  p.diagnosis.waits_for = waits;
  return true;
}

// --- What follows an op --------------------------------------------------------------------------

void Treatments::op_ended(const Operations::Ended& ended) {
  Partition* p = model_.partition(ended.at);
  Replica* r = p ? p->on(ended.replica) : nullptr;
  if (!r) return;
  if (ended.failed) {
    back_off(ended.at, *r, ended.why);
  } else if (ended.recovered) {
    r->failures = r->load_refusals = 0;
    r->stuck.reset();
    r->report.had.reset();
    r->row_since = outbox_.now;  // What was said of it before does not count.
  }
  if (!r->is_alive) r->diverged = r->not_replicated = false;
  if (!r->is_alive && ended.detached) r->detached = true;
  const bool ordered = ended.next && ended.next->ordered;
  const bool wanted = automation_.acts_on(ended.at) && !automation_.kept_away(ended.at, r->tablet);
  const bool may_act = (wanted || ordered) && stand_back_.may_change();
  if (!ended.next || p->op != 0 || !may_act) return;
  if (model_.table(ended.at.tid)->refusal) return;
  if (copies(ended.next->table)) {
    wait_for_turn(ended.at, *p, *ended.next);
  } else {
    begin(ended.at, *p, *ended.next);
  }
}

void Treatments::back_off(PartitionKey at, Replica& r, const std::string& why) {
  const int doublings = std::min(r.failures++, 6);
  Duration wait = std::min<Duration>(kBackOff * (1 << doublings), kLongestBackOff);
  if (r.stuck) wait = kStuckAgain;
  r.not_before = outbox_.now + wait;
  r.failed_incarnation = model_.tablet(r.tablet).incarnation;
  r.failed_why = why;
  outbox_.timer({ReplyTo::Owner::kBrain, packed(at), 0, 0, {}}, r.not_before);
}

void Treatments::wait_for_turn(PartitionKey at, Partition& p, const Treatment& treatment) {
  if (!p.leader()) return;
  const OpId op = open(treatment.type, at, p, treatment.why, treatment.replica);
  if (op == 0) return;
  p.op = 0;  // While it waits, others may have to come first.
  copies_.add(op, at, p, treatment);
}

// --- With auto_failover off ----------------------------------------------------------------------

void Treatments::would_treat(PartitionKey at, Partition& p) {
  const char* what = would_do(p.diagnosis.condition);
  if (!what || p.would_note) return;
  p.would_note = true;
  const Table& table = *model_.table(at.tid);
  outbox_.note(Severity::kWarning, "would",
               "auto_failover is false: would " + std::string{what} + " of " + model_.name_of(at) +
                   ": " + p.diagnosis.text(),
               {{"table", table.shape.name}, {"pid", std::to_string(at.pid)}});
}

// `replica`: whom it is about, if it is about one.
OpId Treatments::open(OpType type, PartitionKey at, Partition& p, const std::string& why,
                      std::optional<TabletIndex> replica) {
  const auto id = op_ids_.take(1);
  if (!id) return 0;
  OpRecord record;
  record.id = *id;
  record.type = type;
  record.table = model_.table(at.tid)->shape.name;
  record.db = model_.table(at.tid)->shape.db;
  record.at = at;
  if (replica) record.replica = model_.tablet(*replica).endpoint;
  record.started = outbox_.now;
  ops_.begin(record);
  p.op = *id;
  const bool recovers = p.diagnosis.condition == Condition::kReturned;
  std::vector<std::pair<std::string, std::string>> fields = {
      {"op_id", std::to_string(*id)}, {"table", record.table}, {"pid", std::to_string(at.pid)}};
  if (replica) fields.emplace_back("tablet", record.replica);
  outbox_.note(recovers ? Severity::kInfo : Severity::kWarning, "failover",
               std::string{to_text(type)} + " of " + model_.name_of(at) + ": " + why,
               std::move(fields));
  return *id;
}

}  // namespace failoverd::core
