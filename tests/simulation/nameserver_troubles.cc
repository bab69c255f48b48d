#include "tests/simulation/nameserver_troubles.h"

#include <iterator>
#include <utility>

#include "tests/simulation/daemon.h"
#include "tests/simulation/ledger.h"

namespace failoverd::simulation {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr std::uint64_t kOfNameservers = std::uint64_t{1} << 41;
constexpr Range kSoon{milliseconds{1}, milliseconds{60}};
constexpr Range kWhile{milliseconds{300}, seconds{8}};

}  // namespace

NameserverTroubles::NameserverTroubles(World& world, std::uint64_t seed)
    : world_(world), random_(seed ^ kOfNameservers) {
  const bool steers = random_.chance(0.2);
  Nameserver::make_znodes(world_, steers);
  const bool are_two = random_.chance(0.5);
  const Range reads_for{Duration{0}, random_.chance(0.5) ? milliseconds{5} : milliseconds{1500}};
  world_.add_nameserver("ns1:1", random_.below(1u << 30)).reads_for = reads_for;
  if (are_two) world_.add_nameserver("ns2:1", random_.below(1u << 30)).reads_for = reads_for;
  orders_ = random_.chance(0.5);
  aimed_ = random_.chance(0.6) ? 0.01 * static_cast<double>(random_.below(20)) : 0;
  pause_ = {milliseconds{50}, random_.chance(0.5) ? seconds{3} : seconds{8}};
  const bool is_there = random_.chance(0.6);
  if (is_there) any().start();
}

void NameserverTroubles::start() { next(); }

void NameserverTroubles::later(Range when, Work work) {
  world_.schedule.after(random_.in(when), [this, work = std::move(work)] {
    if (!calm_) work();
  });
}

void NameserverTroubles::next() {
  later(pause_, [this] {
    happens();
    next();
  });
}

void NameserverTroubles::happens() {
  Nameserver* leads = leading();
  Nameserver& one = any();
  if (!leads) return one.running() && random_.chance(0.3) ? die(one) : come(one);
  switch (random_.below(10)) {
    case 0:
    case 1:
      return die(*leads);
    case 2:
    case 3:
      return stop(*leads);
    case 4:
      return come(one);
    case 5:
      return leads->lose_connection();
    case 6:
      return cut_off(*leads);
    case 7:
      return break_connections(*leads);
    case 8:
      return steer_for_a_while(*leads);
    default:
      return order(*leads);
  }
}

// --- What befalls them ---------------------------------------------------------------------------

void NameserverTroubles::come(Nameserver& one) {
  if (one.paused()) return one.resume();
  one.start();
}

// Its supervisor starts it again, sooner or later than its session has expired.
void NameserverTroubles::die(Nameserver& one) {
  one.kill();
  if (random_.chance(0.7)) later(kWhile, [&one] { one.start(); });
}

void NameserverTroubles::stop(Nameserver& one) {
  one.pause();
  const bool is_long = random_.chance(0.5);
  later(is_long ? Range{seconds{2}, seconds{9}} : Range{milliseconds{20}, milliseconds{1500}},
        [&one] { one.resume(); });
}

void NameserverTroubles::strike(Nameserver& one) {
  later(kSoon, [this, &one] { random_.chance(0.5) ? die(one) : stop(one); });
}

// By whoever switches it on; then failoverd takes over, or that one switches it off again.
void NameserverTroubles::steer_for_a_while(Nameserver& one) {
  one.switch_auto_failover(true);
  later({seconds{1}, seconds{8}}, [this] {
    if (Nameserver* now = leading()) now->switch_auto_failover(false);
  });
}

void NameserverTroubles::cut_off(Nameserver& one) {
  std::string from = World::kZookeeper;
  const Daemon* active = world_.active();
  if (active && random_.chance(0.5)) from = active->name();
  const std::string& name = one.endpoint();
  world_.say("cut " + name + " | " + from);
  world_.cut(name, from);
  later(kWhile, [this, name, from] {
    world_.say("mended " + name + " | " + from);
    world_.mend(name, from);
  });
}

void NameserverTroubles::break_connections(Nameserver& one) {
  one.breaks = 0.02 * static_cast<double>(1 + random_.below(15));
  later(kWhile, [&one] { one.breaks = 0; });
}

// What somebody does there by hand.
void NameserverTroubles::order(Nameserver& one) {
  core::PartitionShape p;
  const core::PartitionKey at = any_partition(p);
  const core::TableShape* table = world_.fake_zookeeper.table(at);
  if (!orders_ || !table) return;
  const core::Row& row = p.rows[random_.below(p.rows.size())];
  switch (random_.below(4)) {
    case 0:
      return one.write_again(table->znode);
    case 1:
      return one.touch_table(table->znode);
    case 2:
      if (!row.is_leader && row.is_alive && leader_of(p)) one.set_alive(at, row.endpoint, false);
      return;
    default:
      return one.change_leader(at);
  }
}

// --- Aimed ---------------------------------------------------------------------------------------

void NameserverTroubles::sent(const Daemon&, const core::CallTablet& c) {
  const bool matters = std::holds_alternative<core::Promote>(c.call) ||
                       std::holds_alternative<core::Probe>(c.call) ||
                       std::holds_alternative<core::Demote>(c.call);
  if (calm_ || !matters || !random_.chance(aimed_)) return;
  Nameserver* leads = leading();
  if (leads) return strike(*leads);
  later(kSoon, [this] { come(any()); });
}

void NameserverTroubles::nameserver_did(const NameserverCall& call) {
  if (calm_ || call.method != "SetTablePartition" || !random_.chance(aimed_)) return;
  strike(*world_.find_nameserver(call.endpoint));
}

// --- Calm ----------------------------------------------------------------------------------------

void NameserverTroubles::calm() {
  calm_ = true;
  const bool none_stays = random_.chance(0.3);
  for (const auto& [name, one] : world_.nameservers()) {
    one->breaks = 0;
    one->resume();
    if (none_stays || random_.chance(0.2)) one->kill();
  }
  switch_off_whoever_leads();
}

// Until it is: whoever leads next reads what the last one has written.
void NameserverTroubles::switch_off_whoever_leads() {
  Nameserver* leads = leading();
  if (leads && leads->serves() && leads->auto_failover()) leads->switch_auto_failover(false);
  world_.schedule.after(seconds{1}, [this] { switch_off_whoever_leads(); });
}

// --- Who -----------------------------------------------------------------------------------------

Nameserver* NameserverTroubles::leading() {
  Nameserver* leads = world_.leading_nameserver();
  return leads && leads->running() ? leads : nullptr;
}

Nameserver& NameserverTroubles::any() {
  auto it = world_.nameservers().begin();
  std::advance(it, static_cast<std::ptrdiff_t>(random_.below(world_.nameservers().size())));
  return *it->second;
}

core::PartitionKey NameserverTroubles::any_partition(core::PartitionShape& p) {
  auto it = world_.fake_zookeeper.tables().begin();
  std::advance(it,
               static_cast<std::ptrdiff_t>(random_.below(world_.fake_zookeeper.tables().size())));
  p = it->second.partitions[random_.below(it->second.partitions.size())];
  return {it->second.tid, p.pid};
}

}  // namespace failoverd::simulation
