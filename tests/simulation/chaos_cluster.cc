// Faults of what stands around the tablets: the network, the daemons, the metadata in ZooKeeper.
#include "tests/simulation/chaos.h"
#include "tests/simulation/daemon.h"
#include "tests/simulation/nameserver.h"

namespace failoverd::simulation {

using std::chrono::milliseconds;
using std::chrono::seconds;

// --- The network ---------------------------------------------------------------------------------

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

// --- Daemons -------------------------------------------------------------------------------------

void Chaos::reject() {
  Daemon* d = any_daemon();
  if (!d) return;
  const std::string name = any_tablet().endpoint();
  std::optional<core::ConnectionEnd> ends;
  if (world_.random.chance(0.3)) ends = core::ConnectionEnd::kClosed;
  if (!ends && world_.random.chance(0.3)) ends = core::ConnectionEnd::kReset;
  for_a_while(
      kWhile, [&] { world_.reject(*d, name, ends); }, [this, d, name] { world_.accept(*d, name); });
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
  d->dies_after = [this, left = 1 + world_.random.below(12)](const core::Command& c) mutable {
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

void Chaos::stop_daemon_cleanly() {
  Daemon* d = any_daemon();
  if (!d || d->paused() || world_.daemons().size() >= kMostDaemons) return;
  world_.say("stop " + d->name() + " for good");
  d->stop();
  start_successor();
}

// Longer than its session lives at the leader, or not.
void Chaos::cut_off_server() {
  Daemon* d = any_daemon();
  if (!d) return;
  for_a_while(
      kWhile,
      [&] {
        world_.say(d->name() + "'s server of ZooKeeper is cut off");
        d->cut_off_server(true);
      },
      [this, d] {
        world_.say(d->name() + "'s server of ZooKeeper is back");
        d->cut_off_server(false);
      });
}

// --- Metadata ------------------------------------------------------------------------------------

void Chaos::switch_off() {
  for_a_while(
      kWhile, [&] { world_.fake_zookeeper.set_auto_failover(false, "chaos"); },
      [this] { world_.fake_zookeeper.set_auto_failover(true, "chaos"); });
}

// Whoever is active writes it anew, as it was.
void Chaos::remove_switch() {
  world_.say("the switch's znode is deleted");
  world_.fake_zookeeper.remove_auto_failover();
}

void Chaos::nameserver_comes() {
  if (!world_.nameservers().empty()) return;  // Real ones come and go: nameserver_troubles.h.
  for_a_while(
      kWhile, [&] { world_.fake_zookeeper.set_nameservers({"ns:1"}); },
      [this] { world_.fake_zookeeper.set_nameservers({}); });
}

// Through the nameserver where one leads: nobody changes tables past it.
void Chaos::somebody_writes() {
  const std::string znode = world_.fake_zookeeper.table(any_partition())->znode;
  if (Nameserver* nameserver = world_.leading_nameserver()) return nameserver->touch_table(znode);
  world_.fake_zookeeper.touch_table(znode);
}

// Not the first table: something must be left to fail over.
void Chaos::somebody_drops() {
  const auto* table = world_.fake_zookeeper.table(any_partition());
  if (table->name == "flow") return;
  if (Nameserver* nameserver = world_.leading_nameserver()) {
    return nameserver->drop_table(std::string{table->znode});
  }
  world_.say("drop " + table->name);
  world_.fake_zookeeper.drop_table(std::string{table->znode});
}

void Chaos::unreadable() {
  const std::string znode = world_.fake_zookeeper.table(any_partition())->znode;
  for_a_while(
      kWhile, [&] { world_.fake_zookeeper.poison(znode); },
      [this, znode] { world_.fake_zookeeper.cure(znode); });
}

// A right, or something else; on its znode or on what is kept of its replicas; seen or not.
void Chaos::refuse_table() {
  const std::string znode = world_.fake_zookeeper.table(any_partition())->znode;
  const bool is_right = world_.random.chance(0.6);
  core::Refused how{znode, core::RefusalReason::kNoAuth, "no auth", world_.random.chance(0.3)};
  if (!is_right) {
    how.reason = core::RefusalReason::kOther;
    how.why = "quota exceeded";
  }
  const bool is_seen = is_right && !how.is_kept && world_.random.chance(0.5);
  for_a_while(
      kWhile,
      [&] {
        world_.say("refuse " + znode + ": " + how.why);
        world_.fake_zookeeper.refuse(znode, how, is_seen);
      },
      [this, znode] {
        world_.say("take " + znode);
        world_.fake_zookeeper.refuse(znode, std::nullopt);
      });
}

// As if the servers were started with another jute.maxbuffer, about as long as one of the tables.
void Chaos::take_shorter_requests() {
  constexpr std::size_t kLeast = 70'000;
  const std::size_t bytes = world_.fake_zookeeper.table(any_partition())->bytes;
  for_a_while(
      kWhile,
      [&] {
        const std::size_t longest = std::max(kLeast, bytes - 1'000 + world_.random.below(2'000));
        world_.say("requests of at most " + std::to_string(longest) + " bytes");
        world_.fake_zookeeper.set_longest(longest);
      },
      [this] {
        world_.say("requests as long as usual");
        world_.fake_zookeeper.set_longest(kUsualRequest);
      });
}

void Chaos::reload() {
  world_.policy.detection.crash = world_.random.chance(0.7);
  world_.policy.detection.silence = world_.random.in({milliseconds{500}, seconds{4}});
  core::Policy policy = world_.policy;
  if (world_.tamper.policy) world_.tamper.policy(policy);
  for (const auto& d : world_.daemons()) {
    if (d->alive() && !d->paused()) d->tell(core::PolicyChanged{policy});
  }
}

}  // namespace failoverd::simulation
