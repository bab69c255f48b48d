#include "lib/core/cluster/identity.h"

#include <vector>

#include "lib/core/cluster/model.h"

namespace failoverd::core {
namespace {

constexpr std::size_t kMostNamed = 3;  // Of what a stranger holds.

// Why the process on this address is not told anything about `at`; none: it is our tablet.
std::optional<std::string> why_not_ours(const Model& model, const Endpoint& endpoint,
                                        const std::optional<PartitionKey>& at) {
  const auto i = model.find_tablet(endpoint);
  if (!i) return endpoint + " is no tablet of this cluster";
  const Tablet& t = model.tablet(*i);
  if (t.identity == Identity::kUnheard) {
    return endpoint + " has not said yet who it is over the connection that stands";
  }
  if (!t.evidence.stranger.empty()) {
    return "a stranger answers on " + endpoint + ": it holds " + t.evidence.stranger;
  }
  const Partition* p = at ? model.partition(*at) : nullptr;
  const Replica* r = p ? p->on(*i) : nullptr;
  if (r && !r->report.other.empty()) {
    return endpoint + " holds table \"" + r->report.other + "\" under " + to_text(*at);
  }
  if (t.znode_vouches() || (r && t.identity == Identity::kOurs && r->report.held)) {
    return std::nullopt;
  }
  return endpoint + (t.evidence.registered ? "'s znode may be a dead process's" : " has no znode") +
         (at ? ", and it does not name this table" : "");
}

// Whom the tablet would send to from then on.
std::vector<Endpoint> sends_to(const Call& call) {
  if (const auto* add = std::get_if<AddReplica>(&call)) return {add->replica};
  if (const auto* send = std::get_if<SendSnapshot>(&call)) return {send->to};
  if (const auto* promote = std::get_if<Promote>(&call)) return promote->replicas;
  return {};
}

std::string described(const ReplicaStatus& s) {
  return (s.name.empty() ? "a table without a name" : s.name) + "/" + std::to_string(s.at.pid) +
         " (tid " + std::to_string(s.at.tid) + ", " + to_text(s.mode) + ")";
}

}  // namespace

Holdings holdings_of(const Model& model, const Answer& status) {
  Holdings all;
  std::size_t left = 0;
  for (const ReplicaStatus& s : status.replicas) {
    const Table* table = model.table(s.at.tid);
    const bool named = table && !s.name.empty();
    const bool ours = named && table->shape.name == s.name && table->partitions.contains(s.at.pid);
    all.ours = all.ours || ours;
    all.others = all.others || (named && !ours);
    all.unknown = all.unknown || !named;
    if (ours || ++left > kMostNamed) continue;
    all.text += (all.text.empty() ? "" : ", ") + described(s);
  }
  if (left > kMostNamed) all.text += " and " + std::to_string(left - kMostNamed) + " more";
  return all;
}

Identity identity_of(const Model& model, const Holdings& held) {
  if (held.others) return Identity::kStranger;
  if (held.ours) return Identity::kOurs;
  // A table that is not known may be one that cannot be read now.
  return held.unknown && model.knows_every_table() ? Identity::kStranger : Identity::kUntold;
}

bool counts(const Model& model, const Endpoint& tablet, const std::optional<PartitionKey>& at) {
  return !why_not_ours(model, tablet, at);
}

bool is_another(const Model& model, const Endpoint& tablet, PartitionKey at) {
  const auto i = model.find_tablet(tablet);
  return i && model.tablet(*i).identity != Identity::kUnheard && !counts(model, tablet, at);
}

std::optional<std::string> why_not_told(const Model& model, const Endpoint& tablet,
                                        const Call& call) {
  const auto* forget = std::get_if<DeleteOpTask>(&call);
  const auto at = forget ? forget->of : partition_of(call);
  if (auto why = why_not_ours(model, tablet, at)) return why;
  for (const Endpoint& to : sends_to(call)) {
    if (auto why = why_not_ours(model, to, at)) return why;
  }
  return std::nullopt;
}

}  // namespace failoverd::core
