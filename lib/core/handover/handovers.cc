#include "lib/core/handover/handovers.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "lib/base/check.h"
#include "lib/core/api/timing.h"
#include "lib/core/cluster/standing.h"

namespace failoverd::core {

Handovers::Handover* Handovers::find(OpId op) {
  const auto found = handovers_.find(op);
  return found == handovers_.end() ? nullptr : &found->second;
}

bool Handovers::choose(const Model& model, Handover& h) {
  const Replica* best = best_to_take_over(model, h.at);
  if (best) h.to = best->tablet;
  return best != nullptr;
}

void Handovers::begin(OpId op, PartitionKey at, std::optional<TabletIndex> to) {
  const Partition& p = *model_.partition(at);
  const Replica* leader = p.leader();
  CHECK(leader);
  Handover& h = handovers_[op];
  h.op = op;
  h.at = at;
  h.from = leader->tablet;
  h.term = p.published_term();
  h.any = !to;
  h.to = to.value_or(h.from);
  h.began = outbox_.now;
  of_partition_[at] = op;
  if (h.any && !choose(model_, h))
    return end(op, OpStatus::kFailed, "no follower that could take over serves it");
  says(h, Task::kNone, "looks whether " + name(h.from) + " can hand it over to " + name(h.to));
  ask_both(h);
}

// Of a leader that somebody set dead by hand nothing is kept; of one behind whom another was
// elected it is. Null: there is none, or it is not known which of several.
const Replica* Handovers::leads_with_dead_row(PartitionKey at, const Partition& p) const {
  const Replica* found = nullptr;
  for (const Replica& r : p.replicas) {
    const bool leads = r.report.held && r.report.mode == Mode::kLeader;
    if (!r.is_leader || r.is_alive || !leads || standing(model_, r) != Standing::kServes) continue;
    const Lineage* kept = model_.kept(at, name(r.tablet));
    if (kept && kept->followed != 0) continue;
    if (found) return nullptr;
    found = &r;
  }
  return found;
}

bool Handovers::may_be_elected(PartitionKey at, const GiveId& id) {
  const Partition& p = *model_.partition(at);
  const bool is_led = p.leader() || p.replicas.size() == 1;
  const Replica* r = is_led ? nullptr : leads_with_dead_row(at, p);
  const auto known = adopted_.find(at);
  if (known != adopted_.end()) {
    const BegunOp& entry = known->second.entry;
    const bool is_it =
        r && entry.leader == name(r->tablet) && entry.leader_term == p.published_term();
    if (is_it) return known->second.written;
    adopt_not(at);
  }
  if (!r) return true;
  const auto op = id();
  if (!op) return false;
  BegunOp entry;
  entry.id = *op;
  entry.type = OpType::kHandoverOP;
  entry.at = at;
  entry.replica = entry.leader = name(r->tablet);
  entry.incarnation = model_.tablet(r->tablet).incarnation;
  entry.leader_term = p.published_term();
  entry.started = outbox_.now;
  journal_.begin(entry);
  adopted_[at] = {std::move(entry), false};
  return false;
}

void Handovers::journaled(OpId op) {
  for (auto& [at, adopted] : adopted_) {
    if (adopted.entry.id != op) continue;
    adopted.written = true;
    changed.insert(at);
  }
}

void Handovers::adopt_not(PartitionKey at) {
  const auto known = adopted_.extract(at);
  if (!known.empty()) journal_.drop(known.mapped().entry.id);
}

std::optional<Elections::Handed> Handovers::adopt(PartitionKey at) {
  const auto known = adopted_.extract(at);
  if (known.empty()) return std::nullopt;
  const BegunOp& entry = known.mapped().entry;
  const Elections::Handed handed{*model_.find_tablet(entry.leader), std::nullopt, false};
  stepping_down_[at] = entry;
  model_.steps_down(at, handed.from, true, outbox_.now);
  return handed;
}

void Handovers::resume(const BegunOp& begun) {
  const Partition* p = model_.partition(begun.at);
  const auto from = model_.find_tablet(begun.leader);
  const Replica* r = p && from ? p->on(*from) : nullptr;
  if (!r || p->published_term() > begun.leader_term) {
    journal_.drop(begun.id);
    return;
  }
  stepping_down_[begun.at] = begun;
  model_.steps_down(begun.at, *from, true, outbox_.now);
  changed.insert(begun.at);
}

void Handovers::stop() {
  handovers_.clear();
  of_partition_.clear();
  stepping_down_.clear();
  adopted_.clear();
  changed.clear();
}

void Handovers::call_off(const std::string& why) {
  std::vector<OpId> all;
  all.reserve(handovers_.size());
  for (const auto& [op, h] : handovers_) all.push_back(op);
  for (const OpId op : all) call_off(op, why);
}

std::vector<OpId> Handovers::leading_to(TabletIndex tablet) const {
  std::vector<OpId> ops;
  for (const auto& [op, h] : handovers_) {
    if (h.to == tablet && !h.any) ops.push_back(op);
  }
  return ops;
}

bool Handovers::call_off(OpId op, const std::string& why) {
  Handover* h = find(op);
  if (!h || h->phase == Phase::kDemoting) return false;
  if (h->phase == Phase::kLooking) {
    end(op, OpStatus::kCanceled, why);
  } else if (h->phase == Phase::kFlipping) {
    h->how = why;  // As soon as it is known to be written.
  } else if (h->phase == Phase::kQuiescing) {
    take_back(*h, why);
  }
  return true;
}

bool Handovers::row_is_alive(const Handover& h) const {
  const auto row = model_.row(h.at, name(h.from));
  return row && row->is_alive;
}

BegunOp Handovers::entry(const Handover& h) const {
  BegunOp entry;
  entry.id = h.op;
  entry.type = OpType::kHandoverOP;
  entry.at = h.at;
  entry.replica = name(h.to);
  entry.incarnation = model_.tablet(h.to).incarnation;
  entry.leader = name(h.from);
  entry.leader_term = h.term;
  entry.started = h.began;
  return entry;
}

void Handovers::look_again(PartitionKey at) {
  Partition* p = model_.partition(at);
  if (!p || p->leader()) adopt_not(at);
  if (const auto left = stepping_down_.find(at); left != stepping_down_.end()) {
    const BegunOp& entry = left->second;
    const bool is_gone = !p && model_.knows_every_table();
    if (is_gone || (p && p->published_term() > entry.leader_term)) {  // It has a later leader.
      journal_.drop(entry.id);
      stepping_down_.erase(left);
    } else if (p && p->op == 0) {  // Its election has ended without one.
      p->unfinished_term = std::max(p->unfinished_term.value_or(0), entry.leader_term + 1);
    }
  }
  const auto op = of_partition_.find(at);
  if (op == of_partition_.end()) return;
  Handover& h = *find(op->second);
  if (!p) return gone(h.op, "the partition is gone");
  const bool looks = h.phase == Phase::kLooking;
  if (p->published_term() != h.term) {
    return end(h.op, OpStatus::kFailed, "somebody else has named a leader meanwhile");
  }
  // It is alive in what was read before the flip: what is read next may be the flip itself, of
  // which nothing has been heard yet.
  if (h.phase == Phase::kFlipping) model_.steps_down(h.at, h.from, true, outbox_.now);
  const Replica* from = p->on(h.from);
  if (!from || !from->leads() || standing(model_, *from) == Standing::kGone) {
    return elect(h, h.phase == Phase::kDemoting);  // There is nothing to hand over.
  }
  const Replica* to = p->on(h.to);
  const bool fit = to && to->is_alive && standing(model_, *to) != Standing::kGone;
  if (fit || h.phase == Phase::kDemoting || h.phase == Phase::kTakingBack) return;
  if (h.any && choose(model_, h)) {
    if (looks || h.phase == Phase::kQuiescing) ask_both(h);
    return;
  }
  const std::string how = name(h.to) + " is no follower that serves it any more";
  if (looks) {
    end(h.op, OpStatus::kFailed, how);
  } else {
    call_off(h.op, how);
  }
}

// --- Looking -------------------------------------------------------------------------------------

void Handovers::says(Handover& h, Task task, std::string what) {
  OpRecord* record = ops_.find(h.op);
  if (!record) return;
  record->status = OpStatus::kDoing;
  record->task = task;
  record->detail = std::move(what);
}

void Handovers::ask(Handover& h, What what, TabletIndex tablet, Call call) {
  const bool looks = what != kDemote;
  outbox_.call({ReplyTo::Owner::kHandovers, h.op, what | h.step << 8, tablet, {}}, name(tablet),
               std::move(call), looks ? kHandoverLookAtMost : kElectionCallDeadline);
}

// A turn: both are asked, and both have answered before anything is decided.
void Handovers::ask_both(Handover& h) {
  ++h.step;
  h.said_from.reset();
  h.said_to.reset();
  const auto call = [&]() -> Call {
    if (h.phase == Phase::kLooking) return GetTableStatus{h.at};
    return GetTermPair{h.at};
  };
  const TabletIndex to = h.to;
  ask(h, kFrom, h.from, call());
  ask(h, kTo, to, call());
}

void Handovers::again(Handover& h, Duration wait) {
  ++h.step;
  outbox_.timer({ReplyTo::Owner::kHandovers, h.op, kAgain | h.step << 8, 0, {}},
                outbox_.now + wait);
}

void Handovers::timer(const ReplyTo& reply_to) {
  Handover* h = find(reply_to.key);
  if (h && reply_to.what >> 8 == (h->step & 0xffffff)) ask_both(*h);
}

void Handovers::answered(const ReplyTo& reply_to, const Answer& answer) {
  Handover* h = find(reply_to.key);
  if (!h || reply_to.what >> 8 != (h->step & 0xffffff)) return;
  const auto what = static_cast<What>(reply_to.what & 0xff);
  if (what == kDemote) {
    if (h->phase == Phase::kDemoting) demoted(*h, answer);
    return;
  }
  (what == kFrom ? h->said_from : h->said_to) = answer;
  if (!h->said_from || !h->said_to) return;
  if (h->phase == Phase::kLooking) {
    looked(*h);
  } else if (h->phase == Phase::kQuiescing) {
    read(*h);
  }
}

// ChangeRole(follower) waits for the thread that sends to each follower: one that hangs would stop
// the whole tablet (docs/wire.md). And one that makes a snapshot refuses it.
std::optional<std::string> Handovers::what_is_in_the_way(const Handover& h, const Partition& p) {
  const ReplicaStatus* from = h.said_from->status_of(h.at);
  const ReplicaStatus* to = h.said_to->status_of(h.at);
  // SAFETY 4: never a round trip to ZooKeeper while nobody leads.
  if (!terms_.has(Elections::kTermsOfARound, p.highest_term()))
    return "no terms are reserved in table/term yet";
  if (!h.said_from->answered()) {
    return name(h.from) + " does not answer, and cannot hand over; --force elects without it";
  }
  if (!from || from->mode != Mode::kLeader) return name(h.from) + " does not say that it leads";
  if (!to || to->mode != Mode::kFollower) return name(h.to) + " does not say that it follows";
  if (from->state != TableState::kNormal) return name(h.from) + " makes a snapshot, or sends one";
  if (to->state != TableState::kNormal) return name(h.to) + " makes a snapshot";
  for (const Replica& r : p.replicas) {
    const Tablet& t = model_.tablet(r.tablet);
    if (!r.is_alive) continue;
    if (t.verdict.state != TabletState::kHealthy) {
      return t.endpoint + " is " + to_text(t.verdict.state);
    }
    // SAFETY 2: whoever holds most would win.
    if (r.diverged || r.not_replicated || r.in_doubt_term || !r.vouches()) {
      return "the log of " + t.endpoint + " may be its own";
    }
  }
  return std::nullopt;
}

void Handovers::looked(Handover& h) {
  const Partition& p = *model_.partition(h.at);
  if (const auto why = what_is_in_the_way(h, p)) {
    if (outbox_.now - h.began > kHandoverReadyWithin) {
      return end(h.op, OpStatus::kFailed, *why + ": nothing was changed");
    }
    says(h, Task::kNone, "waits: " + *why);
    return again(h, kHandoverLookAgain);
  }
  says(h, Task::kUpdatePartitionStatus, "tells clients to stop writing to " + name(h.from));
  h.phase = Phase::kFlipping;
  stepping_down_[h.at] = entry(h);
  journal_.written_with_publish(h.op);
  model_.steps_down(h.at, h.from, true, outbox_.now);
  publisher_.want(h.op, h.at, *this, Publisher::Urgency::kClientsWait);
}

// --- Publishing ----------------------------------------------------------------------------------

std::optional<PartitionEdit> Handovers::edit(OpId op, const Partition& p) {
  const Handover* h = find(op);
  if (!h || p.published_term() != h->term) return std::nullopt;
  const bool alive = h->phase == Phase::kTakingBack;
  if (row_is_alive(*h) == alive) return std::nullopt;  // It is written already.
  if (!alive && !h->how.empty()) return std::nullopt;  // It has been called off.
  PartitionEdit edit;
  edit.rows.push_back({name(h->from), true, alive});
  if (!alive) edit.begins = entry(*h);
  return edit;
}

void Handovers::published(OpId op) {
  Handover* h = find(op);
  if (!h) return;
  if (h->phase == Phase::kTakingBack) {
    journal_.drop(op);
    stepping_down_.erase(h->at);
    ops_.find(op)->without_leader = outbox_.now - h->flipped;
    ops_.find(op)->may_have_lost = 0;
    ops_.find(op)->loss_is_exact = true;
    end(op, OpStatus::kFailed, h->how + ": " + name(h->from) + " goes on leading");
    return;
  }
  if (h->phase != Phase::kFlipping) return;
  if (row_is_alive(*h)) {
    stepping_down_.erase(h->at);
    journal_.drop(op);
    model_.steps_down(h->at, h->from, false, outbox_.now);
    if (!h->how.empty()) return end(op, OpStatus::kCanceled, h->how);
    return end(op, OpStatus::kFailed, "somebody else has named a leader meanwhile");
  }
  model_.steps_down(h->at, h->from, true, outbox_.now);  // Its row may have been read before.
  h->phase = Phase::kQuiescing;
  h->flipped = outbox_.now;
  if (!h->how.empty()) return take_back(*h, h->how);
  says(*h, Task::kCheckBinlogSyncProgress,
       "waits until " + name(h->to) + " has all that " + name(h->from) + " has");
  ask_both(*h);
}

// It may only be unreadable: what was flipped stays so until it is known to be gone.
void Handovers::gone(OpId op, const std::string& why) {
  if (find(op)) end(op, OpStatus::kCanceled, why);
}

// Nothing of it is written.
void Handovers::refused(OpId op, const std::string& why) {
  Handover* h = find(op);
  if (!h || h->phase != Phase::kFlipping) return;
  stepping_down_.erase(h->at);
  journal_.drop(op);
  model_.steps_down(h->at, h->from, false, outbox_.now);
  end(op, OpStatus::kFailed, "ZooKeeper does not take its table: " + why);
}

// --- Handing over --------------------------------------------------------------------------------

// What is left of the budget is for the election.
Instant Handovers::quiet_until(const Handover& h) const {
  return h.flipped + outbox_.policy.handover.pause * 3 / 4;
}

void Handovers::read(Handover& h) {
  const Answer& from = *h.said_from;
  const Answer& to = *h.said_to;
  const bool another = from.ok() && (!from.is_leader || from.term != h.term);
  if (another) return elect(h, /*told=*/true);  // Somebody told it otherwise.
  const bool both = from.ok() && to.ok() && to.has_table;
  const bool still = both && h.before == from.offset;
  if (both) {
    model_.heard_offset(h.at, h.from, from.offset, outbox_.now);
    model_.heard_offset(h.at, h.to, to.offset, outbox_.now);
  }
  const bool equal = still && to.offset == from.offset;
  const std::optional<Endpoint> stands = equal ? follower_that_stands_still(h) : std::nullopt;
  if (equal && !stands) return demote(h);
  if (outbox_.now >= quiet_until(h)) {
    std::string why = "clients went on writing to " + name(h.from);
    if (!both) why = "one of " + name(h.from) + " and " + name(h.to) + " did not answer";
    if (still && to.offset > from.offset) {
      why = name(h.to) + " was ahead of " + name(h.from);
    } else if (stands) {
      why = *stands + " had not answered that it follows elsewhere";
    } else if (still) {
      why = name(h.to) + " lacked " + std::to_string(from.offset - to.offset) + " entries";
    }
    const auto pause = outbox_.policy.handover.pause / std::chrono::milliseconds{1};
    return take_back(h, why + " within handover.pause (" + std::to_string(pause) + " ms)");
  }
  h.before = both ? std::optional{from.offset} : std::nullopt;
  again(h, kHandoverReadAgain);
}

// A tablet that is told to follow stands still until what it sends to followers has been answered:
// two that send to each other would wait for each other until their calls time out (docs/wire.md).
std::optional<Endpoint> Handovers::follower_that_stands_still(const Handover& h) const {
  for (const auto& [op, other] : handovers_) {
    if (other.phase != Phase::kDemoting || other.from == h.from) continue;
    if (model_.partition(h.at)->on(other.from)) return name(other.from);
  }
  return std::nullopt;
}

void Handovers::demote(Handover& h) {
  h.phase = Phase::kDemoting;
  says(h, Task::kChangeLeader, name(h.from) + " is told to follow");
  ++h.step;
  ask(h, kDemote, h.from, Demote{h.at});
}

void Handovers::demoted(Handover& h, const Answer& answer) {
  // SAFETY 17: without an answer it may follow. The election asks it, and tells it again.
  const bool may_follow = answer.ok() || (!answer.answered() && !answer.never_sent());
  if (may_follow) {
    elect(h, /*told=*/true);
  } else {
    take_back(h, name(h.from) + " would not follow: " + to_text(answer));
  }
}

// From here on it is an election like others, and whoever holds most leads: the old leader itself,
// if a put slipped in.
void Handovers::elect(Handover& h, bool told) {
  const OpId op = h.op;
  const PartitionKey at = h.at;
  const Elections::Handed handed{h.from, h.to, told, h.flipped};
  publisher_.forget(op);
  of_partition_.erase(at);
  handovers_.erase(op);
  elections_.begin(op, OpType::kHandoverOP, at, Duration{0}, handed);
}

void Handovers::take_back(Handover& h, const std::string& how) {
  h.how = how;
  h.phase = Phase::kTakingBack;
  ++h.step;
  says(h, Task::kUpdateLeaderInfo, "takes it back: " + how);
  publisher_.want(h.op, h.at, *this, Publisher::Urgency::kClientsWait);
}

// `how` by value: it may be the handover's own, which goes.
void Handovers::end(OpId op, OpStatus status, std::string how) {
  const Handover h = *find(op);
  publisher_.forget(op);
  of_partition_.erase(h.at);
  handovers_.erase(op);
  ops_.end(op, status, outbox_.now, how);
  journal_.finished(ops_.ended().back());
  outbox_.out.emplace_back(CountOp{op, OpType::kHandoverOP, status, outbox_.now - h.began});
  if (Partition* p = model_.partition(h.at)) p->op = 0;
  changed.insert(h.at);
  outbox_.note(Severity::kWarning, "op",
               std::string{to_text(OpType::kHandoverOP)} + " of " + model_.name_of(h.at) +
                   (status == OpStatus::kFailed ? " failed: " : " was called off: ") + how,
               {{"op_id", std::to_string(op)}, {"partition", model_.name_of(h.at)}});
}

}  // namespace failoverd::core
