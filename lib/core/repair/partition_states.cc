#include "lib/core/repair/partition_states.h"

#include <utility>

#include "lib/core/cluster/standing.h"
#include "lib/core/repair/diagnosis.h"

namespace failoverd::core {

void PartitionStates::stop() {
  dirty_.clear();
  troubled_.clear();
}

void PartitionStates::mark_all() {
  for (const auto& [tid, table] : model_.tables()) {
    for (const auto& [pid, p] : table.partitions) dirty_.insert({tid, pid});
  }
}

void PartitionStates::say_again() {
  for (const PartitionKey at : troubled_) {
    if (Partition* p = model_.partition(at)) p->would_note = false;
  }
}

std::vector<WouldDo> PartitionStates::would_do() const {
  std::vector<WouldDo> all;
  if (stand_back_.auto_failover() || !stand_back_.active()) return all;
  for (const PartitionKey at : troubled_) {
    const Partition* p = model_.partition(at);
    const char* what = p ? core::would_do(p->diagnosis.condition) : nullptr;
    if (!what || !p->would_note || automation_.acts_on(at)) continue;
    all.push_back({at, model_.name_of(at), std::string{what} + ": " + p->diagnosis.text()});
  }
  return all;
}

std::string PartitionStates::name_of_first() const {
  return dirty_.empty() ? "no partition" : model_.name_of(*dirty_.begin());
}

void PartitionStates::look() {
  for (const PartitionKey at : std::exchange(dirty_, {})) diagnose_again(at);
}

// SAFETY 2: one that is ahead of its leader goes its own way for ever.
void PartitionStates::mark_diverged(Partition& p) {
  const Replica* leader = p.leader();
  if (!leader) return;
  for (Replica& r : p.replicas) {
    if (r.is_alive && &r != leader && is_ahead(*leader, r)) r.diverged = true;
  }
}

void PartitionStates::take_diagnosis(PartitionKey at, Partition& p) {
  const Diagnosis diagnosis = diagnose(model_, p);
  if (diagnosis.condition != p.diagnosis.condition) {
    p.since = outbox_.now;
    p.would_note = false;
  }
  if (diagnosis != p.diagnosis) p.diagnosis = diagnosis;
  if (diagnosis.condition == Condition::kHealthy) {
    troubled_.erase(at);
  } else {
    troubled_.insert(at);
  }
}

void PartitionStates::diagnose_again(PartitionKey at) {
  Partition* p = model_.partition(at);
  elections_.look_again(at);
  operations_.look_again(at);
  handovers_.look_again(at);
  if (!p) {
    troubled_.erase(at);
    return;
  }
  if (stand_back_.active()) mark_diverged(*p);
  const Replica* leader = p->leader();
  const bool leads = leader && standing(model_, *leader) == Standing::kServes &&
                     leader->report.mode == Mode::kLeader;
  if (leads) {
    for (Replica& r : p->replicas) r.found.reset();
  }
  take_diagnosis(at, *p);
  if (!stand_back_.active()) return;
  const Diagnosis& diagnosis = p->diagnosis;
  if (p->op != 0 && elects(diagnosis.condition)) operations_.give_way(at, diagnosis.text());
  put_back_.look(at, *p);
  last_offsets_.look(at, *p);
  if (p->op == 0) treatments_.treat(at, *p);
  lost_rows_.look(at, *p);
  reconciliation_.look(at, *p);
}

}  // namespace failoverd::core
