// The part of the monitor that asks followers whether a tablet whose port refuses is dead.
#include "lib/core/api/timing.h"
#include "lib/core/detection/detector.h"
#include "lib/core/detection/tablet_monitor.h"

namespace failoverd::core {
namespace {

constexpr std::size_t kMostWitnesses = 4;

}  // namespace

// SAFETY 15: a follower whose offset still moves disproves the crash. Those whose leader is on the
// tablet and who live elsewhere are asked, those that moved last first.
void TabletMonitor::choose_witnesses(TabletIndex i) {
  Witnesses w;
  w.set = ++witness_sets_;
  for (const PartitionKey key : model_.tablet(i).hosts) {
    if (w.chosen.size() == kMostWitnesses) break;
    const Partition* p = model_.partition(key);
    const Replica* here = p ? p->on(i) : nullptr;
    if (!here || !here->leads()) continue;
    for (const Replica& r : p->replicas) {
      if (r.tablet == i || !r.is_alive) continue;
      if (model_.tablet(r.tablet).verdict.state != TabletState::kHealthy) continue;
      w.chosen.emplace_back(key, r.tablet);
      break;
    }
  }
  w.before.resize(w.chosen.size());
  w.after.resize(w.chosen.size());
  model_.tablet(i).evidence.witnesses_asked = w.chosen.empty();
  asking(i).witnesses = std::move(w);
}

void TabletMonitor::ask_witnesses(TabletIndex i) {
  Witnesses& w = asking(i).witnesses;
  if (w.chosen.empty() || w.open > 0) return;
  Evidence& e = model_.tablet(i).evidence;
  if (e.witnesses_asked && !e.follower_moves) return;  // They have said all there is.
  ++w.round;
  if (w.round > 2) w.before.swap(w.after);
  for (std::uint32_t n = 0; n < w.chosen.size(); ++n) {
    const auto& [key, follower] = w.chosen[n];
    ++w.open;
    const std::uint64_t to = std::uint64_t{w.set} << 32 | i;
    outbox_.call({ReplyTo::Owner::kTabletMonitor, to, kWitness, n, {}},
                 model_.tablet(follower).endpoint, GetTermPair{key}, kWitnessDeadline);
  }
}

void TabletMonitor::witness_answered(TabletIndex i, const ReplyTo& reply_to, const Answer& answer) {
  Witnesses& w = asking(i).witnesses;
  --w.open;
  auto& readings = w.round <= 1 ? w.before : w.after;
  readings[reply_to.tablet].reset();
  if (answer.ok() && answer.has_table) readings[reply_to.tablet] = answer.offset;
  if (w.open > 0) return;
  Evidence& e = model_.tablet(i).evidence;
  to_judge_.insert(i);
  if (w.round <= 1) {
    if (refused_again(e, outbox_.policy.detection)) ask_witnesses(i);
    return;
  }
  e.witnesses_asked = true;
  e.follower_moves = false;
  for (std::size_t n = 0; n < w.chosen.size(); ++n) {
    if (w.before[n] && w.after[n] && *w.after[n] > *w.before[n]) e.follower_moves = true;
  }
  if (e.follower_moves) check_later(i, kSecondRefusalAfter);
}

}  // namespace failoverd::core
