#include "tests/simulation/run.h"

#include <algorithm>
#include <memory>

#include "tests/simulation/chaos.h"
#include "tests/simulation/checker.h"
#include "tests/simulation/daemon.h"
#include "tests/simulation/nameserver_troubles.h"
#include "tests/simulation/operators.h"
#include "tests/simulation/trace.h"

namespace failoverd::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t kLeastSteps = 2'500;

// Every fifth seed has a ZooKeeper that refuses; the others go on as they were without it.
bool fake_zookeeper_refuses(std::uint64_t seed) { return seed % 5 == 3; }

// SAFETY 19: whatever is appended to a table that waits to be loaded costs its older rows.
constexpr double kRunsWithQueues = 0.5;  // Their tablets let what is to be loaded wait ...
constexpr double kQueued = 0.3;          // ... so often.

// Where operators draw from.
constexpr std::uint64_t kOfOperators = std::uint64_t{1} << 40;

// With random of its own: what a seed draws beside it stays what it was.
constexpr double kRunsOfOpenmldb = 0.3;  // Their znodes have its numbers, and tables ...
constexpr double kOnDisk = 0.5;          // ... may be on disk, which no other generation has.

void draw_storage(World& world, Random& random, core::TableShape& table) {
  const bool is_on_disk = random.chance(kOnDisk);
  if (!is_on_disk || world.fake_zookeeper.numbering == fedb::Numbering::kFedb) return;
  table.storage = random.chance(0.5) ? core::Storage::kSsd : core::Storage::kHdd;
}

core::TableShape draw_table(World& world, std::uint32_t tid, const std::string& name,
                            std::size_t partitions, std::size_t replicas) {
  std::vector<std::string> endpoints;
  for (const auto& [endpoint, tablet] : world.tablets()) endpoints.push_back(endpoint);
  core::TableShape table;
  table.znode = "table/table_data/" + name;
  table.bytes = 200;
  if (world.fake_zookeeper_refuses && world.random.chance(0.5)) {
    table.bytes = static_cast<std::uint32_t>(100'000 + world.random.below(900'000));
  }
  table.name = name;
  table.tid = tid;
  for (std::uint32_t pid = 0; pid < partitions; ++pid) {
    core::PartitionShape p;
    p.pid = pid;
    const std::size_t first = world.random.below(endpoints.size());
    for (std::size_t i = 0; i < replicas; ++i) {
      p.rows.push_back({endpoints[(first + i) % endpoints.size()], i == 0, true});
    }
    p.terms.push_back({tid * 10 + pid, 0});
    table.partitions.push_back(std::move(p));
  }
  return table;
}

void draw_policy(World& world) {
  Random& random = world.random;
  core::Policy& p = world.policy;
  p.detection.crash = random.chance(0.85);
  p.detection.silence = random.in({milliseconds{500}, seconds{4}});
  if (random.chance(0.3)) p.election.wait_for_better = random.in({milliseconds{200}, seconds{5}});
  p.recovery.max_copies_per_tablet = 1 + static_cast<int>(random.below(3));
  if (random.chance(0.3)) p.recovery.catch_up_delta = random.below(10);
  if (random.chance(0.9)) p.recovery.full_restart_wait = random.in({seconds{1}, seconds{40}});
  if (random.chance(0.5)) p.detection.refuses_again = milliseconds{20};
}

// What may be lost, with random of its own: what a seed draws beside it stays what it was.
void draw_losses(World& world, std::uint64_t seed) {
  Random random{~seed};
  core::Policy& p = world.policy;
  if (!random.chance(0.4)) return;
  p.guards.max_lost_entries = random.below(6);
  p.election.wait_for_lost = random.in({milliseconds{200}, seconds{25}});
}

void draw_cluster(World& world, std::uint64_t seed) {
  Random of_storage{seed * 3 + 1};
  if (of_storage.chance(kRunsOfOpenmldb)) {
    world.fake_zookeeper.numbering = fedb::Numbering::kOpenmldb;
  }
  const auto add = [&](core::TableShape table) {
    draw_storage(world, of_storage, table);
    world.add_table(std::move(table));
  };
  const std::size_t tablets = 3 + world.random.below(4);
  for (std::size_t i = 0; i < tablets; ++i) {
    world.add_tablet(std::string(1, static_cast<char>('A' + i)) + ":1");
  }
  const auto up_to = [&](std::uint64_t n) { return 1 + world.random.below(n); };
  add(draw_table(world, 2, "flow", up_to(3), 3));
  if (world.random.chance(0.5)) add(draw_table(world, 3, "pair", up_to(2), 2));
  if (world.random.chance(0.5)) add(draw_table(world, 4, "single", up_to(2), 1));
  const Range every{milliseconds{20}, milliseconds{20} + milliseconds{up_to(600)}};
  for (const auto& [znode, table] : world.fake_zookeeper.tables()) {
    for (const core::PartitionShape& p : table.partitions) {
      world.add_writer({table.tid, p.pid}, every).start();
    }
  }
}

