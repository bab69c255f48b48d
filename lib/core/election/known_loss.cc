// Elections: a known loss waits for who has it (SAFETY 20). Where a lost replica was last known to
// hold more than guards.max_lost_entries beyond the best that is there, its tablet is waited for,
// and what it loads is a candidate like others. What is there is read before anybody is probed
// wherever that may be so: a probe cannot be taken back (SAFETY 3), and until one is out the switch
// ends the wait.
#include <algorithm>

#include "lib/core/api/timing.h"
#include "lib/core/cluster/standing.h"
#include "lib/core/election/elections.h"

namespace failoverd::core {

// By the last samples, which are of different moments: a leader that was asked later than its
// followers looks ahead of them. So this only says that it has to be read.
bool Elections::loss_is_possible(const Election& e) const {
  const auto most = outbox_.policy.guards.max_lost_entries;
  const Partition& p = *model_.partition(e.at);
  if (!most || p.replicas.size() == 1) return false;
  Offset there = 0;
  Offset lost = 0;
  for (const Replica& r : p.replicas) {
    if (!r.is_alive || !r.vouches()) continue;
    const bool dead = model_.tablet(r.tablet).verdict.dead();
    const bool is_there = e.loads ? !dead : standing(model_, r) == Standing::kServes;
    const bool is_lost = e.loads ? dead : standing(model_, r) == Standing::kGone;
    const Offset known = model_.known_offset(e.at, r).value_or(0);
    if (is_there) there = std::max(there, known);
    if (is_lost) lost = std::max(lost, known);
  }
  return lost > there && lost - there > *most;
}

void Elections::read_first(Election& e) {
  phase(e, Phase::kReading, Task::kSelectLeader);
  e.round_began = outbox_.now;
  choose_candidates(e);
  decide(e);
}

// Nothing has been changed so far, and its leader is well: it goes on leading.
bool Elections::leads_again(const Partition& p) const {
  const Replica* leader = p.leader();
  return leader && !p.unfinished_term && standing(model_, *leader) == Standing::kServes &&
         leader->report.mode == Mode::kLeader;
}

void Elections::decide_by_reading(Election& e, std::optional<Offset> best) {
  const Partition& p = *model_.partition(e.at);
  const bool asked = std::ranges::any_of(e.candidates(), [&](const auto& c) {
    return !c.dead && c.heard == Heard::kNothing && !c.read && !c.lost_since &&
           !has_nothing_to_say(e, c);
  });
  if (!best) {
    if (asked) return again_at(e, outbox_.now + kHoldLookAgain);
    return new_round(e);  // Nobody is there who could say.
  }
  const bool more = std::any_of(p.replicas.begin(), p.replicas.end(), [&](const Replica& r) {
    return lost_without(e, r, *best).has_value();
  });
  if (more && asked && outbox_.now < e.round_began + kReadingGrace) {
    return again_at(e, e.round_began + kReadingGrace);
  }
  if (const auto until = wait_for_lost(e, *best)) return again_at(e, *until);
  for (Participant& c : e.candidates()) {  // Who is there may fall silent only now (SAFETY 2).
    if (c.read && !c.dead) c.answered_at = outbox_.now;
  }
  new_round(e);
}

// How many entries more than `best` this replica was last known to hold; none: no more than may be
// lost, or `best` has it counted in.
std::optional<std::uint64_t> Elections::lost_without(const Election& e, const Replica& r,
                                                     Offset best) const {
  const auto most = outbox_.policy.guards.max_lost_entries;
  if (!most || !r.is_alive || (!r.vouches() && somebody_vouches(e))) return std::nullopt;
  const Participant* c = e.candidate(r.tablet);
  const bool counted = c && (c->read || c->heard == Heard::kOffset);
  // SAFETY 6 waits for those that are there and load, as long as nobody has followed.
  const Tablet& t = model_.tablet(r.tablet);
  const bool loads = !t.verdict.dead() && t.evidence.registered && !e.of(r.tablet).refuses_to_load;
  const bool restarts = e.loads && all_had_to_load(e) && loads;
  if (counted || restarts) return std::nullopt;
  const Offset known = model_.known_offset(e.at, r).value_or(0);
  if (known <= best || known - best <= *most) return std::nullopt;
  return known - best;
}

// It is back, has begun, and has not fallen silent: then what it holds is known soon, also when its
// time is over.
bool Elections::loads_what_was_lost(const Election& e, TabletIndex tablet) const {
  const auto last_answer = model_.tablet(tablet).evidence.last_answer;
  if (!last_answer || outbox_.now - *last_answer > kSilentForGood) return false;
  return std::ranges::any_of(e.candidates(), [&](const Participant& c) {
    return c.tablet == tablet && !c.dead && c.heard == Heard::kNothing &&
           (c.loaded || c.load_told) && !has_nothing_to_say(e, c);
  });
}

std::optional<Instant> Elections::lost_deadline(const Election& e, TabletIndex tablet) const {
  if (!outbox_.policy.election.wait_for_lost) return std::nullopt;
  const Instant deadline = e.of(tablet).lost_since.value() + *outbox_.policy.election.wait_for_lost;
  if (!e.loads || !e.first_loaded) return deadline;
  return std::max(deadline, *e.first_loaded + outbox_.policy.recovery.full_restart_wait);
}

std::optional<Instant> Elections::unclean_at(const Election& e) const {
  if (!outbox_.policy.election.unclean_after) return std::nullopt;
  return e.began + *outbox_.policy.election.unclean_after;
}

// Nobody is waited for any more who is not there: an operator said so, or election.unclean_after.
bool Elections::overruled(const Election& e) const {
  const auto unclean = unclean_at(e);
  return !e.loss_accepted_by.empty() || (unclean && outbox_.now >= *unclean);
}

// Returns when to look again; none: nobody is waited for any more.
std::optional<Instant> Elections::wait_for_lost(Election& e, Offset best) {
  const Partition& p = *model_.partition(e.at);
  Hold h;
  h.since = outbox_.now;
  h.until = outbox_.now;
  bool loads = false;
  std::vector<Hold::Lost> gone;  // Came back with nothing to load.
  for (const Replica& r : p.replicas) {
    const auto more = p.replicas.size() > 1 ? lost_without(e, r, best) : std::nullopt;
    if (!more) continue;
    if (e.of(r.tablet).unloadable) {
      gone.push_back({name(r.tablet), *more});
      continue;
    }
    auto& since = e.of(r.tablet).lost_since;
    if (!since) since = outbox_.now;
    h.since = std::min(h.since, *since);
    const auto deadline = lost_deadline(e, r.tablet);
    if (h.until) h.until = deadline ? std::optional{std::max(*h.until, *deadline)} : std::nullopt;
    h.waits_for.push_back({name(r.tablet), *more, loads_what_was_lost(e, r.tablet)});
    loads = loads || h.waits_for.back().loads;
  }
  if (h.waits_for.empty()) {
    e.given_up = std::move(gone);
    end_hold(e);
    return std::nullopt;
  }
  const bool over = h.until && outbox_.now >= *h.until;
  if (overruled(e) || (over && !loads)) {
    give_up(e, std::move(h.waits_for));
    return std::nullopt;
  }
  if (over) h.until.reset();
  if (const auto unclean = unclean_at(e)) h.until = std::min(h.until.value_or(*unclean), *unclean);
  const Instant again = h.until.value_or(outbox_.now + kHoldLookAgain);
  hold(e, std::move(h), best);
  ask_lost(e);
  return again;
}

// Those that are back are candidates, and load.
void Elections::ask_lost(Election& e) {
  for (const Replica& r : model_.partition(e.at)->replicas) {
    if (!e.of(r.tablet).lost_since) continue;
    if (add_candidate(e, r)) {
      ask(e, e.of(e.order.back()));
      continue;
    }
    Participant* c = e.candidate(r.tablet);
    if (!c || c->dead || c->heard != Heard::kEmpty || e.of(r.tablet).unloadable) continue;
    c->heard = Heard::kNothing;  // It has restarted since it was chosen.
    c->continuous = c->loaded = c->checked = false;
    ask(e, *c);
  }
}

// --- Telling -------------------------------------------------------------------------------------

void Elections::hold(Election& e, Hold h, Offset best) {
  const bool never = !outbox_.policy.election.wait_for_lost;
  h.reason = "known_loss";
  h.at = e.at;
  h.text = "waits for " + to_text(h.waits_for) + ": so many are missing, at least, from the best " +
           "replica that is there, at offset " + std::to_string(best);
  h.lifted_by = h.waits_for.size() == 1 ? "its return, or " : "their return, or ";
  h.lifted_by +=
      never ? "another election.wait_for_lost, which is never" : "election.wait_for_lost";
  if (outbox_.policy.election.unclean_after) h.lifted_by += ", or election.unclean_after";
  says(e, h.text);
  if (!e.hold) {
    holds_changed.push_back(e.at);
    outbox_.note(Severity::kWarning, "hold",
                 model_.name_of(e.at) + " " + h.text + "; lifted by " + h.lifted_by,
                 {{"reason", h.reason},
                  {"partition", model_.name_of(e.at)},
                  {"tablet", h.waits_for.front().tablet},
                  {"entries", std::to_string(h.waits_for.front().entries)}});
  }
  e.hold = std::move(h);
}

void Elections::end_hold(Election& e) {
  if (!e.hold) return;
  holds_changed.push_back(e.at);
  outbox_.note(
      Severity::kInfo, "hold",
      model_.name_of(e.at) + " is held no more; it waited for " + to_text(e.hold->waits_for),
      {{"reason", e.hold->reason}, {"partition", model_.name_of(e.at)}});
  e.hold.reset();
}

void Elections::give_up(Election& e, std::vector<Hold::Lost> lost) {
  const bool news = e.given_up.empty();
  e.given_up = std::move(lost);
  if (e.hold) holds_changed.push_back(e.at);
  e.hold.reset();
  if (!news) return;
  const std::string why = !e.loss_accepted_by.empty() ? e.loss_accepted_by + " accepts the loss"
                          : overruled(e)              ? "election.unclean_after is over"
                                                      : "election.wait_for_lost is over";
  outbox_.note(Severity::kError, "hold",
               model_.name_of(e.at) + " goes on without " + to_text(e.given_up) +
                   ", which may be lost: " + why,
               {{"reason", "known_loss"}, {"partition", model_.name_of(e.at)}});
}

bool Elections::accept_loss(PartitionKey at, const Acceptance& acceptance) {
  const auto op = of_partition_.find(at);
  Election* e = op == of_partition_.end() ? nullptr : find(op->second);
  if (!e || e->phase == Phase::kPromoting || e->phase == Phase::kPublishing) return false;
  const Partition* p = model_.partition(at);
  e->loss_accepted_by = acceptance.by;
  e->dead_may_stand = p && p->replicas.size() > 1 && !has_candidate(model_, *p);
  e->forced = acceptance.forced;
  e->only = acceptance.named;
  if (e->phase == Phase::kReading || e->phase == Phase::kProbing) decide(*e);
  return true;
}

bool Elections::holds(PartitionKey at) const {
  const auto op = of_partition_.find(at);
  const auto e = op == of_partition_.end() ? elections_.end() : elections_.find(op->second);
  return e != elections_.end() && e->second.hold;
}

std::vector<Hold> Elections::holds() const {
  std::vector<Hold> all;
  for (const auto& [op, e] : elections_) {
    if (e.hold) all.push_back(*e.hold);
  }
  return all;
}

}  // namespace failoverd::core
