// Elections among replicas whose rows are dead. SAFETY 1 forbids them: metadata names who holds
// what was acknowledged. An operator may overrule it (changeleader --accept-loss) where no alive
// row's replica can lead. Rows change only in the publish that names the leader: until then nothing
// of this is left to a successor, and an alive row's replica that returns is elected instead.
#include <algorithm>
#include <tuple>
#include <utility>

#include "lib/core/api/timing.h"
#include "lib/core/cluster/history.h"
#include "lib/core/cluster/standing.h"
#include "lib/core/election/elections.h"

namespace failoverd::core {

bool Elections::dead_rows_stand(PartitionKey at) const {
  const auto op = of_partition_.find(at);
  const auto e = op == of_partition_.end() ? elections_.end() : elections_.find(op->second);
  return e != elections_.end() && e->second.dead_stand;
}

bool Elections::nobody_alive_can_lead(const Election& e) const {
  const Partition& p = *model_.partition(e.at);
  return std::none_of(p.replicas.begin(), p.replicas.end(), [&](const Replica& r) {
    if (!r.is_alive || model_.tablet(r.tablet).verdict.dead()) return false;
    const Participant& its = e.of(r.tablet);
    // One that refuses to load may have rows all the same, that somebody can get at.
    const bool has_nothing = its.unloadable || (e.forced && its.refuses_to_load);
    return !has_nothing && (!e.forced || answers_freshly(model_, r));
  });
}

// True: others stand from now on, and a new round has begun.
bool Elections::others_stand_now(Election& e) {
  if (!e.dead_may_stand) return false;
  for (const Replica& r : model_.partition(e.at)->replicas) {
    // What a process said of its disk is not what the next one finds there.
    if (r.is_alive && model_.tablet(r.tablet).verdict.dead()) {
      e.of(r.tablet).unloadable = e.of(r.tablet).refuses_to_load = false;
    }
  }
  const bool dead = nobody_alive_can_lead(e);
  if (dead == e.dead_stand) return false;
  e.dead_stand = dead;
  e.loads = true;
  e.agreed.reset();
  e.given_up.clear();
  outbox_.note(Severity::kWarning, "failover",
               model_.name_of(e.at) +
                   (dead ? ": no alive row's replica can lead, and " + e.loss_accepted_by +
                               " accepts the loss: those whose rows are dead stand"
                         : ": an alive row's replica is there again, and leads: no other stands"),
               {{"partition", model_.name_of(e.at)}});
  new_round(e);
  return true;
}

void Elections::decide_among_dead_rows(Election& e) {
  if (const auto until = wait_for_dead_rows(e)) return again_at(e, *until);
  const Participant* best = best_of_dead_rows(e);
  if (!best) {
    // Those whose rows are alive and that came up with nothing stand then: that was accepted.
    bool empty_ones_stand = false;
    for (const Replica& r : model_.partition(e.at)->replicas) {
      const bool is_empty = r.is_alive && r.report.had && !model_.tablet(r.tablet).verdict.dead();
      if (!is_empty || !std::exchange(e.of(r.tablet).unloadable, false)) continue;
      empty_ones_stand = true;
    }
    if (empty_ones_stand) {
      e.dead_stand = e.dead_may_stand = false;
      return new_round(e);
    }
    says(e, "no replica whose tablet is there has anything to load: waits for one that has");
    return again_at(e, outbox_.now + kNobodyYetLookAgain);
  }
  if (!records_.is_written(e.at)) return;  // record_written() decides again.
  e.agreed = known_to_agree(e, *best);
  give_up_alive_rows(e, *best);
  promote(e, best->tablet);
}

// Every one that is there and may say more yet, without limit: the operator waits, and what is
// passed over is dropped when it is recovered.
std::optional<Instant> Elections::wait_for_dead_rows(Election& e) {
  for (const Participant& c : e.candidates()) {
    const Replica* r = replica(e, c.tablet);
    const bool is_another = e.only && c.tablet != *e.only;
    if (!r || c.dead || c.heard != Heard::kNothing || c.refuses_to_load || is_another) continue;
    if (has_nothing_to_say(e, c) || (e.forced && !answers_freshly(model_, *r))) continue;
    if (!model_.tablet(c.tablet).evidence.registered) {
      const Instant limit = e.round_began + outbox_.policy.election.wait_for_better;
      if (outbox_.now >= limit) continue;
    }
    says(e, "waits for " + name(c.tablet) + ", which is there and has not said what it holds");
    return outbox_.now + kLoadAgain;
  }
  return std::nullopt;
}

// Up to where its log is known to be the partition's; none: nobody knows whom it followed last, or
// it may have led by itself since its row died.
std::optional<Offset> Elections::known_to_agree(const Election& e, const Participant& c) const {
  const Partition& p = *model_.partition(e.at);
  const Replica* r = p.on(c.tablet);
  const bool is_begun = c.said && p.unfinished_term && *c.said == *p.unfinished_term;
  const bool is_noted =
      c.said && std::ranges::any_of(c.led, [&](const Led& l) { return l.term == *c.said; });
  if (c.said && *c.said > p.published_term() && !is_begun && !is_noted) return std::nullopt;
  auto agreed = agrees_to(model_, e.at, p, c.tablet, c.offset);
  // It may have led by itself from there on.
  for (const Led& led : c.led) {
    if (!led.before) return std::nullopt;
    if (agreed) agreed = std::min(*agreed, *led.before);
  }
  if (agreed && r && r->in_doubt_term) agreed = std::min(*agreed, r->in_doubt_offset);
  return agreed;
}

// Whom an operator named. Else the one that holds most of the partition's history; one of whom
// nobody knows that comes behind all of whom it is known.
const Participant* Elections::best_of_dead_rows(const Election& e) const {
  const auto rank = [&](const Participant& c) {
    const auto agreed = known_to_agree(e, c);
    return std::make_tuple(agreed.has_value(), agreed.value_or(c.offset), c.offset,
                           -c.refused_to_lead);
  };
  const Participant* best = nullptr;
  for (const Participant& c : e.candidates()) {
    if (c.heard != Heard::kOffset || (e.only && c.tablet != *e.only)) continue;
    if (!best || rank(c) > rank(*best)) best = &c;
  }
  return best;
}

// What alive rows' replicas were last known to hold, and the winner does not.
void Elections::give_up_alive_rows(Election& e, const Participant& winner) {
  const Offset kept = e.agreed.value_or(winner.offset);
  std::vector<Hold::Lost> lost;
  for (const Replica& r : model_.partition(e.at)->replicas) {
    const Offset known = r.is_alive ? model_.known_offset(e.at, r).value_or(0) : 0;
    if (known > kept) lost.push_back({name(r.tablet), known - kept});
  }
  if (lost == e.given_up) return;
  e.given_up.clear();
  if (!lost.empty()) give_up(e, std::move(lost));
}

}  // namespace failoverd::core
