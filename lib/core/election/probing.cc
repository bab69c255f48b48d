// Elections: what candidates answer: to the probe, to GetTermPair, to being told to follow (SAFETY
// 3, 5, 7, 8).
#include <algorithm>

#include "lib/core/api/timing.h"
#include "lib/core/election/elections.h"

namespace failoverd::core {

void Elections::probe_answered(Election& e, Participant& c, const Answer& answer) {
  if (!answer.ok()) {
    probe_refused(e, c, answer);
    return;
  }
  c.answered_at = outbox_.now;
  if (answer.offset > kHighestOffset) {
    unfit(e, c, "says offset " + std::to_string(answer.offset) + ", which no log has ever reached");
    return;
  }
  // It was probed before its tablet was taken for dead. What was known of it then, above all that
  // it had to be loaded, is looked at again before its offset counts (SAFETY 6).
  if (!c.continuous && !c.checked) {
    ask(e, c);
    return;
  }
  const Replica* r = replica(e, c.tablet);
  if (r && r->report.asked_at && answer.offset < r->report.offset && !c.loaded) {
    // It is not the replica that we knew: while loading a probe passes with offset 0 (FEDB.md 3.2).
    unfit(e, c,
          "answers offset " + std::to_string(answer.offset) + " and had " +
              std::to_string(r->report.offset) + ": it has lost entries or is loading");
    return;
  }
  // A batch that had passed the check of terms may still land (FEDB 2.x; and a put, where it led):
  // the same term again until the offset stands still.
  if (!c.reading || *c.reading != answer.offset) {
    c.reading = answer.offset;
    c.read_at = outbox_.now;
    if (!c.led.empty() || c.demoted) {
      c.not_before = outbox_.now + kSettle;
      again_at(e, *c.not_before);
      return;
    }
    c.asked = true;
    call(e, kProbe, c.tablet, Probe{e.at, e.probe_term});
    return;
  }
  c.heard = Heard::kOffset;
  c.offset = answer.offset;
}

// It may not lead, by what it says. What was known of it may be older than that: asked again.
void Elections::unfit(Election& e, Participant& c, const std::string& why) {
  c.heard = Heard::kUnfit;
  c.not_before = outbox_.now + kUnfitAgain;
  again_at(e, *c.not_before);
  if (std::exchange(c.unfit_is_said, true)) return;
  outbox_.note(Severity::kWarning, "failover",
               name(c.tablet) + " may not lead " + model_.name_of(e.at) + ": it " + why,
               {{"tablet", name(c.tablet)}, {"partition", model_.name_of(e.at)}});
}

// SAFETY 7.
void Elections::probe_refused(Election& e, Participant& c, const Answer& answer) {
  if (!answer.answered()) {
    again_at(e, outbox_.now + kProbeAgain);
    return;
  }
  switch (answer.code) {
    case kTableIsNotExist:
      c.continuous = c.loaded = c.checked = false;  // It has restarted since.
      if (e.loads && !c.unloadable) {
        again_at(e, outbox_.now + kProbeAgain);
      } else {
        c.heard = Heard::kEmpty;
      }
      return;
    case kTableIsLeader:
    case kFailToAppendEntries:  // Its term is higher, and only GetTermPair is sure to tell it.
      c.asked = true;
      call(e, kTermPair, c.tablet, GetTermPair{e.at});
      return;
    default:
      again_at(e, outbox_.now + kProbeAgain);
  }
}

// Somebody led with this term, or was told to, and nobody has published it.
bool Elections::may_have_been_led(const Election& e, Term term) const {
  const Partition& p = *model_.partition(e.at);
  return std::any_of(p.replicas.begin(), p.replicas.end(), [&](const Replica& r) {
    return r.in_doubt_term == term || e.of(r.tablet).has_led(term);
  });
}

bool Elections::somebody_may_have_led(const Election& e) const {
  const Partition& p = *model_.partition(e.at);
  return p.unfinished_term ||
         std::ranges::any_of(e.participants, [](const auto& l) { return !l.second.led.empty(); }) ||
         std::any_of(p.replicas.begin(), p.replicas.end(),
                     [](const Replica& r) { return r.in_doubt_term; });
}

void Elections::note_led(Election& e, TabletIndex tablet, const Led& led) {
  if (!e.of(tablet).has_led(led.term)) e.of(tablet).led.push_back(led);
}

// SAFETY 6: it says that it leads with this term. Where everything restarts that shows only that it
// has not restarted if it is the leader that is published, or was chosen by a predecessor: one that
// was loaded may have been told to lead by hand, and others may hold more.
bool Elections::has_served(const Election& e, TabletIndex tablet, Term term) const {
  const Partition& p = *model_.partition(e.at);
  if (p.unfinished_term && term == *p.unfinished_term + 1) return true;
  if (e.of(tablet).had_to_load) return false;
  const Replica* r = p.on(tablet);
  return !e.loads || (r && r->leads() && term == p.published_term());
}

void Elections::term_pair_answered(Election& e, Participant& c, const Answer& answer) {
  if (!answer.ok()) {
    if (answer.answered() && answer.code == kTableIsNotExist) c.heard = Heard::kEmpty;
    again_at(e, outbox_.now + kProbeAgain);
    return;
  }
  if (!model_.partition(e.at)) return;  // decide() ends it.
  Partition& p = *model_.partition(e.at);
  if (!answer.has_table) {
    c.continuous = c.loaded = c.checked = false;
    if (e.loads && !c.unloadable) {
      again_at(e, outbox_.now + kProbeAgain);
    } else {
      c.heard = Heard::kEmpty;
    }
    return;
  }
  p.saw(answer.term);
  // Probes have terms of their own: that of a leader it has from the leader's entries.
  if (!c.said || may_have_been_led(e, answer.term)) c.said = answer.term;
  if (answer.is_leader) {
    const bool published = std::any_of(p.terms.begin(), p.terms.end(),
                                       [&](const TermPair& t) { return t.term == answer.term; });
    const Replica* r = replica(e, c.tablet);
    const bool told = r && r->in_doubt_term == answer.term;
    const auto before = told ? std::optional{r->in_doubt_offset} : std::nullopt;
    if (!published) note_led(e, c.tablet, {answer.term, before, true});
    if (told || has_served(e, c.tablet, answer.term)) c.served = true;
    c.asked = true;
    call(e, kDemote, c.tablet, Demote{e.at});
    return;
  }
  if (answer.term > kHighestTerm) {
    unfit(e, c,
          "says term " + std::to_string(answer.term) + ", which no election has ever reached");
    return;
  }
  if (answer.term > e.probe_term) {
    new_round(e);
    return;
  }
  // It was taken for dead while it was asked, and what was known of it forgotten: that it had to be
  // loaded, above all. Its term may be a predecessor's probe's and shows nothing (SAFETY 6).
  if ((e.loads || c.lost_since) && !c.continuous && !c.loaded) {
    ask(e, c);
    return;
  }
  if (answer.term == 0 && !c.continuous && !c.loaded) {
    begin_to_load(e);  // SAFETY 6: it was loaded and has not followed since.
    ask(e, c);
    return;
  }
  c.checked = true;
  if (!c.loaded) c.continuous = true;
  ask(e, c);
}

void Elections::demote_answered(Election& e, Participant& c, const Answer& answer) {
  if (answer.answered() && answer.code == kTableStatusIsNotNormal) {
    // A paused snapshot refuses this, too, and nobody else may be there to end the pause.
    c.asked = true;
    call(e, kRecoverToDemote, c.tablet, RecoverSnapshot{e.at});
    return;
  }
  const bool empty = answer.answered() && answer.code == kTableIsNotExist;
  if (!answer.ok() && !empty) {
    again_at(e, outbox_.now + kProbeAgain);
    return;
  }
  Replica* r = replica(e, c.tablet);
  if (r && r->in_doubt_term) {
    note_led(e, c.tablet, {*r->in_doubt_term, r->in_doubt_offset, false});
    r->in_doubt_term.reset();
  }
  if (empty) {  // Another process than the one that was told to lead; its log may hold that term.
    if (!e.loads) c.heard = Heard::kEmpty;
    again_at(e, outbox_.now + kProbeAgain);
    return;
  }
  c.demoted = true;
  // One that only may have led may have been loaded since.
  c.continuous = c.continuous || c.served;
  ask(e, c);
}

}  // namespace failoverd::core
