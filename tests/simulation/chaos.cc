#include "tests/simulation/chaos.h"

#include "tests/simulation/daemon.h"

namespace failoverd::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Range kBlink{milliseconds{20}, milliseconds{900}};
constexpr Range kWhile{milliseconds{300}, seconds{8}};
constexpr std::size_t kMostDaemons = 12;
constexpr std::size_t kUsualRequest = 0xfffff;

}  // namespace

Chaos::Chaos(World& world) : world_(world) {}

void Chaos::start() {
  choose_faults();
  aimed_ = world_.dice.chance(0.6) ? 0.01 * static_cast<double>(world_.dice.below(30)) : 0;
  pause_ = {milliseconds{5}, world_.dice.chance(0.5) ? milliseconds{1500} : milliseconds{5000}};
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
  };
  for (const Fault& fault : all) {
    if (world_.dice.chance(0.6)) faults_.push_back(fault);
  }
  if (world_.keeper_refuses) {
    faults_.push_back({15, [this] { refuse_table(); }});
    faults_.push_back({8, [this] { take_shorter_requests(); }});
  }
  // Something must bring partitions into trouble.
  if (world_.dice.chance(0.9) || faults_.empty()) faults_.push_back(all[0]);
  for (const Fault& fault : faults_) total_weight_ += fault.weight;
}

