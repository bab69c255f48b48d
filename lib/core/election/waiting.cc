// Elections: whom to wait for, and who wins (SAFETY 2, 6).
#include <algorithm>
#include <tuple>

#include "lib/base/check.h"
#include "lib/core/api/timing.h"
#include "lib/core/cluster/relatives.h"
#include "lib/core/cluster/standing.h"
#include "lib/core/election/elections.h"

namespace failoverd::core {

void Elections::look_again(PartitionKey at) {
  const auto op = of_partition_.find(at);
  if (op == of_partition_.end()) return;
  Election* e = find(op->second);
  if (!e) return;
  const Table* table = model_.table(at.tid);
  const Partition* p = model_.partition(at);
  if (!e->begun && p && !p->unfinished_term && table->refusal && table->refusal->is_known) {
    gone(e->op, "ZooKeeper does not take its table: " + table->refusal->why);  // SAFETY 3, 22.
    return;
  }
  if (e->phase == Phase::kPublishing) {
    look_while_left_alone(*e);
  } else if (e->phase == Phase::kProbing || e->phase == Phase::kReading) {
    ask_those_not_told(*e);
    decide(*e);
  }
}

// Who has said by now whose it is need not wait until its turn comes again (SAFETY 21).
void Elections::ask_those_not_told(Election& e) {
  for (Participant& c : e.candidates()) {
    const bool waits = c.not_told && c.heard == Heard::kNothing && !c.dead;
    if (waits && !outbox_.why_not_told(name(c.tablet), Probe{e.at, e.probe_term})) ask(e, c);
  }
}

void Elections::stalled(Duration duration) {
  for (auto& [op, e] : elections_) {
    e.round_began += duration;
    e.began += duration;
    for (auto& [tablet, p] : e.participants) {
      if (p.lost_since) *p.lost_since += duration;
      if (p.answered_at) *p.answered_at += duration;
    }
  }
}

void Elections::again_at(Election& e, Instant at) {
  if (e.timer_at && *e.timer_at <= at) return;
  e.timer_at = std::max(at, outbox_.now);
  outbox_.timer({ReplyTo::Owner::kElections, e.op, kTimer, 0, {}}, *e.timer_at);
}

void Elections::timer(const ReplyTo& reply_to) {
  Election* e = find(reply_to.key);
  if (!e) return;
  if (e->timer_at && *e->timer_at <= outbox_.now) e->timer_at.reset();
  if (e->phase == Phase::kPublishing) look_while_left_alone(*e);
  if (e->phase == Phase::kPromoting && e->try_again) {
    if (outbox_.now < *e->try_again) {  // It was set for something else.
      again_at(*e, *e->try_again);
      return;
    }
    new_round(*e);
  }
  e = find(reply_to.key);
  if (!e || (e->phase != Phase::kProbing && e->phase != Phase::kReading)) return;
  const bool nobody = std::ranges::none_of(e->candidates(),
                                           [](const auto& c) { return c.heard == Heard::kOffset; });
  for (Participant& c : e->candidates()) {
    const Replica* r = replica(*e, c.tablet);
    // It held nothing and holds it now.
    if (nobody && c.heard == Heard::kEmpty && r && standing(model_, *r) == Standing::kServes) {
      c.heard = Heard::kNothing;
    }
    if (c.heard == Heard::kUnfit && c.not_before && *c.not_before <= outbox_.now) {
      c.heard = Heard::kNothing;
      c.checked = c.continuous = false;
      c.reading.reset();
    }
    if (c.heard == Heard::kNothing && !c.dead) ask(*e, c);
  }
  decide(*e);
}

void Elections::decide(Election& e) {
  Partition* p = model_.partition(e.at);
  if (!p) {
    gone(e.op, "the partition is gone");
    return;
  }
  const bool reads = e.phase == Phase::kReading;
  if (reads && leads_again(*p)) {
    return gone(e.op, name(p->leader()->tablet) + " leads it again");
  }
  if (!reads && !p->terms.empty() && p->terms.back().term >= e.probe_term) {
    new_round(e);  // Somebody else has named a leader meanwhile: above its term.
    return;
  }
  if (others_stand_now(e)) return;
  // A row may have died since: by a publish whose answer was lost, or somebody else's (SAFETY 1).
  std::erase_if(e.order, [&](TabletIndex tablet) {
    const Replica* r = p->on(tablet);
    if (r && r->is_alive != e.dead_stand) return false;
    e.of(tablet).begin_round();
    return true;
  });
  for (const Replica& r : p->replicas) {
    // One that was dead when the round began, and answers: it may hold what nobody else does.
    if (add_candidate(e, r)) ask(e, e.of(e.order.back()));
  }
  std::optional<Offset> best;
  for (Participant& c : e.candidates()) {
    does_it_still_count(e, c);
    if (stands_back(e, c)) continue;
    if (c.heard == Heard::kOffset) best = std::max(best.value_or(0), c.offset);
    if (c.read) best = std::max(best.value_or(0), *c.read);
  }
  if (reads) return decide_by_reading(e, best);
  if (e.dead_stand) return decide_among_dead_rows(e);
  const bool only_is_empty = p->replicas.size() == 1 && e.order.size() == 1 &&
                             e.of(e.order.front()).heard == Heard::kEmpty;
  if (only_is_empty) {
    gone(e.op, "its only replica has restarted: it is loaded, and then told to lead");
    return;
  }
  if (!best && !e.loads && nobody_is_left(e)) {
    begin_to_load(e);
    return;
  }
  if (!best) {
    again_at(e, outbox_.now + kNobodyYetLookAgain);
    const bool nothing = std::all_of(p->replicas.begin(), p->replicas.end(), [&](const Replica& r) {
      return !r.is_alive || e.of(r.tablet).unloadable;
    });
    if (nothing) {
      says(e, "no alive row's tablet has anything to load: waits for one that has");
    } else if (ops_.find(e.op)->detail.empty()) {
      says(e, "waits for a replica that may lead to answer");
    }
    return;
  }
  const auto others = wait_for_others(e, *best);
  if (others) again_at(e, std::min(*others, outbox_.now + kProbeAgain));
  // Where everything restarts the one wait goes on beside the other.
  const auto lost = others && !e.loads ? std::nullopt : wait_for_lost(e, *best);
  if (lost) again_at(e, *lost);
  if (others || lost) return;
  // It has been on its way since the first probe. Without it a successor could not tell whose log
  // holds the new term when the winner restarts before the publish.
  if (!records_.is_written(e.at)) return;  // record_written() decides again.
  promote(e, choose_winner(e, *best));
}

void Elections::does_it_still_count(Election& e, Participant& c) {
  // What a dead one said no longer counts; when it is back, it is asked again.
  const bool dead = model_.tablet(c.tablet).verdict.dead();
  if (dead) {
    c.heard = Heard::kNothing;
    c.reading.reset();
    c.read.reset();
    c.loaded = c.checked = false;
    c.served = c.unloadable = c.refuses_to_load = false;
    c.load_told.reset();
  }
  if (c.dead && !dead) ask(e, c);
  c.dead = dead;
  if (!dead && (leads_since_probed(e, c) || holds_more_since_probed(e, c))) {
    c.heard = Heard::kNothing;  // What it said is not the last that it holds.
    c.reading.reset();
    ask(e, c);
  }
}

// Others may take long, and somebody tells it by hand to lead meanwhile: it takes rows again.
bool Elections::leads_since_probed(const Election& e, const Participant& c) const {
  const Partition* p = model_.partition(e.at);
  const Replica* r = p && c.heard == Heard::kOffset ? p->on(c.tablet) : nullptr;
  return r && r->report.held && r->report.mode == Mode::kLeader && r->report.asked_at &&
         *r->report.asked_at > c.read_at;
}

bool Elections::holds_more_since_probed(const Election& e, const Participant& c) const {
  const Partition* p = model_.partition(e.at);
  const Replica* r = p && c.heard == Heard::kOffset ? p->on(c.tablet) : nullptr;
  return r && r->report.heard_at && *r->report.heard_at > c.read_at && r->report.offset > c.offset;
}

// Whoever has answered: nobody has followed without a restart (SAFETY 6). By an operator's word
// nobody has.
bool Elections::all_had_to_load(const Election& e) const {
  return std::ranges::all_of(e.candidates(), [&](const Participant& c) {
    return c.heard != Heard::kOffset || c.loaded || !vouches(e, c.tablet);
  });
}

bool Elections::vouches(const Election& e, TabletIndex tablet) const {
  const Partition* p = model_.partition(e.at);
  const Replica* r = p ? p->on(tablet) : nullptr;
  return !r || r->vouches();
}

bool Elections::somebody_vouches(const Election& e) const {
  return std::ranges::any_of(e.candidates(), [&](const Participant& c) {
    return (c.heard == Heard::kOffset || c.read) && vouches(e, c.tablet);
  });
}

// SAFETY 1: a row that is alive by an operator's word only does not say that its replica held what
// was acknowledged. It leads where no other alive row's replica is there, or whoever is not heard
// is given up.
bool Elections::stands_back(const Election& e, const Participant& c) const {
  if (vouches(e, c.tablet)) return false;
  return std::ranges::any_of(e.candidates(), [&](const Participant& other) {
    const bool may_answer = other.heard == Heard::kNothing && !other.dead && !overruled(e) &&
                            !has_nothing_to_say(e, other);
    return vouches(e, other.tablet) && (other.heard == Heard::kOffset || may_answer);
  });
}

// SAFETY 2: one that does not answer and is known to hold more is waited for; one that is only
// slow, a little; one that is known to be unfit, not at all. Returns when to decide without them.
std::optional<Instant> Elections::wait_for_others(Election& e, Offset best) {
  if (all_had_to_load(e)) {
    begin_to_load(e);  // Who served when it began may have restarted since, and is waited for.
    return wait_for_restart(e, best);
  }
  std::optional<Instant> until;
  for (const Participant& c : e.candidates()) {
    if (c.heard != Heard::kNothing || c.dead || stands_back(e, c)) continue;
    const Tablet& t = model_.tablet(c.tablet);
    const Replica* r = replica(e, c.tablet);
    if (!r) continue;
    // An election may take long, and one that has answered it fall silent only now.
    Instant since = c.answered_at.value_or(e.began);
    if (c.load_told && !c.lost_since) since = std::max(since, *c.load_told);  // It has come back.
    const Instant better = since + outbox_.policy.election.wait_for_better;
    Instant limit = e.round_began;
    if (t.verdict.state == TabletState::kHealthy || t.verdict.state == TabletState::kCutOff) {
      // Counted from its last sign of life: many answers that wait to be read are not silence.
      const Instant alive = std::max(e.round_began, t.evidence.last_answer.value_or(Instant{}));
      limit = std::min(alive + kGrace, e.round_began + kLongestGrace);
    }
    if (!r->report.asked_at && !t.evidence.refused_first) {
      limit = std::max(limit, better);
      says(e, "waits for " + t.endpoint + ", which nobody has heard of yet");
    }
    // A leader that lives has acknowledged what nobody else may hold, whatever was last heard.
    if (r->leads() && t.verdict.state == TabletState::kHealthy) {
      limit = std::max(limit, better);
      says(e, "waits for " + t.endpoint + ", which led until now");
    }
    // SAFETY 12: no election leaves out whose row is dead only because it is handed over.
    if (r->stepping_down && !overruled(e)) {
      limit = outbox_.now + kProbeAgain;
      says(e, "waits for " + t.endpoint + ", which hands over what it leads");
    }
    if (c.reading) limit = std::max(limit, c.read_at + kGrace);  // Once more, and it counts.
    const Offset known = std::max(r->report.offset, c.reading.value_or(0));
    if (known > best) {
      limit = std::max(limit, better);
      says(e, "waits for " + t.endpoint + ", which had offset " + std::to_string(known) +
                  "; the best that answered has " + std::to_string(best));
    }
    if (outbox_.now < limit) until = std::max(until.value_or(limit), limit);
  }
  return until;
}

// SAFETY 8: who said that it leads with a term that nobody published, and has taken rows in it
// since an election of ours told it to, which was not finished. What others hold beyond its
// beginning was given up then.
const Participant* Elections::goes_on_leading(const Election& e) const {
  const Participant* latest = nullptr;
  Term highest = model_.partition(e.at)->published_term();
  for (const Participant& c : e.candidates()) {
    if (c.heard != Heard::kOffset || !c.served || stands_back(e, c)) continue;
    for (const Led& l : c.led) {
      if (l.term <= highest || !l.before || c.offset <= *l.before) continue;
      highest = l.term;
      latest = &c;
    }
  }
  return latest;
}

// Who leads the same partition of its base and pre-aggregates, or is about to. Whichever of them is
// decided first goes where it likes, and the others follow it there.
std::vector<TabletIndex> Elections::leaders_of_relatives(PartitionKey at) const {
  std::vector<TabletIndex> all;
  for (const PartitionKey key : relatives(model_, at)) {
    const auto op = of_partition_.find(key);
    if (op == of_partition_.end()) {
      const Replica* leader = model_.partition(key)->leader();
      if (leader && standing(model_, *leader) != Standing::kGone) all.push_back(leader->tablet);
      continue;
    }
    const Election& e = elections_.at(op->second);
    if (e.phase == Phase::kPromoting || e.phase == Phase::kPublishing) all.push_back(e.winner);
  }
  return all;
}

// Highest offset. Among equals: who has not refused to lead, whom the rows name where they cannot
// be written, whom an operator named, who leads its base or its pre-aggregates, whose tablet leads
// fewest, by name.
TabletIndex Elections::choose_winner(const Election& e, Offset best) const {
  if (const Participant* leads = goes_on_leading(e)) return leads->tablet;
  const Replica* named =
      model_.table(e.at.tid)->refusal ? model_.partition(e.at)->leader() : nullptr;
  const std::vector<TabletIndex> with = leaders_of_relatives(e.at);
  const auto rank = [&](const Participant& c) {
    const Tablet& t = model_.tablet(c.tablet);
    const auto apart = -std::count(with.begin(), with.end(), c.tablet);
    const bool is_old = e.handed && c.tablet == e.handed->from;
    const bool is_another = e.preferred && c.tablet != *e.preferred;
    return std::make_tuple(c.refused_to_lead, named && named->tablet != c.tablet, is_old,
                           is_another, apart, t.leaders, std::string_view{t.endpoint});
  };
  const Participant* winner = nullptr;
  for (const Participant& c : e.candidates()) {
    if (c.heard != Heard::kOffset || c.offset != best || stands_back(e, c)) continue;
    if (!winner || rank(c) < rank(*winner)) winner = &c;
  }
  CHECK(winner);
  return winner->tablet;
}

}  // namespace failoverd::core
