#include "lib/core/detection/detector.h"

#include <algorithm>

#include "lib/core/api/timing.h"

namespace failoverd::core {
namespace {

// A packet filter that rejects, or a full accept queue, refuses what is new and leaves what stands;
// a process that ends closes its connections.
bool connection_ended(const Evidence& e) {
  return e.connection != Connection::kStands && e.connection != Connection::kGivenUp;
}

// A question is open, or the port refuses: either way the tablet does not answer.
bool does_not_answer(const Evidence& e) {
  return e.unanswered_since.has_value() || e.refused_first.has_value();
}

// ": sent no baidu_std frame: it begins with the bytes 48 54 54 50"
std::string what_came(const Evidence& e) {
  return e.came_instead.empty() ? "" : ": " + e.came_instead;
}

Verdict answering(const Evidence& e) {
  if (!e.registered) {
    return {TabletState::kCutOff, "it has no znode, but answers", {}};
  }
  if (e.lacks_what_it_held) {
    return {TabletState::kRestarted, "it answers, and no longer holds what it held", {}};
  }
  if (!e.came_instead.empty()) {
    return {TabletState::kHealthy, "it answers, but does not say what it holds" + what_came(e), {}};
  }
  return {TabletState::kHealthy, "it answers", {}};
}

Verdict with_znode(const Evidence& e, const Detection& policy) {
  const std::string there = "its znode is there";
  if (!e.refused_first) {
    return {TabletState::kSuspect, there + ", it does not answer" + what_came(e), {}};
  }
  if (!policy.crash) {
    return {TabletState::kSuspect, there + ", its port refuses; detection.crash is off", {}};
  }
  if (!e.ever_answered) {
    return {TabletState::kSuspect, there + ", its port refuses, it has never answered us", {}};
  }
  if (!e.early_allowed) {
    return {TabletState::kSuspect,
            there + ", its port refuses; no early verdict now (SAFETY 15), waiting for the znode",
            {}};
  }
  if (!connection_ended(e)) {
    return {TabletState::kSuspect,
            there + ", its port refuses, but it has not closed our connection",
            {}};
  }
  if (!refused_again(e, policy)) {
    return {TabletState::kSuspect, there + ", its port refused once", {}};
  }
  if (e.follower_moves) {
    return {TabletState::kSuspect, there + ", its port refuses, but a follower still moves", {}};
  }
  if (!e.witnesses_asked) {
    return {TabletState::kSuspect, there + ", its port refuses; asking its followers", {}};
  }
  return {TabletState::kCrashed, "its port refused twice after it had answered", {}};
}

Verdict without_znode(const Evidence& e, const Detection& policy, Instant now) {
  const bool refuses = e.refused_first && connection_ended(e);
  if (refuses && refused_again(e, policy)) {
    return {TabletState::kCrashed, "its znode is gone and its port refuses", {}};
  }
  if (refuses || !e.unanswered_since) {
    return {TabletState::kSuspect, "its znode is gone, its port refused once", {}};
  }
  const Instant since =
      e.last_answer ? std::min(*e.last_answer, *e.unanswered_since) : *e.unanswered_since;
  if (now - since >= policy.silence) {
    const bool silent = e.came_instead.empty();
    return {TabletState::kLost,
            silent ? "its znode is gone and it is silent"
                   : "its znode is gone and it does not answer" + what_came(e),
            {}};
  }
  return {TabletState::kSuspect, "its znode is gone, it does not answer" + what_came(e),
          since + policy.silence};
}

}  // namespace

Duration refuses_again_after(const Evidence& e, const Detection& policy) {
  return e.connection == Connection::kClosed ? std::min(policy.refuses_again, kSecondRefusalAfter)
                                             : kSecondRefusalAfter;
}

bool refused_again(const Evidence& e, const Detection& policy) {
  return e.refused_first && e.refused_last &&
         *e.refused_last - *e.refused_first >= refuses_again_after(e, policy);
}

Verdict judge(const Evidence& e, const Detection& policy, Instant now) {
  if (e.nowhere) return {TabletState::kUnknown, "its name is no endpoint IP:PORT", {}};
  // Two processes cannot listen on one address: ours is gone.
  if (!e.stranger.empty()) {
    return {TabletState::kStranger,
            "what answers on its address is no tablet of this cluster and is told nothing: it "
            "holds " +
                e.stranger,
            {}};
  }
  if (!does_not_answer(e)) {
    if (!e.ever_answered) return {TabletState::kUnknown, "it has not been asked yet", {}};
    return answering(e);
  }
  if (!e.refused_first && now - *e.unanswered_since < kPatience) {
    Verdict v =
        e.ever_answered ? answering(e) : Verdict{TabletState::kUnknown, "it is being asked", {}};
    v.look_again = *e.unanswered_since + kPatience;
    return v;
  }
  return e.registered ? with_znode(e, policy) : without_znode(e, policy, now);
}

}  // namespace failoverd::core
