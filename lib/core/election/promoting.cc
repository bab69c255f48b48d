// Elections: the winner is promoted, the result published.
#include <algorithm>

#include "lib/base/check.h"
#include "lib/core/api/timing.h"
#include "lib/core/cluster/standing.h"
#include "lib/core/election/elections.h"

namespace failoverd::core {
namespace {

// "12.345"
std::string in_milliseconds(Duration d) {
  const auto us = d.count();
  return std::to_string(us / 1000) + "." + std::to_string(us % 1000 + 1000).substr(1);
}

// Of whom the most is lost. What the others held of it is a part of that.
auto most_of(const std::vector<Hold::Lost>& lost) {
  return std::max_element(lost.begin(), lost.end(),
                          [](const auto& a, const auto& b) { return a.entries < b.entries; });
}

}  // namespace

void Elections::promote(Election& e, TabletIndex winner) {
  CHECK(e.candidate(winner));
  CHECK(e.lead_term > e.probe_term);
  CHECK(!model_.tablet(winner).verdict.dead());
  phase(e, Phase::kPromoting, Task::kChangeLeader);
  e.winner = winner;
  e.winner_offset = e.candidate(winner)->offset;
  e.winner_by_hand = !vouches(e, winner);
  if (e.winner_by_hand) e.agreed = known_to_agree(e, *e.candidate(winner));
  e.binlog_from.reset();
  const bool one_lags = std::ranges::any_of(e.candidates(), [&](const Participant& c) {
    return c.offset < e.winner_offset && follows(e, c);
  });
  if (!one_lags || e.dead_stand) return lead(e);
  const ReplyTo reply_to{ReplyTo::Owner::kElections, e.op, kManifest | e.round << 8, winner, {}};
  outbox_.call(reply_to, name(winner), GetManifest{e.at}, kGrace);
}

// A leader sends from its oldest entry on to whom its binlog does not reach, and OpenMLDB's
// followers take entries behind a gap: nobody ever sees it (FEDB.md 8). Where it does not say soon
// how far that reaches, nobody follows from behind: to bring one back costs moments.
void Elections::manifest_answered(Election& e, const Answer& answer) {
  if (e.phase != Phase::kPromoting) return;
  if (model_.tablet(e.winner).verdict.dead()) return new_round(e);
  e.binlog_from = answer.ok() ? answer.offset : e.winner_offset;
  lead(e);
}

void Elections::lead(Election& e) {
  const TabletIndex winner = e.winner;
  Partition* known = model_.partition(e.at);
  if (!known) return gone(e.op, "the partition is gone");
  Partition& p = *known;
  p.saw(e.lead_term);
  Promote promote{e.at, e.lead_term, {}};
  for (Participant& c : e.candidates()) {  // SAFETY 2: nobody else may follow.
    c.sent_to = c.tablet != winner && !e.dead_stand && follows(e, c);
    if (c.sent_to) promote.replicas.push_back(name(c.tablet));
  }
  ++model_.tablet(winner).leaders;
  records_.may_lead(e.at, {name(winner), e.lead_term, known_before(e)});
  call(e, kPromote, winner, std::move(promote));
}

void Elections::promote_answered(Election& e, const Answer& answer) {
  if (e.phase != Phase::kPromoting) return;
  if (answer.ok()) {
    promotion_is_done(e);
    return;
  }
  --model_.tablet(e.winner).leaders;
  if (answer.answered()) {
    if (answer.code == kTableStatusIsNotNormal) {
      not_normal(e);
    } else if (answer.code == kTableIsLeader) {
      call(e, kPromoteCheck, e.winner, GetTermPair{e.at});
    } else {
      says(e, name(e.winner) + " would not lead: code " + std::to_string(answer.code) + " " +
                  answer.text);
      promote_later(e);
    }
    return;
  }
  if (answer.never_sent()) {
    says(e, name(e.winner) + " could not be told to lead: " + answer.text);
    promote_later(e);  // Certainly not carried out.
    return;
  }
  // SAFETY 5, 17: it may lead now, or later. Ask it, do not repeat; among equals another comes
  // first.
  ++e.of(e.winner).refused_to_lead;
  if (Replica* r = replica(e, e.winner)) {
    r->in_doubt_term = e.lead_term;
    r->in_doubt_offset = known_before(e);
  }
  outbox_.note(Severity::kWarning, "failover",
               name(e.winner) + " was told to lead " + model_.name_of(e.at) + " with term " +
                   std::to_string(e.lead_term) + " and did not answer: it may lead",
               {{"tablet", name(e.winner)}, {"partition", model_.name_of(e.at)}});
  call(e, kPromoteCheck, e.winner, GetTermPair{e.at});
}

void Elections::promote_later(Election& e) {
  // A snapshot that is being made takes its time: asked less and less often, up to once a second.
  const int refused = std::min(e.of(e.winner).refused_to_lead, 5);
  const Duration wait = std::min<Duration>(kPromoteAgain * (1 << refused), kPromoteAgainAtMost);
  e.try_again = outbox_.now + wait;
  again_at(e, *e.try_again);
}

void Elections::promote_checked(Election& e, const Answer& answer) {
  if (e.phase != Phase::kPromoting) return;
  Replica* r = replica(e, e.winner);
  if (answer.ok() && answer.is_leader && answer.term == e.lead_term) {
    if (r) r->in_doubt_term.reset();
    ++model_.tablet(e.winner).leaders;
    promotion_is_done(e);
    return;
  }
  new_round(e);
}

// SAFETY 7: a snapshot is being made, or paused. An equal one instead, if there is one
// (choose_winner); else end the pause, or wait until the snapshot is made; never a lower offset for
// impatience.
void Elections::not_normal(Election& e) {
  ++e.of(e.winner).refused_to_lead;
  const bool equal = std::ranges::any_of(e.candidates(), [&](const Participant& c) {
    return c.tablet != e.winner && c.heard == Heard::kOffset && c.offset == e.winner_offset &&
           c.refused_to_lead == 0;
  });
  if (equal) {
    new_round(e);
    return;
  }
  says(e, name(e.winner) + " would not lead: a snapshot is paused or being made (105)");
  call(e, kRecoverSnapshot, e.winner, RecoverSnapshot{e.at});
}

void Elections::promotion_is_done(Election& e) {
  phase(e, Phase::kPublishing, Task::kUpdateLeaderInfo);
  e.promoted = outbox_.now;
  publisher_.want(e.op, e.at, *this, Publisher::Urgency::kClientsWait);
}

// SAFETY 5: its ChangeRole(leader) was never answered and may still be carried out: its row dies.
bool Elections::may_lead_yet(const Election& e, TabletIndex tablet) {
  return std::ranges::any_of(e.of(tablet).led, [](const Led& l) { return !l.carried_out; });
}

bool Elections::may_have_led(const Election& e, const Participant& c) {
  return e.unrecorded && c.loaded;
}

bool Elections::winner_may_have_led(const Election& e) {
  return std::ranges::any_of(e.candidates(), [&](const Participant& c) {
    return c.tablet == e.winner && may_have_led(e, c);
  });
}

// Whether its log holds entries of this term, which is not published. None: it was not asked whom
// it followed before it was probed, or it had to be loaded and does not know.
std::optional<bool> Elections::has_term(const Election& e, TabletIndex tablet, Term term) {
  if (e.of(tablet).has_led(term)) return true;
  const auto said = e.of(tablet).said;
  if (!said || *said == 0) return std::nullopt;
  // A probe has raised it since, or a later leader: whom it followed before it does not say.
  if (*said > term) return std::nullopt;
  return *said == term;
}

// Where somebody led with a term that is not published, the logs part at its beginning: beyond it
// only those agree that have it both, or have it both not.
bool Elections::agrees_with_winner(const Election& e, const Participant& c) const {
  const Partition& p = *model_.partition(e.at);
  const auto agrees = [&](Term term, Offset before) {
    if (term <= p.published_term() || c.offset <= before) return true;
    const auto its = has_term(e, c.tablet, term);
    return its && its == has_term(e, e.winner, term);
  };
  for (const auto& [tablet, participant] : e.participants) {
    for (const Led& l : participant.led) {
      if (!agrees(l.term, l.before.value_or(0))) return false;
    }
  }
  // Also one that is gone and never said whether it led.
  return std::all_of(p.replicas.begin(), p.replicas.end(), [&](const Replica& r) {
    return !r.in_doubt_term || agrees(*r.in_doubt_term, r.in_doubt_offset);
  });
}

// Up to where others' logs are known to agree with the winner's; nowhere, where it may have led
// before with a term that nobody recorded (SAFETY 8), or nobody knows whom it followed last.
Offset Elections::known_before(const Election& e) {
  if (winner_may_have_led(e)) return 0;
  return e.is_winner_doubtful() ? e.agreed.value_or(0) : e.winner_offset;
}

// So much of the partition's history the winner holds, as far as anybody can tell.
Offset Elections::kept_of_history(const Election& e) {
  return e.is_winner_doubtful() ? e.agreed.value_or(e.winner_offset) : e.winner_offset;
}

// SAFETY 2: it has answered, and its log is a prefix of the winner's, whose binlog goes on there.
// Of one whose row is alive by an operator's word only nobody knows that, whoever wins.
bool Elections::follows(const Election& e, const Participant& c) const {
  if (e.binlog_from && c.offset < *e.binlog_from) return false;
  return c.heard == Heard::kOffset && !e.winner_by_hand && vouches(e, c.tablet) &&
         !may_lead_yet(e, c.tablet) && !may_have_led(e, c) && !leads_since_probed(e, c) &&
         agrees_with_winner(e, c);
}

std::vector<TermPair> Elections::terms_to_publish(const Election& e, const Partition& p) const {
  // SAFETY 8: its log may hold a term of which nobody knows where it began.
  if (winner_may_have_led(e) || (e.is_winner_doubtful() && !e.agreed)) return {{e.lead_term, 0}};
  // Terms that others led and nobody published: the winner may have followed them.
  std::vector<Led> unpublished;
  for (const auto& [tablet, participant] : e.participants) {
    unpublished.insert(unpublished.end(), participant.led.begin(), participant.led.end());
  }
  for (const Replica& r : p.replicas) {
    if (r.in_doubt_term) unpublished.push_back({*r.in_doubt_term, r.in_doubt_offset});
  }
  std::vector<TermPair> pairs;
  const Offset first = kept_of_history(e) + 1;
  const Term last = p.published_term();
  for (const Led& l : unpublished) {
    if (l.term <= last || l.term >= e.lead_term) continue;
    // SAFETY 8: where that term began nobody knows, not even whether the winner had reached the
    // last one that is published: the lowest bound, so that no log of before is ever taken for a
    // prefix of this one.
    if (!l.before) return {{e.lead_term, 0}};
    if (*l.before < e.winner_offset) pairs.push_back({l.term, *l.before + 1});
  }
  std::sort(pairs.begin(), pairs.end(),
            [](const TermPair& a, const TermPair& b) { return a.term < b.term; });
  pairs.push_back({e.lead_term, first});
  return pairs;
}

// Whom it followed last; not known where it led, or may have, with a term that is not published.
Lineage Elections::lineage_of(const Election& e, const Partition& p, const Replica& r,
                              bool term_is_there) const {
  Lineage kept = model_.lineage_of(e.at, p, r);
  const Participant& its = e.of(r.tablet);
  const bool alone = !its.led.empty();
  const Participant* c = e.candidate(r.tablet);
  kept.or_later = (!r.vouches() && kept.or_later) || may_have_followed_unpublished(e, r.tablet);
  // One that nobody loaded may still have led, and restarted since.
  const bool unsure = (e.unrecorded && (!c || !c->continuous)) || (c && leads_since_probed(e, *c));
  if (term_is_there || alone || unsure) {
    kept.followed = 0;
  } else if (its.said && kept.followed != 0 && *its.said > kept.followed &&
             winner_has(e, *its.said)) {
    kept.followed = *its.said;  // It is published together with this.
  }
  return kept;
}

// Whether its log may hold entries of a term that somebody led and nobody published before, and is
// not known to: it did not answer, or does not know whom it followed.
bool Elections::may_have_followed_unpublished(const Election& e, TabletIndex tablet) const {
  const Partition& p = *model_.partition(e.at);
  const Participant* c = e.candidate(tablet);
  const auto may_hold = [&](Term term, Offset before) {
    const std::optional<bool> its = has_term(e, tablet, term);
    if (term <= p.published_term()) return false;
    if (its == true) return !has_term(e, e.winner, term);  // Nobody knows whether the winner does.
    // What it said once, and has not said again, is not the last that was sent to it.
    const bool answered = c && c->heard == Heard::kOffset;
    return !answered || (!its && c->offset > before);
  };
  const bool led = std::ranges::any_of(e.participants, [&](const auto& other) {
    return std::ranges::any_of(
        other.second.led, [&](const Led& l) { return may_hold(l.term, l.before.value_or(0)); });
  });
  return led || std::any_of(p.replicas.begin(), p.replicas.end(), [&](const Replica& r) {
           return r.in_doubt_term && may_hold(*r.in_doubt_term, r.in_doubt_offset);
         });
}

// Whether the winner's log holds this term, which somebody led from a known offset on and nobody
// published before: the winner led it itself, or followed it.
bool Elections::winner_has(const Election& e, Term term) const {
  const auto is_it = [&](const Led& l) { return l.term == term && l.before; };
  bool known = false;
  bool own = false;
  for (const auto& [tablet, participant] : e.participants) {
    const bool led = std::ranges::any_of(participant.led, is_it);
    known = known || led;
    own = own || (led && tablet == e.winner);
  }
  return known && (own || e.of(e.winner).said == term);
}

std::optional<PartitionEdit> Elections::edit(OpId op, const Partition& p) {
  Election* known = find(op);
  if (!known) return std::nullopt;  // It ended while its publish was under way.
  Election& e = *known;
  const Replica* winner = p.on(e.winner);
  const bool overtaken = std::any_of(p.terms.begin(), p.terms.end(), [&](const TermPair& t) {
    return t.term > e.lead_term;  // Somebody else published meanwhile: the history never goes back.
  });
  e.winner_gone = !winner || (!winner->is_alive && !e.dead_stand) || overtaken;
  if (e.winner_gone) return std::nullopt;
  const bool there = std::any_of(p.terms.begin(), p.terms.end(),
                                 [&](const TermPair& t) { return t.term == e.lead_term; });
  PartitionEdit edit;
  for (const Replica& r : p.replicas) {
    const Participant* c = e.candidate(r.tablet);
    // Until it is published more may become known of it, for it or against it.
    const bool goes_along = c && c->sent_to && follows(e, *c);
    RowEdit row{name(r.tablet), r.is_leader, r.is_alive};
    if (r.tablet == e.winner) {
      row.is_leader = row.is_alive = true;
    } else if (r.is_alive && goes_along) {
      row.is_leader = false;
    } else {
      row.is_alive = false;  // SAFETY 2: it did not answer this election's probe.
      if (r.is_alive) edit.kept.push_back(lineage_of(e, p, r, there));
    }
    const Lineage* kept = row.is_alive ? model_.kept(e.at, row.endpoint) : nullptr;
    if (kept)
      edit.kept.push_back({row.endpoint, e.lead_term, {}, false});  // From here on it follows that.
    const bool differs = row.is_leader != r.is_leader || row.is_alive != r.is_alive;
    if (differs || r.stepping_down) edit.rows.push_back(row);
  }
  if (!there) edit.terms = terms_to_publish(e, p);
  if (edit.rows.empty() && edit.terms.empty()) return std::nullopt;
  return edit;
}

void Elections::published(OpId op) {
  Election* e = find(op);
  if (!e) return;
  if (e->winner_gone) {
    new_round(*e);
    return;
  }
  const Duration elect = e->promoted - e->began;
  const Duration publish = outbox_.now - e->promoted;
  const Duration total = e->detect + elect + publish;
  const CountFailover took{e->at, e->detect, elect, publish, total, possible_loss(*e)};
  if (!e->handed) outbox_.out.emplace_back(took);
  if (!e->given_up.empty()) {
    outbox_.out.emplace_back(EntriesGivenUp{e->at, most_of(e->given_up)->entries});
  }
  if (OpRecord* record = ops_.find(op)) {
    const Instant since =
        e->handed && e->handed->flipped ? *e->handed->flipped : e->began - e->detect;
    record->without_leader = outbox_.now - since;
    record->may_have_lost = may_have_lost(*e);
    record->loss_is_exact = e->given_up.empty() && !e->dead_stand && lost_nothing(*e);
  }
  note_leader(*e, took);
  if (Partition* p = model_.partition(e->at)) {
    p->unfinished_term.reset();
    p->unfinished_restart = false;
    // Also where the rows stay what they were: what was said before its promotion does not count.
    for (Replica& r : p->replicas) {
      r.row_since = outbox_.now;
      if (r.tablet == e->winner) {  // Whatever it had: it leads with what it has.
        r.report.had.reset();
        r.stuck.reset();
      }
      r.detached = !r.is_alive && !e->of(r.tablet).sent_to;
    }
  }
  records_.done(e->at);
  const bool leads_again = e->handed && e->handed->from == e->winner;
  end(op, leads_again ? OpStatus::kFailed : OpStatus::kDone,
      std::string{leads_again ? "nobody else held as much: " : ""} + name(e->winner) +
          " leads with term " + std::to_string(e->lead_term) + " from offset " +
          std::to_string(e->winner_offset + 1) + loss_text(*e));
}

// What the old leader was last heard to hold, and the new one does not. What it took since then
// nobody knows.
std::optional<std::uint64_t> Elections::possible_loss(const Election& e) {
  if (!e.leader_offset) return std::nullopt;
  const Offset kept = kept_of_history(e);
  return *e.leader_offset > kept ? *e.leader_offset - kept : 0;
}

// The old leader of a handover said itself that it holds no more.
bool Elections::lost_nothing(const Election& e) {
  const auto old = e.handed ? e.participants.find(e.handed->from) : e.participants.end();
  return old != e.participants.end() && old->second.heard == Heard::kOffset &&
         old->second.offset <= e.winner_offset;
}

std::optional<std::uint64_t> Elections::may_have_lost(const Election& e) {
  if (!e.given_up.empty()) return most_of(e.given_up)->entries;
  if (e.dead_stand) return std::nullopt;  // Nobody knows what they took since they were last heard.
  return lost_nothing(e) ? std::optional<std::uint64_t>{0} : possible_loss(e);
}

std::string Elections::loss_text(const Election& e) const {
  if (!e.given_up.empty()) {
    const Hold::Lost& most = *most_of(e.given_up);
    return "; may have lost at least " + std::to_string(most.entries) + " entries, which " +
           most.tablet + " was last known to hold";
  }
  if (e.dead_stand)
    return "; what alive rows' replicas took since they were last heard is given up";
  if (lost_nothing(e)) return "; no entry is lost";
  const auto loss = possible_loss(e);
  if (!loss) return "; the old leader was never heard";
  const Duration age = e.began - e.leader_asked_at;
  const std::string known =
      *loss == 0 ? "no loss known" : "may have lost at least " + std::to_string(*loss) + " entries";
  return "; " + known + ", sample " + std::to_string(age / std::chrono::milliseconds{1}) +
         " ms old";
}

// The end of the story that the op's first note began; with the times, for who looks back at it.
void Elections::note_leader(const Election& e, const CountFailover& took) {
  const OpRecord& op = *ops_.find(e.op);
  const std::string pid = std::to_string(e.at.pid);
  const std::string term = std::to_string(e.lead_term);
  outbox_.note(Severity::kInfo, "failover",
               name(e.winner) + " leads " + partition_name(op.db, op.table, e.at.pid) +
                   " with term " + term + " from offset " + std::to_string(e.winner_offset + 1) +
                   loss_text(e),
               {{"op_id", std::to_string(e.op)},
                {"table", op.table},
                {"pid", pid},
                {"tablet", name(e.winner)},
                {"term", term},
                {"detect_ms", in_milliseconds(took.detect)},
                {"elect_ms", in_milliseconds(took.elect)},
                {"publish_ms", in_milliseconds(took.publish)}});
}

void Elections::gone(OpId op, const std::string& why) {
  const Election* e = find(op);
  if (!e) return;
  const Partition* p = model_.partition(e->at);
  // SAFETY 3: what a predecessor began is still to be finished, here or by a successor.
  const bool unfinished = p && p->unfinished_term && p->replicas.size() > 1;
  if (!unfinished) records_.done(e->at);
  end(op, OpStatus::kCanceled, why);
}

void Elections::end(OpId op, OpStatus status, const std::string& how) {
  Election& e = *find(op);
  if (e.phase == Phase::kPromoting) --promoting_;
  const PartitionKey at = e.at;
  const auto took = outbox_.now - e.began;
  ops_.end(op, status, outbox_.now, how);
  outbox_.out.emplace_back(CountOp{op, e.type, status, took});
  journal_.finished(ops_.ended().back());
  of_partition_.erase(at);
  elections_.erase(op);
  if (Partition* p = model_.partition(at)) p->op = 0;
  ended.push_back(at);
}

}  // namespace failoverd::core
