#include "lib/core/diagnosis.h"

#include <algorithm>

namespace failoverd::core {
namespace {

std::string who(const Model& model, const Replica& r) {
  const Tablet& t = model.tablet(r.tablet);
  std::string text = t.endpoint + " (" + to_text(t.verdict.state);
  if (standing(model, r) == Standing::kGone && !t.verdict.dead()) text += ", does not hold it";
  if (r.failures > 0) {
    const std::string times = std::to_string(r.failures) + " times, the last";
    text += "; failed " + (r.failures == 1 ? "once" : times) + ": " + r.failed_why;
  }
  return text + ")";
}

// The alive rows of a partition that nobody can lead, and what would lift it.
std::string waits_for(const Model& model, const Partition& p) {
  std::string alive;
  for (const Replica& r : p.replicas) {
    if (r.is_alive) alive += (alive.empty() ? "" : ", ") + who(model, r);
  }
  if (alive.empty()) {
    for (const Replica& r : p.replicas) alive += (alive.empty() ? "" : ", ") + who(model, r);
    return "no replica is alive: " + alive + "; waits for one to be recovered";
  }
  return "only these may lead, and none can: " + alive + "; waits for one of them";
}

bool answers_freshly(const Model& model, const Replica& r) {
  const Tablet& t = model.tablet(r.tablet);
  const bool answers = t.verdict.state == TabletState::kHealthy ||
                       t.verdict.state == TabletState::kCutOff ||
                       t.verdict.state == TabletState::kRestarted;
  return answers && t.word_fresh && r.word.asked_at;
}

// An alive row whose tablet answers and has to load the table first, or is loading it.
bool can_load(const Model& model, const Replica& r) {
  if (!r.is_alive || !answers_freshly(model, r)) return false;
  if (!r.word.held) return *r.word.asked_at > r.row_seen_at;
  return !is_loaded(r.word.state);
}

// Nobody serves it: somebody may load it, or all there is to do is to wait.
Diagnosis nobody_serves(const Model& model, const Partition& p) {
  for (const Replica& r : p.replicas) {
    if (p.replicas.size() == 1 && has_returned(model, p, r)) {
      return {Condition::kReturned, "its only replica is back on " + who(model, r)};
    }
    if (p.replicas.size() > 1 && can_load(model, r)) {
      return {Condition::kAllDown, "no replica serves; to be loaded on " + who(model, r)};
    }
  }
  return {Condition::kNoCandidate, waits_for(model, p)};
}

Diagnosis single_lost(const Model& model, const Partition& p, const Replica& leader) {
  const Tablet& t = model.tablet(leader.tablet);
  // SAFETY 1: a single replica's row is set dead only when its znode is gone and its port is
  // silent.
  if (t.verdict.dead() && !t.evidence.registered) {
    return {Condition::kSingleLost, "its only replica is on " + who(model, leader)};
  }
  return nobody_serves(model, p);
}

Diagnosis leader_lost(const Model& model, const Partition& p, const Replica& leader) {
  if (p.replicas.size() == 1) return single_lost(model, p, leader);
  if (has_candidate(model, p)) {
    return {Condition::kLeaderLost, "its leader is on " + who(model, leader)};
  }
  return nobody_serves(model, p);
}

Diagnosis led(const Model& model, const Partition& p, const Replica& leader) {
  const Word& word = leader.word;
  if (word.held && word.mode == Mode::kFollower && word.asked_at &&
      *word.asked_at > leader.row_seen_at) {
    return {Condition::kLeaderLost,
            model.tablet(leader.tablet).endpoint + " should lead it and says that it follows"};
  }
  std::string unclear;
  std::string dead;
  std::string returned;
  std::string stuck;
  for (const Replica& r : p.replicas) {
    if (&r == &leader) continue;
    if (!r.is_alive) {
      std::string& list = has_returned(model, p, r) ? returned : dead;
      list += (list.empty() ? "" : ", ") + who(model, r);
      continue;
    }
    const Standing s = standing(model, r);
    if (s == Standing::kGone) {
      return {Condition::kFollowerLost, "a follower is on " + who(model, r)};
    }
    if (r.strayed || r.unsent) {
      return {Condition::kFollowerLost,
              who(model, r) +
                  (r.strayed ? " led beside its leader, or is ahead of it: its log may be its own"
                             : " is not sent to by its leader")};
    }
    const bool leads = r.word.held && r.word.mode == Mode::kLeader && r.word.asked_at &&
                       *r.word.asked_at > r.row_seen_at;
    if (leads || r.may_lead_term) {
      return {Condition::kPretender, model.tablet(r.tablet).endpoint +
                                         (leads ? " says that it leads" : " may lead") +
                                         " beside " + model.tablet(leader.tablet).endpoint};
    }
    if (stands_still(leader, r)) stuck += (stuck.empty() ? "" : ", ") + who(model, r);
    if (s == Standing::kUnclear) unclear += (unclear.empty() ? "" : ", ") + who(model, r);
  }
  if (!returned.empty()) return {Condition::kReturned, "back, and not alive yet: " + returned};
  if (!stuck.empty()) return {Condition::kStuck, "behind its leader and not moving: " + stuck};
  if (!dead.empty()) return {Condition::kDegraded, "not alive: " + dead};
  if (!unclear.empty()) return {Condition::kUncertain, "not sure of " + unclear};
  return {Condition::kHealthy, ""};
}

}  // namespace

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
  const Tablet& t = model.tablet(r.tablet);
  if (!answers_freshly(model, r) || !t.evidence.registered || r.asked_about) return false;
  if (p.replicas.size() == 1) {
    return *r.word.asked_at > r.row_seen_at && (!r.is_alive || !r.word.held);
  }
  const bool leads = r.word.held && r.word.mode == Mode::kLeader;
  return !r.is_alive && !leads && !r.may_lead_term;
}

