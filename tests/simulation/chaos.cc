#include "tests/simulation/chaos.h"

#include "tests/simulation/daemon.h"

namespace failoverd::simulation {
using std::chrono::milliseconds;
using std::chrono::seconds;

Chaos::Chaos(World& world) : world_(world) {}

void Chaos::start() {
  choose_faults();
  aimed_ = world_.random.chance(0.6) ? 0.01 * static_cast<double>(world_.random.below(30)) : 0;
  pause_ = {milliseconds{5}, world_.random.chance(0.5) ? milliseconds{1500} : milliseconds{5000}};
  next();
}

void Chaos::choose_faults() {
  const std::vector<Fault> all = {
      {12, [this] { crash(); }},
      {6, [this] { crash_two(); }},
      {6, [this] { quick_restart(); }},
      {2, [this] { restarts_in_a_row(any_tablet().endpoint(), 10); }},
      {3, [this] { power_cut(); }},
      {3, [this] { blackout(); }},
      {10, [this] { stop_tablet(); }},
      {4, [this] { slow_tablet(); }},
      {4, [this] { hang_method(); }},
      {4, [this] { fail_method(); }},
      {3, [this] { pause_snapshot(); }},
      {8, [this] { make_snapshot(); }},
      {4, [this] { lose_session(); }},
      {5, [this] { cut(any_tablet().endpoint(), World::kZookeeper, kWhile); }},
      {5, [this] { cut(any_tablet().endpoint(), any_tablet().endpoint(), kWhile); }},
      {6,
       [this] {
         if (Daemon* d = any_daemon()) cut(d->name(), any_tablet().endpoint(), kWhile);
       }},
      {5,
       [this] {
         if (Daemon* d = any_daemon()) cut(d->name(), World::kZookeeper, kWhile);
       }},
      {6,
       [this] {
         if (Daemon* d = any_daemon()) d->lose_connection();
       }},
      {4, [this] { reject(); }},
      {5, [this] { kill_daemon(); }},
      {12, [this] { kill_daemon_at_a_command(); }},
      {5, [this] { stop_daemon(); }},
      {3, [this] { switch_off(); }},
      {2, [this] { nameserver_comes(); }},
      {5, [this] { somebody_writes(); }},
      {1, [this] { somebody_drops(); }},
      {2, [this] { unreadable(); }},
      {2, [this] { reload(); }},
      {2, [this] { promote_by_hand(); }},
      {5, [this] { stranger(); }},
      {3, [this] { stop_daemon_cleanly(); }},
      {5, [this] { cut_off_server(); }},
      {1, [this] { remove_switch(); }},
  };
  for (const Fault& fault : all) {
    if (world_.random.chance(0.6)) faults_.push_back(fault);
  }
  if (world_.fake_zookeeper_refuses) {
    faults_.push_back({15, [this] { refuse_table(); }});
    faults_.push_back({8, [this] { take_shorter_requests(); }});
  }
  // Something must bring partitions into trouble.
  if (world_.random.chance(0.9) || faults_.empty()) faults_.push_back(all[0]);
  for (const Fault& fault : faults_) total_weight_ += fault.weight;
}

void Chaos::next() {
  later(pause_, [this] {
    auto left = static_cast<int>(world_.random.below(static_cast<std::uint64_t>(total_weight_)));
    for (const Fault& fault : faults_) {
      left -= fault.weight;
      if (left >= 0) continue;
      fault.happens();
      break;
    }
    next();
  });
}

void Chaos::calm() {
  calm_ = true;
  world_.say("calm");
  world_.mend_all();
  const bool leave_dead = world_.random.chance(0.2);
  for (const auto& [name, tablet] : world_.tablets()) {
    if (tablet->paused()) world_.resume(name);
    tablet->slow = {};
    tablet->stop_failing();
    tablet->unhang();
    world_.trouble(name, "calm");
    const bool stays_dead = leave_dead && world_.random.chance(0.5);
    if (tablet->is_stranger() && world_.random.chance(0.5)) world_.kill(name);
    if (!tablet->running() && stays_dead) world_.kill(name);
    if (!tablet->running() && !stays_dead) world_.restart(name);
  }
  for (std::size_t i = 0; i < world_.daemons().size(); ++i) {
    Daemon& d = *world_.daemons()[i];
    d.dies_after = nullptr;
    d.dies_before = nullptr;
    if (d.alive()) d.resume();
    d.cut_off_server(false);
  }
  for (const auto& [znode, table] : world_.fake_zookeeper.tables())
    world_.fake_zookeeper.cure(znode);
  for (const auto& [znode, table] : world_.fake_zookeeper.tables()) {
    world_.fake_zookeeper.refuse(znode, std::nullopt);
  }
  world_.fake_zookeeper.set_longest(kUsualRequest);
  if (world_.nameservers().empty()) world_.fake_zookeeper.set_nameservers({});
  world_.fake_zookeeper.set_auto_failover(true, "test");
  if (!any_daemon()) world_.start_daemon();
}

// --- Aimed ---------------------------------------------------------------------------------------

void Chaos::sent(const Daemon& d, const core::CallTablet& c) {
  if (calm_ || !core::changes(c.call) || !world_.random.chance(aimed_)) return;
  if (std::holds_alternative<core::Promote>(c.call) && world_.random.chance(0.3)) {
    return hang(world_.tablet(c.tablet), method_of(c.call));
  }
  if (std::holds_alternative<core::LoadTable>(c.call) && world_.random.chance(0.1)) {
    return world_.tablet(c.tablet).fail_next_load();
  }
  // At once, or while what was told to go on behind the answer goes on.
  const Range when{Duration{0}, world_.random.chance(0.6) ? milliseconds{4} : milliseconds{4000}};
  later(when, [this, tablet = victim(c), daemon = d.name()] { strike(tablet, daemon); });
}

std::string Chaos::victim(const core::CallTablet& c) {
  std::vector<std::string> all{c.tablet, c.tablet};
  if (const auto* add = std::get_if<core::AddReplica>(&c.call)) all.push_back(add->replica);
  if (const auto* del = std::get_if<core::DelReplica>(&c.call)) all.push_back(del->replica);
  if (const auto* send = std::get_if<core::SendSnapshot>(&c.call)) all.push_back(send->to);
  const auto at = partition_of(c.call);
  const auto* p = at ? world_.fake_zookeeper.partition(*at) : nullptr;
  for (std::size_t i = 0; p && i < p->rows.size(); ++i) {
    if (p->rows[i].is_leader && p->rows[i].is_alive) all.push_back(p->rows[i].endpoint);
  }
  return all[world_.random.below(all.size())];
}

void Chaos::commanded(const Daemon& d, const core::Command& command) {
  const bool matters = std::holds_alternative<core::Publish>(command) ||
                       std::holds_alternative<core::WriteRecord>(command) ||
                       std::holds_alternative<core::WriteJournal>(command);
  if (calm_ || !matters || !world_.random.chance(aimed_)) return;
  later({Duration{0}, milliseconds{8}}, [this, name = d.name()] {
    Daemon* daemon = world_.find_daemon(name);
    if (daemon->alive()) daemon->lose_connection();
  });
}

void Chaos::strike(const std::string& tablet, const std::string& daemon) {
  switch (world_.random.below(4)) {
    case 0:
      world_.kill(tablet);
      if (world_.random.chance(0.7)) later(kWhile, [this, tablet] { world_.restart(tablet); });
      return;
    case 1:
      return stop(tablet);
    case 2:
      return cut(daemon, tablet, kWhile);
    default: {
      Daemon* d = world_.find_daemon(daemon);
      if (d->alive())
        for_a_while(
            kWhile, [&] { d->pause(); }, [d] { d->resume(); });
    }
  }
}

// --- Who -----------------------------------------------------------------------------------------

Tablet& Chaos::any_tablet() {
  auto it = world_.tablets().begin();
  std::advance(it, static_cast<std::ptrdiff_t>(world_.random.below(world_.tablets().size())));
  return *it->second;
}

Daemon* Chaos::any_daemon() {
  std::vector<Daemon*> alive;
  for (const auto& d : world_.daemons()) {
    if (d->alive() && !d->stopping()) alive.push_back(d.get());
  }
  return alive.empty() ? nullptr : alive[world_.random.below(alive.size())];
}

core::PartitionKey Chaos::any_partition() {
  auto it = world_.fake_zookeeper.tables().begin();
  std::advance(
      it, static_cast<std::ptrdiff_t>(world_.random.below(world_.fake_zookeeper.tables().size())));
  const auto& partitions = it->second.partitions;
  return {it->second.tid, partitions[world_.random.below(partitions.size())].pid};
}

void Chaos::later(Range when, Work work) {
  world_.schedule.after(world_.random.in(when), [this, work = std::move(work)] {
    if (!calm_) work();
  });
}

void Chaos::for_a_while(Range how_long, const Work& begin, const Work& end) {
  begin();
  later(how_long, end);
}

}  // namespace failoverd::simulation