// Somebody may lead it who is there, or comes back, and whose disk still has it; a single replica
// may always. One that comes up with nothing of what was acknowledged waits for its disk, or for an
// operator who gives it up.
bool electable(World& world, core::PartitionKey at, const core::PartitionShape& p) {
  return std::any_of(p.rows.begin(), p.rows.end(), [&](const core::Row& row) {
    const Tablet& t = world.tablet(row.endpoint);
    const bool alive = row.is_alive || world.fake_zookeeper.steps_down(at, p, row.endpoint);
    const bool may_lead = (alive || p.rows.size() == 1) && world.supervised(row.endpoint);
    const bool lost_all = world.written.contains(at) && t.log(at).offset() == 0;
    return may_lead && t.disk.contains(at) && !lost_all;
  });
}

using Unmet = std::vector<Violation>;

bool sends_to(const Tablet::Held& leader, const core::Endpoint& endpoint) {
  return std::any_of(leader.followers.begin(), leader.followers.end(),
                     [&](const auto& f) { return f.endpoint == endpoint; });
}

void look_at_followers(World& world, core::PartitionKey at, const core::PartitionShape& p,
                       const core::Endpoint& leader, Unmet& unmet) {
  const std::string name = world.name_of(at) + ": ";
  const Tablet::Held& of_leader = *world.tablet(leader).held(at);
  for (const core::Row& row : p.rows) {
    if (row.endpoint == leader) continue;
    const Tablet& t = world.tablet(row.endpoint);
    const auto* held = t.held(at);
    if (t.leads(at)) unmet.push_back({kLedAgain, name + row.endpoint + " leads, too"});
    if (t.is_stranger() && sends_to(of_leader, row.endpoint)) {
      unmet.push_back({kLedAgain, name + "its leader sends to the stranger " + row.endpoint});
    }
    if (!row.is_alive) {
      if (world.supervised(row.endpoint))
        unmet.push_back({kLedAgain, name + row.endpoint + " is not alive"});
      continue;
    }
    if (!t.serves() || !held || !held->loaded()) {
      unmet.push_back({kLedAgain, name + row.endpoint + " is called alive and has nothing"});
      continue;
    }
    if (held->term > of_leader.term) {
      unmet.push_back({kFencesEnd, name + "its leader is fenced at " + row.endpoint});
    }
    if (!sends_to(of_leader, row.endpoint)) {
      unmet.push_back({kLedAgain, name + "its leader does not send to " + row.endpoint});
    }
  }
}

void look(World& world, core::PartitionKey at, const core::PartitionShape& p, Unmet& unmet) {
  const std::string name = world.name_of(at);
  const core::Row* leader = leader_of(p);
  if (!leader) return unmet.push_back({kLedAgain, name + " has no leader"});
  if (!world.tablet(leader->endpoint).leads(at)) {
    return unmet.push_back({kLedAgain, name + ": " + leader->endpoint + " does not lead"});
  }
  look_at_followers(world, at, p, leader->endpoint, unmet);
  const Daemon* active = world.active();
  if (!active) return unmet.push_back({kLedAgain, "no daemon is active"});
  for (const auto& [id, op] : active->brain().ops().running()) {
    if (op.at != at) continue;
    unmet.push_back({kLedAgain, name + ": " + core::to_text(op.type) + " runs: " + op.detail});
  }
  for (const auto& [record_name, record] : world.fake_zookeeper.records()) {
    for (const core::BegunElection& begun : record.elections) {
      if (begun.at != at) continue;
      unmet.push_back({kLedAgain, name + ": record " + record_name + " is left"});
    }
  }
}

// The first rule that any of them breaks, SAFETY before liveness, and all that it is about.
Violation joined(const Unmet& unmet) {
  Violation all{kLedAgain, ""};
  for (const Violation& v : unmet) {
    if (v.rule != kLedAgain) all.rule = v.rule;
    all.what += (all.what.empty() ? "" : "; ") + v.what;
  }
  return all;
}

bool some_task_runs(const World& world) {
  return std::any_of(world.tablets().begin(), world.tablets().end(), [](const auto& tablet) {
    const auto& tasks = tablet.second->tasks;
    return std::any_of(tasks.begin(), tasks.end(), [](const auto& task) {
      return task.second == core::OpStatus::kInited || task.second == core::OpStatus::kDoing;
    });
  });
}

// What ended ops have left on a tablet is seen to when that is known to be ours: one that lost its
// session registers again on its keep-alive interval; one whose port was seen to refuse is known by
// its znode when that has outlived every session (SAFETY 21).
bool all_are_known(World& world) {
  const Daemon* active = world.active();
  return std::all_of(world.tablets().begin(), world.tablets().end(), [&](const auto& named) {
    const Tablet& t = *named.second;
    if (!active || !t.running() || t.is_stranger()) return true;
    const core::Model& model = active->brain().model();
    const auto index = model.find_tablet(named.first);
    return t.registered() && index && model.tablet(*index).znode_vouches();
  });
}