bool has_candidate(const Model& model, const Partition& p) {
  return std::any_of(p.replicas.begin(), p.replicas.end(), [&](const Replica& r) {
    return r.is_alive && standing(model, r) == Standing::kServes;
  });
}

Diagnosis diagnose(const Model& model, const Partition& p) {
  if (p.replicas.empty()) return {Condition::kQuarantined, "it has no rows"};
  const auto leaders = std::count_if(p.replicas.begin(), p.replicas.end(),
                                     [](const Replica& r) { return r.leads(); });
  if (leaders > 1) {
    return {Condition::kQuarantined, "it has " + std::to_string(leaders) + " alive leader rows"};
  }
  if (p.highest_term() > kHighestTerm) {
    return {Condition::kQuarantined, "its term history names term " +
                                         std::to_string(p.highest_term()) +
                                         ", which no election has ever reached"};
  }
  for (std::size_t i = 1; i < p.terms.size(); ++i) {
    if (p.terms[i].term < p.terms[i - 1].term) {
      return {Condition::kQuarantined, "its term history goes back from " +
                                           std::to_string(p.terms[i - 1].term) + " to " +
                                           std::to_string(p.terms[i].term)};
    }
  }
  if (p.begun_term && p.replicas.size() > 1) {
    if (has_candidate(model, p)) {
      return {Condition::kUnfinished, "an election with term " + std::to_string(*p.begun_term) +
                                          " was begun and not finished"};
    }
    return nobody_serves(model, p);
  }
  const Replica* leader = p.leader();
  if (!leader) {
    if (p.replicas.size() > 1 && has_candidate(model, p)) {
      return {Condition::kNoLeader, "no row leads it"};
    }
    return nobody_serves(model, p);
  }
  switch (standing(model, *leader)) {
    case Standing::kGone:
      return leader_lost(model, p, *leader);
    case Standing::kUnclear:
      return {Condition::kUncertain, "not sure of its leader " + who(model, *leader)};
    case Standing::kServes:
      break;
  }
  return led(model, p, *leader);
}

}  // namespace failoverd::core
