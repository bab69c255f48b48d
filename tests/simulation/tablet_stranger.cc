// Another cluster's tablet on this one's address: it holds tables of its own under any tids and
// pids, registers elsewhere, and does what it is told, as every tablet does.
#include "tests/simulation/tablet.h"
#include "tests/simulation/world.h"

namespace failoverd::simulation {

void Tablet::start_stranger(std::vector<core::ReplicaStatus> holds) {
  if (running_) return;
  if (!std::exchange(powered_, true)) world_.process_ended(*this);
  running_ = true;
  paused_ = false;
  ++process_;
  mutex_free_ = {};
  session_ = 0;
  stranger_ = std::move(holds);
}

void Tablet::stranger_holds(std::vector<core::ReplicaStatus> holds) {
  if (stranger_) stranger_ = std::move(holds);
}

core::Answer Tablet::stranger_answers(const core::Call& call) const {
  if (const auto* c = std::get_if<core::GetTableStatus>(&call)) {
    core::Answer a = answer(core::kOk);
    for (const core::ReplicaStatus& s : *stranger_) {
      if (!c->at || *c->at == s.at) a.replicas.push_back(s);
    }
    return a;
  }
  if (const auto* c = std::get_if<core::GetTermPair>(&call)) {
    core::Answer a = answer(core::kOk);
    for (const core::ReplicaStatus& s : *stranger_) {
      if (s.at != c->at) continue;
      a.has_table = true;
      a.is_leader = s.mode == core::Mode::kLeader;
      a.term = 1'000;  // Of its own cluster's.
      a.offset = s.offset;
    }
    return a;
  }
  return answer(core::kOk);
}

}  // namespace failoverd::simulation
