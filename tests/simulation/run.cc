#include "tests/simulation/run.h"

#include <algorithm>
#include <memory>

#include "tests/simulation/chaos.h"
#include "tests/simulation/checker.h"
#include "tests/simulation/daemon.h"
#include "tests/simulation/trace.h"

namespace failoverd::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// How long a cluster that is left alone may take. The longest honest wait is a tablet whose mutex
// is held by a follower that hung (12 s), one after another; then back-off.
constexpr Duration kWellWithin = seconds{120};

core::TableShape draw_table(World& world, std::uint32_t tid, const std::string& name,
                            std::size_t partitions, std::size_t replicas) {
  std::vector<std::string> endpoints;
  for (const auto& [endpoint, tablet] : world.tablets()) endpoints.push_back(endpoint);
  core::TableShape table;
  table.znode = "table/table_data/" + name;
  table.bytes = 200;
  table.name = name;
  table.tid = tid;
  for (std::uint32_t pid = 0; pid < partitions; ++pid) {
    core::PartitionShape p;
    p.pid = pid;
    const std::size_t first = world.dice.below(endpoints.size());
    for (std::size_t i = 0; i < replicas; ++i) {
      p.rows.push_back({endpoints[(first + i) % endpoints.size()], i == 0, true});
    }
    p.terms.push_back({tid * 10 + pid, 0});
    table.partitions.push_back(std::move(p));
  }
  return table;
}

void draw_policy(World& world) {
  Dice& dice = world.dice;
  core::Policy& p = world.policy;
  p.detection.crash = dice.chance(0.85);
  p.detection.silence = dice.in({milliseconds{500}, seconds{4}});
  if (dice.chance(0.3)) p.election.wait_for_better = dice.in({milliseconds{200}, seconds{5}});
}

void draw_cluster(World& world) {
  const std::size_t tablets = 3 + world.dice.below(4);
  for (std::size_t i = 0; i < tablets; ++i) {
    world.add_tablet(std::string(1, static_cast<char>('A' + i)) + ":1");
  }
  const auto up_to = [&](std::uint64_t n) { return 1 + world.dice.below(n); };
  world.add_table(draw_table(world, 2, "flow", up_to(3), 3));
  if (world.dice.chance(0.5)) world.add_table(draw_table(world, 3, "pair", up_to(2), 2));
  if (world.dice.chance(0.5)) world.add_table(draw_table(world, 4, "single", up_to(2), 1));
  const Range every{milliseconds{20}, milliseconds{20} + milliseconds{up_to(600)}};
  for (const auto& [znode, table] : world.keeper.tables()) {
    for (const core::PartitionShape& p : table.partitions) {
      world.add_writer({table.tid, p.pid}, every).start();
    }
  }
}

bool electable(World& world, core::PartitionKey at, const core::PartitionShape& p) {
  return std::any_of(p.rows.begin(), p.rows.end(), [&](const core::Row& row) {
    const Tablet& t = world.tablet(row.endpoint);
    return row.is_alive && t.serves() && t.held(at);
  });
}

void look(World& world, core::PartitionKey at, const core::PartitionShape& p,
          std::vector<std::string>& unmet) {
  const std::string name = world.name_of(at);
  const core::Row* leader = leader_of(p);
  if (!leader) return unmet.push_back(name + " has no leader");
  const Tablet& of_leader = world.tablet(leader->endpoint);
  if (!of_leader.leads(at))
    return unmet.push_back(name + ": " + leader->endpoint + " does not lead");
  for (const core::Row& row : p.rows) {
    if (row.endpoint == leader->endpoint) continue;
    const Tablet& t = world.tablet(row.endpoint);
    const auto* held = t.held(at);
    if (t.leads(at)) unmet.push_back(name + ": " + row.endpoint + " leads, too");
    if (!row.is_alive) continue;
    if (!t.serves() || !held) {
      unmet.push_back(name + ": the row of " + row.endpoint + " is alive, and it has nothing");
      continue;
    }
    // SAFETY 3: a follower with a higher term takes nothing from its leader.
    if (held->term > of_leader.held(at)->term) {
      unmet.push_back(name + ": its leader is fenced at " + row.endpoint);
    }
    const auto& followers = of_leader.held(at)->followers;
    if (std::none_of(followers.begin(), followers.end(),
                     [&](const auto& f) { return f.endpoint == row.endpoint; })) {
      unmet.push_back(name + ": its leader does not send to " + row.endpoint);
    }
  }
  const Daemon* active = world.active();
  if (!active) return unmet.push_back("no daemon is active");
  for (const auto& [id, op] : active->brain().ops().running()) {
    if (op.at == at)
      unmet.push_back(name + ": op " + core::to_text(op.type) + " runs: " + op.detail);
  }
  for (const auto& [record_name, record] : world.keeper.records()) {
    for (const core::BegunElection& begun : record.elections) {
      if (begun.at == at) unmet.push_back(name + ": record " + record_name + " is left");
    }
  }
}

