#include "tests/simulation/operator.h"

#include <algorithm>

#include "tests/simulation/daemon.h"
#include "tests/simulation/ledger.h"

namespace failoverd::simulation {
namespace {

constexpr Range kEvery{std::chrono::milliseconds{200}, std::chrono::milliseconds{1500}};

core::PartitionShape& partition_in(core::TableShape& table, std::uint32_t pid) {
  return *std::find_if(table.partitions.begin(), table.partitions.end(),
                       [pid](const core::PartitionShape& p) { return p.pid == pid; });
}

void set_row(core::PartitionShape& p, const core::Row& row) {
  for (core::Row& r : p.rows) {
    if (r.endpoint == row.endpoint) r = row;
  }
}

}  // namespace

void Operator::sent(const Daemon&, const core::CallTablet& c) {
  const auto* del = std::get_if<core::DelReplica>(&c.call);
  if (del) leaving_.emplace(del->at, del->replica);
}

void Operator::carried_out(const std::string&, const core::CallTablet& c, const core::Answer&) {
  const auto* del = std::get_if<core::DelReplica>(&c.call);
  if (del) leaving_.erase({del->at, del->replica});
}

void Operator::next() {
  world_.schedule.after(world_.dice.in(kEvery), [this] {
    if (stopped_) return;
    std::vector<core::PartitionKey> all;
    for (const auto& [znode, table] : world_.keeper.tables()) {
      if (world_.keeper.poisoned().contains(znode)) continue;
      for (const core::PartitionShape& p : table.partitions) all.push_back({table.tid, p.pid});
    }
    for (const core::PartitionKey at : all) look_after(at);
    next();
  });
}

void Operator::look_after(core::PartitionKey at) {
  // Whoever works by hand looks first whether the daemon is at it.
  if (const Daemon* d = world_.active()) {
    for (const auto& [id, op] : d->brain().ops().running()) {
      if (op.at == at) return;
    }
  }
  const core::TableShape table = *world_.keeper.table(at);
  const core::PartitionShape& p = *world_.keeper.partition(at);
  const bool electable = std::any_of(p.rows.begin(), p.rows.end(), [&](const core::Row& row) {
    const Tablet& t = world_.tablet(row.endpoint);
    return row.is_alive && t.running() && t.held(at);
  });
  if (!electable) return revive(at, table);
  const core::Row* leader = leader_of(p);
  if (!leader || p.rows.size() == 1) return;
  for (const core::Row& row : p.rows) {
    if (!row.is_alive && may_come_back(at, row)) return recover(at, table, row, *leader);
  }
}

bool Operator::may_come_back(core::PartitionKey at, const core::Row& row) const {
  const Tablet& t = world_.tablet(row.endpoint);
  return t.serves() && t.registered() && !t.leads(at) && !leaving_.contains({at, row.endpoint});
}

void Operator::recover(core::PartitionKey at, core::TableShape table, const core::Row& row,
                       const core::Row& leader) {
  core::PartitionShape& p = partition_in(table, at.pid);
  Tablet& from = world_.tablet(leader.endpoint);
  const auto* held = from.held(at);
  const bool fit = from.serves() && from.leads(at) && held->term == p.terms.back().term &&
                   world_.reaches(leader.endpoint, row.endpoint);
  if (!fit) return;
  world_.trouble(row.endpoint, "recovered");
  world_.tablet(row.endpoint).load(at, core::Mode::kFollower, held->term, from.log(at));
  from.add_replica(at, row.endpoint);
  set_row(p, {row.endpoint, false, true});
  world_.keeper.write_table(std::move(table), "operator");
}

void Operator::revive(core::PartitionKey at, core::TableShape table) {
  core::PartitionShape& p = partition_in(table, at.pid);
  const core::Row* best = nullptr;
  const auto offset = [&](const core::Row& row) {
    return world_.tablet(row.endpoint).log(at).offset();
  };
  for (const core::Row& row : p.rows) {
    if (!row.is_alive && p.rows.size() > 1) continue;
    if (!best || offset(row) > offset(*best)) best = &row;
  }
  if (!best || !may_come_back(at, *best)) return;
  Tablet& t = world_.tablet(best->endpoint);
  const core::Row leader{best->endpoint, true, true};
  const core::Term term = world_.keeper.term() + 1;
  world_.keeper.set_term(term);
  world_.trouble(leader.endpoint, "revived");
  t.load(at, core::Mode::kLeader, term, t.log(at));
  for (core::Row& row : p.rows) row.is_alive = false;
  set_row(p, leader);
  p.terms.push_back({term, t.log(at).offset() + 1});
  world_.keeper.write_table(std::move(table), "operator");
}

}  // namespace failoverd::simulation
