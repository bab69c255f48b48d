// Which op helps a partition, and when it may begin.
#include <algorithm>
#include <tuple>

#include "lib/core/diagnosis.h"
#include "lib/core/rooms.h"

namespace failoverd::core {
namespace {

// What would be done about it; nothing: nothing is to be done.
const char* would(Condition c) {
  switch (c) {
    case Condition::kLeaderLost:
    case Condition::kNoLeader:
      return "elect a new leader";
    case Condition::kAllDown:
      return "load the replicas and elect a leader";
    case Condition::kFollowerLost:
    case Condition::kSingleLost:
      return "set dead a row";
    case Condition::kReturned:
      return "bring back a replica";
    default:
      return nullptr;
  }
}

int live_replicas(const Partition& p) {
  return static_cast<int>(std::count_if(p.replicas.begin(), p.replicas.end(),
                                        [](const Replica& r) { return r.is_alive; }));
}

}  // namespace

void Brain::Rooms::treat(PartitionKey at, Partition& p) {
  if (!may_change()) return;
  const Condition what = p.diagnosis.condition;
  // SAFETY 3: what was begun is finished, also with auto_failover off.
  if (!auto_failover && !p.begun_term) {
    would_treat(at, p);
    return;
  }
  // SAFETY 22: judged before the first probe; what was begun goes on to its end (SAFETY 3).
  if (!p.begun_term && would(what) && is_left_alone(at, p)) return;
  if (elects(what)) {
    elect(at, p);
    return;
  }
  if (!auto_failover) return;
  std::optional<Treatment> treatment;
  if (what == Condition::kFollowerLost || what == Condition::kSingleLost) {
    treatment = treatment_of_lost(p);
  } else if (what == Condition::kReturned) {
    treatment = treatment_of_returned(at, p);
  }
  if (treatment) begin(at, p, *treatment);
}

void Brain::Rooms::elect(PartitionKey at, Partition& p) {
  if (!leaders_counted_) model.count_leaders();
  leaders_counted_ = true;
  Duration detect{};
  if (const Replica* leader = p.leader()) {
    const Tablet& t = model.tablet(leader->tablet);
    if (t.first_sign) detect = std::max(t.since - *t.first_sign, Duration{});
  }
  const OpType type = p.diagnosis.condition == Condition::kAllDown ? OpType::kFullRestartOP
                                                                   : OpType::kChangeLeaderOP;
  if (const OpId op = open(type, at, p, p.diagnosis.text(), std::nullopt))
    elections.begin(op, type, at, detect);
}

void Brain::Rooms::begin(PartitionKey at, Partition& p, const Treatment& treatment) {
  std::string why = treatment.why.empty() ? p.diagnosis.text() : treatment.why;
  const Replica* leader = p.leader();
  const Replica* r = p.on(treatment.replica);
  if (treatment.type == OpType::kOfflineReplicaOP && leader && r) {  // It may not be the worst.
    why = text_of_lost(model, follower_state(model, p, *leader, *r), *r);
  }
  if (const OpId op = open(treatment.type, at, p, why, treatment.replica))
    operations.begin(op, at, treatment);
}

bool Brain::Rooms::in_back_off(const Replica& r) const {
  return desk.now < r.not_before && r.failed_incarnation == model.tablet(r.tablet).incarnation;
}

std::optional<Treatment> Brain::Rooms::treatment_of_lost(const Partition& p) const {
  if (p.diagnosis.condition == Condition::kSingleLost) {
    const Replica& only = p.replicas.front();
    if (in_back_off(only)) return std::nullopt;
    return Treatment{OpType::kUpdatePartitionStatusOP, kUpdateRow, only.tablet, false, 0, ""};
  }
  const Replica* leader = p.leader();
  const Replica* worst = nullptr;
  auto is = FollowerState::kFollows;
  for (const Replica& r : p.replicas) {
    if (&r == leader || !leader || in_back_off(r)) continue;
    const FollowerState state = follower_state(model, p, *leader, r);
    if (!is_to_be_set_dead(state) || state <= is) continue;
    is = state;
    worst = &r;
  }
  if (!worst) return std::nullopt;
  return Treatment{OpType::kOfflineReplicaOP, kOfflineReplica, worst->tablet, false, 0, ""};
}

std::optional<Treatment> Brain::Rooms::treatment_of_returned(PartitionKey at,
                                                             const Partition& p) const {
  for (const Replica& r : p.replicas) {
    if (!has_returned(model, p, r) || in_back_off(r)) continue;
    const bool leads = r.word.held && r.word.mode == Mode::kLeader && is_loaded(r.word.state);
    if (p.replicas.size() == 1 && leads) {
      return Treatment{OpType::kUpdatePartitionStatusOP, kUpdateRow, r.tablet, true, 0, ""};
    }
    if (p.replicas.size() == 1) {
      return Treatment{OpType::kReLoadTableOP, kReLoadTable, r.tablet, true, 0, ""};
    }
    if (waiting_.contains({at, r.tablet}) || cleanup.may_still_drop(at, r.tablet)) continue;
    return Treatment{OpType::kRecoverTableOP, kRecoverTable, r.tablet, true, 0, ""};
  }
  return std::nullopt;
}

// --- What follows an op --------------------------------------------------------------------------

void Brain::Rooms::op_ended(const Operations::Ended& ended) {
  dirty_.insert(ended.at);
  Partition* p = model.partition(ended.at);
  Replica* r = p ? p->on(ended.replica) : nullptr;
  if (!r) return;
  if (ended.failed) {
    const int doublings = std::min(r->failures++, 6);
    const Duration wait =
        std::min<Duration>(std::chrono::seconds{1} * (1 << doublings), std::chrono::minutes{1});
    r->not_before = desk.now + wait;
    r->failed_incarnation = model.tablet(r->tablet).incarnation;
    r->failed_why = ended.why;
    desk.timer({Route::Owner::kBrain, packed(ended.at), 0, 0, {}}, r->not_before);
  } else if (ended.recovered) {
    r->failures = 0;
    r->row_seen_at = desk.now;  // What was said of it before does not count.
  }
  if (!r->is_alive) r->strayed = r->unsent = false;
  if (!r->is_alive && ended.let_go) r->let_go = true;
  if (!ended.next || p->op != 0 || !auto_failover || !may_change()) return;
  if (model.table(ended.at.tid)->refusal) return;
  if (copies(ended.next->table)) {
    wait_for_turn(ended.at, *p, *ended.next);
  } else {
    begin(ended.at, *p, *ended.next);
  }
}

// SAFETY 11: what predecessors began goes on where it stands, or is taken back, also with
// auto_failover off.
void Brain::Rooms::resume_ops() {
  if (begun_ops_.empty() || !cluster_read) return;
  std::erase_if(begun_ops_, [&](const BegunOp& begun) {
    if (begun.over) {
      cleanup.resume(begun);
      return true;
    }
    Partition* p = model.partition(begun.at);
    if (p && p->op != 0) return false;
    if (!p && !model.unreadable().empty()) return false;
    OpRecord record;
    record.id = begun.id;
    record.type = begun.type;
    record.at = begun.at;
    record.replica = begun.replica;
    record.started = begun.started;
    if (const Table* table = model.table(begun.at.tid)) {
      record.table = table->shape.name;
      record.db = table->shape.db;
    }
    ops.begin(record);
    if (p && !table_of(begun.type).empty()) {
      p->op = begun.id;
      operations.resume(begun);
    } else {
      ops.end(begun.id, OpStatus::kCanceled, desk.now, "the partition is gone");
      journal.finished(ops.ended().back());
      leave_to_cleanup(begun);
    }
    return true;
  });
}

// Nobody can say how far it came.
void Brain::Rooms::leave_to_cleanup(const BegunOp& begun) {
  const std::span<const TaskRow> table = table_of(begun.type);
  BegunOp over = begun;
  over.over = true;
  over.paused = has(table, Task::kPauseSnapshot);
  if (over.paused || copies(table)) {
    cleanup.begin(over, /*drop_unanswered=*/false);
  } else {
    journal.drop(begun.id);
  }
}

// --- Copies --------------------------------------------------------------------------------------

void Brain::Rooms::wait_for_turn(PartitionKey at, Partition& p, const Treatment& treatment) {
  const Replica* leader = p.leader();
  if (!leader) return;
  const OpId op = open(treatment.type, at, p, treatment.why, treatment.replica);
  if (op == 0) return;
  p.op = 0;  // While it waits, others may have to come first.
  WaitingCopy& w = waiting_[{at, treatment.replica}];
  w.op = op;
  w.what = treatment;
  w.leader = leader->tablet;
  w.leader_term = p.published_term();
  w.incarnation = model.tablet(treatment.replica).incarnation;
  w.since = desk.now;
}

bool Brain::Rooms::still_needed(PartitionKey at, const WaitingCopy& w) const {
  const Partition* p = model.partition(at);
  const Replica* leader = p ? p->leader() : nullptr;
  const Replica* r = p ? p->on(w.what.replica) : nullptr;
  return leader && r && leader->tablet == w.leader && p->published_term() == w.leader_term &&
         !p->begun_term && !model.tablet(w.leader).verdict.dead() && has_returned(model, *p, *r) &&
         model.tablet(r->tablet).incarnation == w.incarnation;
}

bool Brain::Rooms::has_turn(const WaitingCopy& w) const {
  const int most = desk.policy.recovery.max_copies_per_tablet;
  return operations.copies_on(w.leader) < most && operations.copies_on(w.what.replica) < most;
}

void Brain::Rooms::start_copies() {
  if (waiting_.empty() || !may_change()) return;
  using Rank = std::tuple<int, Instant, CopyKey>;
  std::vector<Rank> order;
  std::vector<CopyKey> needless;
  for (const auto& [key, w] : waiting_) {
    if (still_needed(key.first, w)) {
      order.emplace_back(live_replicas(*model.partition(key.first)), w.since, key);
    } else {
      needless.push_back(key);
    }
  }
  for (const CopyKey& key : needless) {
    stop_waiting(key, "its leader or its tablet changed while it waited for its turn");
  }
  std::sort(order.begin(), order.end());
  for (const auto& [live, since, key] : order) {
    const PartitionKey at = key.first;
    const WaitingCopy& w = waiting_.at(key);
    Partition& p = *model.partition(at);
    if (p.op != 0) continue;
    if (const Table& table = *model.table(at.tid); table.refusal) {
      ops.find(w.op)->detail = "waits for " + Refusals::waits_for(table);
      continue;
    }
    if (!has_turn(w)) {
      ops.find(w.op)->detail = "waits for its turn: " + model.tablet(w.leader).endpoint + " or " +
                               model.tablet(w.what.replica).endpoint +
                               " copies already as many as " +
                               "recovery.max_copies_per_tablet allows";
      continue;
    }
    p.op = w.op;
    operations.begin(w.op, at, w.what);
    waiting_.erase(key);
  }
}

void Brain::Rooms::stop_waiting(CopyKey key, const std::string& why) {
  const auto w = waiting_.extract(key);
  ops.end(w.mapped().op, OpStatus::kCanceled, desk.now, why);
  journal.finished(ops.ended().back());
  desk.out.emplace_back(OpEnded{w.mapped().op, w.mapped().what.type, OpStatus::kCanceled,
                                desk.now - w.mapped().since});
  dirty_.insert(key.first);
}

void Brain::Rooms::drop_waiting(const std::string& why) {
  while (!waiting_.empty()) stop_waiting(waiting_.begin()->first, why);
}

// --- Last offsets --------------------------------------------------------------------------------

std::optional<PartitionEdit> LastOffsets::edit(OpId op, const Partition& p) {
  const PartitionKey at = unpacked(~op);
  const bool old = are_old(at, p);
  PartitionEdit edit;
  for (const Replica& r : p.replicas) {
    const Tablet& t = model_.tablet(r.tablet);
    if (!r.is_alive || (!old && !t.verdict.dead())) continue;
    const Kept* kept = model_.kept(at, t.endpoint);
    const auto last = old ? std::nullopt : model_.known_offset(at, r);
    if (last == (kept ? kept->last_offset : std::nullopt)) continue;
    edit.kept.push_back({t.endpoint, kept ? kept->followed : 0, last, kept && kept->or_later});
  }
  if (edit.kept.empty()) return std::nullopt;
  return edit;
}

bool LastOffsets::lost_every_tablet(const Partition& p) const {
  return std::all_of(p.replicas.begin(), p.replicas.end(), [&](const Replica& r) {
    return !r.is_alive || model_.tablet(r.tablet).verdict.dead();
  });
}

// What was kept of an alive row counts for that outage only: it goes on from there as soon as
// somebody leads, and then the next outage would be judged by a number from the last one.
bool LastOffsets::are_old(PartitionKey at, const Partition& p) const {
  const Replica* leader = p.leader();
  if (!leader || elects(p.diagnosis.condition)) return false;
  if (standing(model_, *leader) != Standing::kServes || leader->word.mode != Mode::kLeader) {
    return false;
  }
  return std::any_of(p.replicas.begin(), p.replicas.end(), [&](const Replica& r) {
    const Kept* kept = r.is_alive ? model_.kept(at, model_.tablet(r.tablet).endpoint) : nullptr;
    return kept && kept->last_offset;
  });
}

void Brain::Rooms::keep_last_offsets(PartitionKey at, const Partition& p) {
  if (p.replicas.size() == 1) return;
  const OpId id = LastOffsets::id(at);
  const bool lost = last_offsets.lost_every_tablet(p) || elections.holds(at);
  if (!lost && !last_offsets.are_old(at, p)) {
    publisher.forget(id);
    return;
  }
  if (!may_change() || publisher.wants(id) || !last_offsets.edit(id, p)) return;
  publisher.want(id, at, last_offsets, Publisher::Urgency::kNobodyWaits);
}

// --- Followers that are lost beside an op --------------------------------------------------------

std::optional<PartitionEdit> LostRows::edit(OpId, const Partition& p) {
  const Replica* leader = p.leader();
  if (!leader || standing(model_, *leader) != Standing::kServes) return std::nullopt;
  PartitionEdit edit;
  for (const Replica& r : p.replicas) {
    if (&r == leader || !is_to_be_set_dead(follower_state(model_, p, *leader, r))) continue;
    edit.rows.push_back({model_.tablet(r.tablet).endpoint, r.is_leader, false});
    edit.kept.push_back(model_.what_to_keep(p, r));
  }
  if (edit.rows.empty()) return std::nullopt;
  return edit;
}

// What works on the partition may take hours, and is about another replica.
void Brain::Rooms::set_lost_rows_dead(PartitionKey at, const Partition& p) {
  const OpRecord* op = p.op == 0 ? nullptr : ops.find(p.op);
  // One that only sets a row dead is over in a moment, unless its leader hangs.
  const bool long_op = op && (op->type != OpType::kOfflineReplicaOP ||
                              desk.now - op->started > std::chrono::seconds{1});
  const bool beside = long_op && !is_election(op->type) &&
                      p.diagnosis.condition == Condition::kFollowerLost && p.replicas.size() > 1;
  if (!beside || !auto_failover || !may_change()) {
    lost_rows_wanted_.erase(at);
    return;
  }
  if (!lost_rows_wanted_.insert(at).second) return;
  desk.note(Severity::kWarning, "failover",
            "a row of " + model.name_of(at) + " is set dead beside op " + std::to_string(p.op) +
                ": " + p.diagnosis.text(),
            {{"op_id", std::to_string(p.op)}, {"partition", model.name_of(at)}});
  publisher.want(LostRows::id(at), at, lost_rows, Publisher::Urgency::kNobodyWaits);
}

// --- With auto_failover off ----------------------------------------------------------------------

void Brain::Rooms::would_treat(PartitionKey at, Partition& p) {
  const char* what = would(p.diagnosis.condition);
  if (!what || p.would_note) return;
  p.would_note = true;
  const Table& table = *model.table(at.tid);
  desk.note(Severity::kWarning, "would",
            "auto_failover is false: would " + std::string{what} + " of " + model.name_of(at) +
                ": " + p.diagnosis.text(),
            {{"table", table.shape.name}, {"pid", std::to_string(at.pid)}});
}

std::vector<WouldDo> Brain::Rooms::would_do() const {
  std::vector<WouldDo> all;
  if (auto_failover || !active) return all;
  for (const PartitionKey at : troubled_) {
    const Partition* p = model.partition(at);
    const char* what = p ? would(p->diagnosis.condition) : nullptr;
    if (!what || !p->would_note) continue;
    all.push_back({at, model.name_of(at), std::string{what} + ": " + p->diagnosis.text()});
  }
  return all;
}

// `replica`: whom it is about, if it is about one.
OpId Brain::Rooms::open(OpType type, PartitionKey at, Partition& p, const std::string& why,
                        std::optional<TabletIndex> replica) {
  const auto id = op_ids.take(1);
  if (!id) return 0;
  OpRecord record;
  record.id = *id;
  record.type = type;
  record.table = model.table(at.tid)->shape.name;
  record.db = model.table(at.tid)->shape.db;
  record.at = at;
  if (replica) record.replica = model.tablet(*replica).endpoint;
  record.started = desk.now;
  ops.begin(record);
  p.op = *id;
  const bool recovers = p.diagnosis.condition == Condition::kReturned;
  std::vector<std::pair<std::string, std::string>> fields = {
      {"op_id", std::to_string(*id)}, {"table", record.table}, {"pid", std::to_string(at.pid)}};
  if (replica) fields.emplace_back("tablet", record.replica);
  desk.note(recovers ? Severity::kInfo : Severity::kWarning, "failover",
            std::string{to_text(type)} + " of " + model.name_of(at) + ": " + why,
            std::move(fields));
  return *id;
}

}  // namespace failoverd::core