std::string joined(const std::vector<std::string>& sentences) {
  std::string all;
  for (const std::string& s : sentences) all += (all.empty() ? "" : "; ") + s;
  return all;
}

void must_get_well(World& world) {
  if (!world.run_until([&] { return not_well(world).empty(); }, kWellWithin)) {
    if (!world.violation()) world.violate("liveness: led again", joined(not_well(world)));
    return;
  }
  // A last row for everybody who is led: it must reach every follower that is called alive.
  world.stop_writers();
  world.run_for(seconds{2});
  for (const auto& [znode, table] : world.keeper.tables()) {
    for (const core::PartitionShape& p : table.partitions) {
      world.add_writer({table.tid, p.pid}, {}).write(1);
    }
  }
  world.run_for(milliseconds{50});
  const auto all_well = [&] { return not_well(world).empty() && not_equal(world).empty(); };
  if (world.run_until(all_well, kWellWithin) || world.violation()) return;
  auto unmet = not_well(world);
  for (std::string& s : not_equal(world)) unmet.push_back(std::move(s));
  world.violate("liveness: alive followers follow", joined(unmet));
}

}  // namespace

std::vector<std::string> not_well(World& world) {
  std::vector<std::string> unmet;
  for (const auto& [znode, table] : world.keeper.tables()) {
    for (const core::PartitionShape& p : table.partitions) {
      const core::PartitionKey at{table.tid, p.pid};
      if (electable(world, at, p)) look(world, at, p, unmet);
    }
  }
  return unmet;
}

std::vector<std::string> not_equal(World& world) {
  std::vector<std::string> unmet;
  for (const auto& [znode, table] : world.keeper.tables()) {
    for (const core::PartitionShape& p : table.partitions) {
      const core::PartitionKey at{table.tid, p.pid};
      const core::Row* leader = leader_of(p);
      if (!leader || !electable(world, at, p)) continue;
      const Log& log = world.tablet(leader->endpoint).logs.at(at);
      for (const core::Row& row : p.rows) {
        const Log& other = world.tablet(row.endpoint).logs.at(at);
        if (!row.is_alive || (other.is_prefix_of(log) && other.offset() == log.offset())) continue;
        unmet.push_back(world.name_of(at) + ": " + row.endpoint + " has " +
                        std::to_string(other.offset()) + " of " + std::to_string(log.offset()));
      }
    }
  }
  return unmet;
}

RunResult run(const RunOptions& options) {
  World world{options.seed, Timing{}};
  draw_policy(world);
  Ledger ledger{world};
  world.watch(ledger);
  Checkers checkers;
  add_publish_checkers(world, ledger, checkers);
  add_act_checkers(world, ledger, checkers);
  add_row_checkers(world, ledger, checkers);
  std::unique_ptr<Trace> trace;
  if (options.trace) {
    trace = std::make_unique<Trace>(world, *options.trace);
    world.watch(*trace);
  }
  for (const auto& checker : checkers) world.watch(*checker);

  draw_cluster(world);
  if (options.tamper) options.tamper(world);
  world.run_for(seconds{1});
  world.start_daemon();
  if (world.dice.chance(0.3)) world.start_daemon();
  world.run_for(world.dice.in({milliseconds{100}, seconds{4}}));
  Chaos chaos{world};
  chaos.start();
  world.run_for(world.dice.in({seconds{10}, seconds{40}}));
  if (!world.violation()) chaos.calm();
  if (!world.violation()) must_get_well(world);
  return {world.violation(), world.schedule.steps()};
}

}  // namespace failoverd::simulation
