#include "lib/core/repair/row_edits.h"

#include <algorithm>
#include <utility>

#include "lib/core/api/timing.h"
#include "lib/core/repair/diagnosis.h"

namespace failoverd::core {

// --- Last offsets --------------------------------------------------------------------------------

std::optional<PartitionEdit> LastOffsets::edit(OpId op, const Partition& p) {
  const PartitionKey at = unpacked(~op);
  const bool old = are_old(at, p);
  PartitionEdit edit;
  for (const Replica& r : p.replicas) {
    const Tablet& t = model_.tablet(r.tablet);
    const bool lost =
        t.verdict.dead() || (elections_.holds(at) && standing(model_, r) == Standing::kGone);
    if (!r.is_alive || (!old && !lost)) continue;
    const Lineage* kept = model_.kept(at, t.endpoint);
    const auto last = old ? std::nullopt : model_.known_offset(at, r);
    if (last == (kept ? kept->last_offset : std::nullopt)) continue;
    Lineage of = kept ? *kept : Lineage{t.endpoint, 0, {}, false};
    of.last_offset = last;
    edit.kept.push_back(std::move(of));
  }
  if (edit.kept.empty()) return std::nullopt;
  return edit;
}

bool LastOffsets::lost_every_tablet(const Partition& p) const {
  return std::all_of(p.replicas.begin(), p.replicas.end(), [&](const Replica& r) {
    return !r.is_alive || model_.tablet(r.tablet).verdict.dead();
  });
}

// What was kept of an alive row counts for that outage only: it goes on from there as soon as
// somebody leads, and then the next outage would be judged by a number from the last one.
bool LastOffsets::are_old(PartitionKey at, const Partition& p) const {
  const Replica* leader = p.leader();
  if (!leader || elects(p.diagnosis.condition)) return false;
  if (standing(model_, *leader) != Standing::kServes || leader->report.mode != Mode::kLeader) {
    return false;
  }
  return std::any_of(p.replicas.begin(), p.replicas.end(), [&](const Replica& r) {
    const Lineage* kept = r.is_alive ? model_.kept(at, model_.tablet(r.tablet).endpoint) : nullptr;
    return kept && kept->last_offset;
  });
}

void LastOffsets::look(PartitionKey at, const Partition& p) {
  if (p.replicas.size() == 1) return;
  const OpId op = id(at);
  const bool lost = lost_every_tablet(p) || elections_.holds(at);
  if (!lost && !are_old(at, p)) {
    publisher_.forget(op);
    return;
  }
  if (!stand_back_.may_change() || publisher_.wants(op) || !edit(op, p)) return;
  publisher_.want(op, at, *this, Publisher::Urgency::kNobodyWaits);
}

// --- What was overwritten ------------------------------------------------------------------------

std::optional<PartitionEdit> PutBack::edit(OpId, const Partition& p) {
  return p.overwritten ? std::optional<PartitionEdit>{std::in_place} : std::nullopt;
}

void PutBack::look(PartitionKey at, const Partition& p) {
  if (!p.overwritten) {
    publisher_.forget(id(at));
    return;
  }
  if (!stand_back_.may_change() || publisher_.wants(id(at))) return;
  const std::string name = model_.name_of(at);
  outbox_.note(Severity::kWarning, "publish",
               name + " was overwritten by somebody who had read it before term " +
                   std::to_string(p.published_term()) + " was published; it is published again",
               {{"partition", name}});
  publisher_.want(id(at), at, *this, Publisher::Urgency::kClientsWait);
}

// --- Followers that are lost beside an op --------------------------------------------------------

std::optional<PartitionEdit> LostRows::edit(OpId op, const Partition& p) {
  const Replica* leader = p.leader();
  if (!leader || standing(model_, *leader) != Standing::kServes) return std::nullopt;
  PartitionEdit edit;
  for (const Replica& r : p.replicas) {
    if (&r == leader || !is_to_be_set_dead(follower_state(model_, p, *leader, r))) continue;
    if (automation_.held(partition_of(op), r.tablet)) continue;
    edit.rows.push_back({model_.tablet(r.tablet).endpoint, r.is_leader, false});
    edit.kept.push_back(model_.lineage_of(partition_of(op), p, r));
  }
  if (edit.rows.empty()) return std::nullopt;
  return edit;
}

// What works on the partition may take hours, and is about another replica.
void LostRows::look(PartitionKey at, const Partition& p) {
  const OpRecord* op = p.op == 0 ? nullptr : ops_.find(p.op);
  // One that only sets a row dead is over in a moment, unless its leader hangs.
  const bool long_op =
      op && (op->type != OpType::kOfflineReplicaOP || outbox_.now - op->started > kLongOp);
  const bool beside = long_op && !is_election(op->type) &&
                      p.diagnosis.condition == Condition::kFollowerLost && p.replicas.size() > 1;
  if (!beside || !automation_.acts_on(at) || !stand_back_.may_change()) {
    publisher_.forget(id(at));
    return;
  }
  if (publisher_.wants(id(at)) || !edit(id(at), p)) return;
  outbox_.note(Severity::kWarning, "failover",
               "a row of " + model_.name_of(at) + " is set dead beside op " + std::to_string(p.op) +
                   ": " + p.diagnosis.text(),
               {{"op_id", std::to_string(p.op)}, {"partition", model_.name_of(at)}});
  publisher_.want(id(at), at, *this, Publisher::Urgency::kNobodyWaits);
}

}  // namespace failoverd::core
