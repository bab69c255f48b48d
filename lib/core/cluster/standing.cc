#include "lib/core/cluster/standing.h"

#include <algorithm>

namespace failoverd::core {

bool answers_freshly(const Model& model, const Replica& r) {
  const Tablet& t = model.tablet(r.tablet);
  const bool answers = t.verdict.state == TabletState::kHealthy ||
                       t.verdict.state == TabletState::kCutOff ||
                       t.verdict.state == TabletState::kRestarted;
  return answers && t.word_fresh && r.word.asked_at;
}

bool may_be_loaded(const Model& model, const Replica& r) {
  return model.tablet(r.tablet).znode_vouches() && r.word.other.empty();
}

bool stands_still(const Replica& leader, const Replica& follower) {
  constexpr Duration kLong = std::chrono::seconds{3};  // Some polls; a follower lags milliseconds.
  const Word& l = leader.word;
  const Word& f = follower.word;
  if (!l.held || !f.held || f.offset >= l.offset || !f.asked_at) return false;
  if (*f.asked_at <= follower.row_seen_at) return false;
  // It is behind and has not moved, while its leader went on, or since its leader stopped.
  const bool leader_went_on = l.moved_at > f.moved_at + kLong;
  const bool leader_stopped = *f.asked_at > std::max(l.moved_at, f.moved_at) + kLong;
  return leader_went_on || leader_stopped;
}

bool is_ahead(const Replica& leader, const Replica& follower) {
  const Word& l = leader.word;
  const Word& f = follower.word;
  const bool both = l.held && l.mode == Mode::kLeader && is_loaded(l.state) && f.held &&
                    f.mode == Mode::kFollower && is_loaded(f.state);
  if (!both || !l.heard_at || !f.said_at || *f.heard_at <= follower.row_seen_at) return false;
  return *l.heard_at >= *f.said_at && *l.heard_at > leader.row_seen_at && f.offset > l.offset;
}

Standing standing(const Model& model, const Replica& r) {
  const Tablet& t = model.tablet(r.tablet);
  if (t.verdict.dead()) return Standing::kGone;
  if (!answers_freshly(model, r)) return Standing::kUnclear;
  if (r.word.held) {
    return is_loaded(r.word.state) ? Standing::kServes : Standing::kUnclear;
  }
  return *r.word.asked_at > r.row_seen_at ? Standing::kGone : Standing::kUnclear;
}

bool has_returned(const Model& model, const Partition& p, const Replica& r) {
  if (!answers_freshly(model, r) || !may_be_loaded(model, r) || r.asked_about) return false;
  if (p.replicas.size() == 1) {
    const bool leads = r.word.held && r.word.mode == Mode::kLeader;
    return *r.word.asked_at > r.row_seen_at && (!r.is_alive || !leads);
  }
  const bool leads = r.word.held && r.word.mode == Mode::kLeader;
  return !r.is_alive && !leads && !r.may_lead_term;
}

bool has_candidate(const Model& model, const Partition& p) {
  return std::any_of(p.replicas.begin(), p.replicas.end(), [&](const Replica& r) {
    return r.is_alive && standing(model, r) == Standing::kServes;
  });
}

}  // namespace failoverd::core