void Chaos::next() {
  later(pause_, [this] {
    auto left = static_cast<int>(world_.dice.below(static_cast<std::uint64_t>(total_weight_)));
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
  const bool leave_dead = world_.dice.chance(0.2);
  for (const auto& [name, tablet] : world_.tablets()) {
    if (tablet->paused()) world_.resume(name);
    tablet->slow = {};
    tablet->stop_failing();
    tablet->unhang();
    world_.trouble(name, "calm");
    const bool stays_dead = leave_dead && world_.dice.chance(0.5);
    if (tablet->is_stranger() && world_.dice.chance(0.5)) world_.kill(name);
    if (!tablet->running() && stays_dead) world_.kill(name);
    if (!tablet->running() && !stays_dead) world_.restart(name);
  }
  for (std::size_t i = 0; i < world_.daemons().size(); ++i) {
    Daemon& d = *world_.daemons()[i];
    d.dies_after = nullptr;
    d.dies_before = nullptr;
    if (d.alive()) d.resume();
  }
  for (const auto& [znode, table] : world_.keeper.tables()) {
    if (world_.keeper.poisoned().contains(znode)) world_.keeper.poison(znode, std::nullopt);
  }
  for (const auto& [znode, table] : world_.keeper.tables()) {
    world_.keeper.refuse(znode, std::nullopt);
  }
  world_.keeper.set_longest(kUsualRequest);
  world_.keeper.set_nameservers({});
  world_.keeper.set_auto_failover(true, "test");
  if (!any_daemon()) world_.start_daemon();
}

// --- Aimed ---------------------------------------------------------------------------------------

void Chaos::sent(const Daemon& d, const core::CallTablet& c) {
  if (calm_ || !core::changes(c.call) || !world_.dice.chance(aimed_)) return;
  if (std::holds_alternative<core::Promote>(c.call) && world_.dice.chance(0.3)) {
    return hang(world_.tablet(c.tablet), method_of(c.call));
  }
  if (std::holds_alternative<core::LoadTable>(c.call) && world_.dice.chance(0.1)) {
    return world_.tablet(c.tablet).fail_next_load();
  }
  // At once, or while what was told to go on behind the answer goes on.
  const Range when{Duration{0}, world_.dice.chance(0.6) ? milliseconds{4} : milliseconds{4000}};
  later(when, [this, tablet = victim(c), daemon = d.name()] { strike(tablet, daemon); });
}

std::string Chaos::victim(const core::CallTablet& c) {
  std::vector<std::string> all{c.tablet, c.tablet};
  if (const auto* add = std::get_if<core::AddReplica>(&c.call)) all.push_back(add->replica);
  if (const auto* del = std::get_if<core::DelReplica>(&c.call)) all.push_back(del->replica);
  if (const auto* send = std::get_if<core::SendSnapshot>(&c.call)) all.push_back(send->to);
  const auto at = partition_of(c.call);
  const auto* p = at ? world_.keeper.partition(*at) : nullptr;
  for (std::size_t i = 0; p && i < p->rows.size(); ++i) {
    if (p->rows[i].is_leader && p->rows[i].is_alive) all.push_back(p->rows[i].endpoint);
  }
  return all[world_.dice.below(all.size())];
}

void Chaos::commanded(const Daemon& d, const core::Command& command) {
  const bool matters = std::holds_alternative<core::Publish>(command) ||
                       std::holds_alternative<core::WriteRecord>(command) ||
                       std::holds_alternative<core::WriteJournal>(command);
  if (calm_ || !matters || !world_.dice.chance(aimed_)) return;
  later({Duration{0}, milliseconds{8}}, [this, name = d.name()] {
    Daemon* daemon = world_.find_daemon(name);
    if (daemon->alive()) daemon->lose_connection();
  });
}

void Chaos::strike(const std::string& tablet, const std::string& daemon) {
  switch (world_.dice.below(4)) {
    case 0:
      world_.kill(tablet);
      if (world_.dice.chance(0.7)) later(kWhile, [this, tablet] { world_.restart(tablet); });
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

// --- Who
// ---------------------------------------------------------------------------------------------

Tablet& Chaos::any_tablet() {
  auto it = world_.tablets().begin();
  std::advance(it, static_cast<std::ptrdiff_t>(world_.dice.below(world_.tablets().size())));
  return *it->second;
}

Daemon* Chaos::any_daemon() {
  std::vector<Daemon*> alive;
  for (const auto& d : world_.daemons()) {
    if (d->alive()) alive.push_back(d.get());
  }
  return alive.empty() ? nullptr : alive[world_.dice.below(alive.size())];
}

core::PartitionKey Chaos::any_partition() {
  auto it = world_.keeper.tables().begin();
  std::advance(it, static_cast<std::ptrdiff_t>(world_.dice.below(world_.keeper.tables().size())));
  const auto& partitions = it->second.partitions;
  return {it->second.tid, partitions[world_.dice.below(partitions.size())].pid};
}

void Chaos::later(Range when, Work work) {
  world_.schedule.after(world_.dice.in(when), [this, work = std::move(work)] {
    if (!calm_) work();
  });
}

void Chaos::for_a_while(Range how_long, const Work& begin, const Work& end) {
  begin();
  later(how_long, end);
}

// --- Tablets
// -----------------------------------------------------------------------------------------

void Chaos::crash() {
  const std::string name = any_tablet().endpoint();
  world_.kill(name);
  if (world_.dice.chance(0.9)) {
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
  const bool power = world_.dice.chance(0.4);
  const Range apart{Duration{0}, world_.dice.chance(0.5) ? milliseconds{3} : milliseconds{3000}};
  const Range back{milliseconds{200}, world_.dice.chance(0.5) ? seconds{3} : seconds{20}};
  world_.say(power ? "the power fails" : "everything is killed");
  for (const auto& [name, tablet] : world_.tablets()) {
    later(apart, [this, power, back, name = name] {
      power ? world_.power_cut(name) : world_.kill(name);
      later(back, [this, name] { world_.restart(name); });
    });
  }
  if (world_.dice.chance(0.6)) return;
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
  const Range how_long = world_.dice.chance(0.4) ? kBlink : Range{seconds{1}, seconds{14}};
  for_a_while(
      how_long, [&] { world_.pause(name); }, [this, name] { world_.resume(name); });
}

void Chaos::slow_tablet() {
  Tablet& t = any_tablet();
  const Duration by = world_.dice.in({milliseconds{20}, milliseconds{2500}});
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
  hang(any_tablet(), world_.dice.below(std::variant_size_v<core::Call>));
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
  const Method method = world_.dice.below(std::variant_size_v<core::Call>);
  world_.trouble(t.endpoint(), "fails " + name_of(method));
  t.fail(method, kCodes[world_.dice.below(std::size(kCodes))],
         static_cast<int>(1 + world_.dice.below(3)));
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
  const auto* p = world_.keeper.partition(at);
  const std::string name = p->rows[world_.dice.below(p->rows.size())].endpoint;
  Tablet& t = world_.tablet(name);
  const auto* held = t.held(at);
  if (!t.serves() || !held || held->mode == core::Mode::kLeader) return;
  // The next term may be the one that an election is about to give: nobody would choose it.
  const core::Term known = std::max(held->term, p->terms.empty() ? 0 : p->terms.back().term);
  const core::Term term = known + (world_.dice.chance(0.3) ? 100'000 : 0);
  t.promote_by_hand(at, term);
  if (world_.dice.chance(0.5)) hang(t, method_of(core::GetTermPair{at}));
}

// At once or a little later, beside the znode that is still there or long after it; it may hold
// nothing at first. It stays until the tablet is started again.
void Chaos::stranger() {
  const std::string name = any_tablet().endpoint();
  world_.kill(name);
  const Range after{Duration{0}, world_.dice.chance(0.5) ? milliseconds{30} : milliseconds{5000}};
  later(after, [this, name, holds = what_a_stranger_holds()] {
    if (world_.tablet(name).running()) return;
    const bool empty_at_first = world_.dice.chance(0.3);
    world_.replace(name, empty_at_first ? std::vector<core::ReplicaStatus>{} : holds);
    later(kWhile, [this, name, holds] { world_.tablet(name).stranger_holds(holds); });
    if (world_.dice.chance(0.8)) {
      later({seconds{1}, seconds{15}}, [this, name] { world_.restart(name); });
    }
  });
}

// Tables of other names under tids and pids that are ours, too, or under others.
std::vector<core::ReplicaStatus> Chaos::what_a_stranger_holds() {
  std::vector<core::ReplicaStatus> all;
  const auto holds = [&](core::PartitionKey at) {
    const core::Mode mode = world_.dice.chance(0.5) ? core::Mode::kLeader : core::Mode::kFollower;
    const core::Offset offset = world_.dice.below(1'000);
    all.push_back({at, offset, mode, core::TableState::kNormal, offset, offset, "theirs"});
  };
  for (const auto& [znode, table] : world_.keeper.tables()) {
    for (const core::PartitionShape& p : table.partitions) {
      if (world_.dice.chance(0.5)) holds({table.tid, p.pid});
    }
  }
  if (world_.dice.chance(0.3)) holds({900, 0});
  return all;
}

// --- The network
// -------------------------------------------------------------------------------------

void Chaos::cut(const std::string& a, const std::string& b, Range how_long) {
  if (a == b) return;
  const auto trouble = [this, a, b](const std::string& what) {
    for (const std::string& name : {a, b}) {
      if (world_.tablets().contains(name)) world_.trouble(name, what);
    }
    world_.say(what + " " + a + " | " + b);
  };
  for_a_while(
      how_long,
      [&] {
        trouble("cut");
        world_.cut(a, b);
      },
      [this, a, b, trouble] {
        trouble("mended");
        world_.mend(a, b);
      });
}

// --- Daemons
// -----------------------------------------------------------------------------------------

void Chaos::reject() {
  Daemon* d = any_daemon();
  if (!d) return;
  const std::string name = any_tablet().endpoint();
  for_a_while(
      kWhile, [&] { world_.reject(*d, name); }, [this, d, name] { world_.accept(*d, name); });
}

void Chaos::start_successor() {
  later({milliseconds{1}, seconds{4}}, [this] {
    if (world_.daemons().size() < kMostDaemons) world_.start_daemon();
  });
}

void Chaos::kill_daemon() {
  Daemon* d = any_daemon();
  if (!d || world_.daemons().size() >= kMostDaemons) return;
  world_.say("kill " + d->name());
  d->kill();
  start_successor();
}

void Chaos::kill_daemon_at_a_command() {
  Daemon* d = world_.active();
  if (!d || d->dies_after || world_.daemons().size() >= kMostDaemons) return;
  // The next so many commands that change something.
  d->dies_after = [this, left = 1 + world_.dice.below(12)](const core::Command& c) mutable {
    const auto* call = std::get_if<core::CallTablet>(&c);
    const bool counts = call ? core::changes(call->call)
                             : std::holds_alternative<core::Publish>(c) ||
                                   std::holds_alternative<core::WriteRecord>(c) ||
                                   std::holds_alternative<core::WriteJournal>(c) ||
                                   std::holds_alternative<core::DropRecord>(c);
    if (!counts || calm_ || --left > 0) return false;
    world_.say("the daemon dies after " + core::to_text(c));
    start_successor();
    return true;
  };
}

void Chaos::stop_daemon() {
  Daemon* d = any_daemon();
  if (!d) return;
  for_a_while(
      kWhile,
      [&] {
        world_.say("stop " + d->name());
        d->pause();
      },
      [this, d] {
        world_.say("continue " + d->name());
        d->resume();
      });
}

// --- Metadata
// ----------------------------------------------------------------------------------------

void Chaos::switch_off() {
  for_a_while(
      kWhile, [&] { world_.keeper.set_auto_failover(false, "chaos"); },
      [this] { world_.keeper.set_auto_failover(true, "chaos"); });
}

void Chaos::nameserver_comes() {
  for_a_while(
      kWhile, [&] { world_.keeper.set_nameservers({"ns:1"}); },
      [this] { world_.keeper.set_nameservers({}); });
}

void Chaos::somebody_writes() {
  const auto* table = world_.keeper.table(any_partition());
  world_.keeper.write_table(*table, "somebody");
}

// Not the first table: something must be left to fail over.
void Chaos::somebody_drops() {
  const auto* table = world_.keeper.table(any_partition());
  if (table->name == "flow") return;
  world_.say("drop " + table->name);
  world_.keeper.drop_table(std::string{table->znode});
}

void Chaos::unreadable() {
  const std::string znode = world_.keeper.table(any_partition())->znode;
  for_a_while(
      kWhile, [&] { world_.keeper.poison(znode, "does not parse"); },
      [this, znode] { world_.keeper.poison(znode, std::nullopt); });
}

// A right, or something else; on its znode or on what is kept of its replicas; seen or not.
void Chaos::refuse_table() {
  const std::string znode = world_.keeper.table(any_partition())->znode;
  const bool is_right = world_.dice.chance(0.6);
  core::Refused how{znode, core::RefusalReason::kNoAuth, "no auth", world_.dice.chance(0.3)};
  if (!is_right) {
    how.reason = core::RefusalReason::kOther;
    how.why = "quota exceeded";
  }
  const bool is_seen = is_right && !how.is_kept && world_.dice.chance(0.5);
  for_a_while(
      kWhile,
      [&] {
        world_.say("refuse " + znode + ": " + how.why);
        world_.keeper.refuse(znode, how, is_seen ? "world:anyone:r" : "");
      },
      [this, znode] {
        world_.say("take " + znode);
        world_.keeper.refuse(znode, std::nullopt);
      });
}

// As if the servers were started with another jute.maxbuffer, about as long as one of the tables.
void Chaos::take_shorter_requests() {
  constexpr std::size_t kLeast = 70'000;
  const std::size_t bytes = world_.keeper.table(any_partition())->bytes;
  for_a_while(
      kWhile,
      [&] {
        const std::size_t longest = std::max(kLeast, bytes - 1'000 + world_.dice.below(2'000));
        world_.say("requests of at most " + std::to_string(longest) + " bytes");
        world_.keeper.set_longest(longest);
      },
      [this] {
        world_.say("requests as long as usual");
        world_.keeper.set_longest(kUsualRequest);
      });
}

void Chaos::reload() {
  world_.policy.detection.crash = world_.dice.chance(0.7);
  world_.policy.detection.silence = world_.dice.in({milliseconds{500}, seconds{4}});
  core::Policy policy = world_.policy;
  if (world_.tamper.policy) world_.tamper.policy(policy);
  for (const auto& d : world_.daemons()) {
    if (d->alive() && !d->paused()) d->tell(core::PolicyChanged{policy});
  }
}

}  // namespace failoverd::simulation