void must_get_well(World& world, Duration within) {
  const auto give_up = [&](Unmet unmet) {
    if (world.violation()) return;
    const Violation v = joined(unmet);
    world.violate(v.rule, v.what);
  };
  if (!world.run_until([&] { return not_well(world).empty(); }, within)) {
    return give_up(not_well(world));
  }
  // A last row for everybody who is led: it must reach every follower that is called alive.
  world.stop_writers();
  world.run_for(seconds{2});
  for (const auto& [znode, table] : world.fake_zookeeper.tables()) {
    for (const core::PartitionShape& p : table.partitions) {
      world.add_writer({table.tid, p.pid}, {}).write(1);
    }
  }
  world.run_for(milliseconds{50});
  const auto unmet = [&] {
    Unmet all = not_well(world);
    for (Violation& v : not_equal(world)) all.push_back(std::move(v));
    if (auto v = memory_differs(world)) all.push_back(std::move(*v));
    return all;
  };
  if (!world.run_until([&] { return unmet().empty(); }, within)) return give_up(unmet());
  // What nobody waits for comes last.
  world.run_until([&] { return all_are_known(world); }, seconds{90});
  // A file that nobody takes is tried for three quarters of a minute, and its task is forgotten
  // when it has ended.
  world.run_until([&] { return !some_task_runs(world); }, seconds{60});
  world.run_for(seconds{10});
  world.tell(&Observer::at_rest);
}

}  // namespace

std::vector<Violation> not_well(World& world) {
  Unmet unmet;
  for (const auto& [znode, table] : world.fake_zookeeper.tables()) {
    for (const core::PartitionShape& p : table.partitions) {
      const core::PartitionKey at{table.tid, p.pid};
      if (electable(world, at, p)) look(world, at, p, unmet);
    }
  }
  return unmet;
}

std::vector<Violation> not_equal(World& world) {
  Unmet unmet;
  for (const auto& [znode, table] : world.fake_zookeeper.tables()) {
    for (const core::PartitionShape& p : table.partitions) {
      const core::PartitionKey at{table.tid, p.pid};
      const core::Row* leader = leader_of(p);
      if (!leader || !electable(world, at, p)) continue;
      const Log& log = world.tablet(leader->endpoint).log(at);
      for (const core::Row& row : p.rows) {
        const Log& other = world.tablet(row.endpoint).log(at);
        if (!row.is_alive || (other.is_prefix_of(log) && other.offset() == log.offset())) continue;
        unmet.push_back({kLedAgain, world.name_of(at) + ": " + row.endpoint + " has " +
                                        std::to_string(other.offset()) + " of " +
                                        std::to_string(log.offset())});
      }
    }
  }
  return unmet;
}

RunResult run(const RunOptions& options) {
  World world{options.seed, Timing{}};
  draw_policy(world);
  if (world.random.chance(kRunsWithQueues)) world.timing.queued = kQueued;
  draw_losses(world, options.seed);
  Ledger ledger{world};
  world.watch(ledger);
  Checkers checkers;
  add_publish_checkers(world, ledger, checkers);
  add_act_checkers(world, ledger, checkers);
  add_handover_checkers(world, ledger, checkers);
  add_row_checkers(world, ledger, checkers);
  add_recovery_checkers(world, ledger, checkers);
  add_rest_checkers(world, ledger, checkers);
  add_restart_checkers(world, ledger, checkers);
  add_loss_checkers(world, ledger, checkers);
  add_left_alone_checkers(world, ledger, checkers);
  add_stranger_checkers(world, ledger, checkers);
  add_nameserver_checkers(world, ledger, checkers);
  std::unique_ptr<Trace> trace;
  if (options.trace) {
    trace = std::make_unique<Trace>(world, *options.trace);
    world.watch(*trace);
  }
  for (const auto& checker : checkers) {
    if (options.only.empty() || options.only == checker->rule()) world.watch(*checker);
  }

  world.fake_zookeeper_refuses = fake_zookeeper_refuses(options.seed);
  draw_cluster(world, options.seed);
  std::optional<NameserverTroubles> nameservers;
  if (NameserverTroubles::belong_to(options.seed)) nameservers.emplace(world, options.seed);
  if (options.tamper) options.tamper(world);
  world.run_for(seconds{1});
  world.start_daemon();
  if (world.random.chance(0.3)) world.start_daemon();
  world.run_for(world.random.in({milliseconds{100}, seconds{4}}));
  Chaos chaos{world};
  world.watch(chaos);
  chaos.start();
  if (nameservers) {
    world.watch(*nameservers);
    nameservers->start();
  }
  Operators operators{world, options.seed ^ kOfOperators};
  if (options.operators || options.seed % 3 == 1) operators.start();
  world.run_for(world.random.in({seconds{10}, seconds{40}}));
  // A small cluster that writes little suffers longer.
  while (world.schedule.steps() < kLeastSteps && !world.violation()) world.run_for(seconds{1});
  operators.stop();
  if (!world.violation()) chaos.calm();
  if (nameservers) nameservers->calm();
  // Each of two lost replicas is waited for once.
  const Duration within = options.well_within + world.policy.recovery.full_restart_wait +
                          2 * *world.policy.election.wait_for_lost;
  if (!world.violation()) must_get_well(world, within);
  return {world.violation(), world.schedule.steps()};
}

}  // namespace failoverd::simulation
