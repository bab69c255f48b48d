// Operators' commands that make replicas come, move and go, and snapshots.
#include <algorithm>
#include <utility>

#include "lib/core/cluster/standing.h"
#include "lib/core/operation/task_tables.h"
#include "lib/core/operators/operators.h"

namespace failoverd::core {
namespace {

namespace o = operators;

std::string number(std::uint64_t n) { return std::to_string(n); }

// Judged for all of them before anything else is of one.
std::optional<std::uint32_t> first_missing(const Table& table,
                                           const std::vector<std::uint32_t>& pids) {
  const auto found = std::ranges::find_if(
      pids, [&](std::uint32_t pid) { return !table.partitions.contains(pid); });
  return found == pids.end() ? std::nullopt : std::optional{*found};
}

}  // namespace

std::optional<std::string> Operators::why_not_migrated(const o::Migrate& c, const Table& table,
                                                       std::uint32_t pid) const {
  const std::string of = " name[" + c.table.name + "] pid[" + number(pid) + "]";
  const auto found = table.partitions.find(pid);
  const Partition* p = found == table.partitions.end() ? nullptr : &found->second;
  const Replica* leader = p ? p->leader() : nullptr;
  if (!leader) return "leader endpoint is empty." + of;
  const TabletIndex from = *model_.find_tablet(c.from);
  const Replica* source = p->on(from);
  if (source == leader) return "cannot migrate leader." + of;
  const Tablet& leads = model_.tablet(leader->tablet);
  if (leads.verdict.dead()) return "leader[" + leads.endpoint + "] is offline." + of;
  if (!source) {
    return "src_endpoint[" + c.from + "] has not partition[" + number(pid) + "]. name[" +
           c.table.name + "]";
  }
  if (p->on(*model_.find_tablet(c.to))) {
    return "partition[" + number(pid) + "] is already in des_endpoint[" + c.to + "]. name[" +
           c.table.name + "]";
  }
  return std::nullopt;
}

Operators::Outcome Operators::carry_out(const o::Migrate& c) {
  const auto from = listed(c.from);
  if (!from || !is_healthy(*from)) {
    return refuse(kSourceNotHealthy, "src_endpoint is not exist or not healthy");
  }
  const auto to = listed(c.to);
  if (!to || !is_healthy(*to)) {
    return refuse(kTargetNotHealthy, "des_endpoint is not exist or not healthy");
  }
  Table* table = find(c.table);
  if (!table) return no_table(c.table);
  if (table_of(OpType::kMigrateOP).empty()) return refuse(kCreateOpFailed, "create op failed");
  Outcome outcome;
  for (const std::uint32_t pid : c.pids) {
    if (auto why = why_not_migrated(c, *table, pid)) {
      const bool leads = why->starts_with("cannot migrate leader");
      return refuse(kMigrateFailed, std::move(*why),
                    leads ? "changeleader hands it over first" : "");
    }
    Treatment what;
    what.type = OpType::kMigrateOP;
    what.table = table_of(what.type);
    what.replica = *to;
    what.from = *from;
    plan(outcome, {table->shape.tid, pid}, what, "its replica goes from " + c.from + " to " + c.to);
  }
  return outcome;
}

Operators::Outcome Operators::carry_out(const o::AddReplicas& c) {
  const auto tablet = listed(c.endpoint);
  if (!tablet || !is_healthy(*tablet)) return refuse(kTabletIsNotHealthy, "tablet is not healthy");
  Table* table = find(c.table);
  if (!table) return no_table(c.table);
  if (table_of(OpType::kAddReplicaOP).empty()) return refuse(kCreateOpFailed, "create op failed");
  if (const auto pid = first_missing(*table, c.pids)) {
    return refuse(kInvalidParameter, "invalid parameter", "there is no partition " + number(*pid));
  }
  Outcome outcome;
  for (const std::uint32_t pid : c.pids) {
    if (table->partitions.at(pid).on(*tablet)) {
      return refuse(kReplicaIsThere, "pid " + number(pid) + " is exist in " + c.endpoint);
    }
    Treatment what;
    what.type = OpType::kAddReplicaOP;
    what.table = table_of(what.type);
    what.replica = *tablet;
    plan(outcome, {table->shape.tid, pid}, what, c.endpoint + " gets a replica");
  }
  return outcome;
}

Operators::Outcome Operators::carry_out(const o::DelReplicas& c) {
  Table* table = find(c.table);
  if (!table) return no_table(c.table);
  const auto tablet = listed(c.endpoint);
  if (!tablet || !is_healthy(*tablet)) return refuse(kTabletIsNotHealthy, "tablet is not healthy");
  if (table_of(OpType::kDelReplicaOP).empty()) return refuse(kCreateOpFailed, "create op failed");
  if (first_missing(*table, c.pids)) {
    return refuse(kInvalidParameter, "max pid is greater than partition size");
  }
  Outcome outcome;
  for (const std::uint32_t pid : c.pids) {
    const Replica* r = table->partitions.at(pid).on(*tablet);
    if (!r) return refuse(kPidIsNotExist, "pid " + number(pid) + " is not in " + c.endpoint);
    if (r->is_leader) {
      return refuse(kTableIsLeader,
                    "can not del leader. pid " + number(pid) + " endpoint " + c.endpoint,
                    r->is_alive ? "changeleader hands it over first"
                                : "it led before: recovertable has it follow first");
    }
    Treatment what;
    what.type = OpType::kDelReplicaOP;
    what.table = table_of(what.type);
    what.replica = *tablet;
    what.alive = false;
    plan(outcome, {table->shape.tid, pid}, what, "the replica on " + c.endpoint + " goes");
  }
  return outcome;
}

Operators::Outcome Operators::carry_out(const o::MakeSnapshot& c) {
  const auto failed = [](std::string hint) {
    return refuse(kCreateOpFailed, "create op failed", std::move(hint));
  };
  Table* table = find(c.table);
  if (!table) return failed("table is not exist");
  const PartitionKey at{table->shape.tid, c.pid};
  const Partition* p = model_.partition(at);
  if (!p) return failed("pid is not exist");
  const Replica* leader = p->leader();
  if (!leader || model_.tablet(leader->tablet).verdict.dead()) return failed("it has no leader");
  if (table_of(OpType::kMakeSnapshotOP).empty()) return failed("");
  Outcome outcome;
  Treatment what;
  what.type = OpType::kMakeSnapshotOP;
  what.table = table_of(what.type);
  what.replica = leader->tablet;
  plan(outcome, at, what, "its leader makes a snapshot");
  return outcome;
}

}  // namespace failoverd::core
