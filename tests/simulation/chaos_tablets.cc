// Faults of tablets: crashes, hangs, snapshots, what is done by hand, strangers on their addresses.
#include "tests/simulation/chaos.h"
#include "tests/simulation/daemon.h"

namespace failoverd::simulation {

using std::chrono::milliseconds;
using std::chrono::seconds;

void Chaos::crash() {
  const std::string name = any_tablet().endpoint();
  world_.kill(name);
  if (world_.random.chance(0.9)) {
    later({milliseconds{100}, seconds{10}}, [this, name] { world_.restart(name); });
  }
}

void Chaos::crash_two() {
  crash();
  later(kBlink, [this] { crash(); });
}

void Chaos::quick_restart() { world_.restart(any_tablet().endpoint()); }

void Chaos::restarts_in_a_row(const std::string& name, std::uint64_t left) {
  if (left == 0) return;
  world_.restart(name);
  later({milliseconds{20}, milliseconds{2500}},
        [this, name, left] { restarts_in_a_row(name, left - 1); });
}

void Chaos::power_cut() {
  const std::string name = any_tablet().endpoint();
  world_.power_cut(name);
  later({seconds{1}, seconds{10}}, [this, name] { world_.restart(name); });
}

void Chaos::blackout() {
  const bool power = world_.random.chance(0.4);
  const Range apart{Duration{0}, world_.random.chance(0.5) ? milliseconds{3} : milliseconds{3000}};
  const Range back{milliseconds{200}, world_.random.chance(0.5) ? seconds{3} : seconds{20}};
  world_.say(power ? "the power fails" : "everything is killed");
  for (const auto& [name, tablet] : world_.tablets()) {
    later(apart, [this, power, back, name = name] {
      power ? world_.power_cut(name) : world_.kill(name);
      later(back, [this, name] { world_.restart(name); });
    });
  }
  if (world_.random.chance(0.6)) return;
  for (const auto& d : world_.daemons()) {
    if (!d->alive()) continue;
    later(apart, [this, d = d.get()] {
      if (!d->alive() || world_.daemons().size() >= kMostDaemons) return;
      d->kill();
      start_successor();
    });
  }
}

void Chaos::stop_tablet() { stop(any_tablet().endpoint()); }

void Chaos::stop(const std::string& name) {
  const Range how_long = world_.random.chance(0.4) ? kBlink : Range{seconds{1}, seconds{14}};
  for_a_while(
      how_long, [&] { world_.pause(name); }, [this, name] { world_.resume(name); });
}

void Chaos::slow_tablet() {
  Tablet& t = any_tablet();
  const Duration by = world_.random.in({milliseconds{20}, milliseconds{2500}});
  for_a_while(
      kWhile,
      [&] {
        world_.trouble(t.endpoint(), "slow");
        t.slow = by;
      },
      [this, &t] {
        world_.trouble(t.endpoint(), "quick again");
        t.slow = {};
      });
}

void Chaos::hang_method() {
  hang(any_tablet(), world_.random.below(std::variant_size_v<core::Call>));
}

void Chaos::hang(Tablet& t, Method method) {
  for_a_while(
      kWhile,
      [&] {
        world_.trouble(t.endpoint(), "hangs in " + name_of(method));
        t.hang(method);
      },
      [this, &t] {
        world_.trouble(t.endpoint(), "hangs no more");
        t.unhang();
      });
}

void Chaos::fail_method() {
  constexpr int kCodes[] = {core::kTableStatusIsNotNormal, core::kTableIsLoading, -1,
                            core::kTableStatusIsNotNormal};
  Tablet& t = any_tablet();
  const Method method = world_.random.below(std::variant_size_v<core::Call>);
  world_.trouble(t.endpoint(), "fails " + name_of(method));
  t.fail(method, kCodes[world_.random.below(std::size(kCodes))],
         static_cast<int>(1 + world_.random.below(3)));
}

// By somebody who never ends it.
void Chaos::pause_snapshot() {
  const core::PartitionKey at = any_partition();
  Tablet& t = any_tablet();
  const auto* held = t.held(at);
  if (!held || held->state != core::TableState::kNormal) return;
  world_.trouble(t.endpoint(), "snapshot paused");
  t.set_state(at, core::TableState::kSnapshotPaused);
}

void Chaos::make_snapshot() {
  const core::PartitionKey at = any_partition();
  Tablet& t = any_tablet();
  if (!t.held(at)) return;
  world_.trouble(t.endpoint(), "makes a snapshot");
  t.make_snapshot(at);
}

void Chaos::lose_session() {
  Tablet& t = any_tablet();
  world_.trouble(t.endpoint(), "loses its session");
  if (t.running()) t.lose_session();
}

void Chaos::promote_by_hand() {
  const core::PartitionKey at = any_partition();
  const auto* p = world_.fake_zookeeper.partition(at);
  const std::string name = p->rows[world_.random.below(p->rows.size())].endpoint;
  Tablet& t = world_.tablet(name);
  const auto* held = t.held(at);
  if (!t.serves() || !held || held->mode == core::Mode::kLeader) return;
  // The next term may be the one that an election is about to give: nobody would choose it.
  const core::Term known = std::max(held->term, p->terms.empty() ? 0 : p->terms.back().term);
  const core::Term term = known + (world_.random.chance(0.3) ? 100'000 : 0);
  t.promote_by_hand(at, term);
  if (world_.random.chance(0.5)) hang(t, method_of(core::GetTermPair{at}));
}

// At once or a little later, beside the znode that is still there or long after it; it may hold
// nothing at first. It stays until the tablet is started again.
void Chaos::stranger() {
  const std::string name = any_tablet().endpoint();
  world_.kill(name);
  const Range after{Duration{0}, world_.random.chance(0.5) ? milliseconds{30} : milliseconds{5000}};
  later(after, [this, name, holds = what_a_stranger_holds()] {
    if (world_.tablet(name).running()) return;
    const bool empty_at_first = world_.random.chance(0.3);
    world_.replace(name, empty_at_first ? std::vector<core::ReplicaStatus>{} : holds);
    later(kWhile, [this, name, holds] { world_.tablet(name).stranger_holds(holds); });
    if (world_.random.chance(0.8)) {
      later({seconds{1}, seconds{15}}, [this, name] { world_.restart(name); });
    }
  });
}

// Tables of other names under tids and pids that are ours, too, or under others.
std::vector<core::ReplicaStatus> Chaos::what_a_stranger_holds() {
  std::vector<core::ReplicaStatus> all;
  const auto holds = [&](core::PartitionKey at) {
    const core::Mode mode = world_.random.chance(0.5) ? core::Mode::kLeader : core::Mode::kFollower;
    const core::Offset offset = world_.random.below(1'000);
    all.push_back({at, offset, mode, core::TableState::kNormal, offset, offset, "theirs"});
  };
  for (const auto& [znode, table] : world_.fake_zookeeper.tables()) {
    for (const core::PartitionShape& p : table.partitions) {
      if (world_.random.chance(0.5)) holds({table.tid, p.pid});
    }
  }
  if (world_.random.chance(0.3)) holds({900, 0});
  return all;
}

}  // namespace failoverd::simulation
