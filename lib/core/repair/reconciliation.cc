#include "lib/core/repair/reconciliation.h"

#include "lib/core/api/timing.h"
#include "lib/core/cluster/standing.h"
#include "lib/core/repair/treatments.h"

namespace failoverd::core {
namespace {

enum What : std::uint32_t {
  // A rival, by its tablet's word.
  kDoesItLead,
  kDemote,
  kEndItsPause,
  // An alive follower that stands still.
  kItsTerm,
  kIsItSentTo,
  kLeadersManifest,
  // A replica whose row is dead.
  kIsDeadSentTo,
  kLetGo,
};

}  // namespace

void Reconciliation::ask(PartitionKey at, Replica& about, std::uint32_t what, TabletIndex whom,
                         Call call, Duration at_most) {
  about.question_open = true;
  outbox_.call({ReplyTo::Owner::kReconciliation, packed(at), what, about.tablet, {}},
               model_.tablet(whom).endpoint, std::move(call), at_most);
}

void Reconciliation::look(PartitionKey at, Partition& p) {
  const Replica* leader = p.leader();
  if (!leader || !stand_back_.may_change()) return;
  const OpRecord* op = p.op == 0 ? nullptr : ops_.find(p.op);
  const bool elects = op && is_election(op->type);  // It sees to its own.
  const bool is_nameservers = nameserver_works_on(at);
  for (Replica& r : p.replicas) {
    if (r.question_open) continue;
    if (!op && is_left_paused(at, p, r)) {
      ask(at, r, kEndItsPause, r.tablet, RecoverSnapshot{at}, kReconcileAtMost);
      continue;
    }
    if (&r == leader) continue;
    if (r.is_alive && r.diverged && operations_.sets_dead(at, r.tablet)) continue;
    // It sees to those that may win it. It may wait for long, and an old leader whose row is dead
    // would go on sending to who loads meanwhile.
    const bool sees_to_it = elects && (r.is_alive || elections_.dead_rows_stand(at));
    const bool may = automation_.acts_on(at) || (r.ordered_back && !r.is_alive);
    if (r.is_alive && is_nameservers) continue;  // It elects, perhaps.
    if (may && !sees_to_it && leads_beside(at, r)) {
      const bool ask_first = r.is_alive && !r.in_doubt_term;
      ask_first ? ask(at, r, kDoesItLead, r.tablet, GetTermPair{at}, kReconcileAtMost)
                : ask(at, r, kDemote, r.tablet, Demote{at}, kJoinsAReplica);
    } else if (!op && r.is_alive && stands_still(*leader, r)) {
      ask(at, r, kItsTerm, r.tablet, GetTermPair{at}, kReconcileAtMost);
    } else if (is_let_go(at, p, r) && !op && !r.detached &&
               standing(model_, *leader) == Standing::kServes) {
      ask(at, r, kIsDeadSentTo, leader->tablet, GetTableFollower{at}, kReconcileAtMost);
    }
  }
}

// Its leader is to send to it no more: its row is dead, and nobody brings it back yet. That of a
// tablet that an operator has taken offline is so with the switch off, too: kOfflineReplicaOP has
// no entry in the journal, and whoever dies between its publish and its DelReplica leaves that to
// be seen to here (SAFETY 11).
bool Reconciliation::is_let_go(PartitionKey at, const Partition& p, const Replica& r) const {
  if (r.is_alive || r.ordered_back || nameserver_works_on(at)) return false;
  if (automation_.is_offline(r.tablet)) return true;
  return automation_.acts_on(at) && !has_returned(model_, p, r);
}

// SAFETY 13: a living nameserver's own op pauses, and adds replicas at the leader before their rows
// are alive, or there at all.
bool Reconciliation::nameserver_works_on(PartitionKey at) const {
  return stand_back_.nameserver_op(model_.table(at.tid)->shape, at.pid) != nullptr;
}

// SAFETY 11: a PauseSnapshot of ours that was carried out after its op had ended, and ended what it
// knew of. Nobody else would ever end it.
bool Reconciliation::is_left_paused(PartitionKey at, const Partition& p, const Replica& r) const {
  if (!p.pause_ended || outbox_.now - *p.pause_ended > kOurPauseFor) return false;
  if (nameserver_works_on(at)) return false;
  return !copies_.waits(at) && r.report.held && r.report.state == TableState::kSnapshotPaused &&
         r.report.asked_at && *r.report.asked_at > *p.pause_ended;
}

// It leads beside its leader, or may; it answers, and is known to be ours (SAFETY 21).
bool Reconciliation::leads_beside(PartitionKey at, const Replica& r) const {
  const Tablet& t = model_.tablet(r.tablet);
  const bool answers =
      t.evidence.ever_answered && !t.evidence.refused_first && !t.verdict.dead() && t.report_fresh;
  const bool leads = r.report.held && r.report.mode == Mode::kLeader;
  return answers && (leads || r.in_doubt_term) && !outbox_.why_not_told(t.endpoint, Demote{at});
}

void Reconciliation::answered(const ReplyTo& reply_to, const Answer& answer) {
  const PartitionKey at = unpacked(reply_to.key);
  Partition* p = model_.partition(at);
  Replica* r = p ? p->on(reply_to.tablet) : nullptr;
  if (!r) return;
  r->question_open = false;
  switch (reply_to.what) {
    case kDoesItLead:
      if (answer.ok() && answer.is_leader) rival_leads(at, *p, *r, answer.term);
      return;
    case kDemote:
      rival_was_told(at, *r, answer);
      return;
    case kItsTerm:
      if (!answer.ok() || !answer.has_table) return;
      // One that leads is no follower that stands still: what is done about a rival waits for the
      // switch (SAFETY 8).
      if (answer.is_leader) {
        rival_leads(at, *p, *r, answer.term);
      } else {
        still_follower_said_its_term(at, *p, *r, answer.term);
      }
      return;
    case kIsItSentTo:
    case kLeadersManifest:
      leader_of_still_follower_said(at, *p, *r, reply_to.what, answer);
      return;
    case kIsDeadSentTo:
      leader_of_dead_said(at, *p, *r, answer);
      return;
    case kLetGo:
      r->detached = answer.ok();
      return;
    default:  // kEndItsPause: the tablet's next word brings us here again.
      return;
  }
}

// --- Rivals --------------------------------------------------------------------------------------

void Reconciliation::rival_leads(PartitionKey at, Partition& p, Replica& r, Term term) {
  p.saw(term);
  changed.insert(at);
  if (term > kHighestTerm) return;  // Damage, that no election can outbid (SAFETY 16).
  // The switch went off while it was asked: whoever looks when it is on again asks again (SAFETY
  // 8).
  if (!automation_.acts_on(at) || nameserver_works_on(at)) return;
  if (term > p.published_term()) {
    // It leads with a term that nobody published: an election that was not finished (SAFETY 8).
    p.unfinished_term = term;
    return;
  }
  if (!stand_back_.may_change()) return;
  r.diverged = r.is_alive;  // It has taken rows that nobody else has, perhaps (SAFETY 2).
  // Its row dies first, so that a successor knows; another op on the partition is not waited for.
  const bool is_left_alone =
      model_.table(at.tid)->refusal.has_value() || automation_.held(at, r.tablet);
  if (r.diverged && p.op == 0 && !in_back_off(model_, r, outbox_.now) && !is_left_alone) return;
  ask(at, r, kDemote, r.tablet, Demote{at}, kJoinsAReplica);
}

void Reconciliation::rival_was_told(PartitionKey at, Replica& r, const Answer& answer) {
  if (answer.says(kTableStatusIsNotNormal)) {
    // A paused snapshot refuses this, too, and nobody else may be there to end the pause.
    if (!may_act(at)) return;
    ask(at, r, kEndItsPause, r.tablet, RecoverSnapshot{at}, kReconcileAtMost);
    return;
  }
  if (!answer.ok() && !answer.says(kTableIsNotExist)) return;  // Its next word brings us here.
  r.in_doubt_term.reset();
  r.report.mode = Mode::kFollower;
  if (!answer.ok()) return;
  const Endpoint& endpoint = model_.tablet(r.tablet).endpoint;
  outbox_.note(Severity::kInfo, "failover",
               endpoint + " led " + model_.name_of(at) + " and was told to follow",
               {{"tablet", endpoint}, {"partition", model_.name_of(at)}});
}

// --- Followers that stand still ------------------------------------------------------------------

// A term above the published one has fenced its leader: somebody began an election and nobody
// remembers it.
void Reconciliation::still_follower_said_its_term(PartitionKey at, Partition& p, Replica& r,
                                                  Term term) {
  p.saw(term);
  const Replica* leader = p.leader();
  if (term > kHighestTerm) return;  // Damage, that no election can outbid (SAFETY 16).
  if (nameserver_works_on(at)) return;
  if (p.published_term() == 0 || term <= p.published_term()) {
    if (leader && leader != &r) {
      ask(at, r, kIsItSentTo, leader->tablet, GetTableFollower{at}, kReconcileAtMost);
    }
    return;
  }
  const Endpoint& endpoint = model_.tablet(r.tablet).endpoint;
  outbox_.note(Severity::kError, "failover",
               endpoint + " has term " + std::to_string(term) + " for " + model_.name_of(at) +
                   ", above its leader's: the leader is fenced, and is elected anew",
               {{"tablet", endpoint}, {"partition", model_.name_of(at)}});
  p.unfinished_term = term;
  changed.insert(at);
}

// Its leader does not send to it, or has nothing to send that continues its log, or nothing comes
// whatever the reason: it is recovered.
void Reconciliation::leader_of_still_follower_said(PartitionKey at, Partition& p, Replica& r,
                                                   std::uint32_t what, const Answer& answer) {
  const Replica* leader = p.leader();
  if (!leader || leader == &r || !stands_still(*leader, r)) return;
  if (what == kIsItSentTo) {
    if (!answer.tells_followers()) return;
    r.not_replicated = !answer.sends_to(model_.tablet(r.tablet).endpoint);
    if (!r.not_replicated)
      ask(at, r, kLeadersManifest, leader->tablet, GetManifest{at}, kReconcileAtMost);
  } else {
    const bool behind = answer.ok() && r.report.offset < answer.offset;
    r.not_replicated = behind || outbox_.now - r.report.offset_changed_at > kStuckForGood;
  }
  if (r.not_replicated) changed.insert(at);
}

// --- The dead ------------------------------------------------------------------------------------

// Who set its row dead did not live to tell the leader. What it sends to keeps its binlog from
// being deleted, for ever.
void Reconciliation::leader_of_dead_said(PartitionKey at, Partition& p, Replica& r,
                                         const Answer& answer) {
  if (!answer.tells_followers() || r.is_alive) return;
  const Endpoint& endpoint = model_.tablet(r.tablet).endpoint;
  r.detached = !answer.sends_to(endpoint);
  const Replica* leader = p.leader();
  const bool may = stand_back_.may_change() && is_let_go(at, p, r);
  if (r.detached || !leader || p.op != 0 || !may) return;
  ask(at, r, kLetGo, leader->tablet, DelReplica{at, endpoint}, kJoinsAReplica);
}

}  // namespace failoverd::core
