// Elections where nobody has followed without a restart (SAFETY 6, FEDB.md 7): every candidate
// loads what is on its disk, and the wait is for those that may hold more.
#include <algorithm>
#include <utility>

#include "lib/core/api/timing.h"
#include "lib/core/cluster/load_step.h"
#include "lib/core/cluster/relatives.h"
#include "lib/core/cluster/standing.h"
#include "lib/core/election/elections.h"

namespace failoverd::core {

// Whoever has not said whose it is and holds nothing is never told anything (SAFETY 21).
bool Elections::has_nothing_to_say(const Election& e, const Participant& c) const {
  const Partition* p = model_.partition(e.at);
  const Replica* r = p ? p->on(c.tablet) : nullptr;
  return c.not_told && r && standing(model_, *r) == Standing::kGone;
}

// Nobody who is asked can still answer with an offset, and somebody could load.
bool Elections::nobody_is_left(const Election& e) const {
  const Partition& p = *model_.partition(e.at);
  if (p.replicas.size() == 1) return false;  // Its only copy: kReLoadTableOP loads it.
  bool could_load = false;
  for (const Replica& r : p.replicas) {
    if (!r.is_alive || model_.tablet(r.tablet).verdict.dead()) continue;
    const Participant* c = e.candidate(r.tablet);
    const bool empty = !c ? standing(model_, r) == Standing::kGone
                          : c->heard == Heard::kEmpty || has_nothing_to_say(e, *c);
    if (!empty && c && c->heard == Heard::kNothing) return false;
    could_load = could_load || empty;
  }
  return could_load;
}

void Elections::begin_to_load(Election& e) {
  if (e.loads) return;
  e.loads = true;
  records_.begun(e.at, e.probe_term, true);
  for (Participant& c : e.candidates()) {
    if (c.heard == Heard::kEmpty || c.heard == Heard::kUnfit) {
      c.heard = Heard::kNothing;
      ask(e, c);
    }
  }
  again_at(e, outbox_.now);  // decide() adds those that were no candidates before.
}

void Elections::status_answered(Election& e, Participant& c, const Answer& answer) {
  c.not_before = outbox_.now + kLoadLookAgain;
  if (!answer.ok()) {
    again_at(e, *c.not_before);
    return;
  }
  const ReplicaStatus* status = answer.status_of(e.at);
  switch (next_load_step(status, c.load_told, outbox_.now)) {
    case LoadStep::kLoaded:
      model_.remember_offset(e.at, c.tablet, *status, outbox_.now);
      if (c.load_told && model_.is_on_disk(e.at)) forget_load(outbox_, name(c.tablet), e.op, e.at);
      if (came_up_empty(e, c)) return;
      if (Replica* r = replica(e, c.tablet)) has_loaded(*r);
      if (c.lost_since) c.answered_at = outbox_.now;
      if (e.phase == Phase::kReading) {
        if (status->offset <= kHighestOffset) c.read = status->offset;
        if (e.loads && !e.first_loaded) e.first_loaded = outbox_.now;
        return;
      }
      c.loaded = true;
      c.asked = true;
      call(e, kTermPair, c.tablet, GetTermPair{e.at});
      return;
    case LoadStep::kLoads:
      says(e, name(c.tablet) + " is loading it");
      again_at(e, *c.not_before);
      return;
    case LoadStep::kTell:
      if (c.unloadable || (!e.loads && !c.lost_since)) {
        c.heard = Heard::kEmpty;
        return;
      }
      if (!model_.is_on_disk(e.at)) return tell_to_load(e, c);
      c.asked = true;
      call(e, kLoadTasks, c.tablet, GetTaskStatus{});
  }
}

// What is on disk is not to be seen while it loads (FEDB.md 8).
void Elections::load_tasks_answered(Election& e, Participant& c, const Answer& answer) {
  if (!answer.ok()) {
    again_at(e, *c.not_before);
    return;
  }
  switch (disk_load(answer.tasks, e.at, e.op)) {
    case DiskLoad::kRuns:
      had_to_load(e, c);
      c.load_told = outbox_.now;  // Somebody has told it; SAFETY 20 waits for what it loads.
      c.not_before = outbox_.now + kLoadAgain;
      says(e, name(c.tablet) + " is loading it");
      again_at(e, *c.not_before);
      return;
    case DiskLoad::kOver:
      c.asked = true;
      call(e, kForgetLoad, c.tablet, DeleteOpTask{e.op, e.at});
      return;
    case DiskLoad::kNone:
      tell_to_load(e, c);
  }
}

void Elections::had_to_load(Election& e, Participant& c) {
  if (std::exchange(c.had_to_load, true)) return;
  if (!e.loads && e.phase == Phase::kProbing) records_.begun(e.at, e.probe_term, true);
}

void Elections::tell_to_load(Election& e, Participant& c) {
  const bool waits = outbox_.now < e.round_began + kBaseFirst;
  if (waits && base_comes_first(model_, e.at, c.tablet)) {
    says(e, "waits until " + name(c.tablet) + " has loaded its base table");
    return again_at(e, *c.not_before);
  }
  c.asked = true;
  had_to_load(e, c);
  call(e, kLoad, c.tablet, model_.load_call(e.at, e.op, e.type));
}

void Elections::load_answered(Election& e, Participant& c, const Answer& answer) {
  c.not_before = outbox_.now + kLoadLookAgain;
  // It is registered all the same.
  const bool is_refused = answer.answered() && !answer.ok();
  if (is_refused && model_.is_on_disk(e.at)) forget_load(outbox_, name(c.tablet), e.op, e.at);
  if (answer.says(kTableDirIsNotExist)) {
    cannot_load(e, c,
                "has nothing to load for " + model_.name_of(e.at) +
                    ": no directory, or one that could not be loaded and is in its recycle bin "
                    "now");
    return;
  }
  if (says_it_loads(answer)) {
    c.load_told = outbox_.now;
    c.refuses_to_load = false;
  } else {
    load_was_refused(e, c, answer);
  }
  again_at(e, *c.not_before);
}

// What stands there may be mended, so that it is told again, less and less often.
void Elections::load_was_refused(Election& e, Participant& c, const Answer& answer) {
  c.not_before = outbox_.now + kLoadAgain;
  says(e, name(c.tablet) + " was told to load it: " + to_text(answer));
  if (!answer.says(kCreateTableFailed) && !answer.says(kNoPathForStorage)) return;
  c.refuses_to_load = true;
  Replica* r = replica(e, c.tablet);
  if (!r) return;
  const int doublings = std::min(r->load_refusals, kLoadRefusalsDoubled);
  c.not_before = outbox_.now + std::min<Duration>(kLoadAgain * (1 << doublings), kLongestBackOff);
  refuses_to_load(outbox_, *r, name(c.tablet), model_.name_of(e.at), answer);
}

void Elections::cannot_load(Election& e, Participant& c, const std::string& why) {
  c.heard = Heard::kEmpty;
  if (std::exchange(c.unloadable, true)) return;
  outbox_.note(Severity::kError, "failover", name(c.tablet) + " " + why,
               {{"tablet", name(c.tablet)}, {"partition", model_.name_of(e.at)}});
}

// SAFETY 6: an offset of 0 is no log that was recovered, where there was one. Whoever has it, or
// may have it and is not there, is waited for as if this one had nothing to load.
bool Elections::came_up_empty(Election& e, Participant& c) {
  const auto had = model_.came_up_empty(e.at, c.tablet);
  // An operator has accepted the loss, and those whose rows are dead hold nothing either.
  const bool is_given_up = !e.loss_accepted_by.empty() && !e.dead_may_stand &&
                           !has_candidate(model_, *model_.partition(e.at));
  if (!had || is_given_up) return false;
  const std::string what = "came up with nothing of " + model_.name_of(e.at) +
                           ", of which it had at least " + std::to_string(*had) + " entries";
  replica(e, c.tablet)->stuck = Stuck{kLostDisk, name(c.tablet) + " " + what, outbox_.now};
  cannot_load(e, c, what + ": its disk is lost, or another one");
  return true;
}

// SAFETY 6: every registered one that is still loading, without limit; those that are not
// registered for full_restart_wait from the first that was loaded, unless they are known to hold no
// more. Returns when to decide without them.
std::optional<Instant> Elections::wait_for_restart(Election& e, Offset best) {
  if (!e.first_loaded) e.first_loaded = outbox_.now;
  const Instant restart = *e.first_loaded + outbox_.policy.recovery.full_restart_wait;
  std::optional<Instant> until;
  for (const Replica& r : model_.partition(e.at)->replicas) {
    const Participant* c = e.candidate(r.tablet);
    if (!r.is_alive || (c && (c->heard == Heard::kOffset || c->heard == Heard::kEmpty))) continue;
    if (!r.vouches() && somebody_vouches(e)) continue;
    const Tablet& t = model_.tablet(r.tablet);
    // Nobody knows that it is dead: it is waited for as in every election, too (SAFETY 2).
    const Instant since = e.of(r.tablet).answered_at.value_or(e.began);
    const Instant better = since + outbox_.policy.election.wait_for_better;
    const Instant limit = t.verdict.dead() ? restart : std::max(restart, better);
    // One that cannot load may have rows all the same, in a directory that somebody can mend.
    const bool refuses = e.of(r.tablet).refuses_to_load;
    if (t.evidence.registered && !refuses) {
      says(e, "waits for " + t.endpoint + ", which is registered and has not loaded it yet");
      until = std::max(until.value_or(Instant{}), outbox_.now + kLoadAgain);
      continue;
    }
    const std::optional<Offset> known = model_.known_offset(e.at, r);
    if ((known && *known <= best) || outbox_.now >= limit || overruled(e)) continue;
    says(e, "waits for " + t.endpoint + ", which " +
                (refuses ? "cannot load it and " : "is not registered and ") +
                (known ? "had offset " + std::to_string(*known) : "may hold more") +
                "; the best that was loaded has " + std::to_string(best) + "; at most " +
                std::to_string((limit - outbox_.now) / std::chrono::seconds{1}) + " s more");
    until = std::max(until.value_or(Instant{}), limit);
  }
  return until;
}

}  // namespace failoverd::core
