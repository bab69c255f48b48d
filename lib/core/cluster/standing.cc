#include "lib/core/cluster/standing.h"

#include <algorithm>

#include "lib/core/api/timing.h"

namespace failoverd::core {

bool answers_freshly(const Model& model, const Replica& r) {
  const Tablet& t = model.tablet(r.tablet);
  const bool answers = t.verdict.state == TabletState::kHealthy ||
                       t.verdict.state == TabletState::kCutOff ||
                       t.verdict.state == TabletState::kRestarted;
  return answers && t.report_fresh && r.report.asked_at;
}

bool may_be_loaded(const Model& model, const Replica& r) {
  return model.tablet(r.tablet).znode_vouches() && r.report.other.empty();
}

bool stands_still(const Replica& leader, const Replica& follower) {
  const ReplicaReport& l = leader.report;
  const ReplicaReport& f = follower.report;
  if (!l.held || !f.held || f.offset >= l.offset || !f.asked_at) return false;
  if (*f.asked_at <= follower.row_since) return false;
  // It is behind and has not moved, while its leader went on, or since its leader stopped.
  const bool leader_went_on = l.offset_changed_at > f.offset_changed_at + kStandsStillFor;
  const bool leader_stopped =
      *f.asked_at > std::max(l.offset_changed_at, f.offset_changed_at) + kStandsStillFor;
  return leader_went_on || leader_stopped;
}

bool is_ahead(const Replica& leader, const Replica& follower) {
  const ReplicaReport& l = leader.report;
  const ReplicaReport& f = follower.report;
  const bool both = l.held && l.mode == Mode::kLeader && is_loaded(l.state) && f.held &&
                    f.mode == Mode::kFollower && is_loaded(f.state);
  if (!both || !l.heard_at || !f.said_at || *f.heard_at <= follower.row_since) return false;
  return *l.heard_at >= *f.said_at && *l.heard_at > leader.row_since && f.offset > l.offset;
}

Standing standing(const Model& model, const Replica& r) {
  const Tablet& t = model.tablet(r.tablet);
  if (t.verdict.dead()) return Standing::kGone;
  if (!answers_freshly(model, r)) return Standing::kUnclear;
  if (r.report.held) {
    // What a connection of its own brought is no word of who is at the other end of ours.
    const bool untold = t.identity == Identity::kUntold && !t.znode_vouches();
    return is_loaded(r.report.state) && !untold ? Standing::kServes : Standing::kUnclear;
  }
  return *r.report.asked_at > r.row_since ? Standing::kGone : Standing::kUnclear;
}

bool has_returned(const Model& model, const Partition& p, const Replica& r) {
  if (!answers_freshly(model, r) || !may_be_loaded(model, r) || r.question_open) return false;
  if (p.replicas.size() == 1) {
    const bool leads = r.report.held && r.report.mode == Mode::kLeader;
    return *r.report.asked_at > r.row_since && (!r.is_alive || !leads);
  }
  const bool leads = r.report.held && r.report.mode == Mode::kLeader;
  return !r.is_alive && !leads && !r.in_doubt_term;
}

bool has_candidate(const Model& model, const Partition& p) {
  return std::any_of(p.replicas.begin(), p.replicas.end(), [&](const Replica& r) {
    return r.is_alive && standing(model, r) == Standing::kServes;
  });
}

std::vector<TabletIndex> rows_that_lie(const Model& model, PartitionKey at, const Partition& p) {
  if (p.replicas.size() < 2 || p.leader()) return {};
  // The published term whose leader it is known to have followed last; 0: not known.
  const auto followed = [&](const Replica& r) -> Term {
    const Lineage* kept = model.kept(at, model.tablet(r.tablet).endpoint);
    return kept && !kept->or_later ? kept->followed : 0;
  };
  Term latest = 0;
  bool any_alive = false;
  bool any_unknown = false;
  for (const Replica& r : p.replicas) {
    latest = std::max(latest, followed(r));
    any_alive = any_alive || r.is_alive;
    any_unknown = any_unknown || followed(r) == 0;
  }
  if (any_unknown) latest = p.published_term();
  std::vector<TabletIndex> rows;
  int led = 0;  // Rows of those that may have led last.
  for (const Replica& r : p.replicas) {
    const bool is_stale = followed(r) != 0 && followed(r) < latest;
    led += r.is_leader && !is_stale ? 1 : 0;
    const bool is_last_leader = r.is_leader && followed(r) == 0;
    if (!r.is_alive && (any_alive ? is_last_leader : !is_stale)) rows.push_back(r.tablet);
  }
  // The log of one that led before another parts from that one's, and may be longer.
  return led > 1 ? std::vector<TabletIndex>{} : rows;
}

}  // namespace failoverd::core
