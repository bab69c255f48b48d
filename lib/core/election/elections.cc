// Elections: their rounds, and who is asked what. What is answered: probing.cc. Who wins:
// waiting.cc. Promoting and publishing: promoting.cc. Loading first: loading.cc.
#include "lib/core/election/elections.h"

#include <algorithm>
#include <limits>

#include "lib/core/api/timing.h"
#include "lib/core/cluster/standing.h"

namespace failoverd::core {

Elections::Election* Elections::find(OpId op) {
  const auto found = elections_.find(op);
  return found == elections_.end() ? nullptr : &found->second;
}

Participant& Elections::Election::of(TabletIndex tablet) {
  Participant& p = participants[tablet];
  p.tablet = tablet;
  return p;
}

const Participant& Elections::Election::of(TabletIndex tablet) const {
  static const Participant kNobody;
  const auto found = participants.find(tablet);
  return found == participants.end() ? kNobody : found->second;
}

Participant* Elections::Election::candidate(TabletIndex tablet) {
  const auto found = participants.find(tablet);
  return found == participants.end() || !found->second.stands ? nullptr : &found->second;
}

const Participant* Elections::Election::candidate(TabletIndex tablet) const {
  return const_cast<Election*>(this)->candidate(tablet);
}

Replica* Elections::replica(const Election& e, TabletIndex tablet) {
  Partition* p = model_.partition(e.at);
  return p ? p->on(tablet) : nullptr;
}

void Elections::call(Election& e, What what, TabletIndex tablet, Call to_send) {
  // The round goes into the key's upper half: answers to an earlier round are ignored.
  const ReplyTo reply_to{ReplyTo::Owner::kElections, e.op, what | e.round << 8, tablet, {}};
  // A table that was loaded is no leader's enemy, nor is a call that is not let out.
  const bool goes_out = changes(to_send) && !outbox_.why_not_told(name(tablet), to_send);
  const bool loads = what == kLoad || what == kForgetLoad;
  if (goes_out && !loads) e.begun = true;
  outbox_.call(reply_to, name(tablet), std::move(to_send), kElectionCallDeadline);
}

void Elections::begin(OpId op, OpType type, PartitionKey at, Duration detect,
                      std::optional<Handed> handed, bool ordered) {
  Election& e = elections_[op];
  e.op = op;
  e.type = type;
  e.at = at;
  const Partition& p = *model_.partition(at);
  e.restart_goes_on = p.unfinished_restart;
  e.loads = type == OpType::kFullRestartOP || p.unfinished_restart;
  e.unrecorded =
      p.unfinished_term && std::none_of(p.replicas.begin(), p.replicas.end(), [&](auto& r) {
        return r.in_doubt_term && *r.in_doubt_term > *p.unfinished_term;
      });
  if (const Replica* leader = p.leader(); leader && leader->report.heard_at) {
    e.leader_offset = std::max(leader->report.offset, leader->report.had.value_or(0));
    e.leader_asked_at = *leader->report.heard_at;
  }
  e.began = outbox_.now;
  e.detect = detect;
  e.handed = handed;
  if (handed) e.preferred = handed->to;
  e.begun = handed && handed->told;
  e.ordered = ordered || handed;
  of_partition_[at] = op;
  loss_is_possible(e) ? read_first(e) : new_round(e);
}

void Elections::prefer(OpId op, TabletIndex candidate) {
  if (Election* e = find(op)) e->preferred = candidate;
}

void Elections::stop() {
  elections_.clear();
  of_partition_.clear();
  ended.clear();
  holds_changed.clear();
  promoting_ = 0;
}

void Elections::put_aside(std::uint32_t tid) {
  std::vector<OpId> of_table;
  for (const auto& [op, e] : elections_) {
    if (e.at.tid == tid) of_table.push_back(op);
  }
  for (const OpId op : of_table) {
    Election& e = *find(op);
    if (!e.begun) {
      gone(op, "its table cannot be read");
      continue;
    }
    if (Partition* p = model_.partition(e.at)) {
      p->unfinished_term = e.probe_term;
      p->unfinished_restart = e.loads;
    }
    Replica* winner = replica(e, e.winner);
    if (winner && (e.phase == Phase::kPromoting || e.phase == Phase::kPublishing)) {
      winner->in_doubt_term = e.lead_term;
      winner->in_doubt_offset = e.winner_offset;
    }
    end(op, OpStatus::kCanceled, "its table cannot be read");  // Its record stays.
  }
}

std::size_t Elections::of_table(std::uint32_t tid) const {
  const auto first = of_partition_.lower_bound({tid, 0});
  const auto last = of_partition_.upper_bound({tid, std::numeric_limits<std::uint32_t>::max()});
  return static_cast<std::size_t>(std::distance(first, last));
}

void Elections::call_off(const std::string& why, bool all) {
  std::vector<OpId> not_begun;
  for (const auto& [op, e] : elections_) {
    const Partition* p = model_.partition(e.at);
    const bool goes_on = e.ordered || (p && p->unfinished_term);
    if (!e.begun && (all || !p || !goes_on)) not_begun.push_back(op);
  }
  for (const OpId op : not_begun) gone(op, why);
}

bool Elections::call_off(OpId op, const std::string& why) {
  const Election* e = find(op);
  if (!e || e->begun) return false;
  gone(op, why);
  return true;
}

void Elections::phase(Election& e, Phase phase, Task task) {
  if (e.phase == Phase::kPromoting) --promoting_;
  if (phase == Phase::kPromoting) ++promoting_;
  e.phase = phase;
  if (OpRecord* op = ops_.find(e.op)) {
    op->status = OpStatus::kDoing;
    op->task = task;
    op->detail.clear();
  }
}

void Elections::says(Election& e, std::string what) {
  if (OpRecord* op = ops_.find(e.op)) op->detail = std::move(what);
}

// --- Probing -------------------------------------------------------------------------------------

void Elections::new_round(Election& e) {
  phase(e, Phase::kWaitingForTerms, Task::kSelectLeader);
  Partition* p = model_.partition(e.at);
  if (!p) {
    gone(e.op, "the partition is gone");
    return;
  }
  const auto term = terms_.take(kTermsOfARound, p->highest_term());
  if (!term) {
    says(e, "waits for terms to be reserved in table/term");
    return;
  }
  ++e.round;
  e.try_again.reset();
  e.binlog_from.reset();
  e.probe_term = *term;
  e.lead_term = *term + 1;
  e.round_began = outbox_.now;
  phase(e, Phase::kProbing, Task::kSelectLeader);
  const bool had_to_load =
      std::ranges::any_of(e.participants, [](const auto& its) { return its.second.had_to_load; });
  records_.begun(e.at, e.probe_term, e.loads || had_to_load);
  choose_candidates(e);
  decide(e);
}

void Elections::terms_came() {
  std::vector<OpId> waiting;
  for (const auto& [op, e] : elections_) {
    if (e.phase == Phase::kWaitingForTerms) waiting.push_back(op);
  }
  for (const OpId op : waiting) {
    if (Election* e = find(op)) new_round(*e);
  }
}

void Elections::record_written() {
  std::vector<OpId> probing;
  for (const auto& [op, e] : elections_) {
    if (e.phase == Phase::kProbing && records_.is_written(e.at)) probing.push_back(op);
  }
  for (const OpId op : probing) {
    Election* e = find(op);
    if (!e || e->phase != Phase::kProbing) continue;
    for (Participant& c : e->candidates()) {
      if ((e->loads || c.loaded) && c.heard == Heard::kNothing && !c.dead) ask(*e, c);
    }
    decide(*e);
  }
}

void Elections::choose_candidates(Election& e) {
  e.order.clear();
  for (auto& [tablet, participant] : e.participants) participant.begin_round();
  Partition& p = *model_.partition(e.at);
  for (const Replica& r : p.replicas) add_candidate(e, r);
  for (std::size_t i = 0; i < e.order.size(); ++i) ask(e, e.of(e.order[i]));
}

// SAFETY 1: only rows that are alive, unless an operator has overruled it.
bool Elections::add_candidate(Election& e, const Replica& r) {
  if (r.is_alive == e.dead_stand || e.candidate(r.tablet)) return false;
  const bool may_load = e.loads || e.of(r.tablet).lost_since;
  const bool gone =
      may_load ? model_.tablet(r.tablet).verdict.dead() : standing(model_, r) == Standing::kGone;
  if (gone) return false;
  Participant& c = e.of(r.tablet);
  c.begin_round();
  c.stands = true;
  c.demoted = r.stepping_down;  // A put may still be on its way in (SAFETY 12).
  const Replica* leader = model_.partition(e.at)->leader();
  // SAFETY 6: it held the table when its leader was last heard of, and has held it ever since. One
  // that had to load it has followed nobody, even if its leader has been heard of again.
  const bool held = leader && leader->report.led_until && r.report.held_since &&
                    *r.report.held_since <= *leader->report.led_until;
  const bool followed = held && r.is_alive && r.vouches() && !e.restart_goes_on && !c.had_to_load;
  c.continuous = c.served || followed;
  e.order.push_back(r.tablet);
  return true;
}

void Elections::ask(Election& e, Participant& c) {
  if (c.asked || c.read) return;
  if (c.not_before && outbox_.now < *c.not_before) {
    again_at(e, *c.not_before);
    return;
  }
  const Replica* r = replica(e, c.tablet);
  if (!r) return;
  c.asked = true;
  const bool may_load = e.loads || c.lost_since;
  if (r->in_doubt_term) {  // SAFETY 5: before anything else.
    call(e, kDemote, c.tablet, Demote{e.at});
  } else if (e.phase == Phase::kReading || (may_load && !c.continuous && !c.loaded)) {
    call(e, kStatus, c.tablet, GetTableStatus{e.at});
  } else if (!c.checked && (!c.continuous || somebody_may_have_led(e))) {
    call(e, kTermPair, c.tablet, GetTermPair{e.at});
  } else if ((e.loads || c.loaded) && !records_.is_written(e.at)) {
    // A successor that finds it probed must know that it had to be loaded. Nothing is lost by
    // waiting: nobody has served for as long as loading took.
    c.asked = false;  // record_written() asks again.
  } else {
    call(e, kProbe, c.tablet, Probe{e.at, e.probe_term});
  }
}

void Elections::answered(const ReplyTo& reply_to, const Answer& answer) {
  Election* e = find(reply_to.key);
  if (!e || reply_to.what >> 8 != e->round) return;
  const auto what = static_cast<What>(reply_to.what & 0xff);
  switch (what) {
    case kManifest:
      manifest_answered(*e, answer);
      return;
    case kPromote:
      promote_answered(*e, answer);
      return;
    case kPromoteCheck:
      promote_checked(*e, answer);
      return;
    case kRecoverSnapshot:
      if (answer.ok() && e->of(e->winner).refused_to_lead == 1) {
        new_round(*e);  // The pause is over.
      } else {
        promote_later(*e);
      }
      return;
    default:
      break;
  }
  Participant* c = e->candidate(reply_to.tablet);
  if (!c || (e->phase != Phase::kProbing && e->phase != Phase::kReading)) return;
  c->asked = false;
  c->not_told = answer.transport == Transport::kNotSent || answer.transport == Transport::kStranger;
  // Of a table that is not in memory it says the snapshot's offset, and the binlog may hold more.
  if ((what == kProbe || (what == kTermPair && answer.has_table)) && answer.ok()) {
    model_.heard_offset(e->at, reply_to.tablet, answer.offset, reply_to.asked_at);
  }
  switch (what) {
    case kProbe:
      probe_answered(*e, *c, answer);
      break;
    case kTermPair:
      term_pair_answered(*e, *c, answer);
      break;
    case kDemote:
      demote_answered(*e, *c, answer);
      break;
    case kRecoverToDemote:
      again_at(*e, outbox_.now + kProbeAgain);
      break;
    case kStatus:
      status_answered(*e, *c, answer);
      break;
    case kLoad:
      load_answered(*e, *c, answer);
      break;
    case kLoadTasks:
      load_tasks_answered(*e, *c, answer);
      break;
    case kForgetLoad:
      answer.ok() ? tell_to_load(*e, *c) : again_at(*e, outbox_.now + kLoadAgain);
      break;
    default:
      break;
  }
  e = find(reply_to.key);
  if (e && (e->phase == Phase::kProbing || e->phase == Phase::kReading)) decide(*e);
}

}  // namespace failoverd::core
