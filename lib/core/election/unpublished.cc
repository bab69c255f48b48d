// Elections: a leader of a higher term that cannot be told to anybody (SAFETY 22).
#include <algorithm>
#include <string>

#include "lib/core/api/timing.h"
#include "lib/core/cluster/standing.h"
#include "lib/core/election/elections.h"

namespace failoverd::core {

void Elections::refused(OpId op, const std::string& why) {
  Election* e = says_unpublished(op, "waits for ZooKeeper to take its table: " + why);
  if (e) look_while_left_alone(*e);
}

void Elections::waits(OpId op, const std::string& why) {
  says_unpublished(op, "waits to be published: " + why);
}

Elections::Election* Elections::says_unpublished(OpId op, const std::string& what) {
  Election* e = find(op);
  if (!e || e->phase != Phase::kPublishing) return nullptr;
  says(*e, name(e->winner) + " leads with term " + std::to_string(e->lead_term) + "; " + what);
  return e;
}

// While it waits its leader may be lost. Or the leader that the rows name is there again: clients
// write to it what nobody takes from it any more. It is elected anew among all, and whom the rows
// name leads if it holds as much as the others (SAFETY 3).
void Elections::look_while_left_alone(Election& e) {
  const Table* table = model_.table(e.at.tid);
  const Partition* p = model_.partition(e.at);
  if (!p || !table->refusal || !table->refusal->is_known) return;
  const Replica* winner = p->on(e.winner);
  const bool another_leads =
      std::any_of(p->replicas.begin(), p->replicas.end(), [&](const Replica& r) {
        return r.is_alive && r.tablet != e.winner && r.report.mode == Mode::kLeader &&
               standing(model_, r) == Standing::kServes && *r.report.asked_at > e.promoted;
      });
  const bool is_lost = !winner || standing(model_, *winner) == Standing::kGone;
  if (!is_lost && !another_leads) return;
  if (outbox_.now < e.promoted + kNewWinnerAtMostEvery)
    return again_at(e, e.promoted + kNewWinnerAtMostEvery);
  publisher_.forget(e.op);
  note_led(e, e.winner, {e.lead_term, known_before(e), true});
  new_round(e);
}

}  // namespace failoverd::core
