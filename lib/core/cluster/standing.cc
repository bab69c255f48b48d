#include "lib/core/cluster/standing.h"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "lib/core/api/timing.h"
#include "lib/core/cluster/relatives.h"

namespace failoverd::core {
namespace {

// How many of the partitions that belong beside it would be led by that tablet, too: those that are
// led there, and those that can go along.
std::pair<int, int> relatives_there(const Model& model, PartitionKey at, TabletIndex tablet) {
  const Replica* ours = model.partition(at)->leader();
  int led = 0;
  int go_along = 0;
  for (const PartitionKey key : relatives(model, at)) {
    const Partition& p = *model.partition(key);
    const Replica* leader = p.leader();
    if (!leader) continue;
    const Replica* r = p.on(tablet);
    const bool beside_ours = ours && leader->tablet == ours->tablet;
    if (leader->tablet == tablet) ++led;
    if (beside_ours && r && can_take_over(model, *r)) ++go_along;
  }
  return {led, go_along};
}

}  // namespace

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
  if (r.report.held && !r.report.had) {
    // What a connection of its own brought is no word of who is at the other end of ours.
    const bool untold = t.identity == Identity::kUntold && !t.znode_vouches();
    return is_loaded(r.report.state) && !untold ? Standing::kServes : Standing::kUnclear;
  }
  return *r.report.asked_at > r.row_since ? Standing::kGone : Standing::kUnclear;
}

bool has_returned(const Model& model, const Partition& p, const Replica& r) {
  if (!answers_freshly(model, r) || !may_be_loaded(model, r) || r.question_open) return false;
  const bool leads = r.report.held && r.report.mode == Mode::kLeader;
  if (p.replicas.size() == 1) {
    return *r.report.asked_at > r.row_since && (!r.is_alive || !leads);
  }
  return !r.is_alive && !leads && !r.in_doubt_term;
}

bool has_candidate(const Model& model, const Partition& p) {
  return std::any_of(p.replicas.begin(), p.replicas.end(), [&](const Replica& r) {
    return r.is_alive && standing(model, r) == Standing::kServes;
  });
}

bool can_take_over(const Model& model, const Replica& r) {
  return r.is_alive && r.vouches() && !r.leads() && standing(model, r) == Standing::kServes;
}

const Replica* best_to_take_over(const Model& model, PartitionKey at) {
  const Replica* leader = model.partition(at)->leader();
  const auto rank = [&](const Replica& r) {
    return std::tuple{!leader || !stands_still(*leader, r), relatives_there(model, at, r.tablet),
                      r.report.offset, -model.tablet(r.tablet).leaders};
  };
  std::optional<std::pair<decltype(rank(*leader)), const Replica*>> best;
  for (const Replica& r : model.partition(at)->replicas) {
    if (!can_take_over(model, r)) continue;
    const auto its = rank(r);
    if (!best || its > best->first) best = {its, &r};
  }
  return best ? best->second : nullptr;
}

}  // namespace failoverd::core
