// Demotion (SAFETY 5, 8): whoever leads and is not the published leader is told to follow, at once
// after the publish, before any queue, delay or hold.
#include <algorithm>

#include "lib/core/diagnosis.h"
#include "lib/core/rooms.h"

namespace failoverd::core {
namespace {

enum What : std::uint32_t {
  kTermPairOfPretender,
  kTermPairOfFollower,
  kFollowersOfLeader,
  kManifestOfLeader,
  kFollowersForDead,
  kLetGo,
  kDemotePretender,
  kRecoverPretender
};

constexpr Duration kStuckForGood = std::chrono::seconds{30};
constexpr Duration kDemoteAtMost =
    std::chrono::seconds{25};  // Joins a hung follower (FEDB.md 3.2).

}  // namespace

void Brain::Rooms::demote_pretenders(PartitionKey at, Partition& p) {
  const OpRecord* op = p.op == 0 ? nullptr : ops.find(p.op);
  const bool election =
      op && (op->type == OpType::kChangeLeaderOP || op->type == OpType::kFullRestartOP);
  if (election) return;  // It sees to its own.
  const Replica* leader = p.leader();
  if (!leader || !auto_failover || !may_change()) return;
  for (Replica& r : p.replicas) {
    if (&r == leader || r.demoting) continue;
    const Tablet& t = model.tablet(r.tablet);
    const bool answers =
        t.evidence.ever_answered && !t.evidence.refused_first && !t.verdict.dead() && t.word_fresh;
    const bool leads = r.word.held && r.word.mode == Mode::kLeader;
    if (!answers || (!leads && !r.may_lead_term)) continue;
    r.demoting = true;
    const std::uint64_t key = std::uint64_t{at.tid} << 32 | at.pid;
    if (r.may_lead_term || !r.is_alive) {
      desk.call({Route::Owner::kDemotions, key, kDemotePretender, r.tablet, {}}, t.endpoint,
                Demote{at}, kDemoteAtMost);
    } else {
      desk.call({Route::Owner::kDemotions, key, kTermPairOfPretender, r.tablet, {}}, t.endpoint,
                GetTermPair{at}, std::chrono::seconds{1});
    }
  }
}

// A follower whose term is above the published one has fenced its leader: somebody began an
// election and nobody remembers it.
void Brain::Rooms::ask_those_that_stand_still(PartitionKey at, Partition& p) {
  if (p.op != 0 || !may_change()) return;
  const Replica* leader = p.leader();
  for (Replica& r : p.replicas) {
    if (!leader || &r == leader || !r.is_alive || r.demoting || !stands_still(*leader, r)) continue;
    r.demoting = true;
    const std::uint64_t key = std::uint64_t{at.tid} << 32 | at.pid;
    desk.call({Route::Owner::kDemotions, key, kTermPairOfFollower, r.tablet, {}},
              model.tablet(r.tablet).endpoint, GetTermPair{at}, std::chrono::seconds{1});
  }
}

// A leader that still sends to a replica whose row is dead: who set it dead did not live to say so.
// What it is sent to keeps its binlog from being deleted, for ever (SAFETY 11).
void Brain::Rooms::let_go_of_the_dead(PartitionKey at, Partition& p) {
  const Replica* leader = p.leader();
  if (!leader || p.op != 0 || !auto_failover || !may_change()) return;
  if (standing(model, *leader) != Standing::kServes) return;
  for (Replica& r : p.replicas) {
    if (r.is_alive || r.let_go || r.demoting || has_returned(model, p, r)) continue;
    r.let_go = true;
    const std::uint64_t key = std::uint64_t{at.tid} << 32 | at.pid;
    desk.call({Route::Owner::kDemotions, key, kFollowersForDead, r.tablet, {}},
              model.tablet(leader->tablet).endpoint, GetTableFollower{at}, std::chrono::seconds{1});
  }
}

void Brain::Rooms::demotion_answered(const Route& route, const Answer& answer) {
  const PartitionKey at{static_cast<std::uint32_t>(route.key >> 32),
                        static_cast<std::uint32_t>(route.key)};
  Partition* p = model.partition(at);
  Replica* r = p ? p->on(route.tablet) : nullptr;
  if (!r) return;
  r->demoting = false;
  const Endpoint& endpoint = model.tablet(route.tablet).endpoint;
  if (route.what == kTermPairOfFollower) {
    if (!answer.ok() || !answer.has_table) return;
    p->seen_term = std::max(p->seen_term, answer.term);
    if (p->terms.empty() || answer.term <= p->terms.back().term) {
      const Replica* leader = p->leader();
      if (!leader || leader == r) return;
      r->demoting = true;
      desk.call({Route::Owner::kDemotions, route.key, kFollowersOfLeader, route.tablet, {}},
                model.tablet(leader->tablet).endpoint, GetTableFollower{at},
                std::chrono::seconds{1});
      return;
    }
    desk.note(Severity::kError, "failover",
              endpoint + " has term " + std::to_string(answer.term) + " for " + to_text(at) +
                  ", above its leader's: the leader is fenced, and is elected anew",
              {{"tablet", endpoint}, {"partition", to_text(at)}});
    p->begun_term = answer.term;
    dirty_.insert(at);
    return;
  }
  if (route.what == kFollowersOfLeader) {
    const bool sent_to =
        std::any_of(answer.followers.begin(), answer.followers.end(),
                    [&](const FollowerOffset& f) { return f.endpoint == endpoint; });
    if ((answer.ok() && !sent_to) || (answer.answered() && answer.code == kNoFollower)) {
      r->unsent = true;
      dirty_.insert(at);
    } else if (const Replica* leader = p->leader(); leader && leader != r && answer.ok()) {
      r->demoting = true;
      desk.call({Route::Owner::kDemotions, route.key, kManifestOfLeader, route.tablet, {}},
                model.tablet(leader->tablet).endpoint, GetManifest{at}, std::chrono::seconds{1});
    }
    return;
  }
  if (route.what == kManifestOfLeader) {
    // What it lacks its leader's binlog no longer holds; or nothing comes, whatever the reason.
    const Replica* leader = p->leader();
    const bool still = leader && leader != r && stands_still(*leader, *r);
    const bool behind = answer.ok() && r->word.offset < answer.offset;
    const bool long_since = desk.now - r->word.moved_at > kStuckForGood;
    if (still && (behind || long_since)) {
      r->unsent = true;
      dirty_.insert(at);
    }
    return;
  }
  if (route.what == kFollowersForDead) {
    const Replica* leader = p->leader();
    const bool listed =
        std::any_of(answer.followers.begin(), answer.followers.end(),
                    [&](const FollowerOffset& f) { return f.endpoint == endpoint; });
    if (!answer.answered()) r->let_go = false;
    if (!listed || r->is_alive || !leader || p->op != 0 || !may_change()) return;
    r->demoting = true;
    desk.call({Route::Owner::kDemotions, route.key, kLetGo, route.tablet, {}},
              model.tablet(leader->tablet).endpoint, DelReplica{at, endpoint}, kJoinsAReplica);
    return;
  }
  if (route.what == kLetGo) {
    if (!answer.ok()) r->let_go = false;
    return;
  }
  if (route.what == kTermPairOfPretender) {
    if (!answer.ok() || !answer.is_leader) return;
    p->seen_term = std::max(p->seen_term, answer.term);
    const bool above = p->terms.empty() || answer.term > p->terms.back().term;
    if (above) {
      // It leads with a term that nobody published: an election that was not finished (SAFETY 8).
      p->begun_term = answer.term;
      dirty_.insert(at);
      return;
    }
    if (!auto_failover || !may_change()) return;
    r->demoting = true;
    r->strayed = r->is_alive;  // It has taken rows that nobody else has, perhaps (SAFETY 2).
    dirty_.insert(at);
    desk.call({Route::Owner::kDemotions, route.key, kDemotePretender, route.tablet, {}}, endpoint,
              Demote{at}, kDemoteAtMost);
    return;
  }
  if (route.what == kRecoverPretender) return;  // Its next word brings us here again.
  if (answer.answered() && answer.code == kTableStatusIsNotNormal) {
    // A paused snapshot refuses this, too, and nobody else may be there to end the pause.
    if (!auto_failover || !may_change()) return;
    r->demoting = true;
    desk.call({Route::Owner::kDemotions, route.key, kRecoverPretender, route.tablet, {}}, endpoint,
              RecoverSnapshot{at}, std::chrono::seconds{1});
    return;
  }
  const bool empty = answer.answered() && answer.code == kTableIsNotExist;
  if (!answer.ok() && !empty) return;  // Its next word brings us here again.
  r->may_lead_term.reset();
  r->word.mode = Mode::kFollower;
  if (answer.ok()) {
    desk.note(Severity::kInfo, "failover",
              endpoint + " led " + to_text(at) + " and was told to follow",
              {{"tablet", endpoint}, {"partition", to_text(at)}});
  }
}

}  // namespace failoverd::core
