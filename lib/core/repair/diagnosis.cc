#include "lib/core/repair/diagnosis.h"

#include <algorithm>

namespace failoverd::core {
namespace {

std::string who(const Model& model, const Replica& r) {
  const Tablet& t = model.tablet(r.tablet);
  std::string text = t.endpoint + " (" + to_text(t.verdict.state);
  if (!r.report.other.empty() && !t.verdict.dead()) {
    text += ", holds table \"" + r.report.other + "\" under its tid and is left alone";
  } else if (r.report.held && r.report.had && !t.verdict.dead()) {
    text += ", came up with nothing and had offset " + std::to_string(*r.report.had);
  } else if (standing(model, r) == Standing::kGone && !t.verdict.dead()) {
    text += ", does not hold it";
  }
  if (r.failures > 0) {
    const std::string times = std::to_string(r.failures) + " times, the last";
    text += "; failed " + (r.failures == 1 ? "once" : times) + ": " + r.failed_why;
  }
  return text + ")";
}

// Nobody can lead it: the alive rows, and what would lift it.
Diagnosis no_candidate(const Model& model, const Partition& p) {
  std::string alive;
  std::string all;
  for (const Replica& r : p.replicas) {
    if (r.is_alive) alive += (alive.empty() ? "" : ", ") + who(model, r);
    all += (all.empty() ? "" : ", ") + who(model, r);
  }
  if (alive.empty()) {
    return {Condition::kNoCandidate, "no replica is alive: " + all, "one to be recovered"};
  }
  return {Condition::kNoCandidate, "only these may lead, and none can: " + alive, "one of them"};
}

// An alive row whose tablet answers and has to load the table first, or is loading it.
bool can_load(const Model& model, const Replica& r) {
  if (!r.is_alive || !answers_freshly(model, r)) return false;
  if (!r.report.held || r.report.had) {
    return *r.report.asked_at > r.row_since && may_be_loaded(model, r);
  }
  return !is_loaded(r.report.state);
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
  return no_candidate(model, p);
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

bool says_it_leads(const Replica& r) {
  return r.report.held && r.report.mode == Mode::kLeader && r.report.asked_at &&
         *r.report.asked_at > r.row_since;
}

Condition condition_of(FollowerState worst) {
  switch (worst) {
    case FollowerState::kFollows:
      return Condition::kHealthy;
    case FollowerState::kUnclear:
      return Condition::kUncertain;
    case FollowerState::kDead:
      return Condition::kDegraded;
    case FollowerState::kStalled:
      return Condition::kFollowerStalled;
    case FollowerState::kReturned:
      return Condition::kReturned;
    case FollowerState::kRival:
      return Condition::kTwoLeaders;
    case FollowerState::kNotReplicated:
    case FollowerState::kDiverged:
    case FollowerState::kLost:
      break;
  }
  return Condition::kFollowerLost;
}

// `first` is the first row in that state, `all` names all of them.
std::string text_of(const Model& model, FollowerState worst, const Replica& leader,
                    const Replica& first, const std::string& all) {
  switch (worst) {
    case FollowerState::kFollows:
      return "";
    case FollowerState::kUnclear:
      return "not sure of " + all;
    case FollowerState::kDead:
      return "not alive: " + all;
    case FollowerState::kStalled:
      return "behind its leader and not moving: " + all;
    case FollowerState::kReturned:
      return "back, and not alive yet: " + all;
    case FollowerState::kRival:
      return model.tablet(first.tablet).endpoint +
             (says_it_leads(first) ? " says that it leads" : " may lead") + " beside " +
             model.tablet(leader.tablet).endpoint;
    case FollowerState::kNotReplicated:
    case FollowerState::kDiverged:
    case FollowerState::kLost:
      break;
  }
  return text_of_lost(model, worst, first);
}

Diagnosis led(const Model& model, const Partition& p, const Replica& leader) {
  const ReplicaReport& report = leader.report;
  if (report.held && report.mode == Mode::kFollower && report.asked_at &&
      *report.asked_at > leader.row_since) {
    if (p.replicas.size() == 1) return nobody_serves(model, p);  // Loaded, and not told to lead.
    return {Condition::kLeaderLost,
            model.tablet(leader.tablet).endpoint + " should lead it and says that it follows"};
  }
  auto worst = FollowerState::kFollows;
  const Replica* first = &leader;
  std::string all;
  for (const Replica& r : p.replicas) {
    const FollowerState state =
        &r == &leader ? FollowerState::kFollows : follower_state(model, p, leader, r);
    if (state < worst || state == FollowerState::kFollows) continue;
    if (state > worst) {
      worst = state;
      first = &r;
      all.clear();
    }
    all += (all.empty() ? "" : ", ") + who(model, r);
  }
  return {condition_of(worst), text_of(model, worst, leader, *first, all)};
}

}  // namespace

FollowerState follower_state(const Model& model, const Partition& p, const Replica& leader,
                             const Replica& r) {
  if (!r.is_alive) {
    return has_returned(model, p, r) ? FollowerState::kReturned : FollowerState::kDead;
  }
  const Standing s = standing(model, r);
  if (s == Standing::kGone) return FollowerState::kLost;
  if (r.diverged || !r.vouches()) return FollowerState::kDiverged;
  if (r.not_replicated) return FollowerState::kNotReplicated;
  if (says_it_leads(r) || r.in_doubt_term) return FollowerState::kRival;
  if (stands_still(leader, r)) return FollowerState::kStalled;
  return s == Standing::kUnclear ? FollowerState::kUnclear : FollowerState::kFollows;
}

std::string text_of_lost(const Model& model, FollowerState state, const Replica& follower) {
  switch (state) {
    case FollowerState::kNotReplicated:
      return who(model, follower) + " is not sent to by its leader";
    case FollowerState::kDiverged:
      if (!follower.vouches()) {
        return who(model, follower) +
               " is alive by an operator's word only: its log may be its own";
      }
      return who(model, follower) +
             " led beside its leader, or is ahead of it: its log may be its own";
    default:
      return "a follower is on " + who(model, follower);
  }
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
  for (const TermPair& t : p.terms) {
    if (t.offset <= kHighestOffset) continue;
    return {Condition::kQuarantined, "its term history names offset " + std::to_string(t.offset) +
                                         ", which no log has ever reached"};
  }
  for (std::size_t i = 1; i < p.terms.size(); ++i) {
    if (p.terms[i].term < p.terms[i - 1].term) {
      return {Condition::kQuarantined, "its term history goes back from " +
                                           std::to_string(p.terms[i - 1].term) + " to " +
                                           std::to_string(p.terms[i].term)};
    }
  }
  if (p.unfinished_term && p.replicas.size() > 1) {
    if (has_candidate(model, p)) {
      return {Condition::kUnfinished, "an election with term " +
                                          std::to_string(*p.unfinished_term) +
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
