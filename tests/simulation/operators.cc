#include "tests/simulation/operators.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "lib/base/check.h"
#include "lib/fedb/wire/partition_text.h"
#include "tests/simulation/daemon.h"
#include "tests/simulation/table_bytes.h"

namespace failoverd::simulation {

using std::chrono::milliseconds;
using std::chrono::seconds;

void Operators::start() { next(); }

void Operators::next() {
  world_.schedule.after(random_.in({milliseconds{100}, seconds{6}}), [this] {
    if (stopped_) return;
    order();
    next();
  });
}

void Operators::order() {
  Daemon* daemon = world_.active();
  if (!daemon || !daemon->alive() || daemon->paused()) return;
  if (random_.chance(0.06)) return switch_off();
  core::OperatorCommand what = draw();
  if (random_.chance(0.15)) {
    if (const core::OpId op = any_op(*daemon)) what = core::operators::CancelOp{op};
  } else if (random_.chance(0.05)) {
    if (const std::uint64_t hold = any_hold(*daemon)) what = core::operators::RemoveHold{hold};
  }
  ask(*daemon, std::move(what));
}

// For long enough that what is left undone then would be seen.
void Operators::switch_off() {
  world_.say("ann switches auto_failover off");
  world_.active()->set_auto_failover(false, "ann");
  world_.schedule.after(random_.in({seconds{2}, seconds{40}}), [this] { switch_on(); });
}

void Operators::switch_on() {
  if (stopped_) return;  // let_go() does.
  Daemon* daemon = world_.active();
  if (daemon) daemon->set_auto_failover(true, "ann");
  if (!daemon) world_.schedule.after(seconds{1}, [this] { switch_on(); });
}

void Operators::ask(Daemon& daemon, core::OperatorCommand what) {
  core::OperatorAsked asked;
  asked.id = ++last_;
  asked.by = "ann";
  asked.what = std::move(what);
  asked.only_plan = !stopped_ && random_.chance(0.05);
  asked.as_nameserver = !stopped_ && random_.chance(0.1);
  world_.say("ann orders " + std::to_string(asked.id));
  daemon.tell(asked);
}

void Operators::stop() {
  stopped_ = true;
  let_go();
}

// Again and again: what is asked may be refused yet, and a daemon may die with it.
void Operators::let_go() {
  Daemon* daemon = world_.active();
  if (daemon && daemon->alive() && !daemon->paused()) {
    for (const core::OperatorHold& hold : daemon->brain().operator_holds()) {
      if (hold.offline) {
        ask(*daemon, core::operators::RecoverEndpoint{hold.tablet, false});
      } else {
        ask(*daemon, core::operators::RemoveHold{hold.id});
      }
    }
    if (!world_.fake_zookeeper.auto_failover().auto_failover)
      daemon->set_auto_failover(true, "ann");
  }
  world_.schedule.after(seconds{1}, [this] { let_go(); });
}

core::OperatorCommand Operators::draw_hold(const core::TableName& table, std::uint32_t pid) {
  core::operators::AddHold hold;
  switch (random_.below(3)) {
    case 0:
      hold.tablet = any_tablet();
      break;
    case 1:
      hold.table = table;
      if (random_.chance(0.5)) hold.pid = pid;
      break;
    default:
      hold.everything = true;
  }
  hold.reason = "a drill";
  hold.lasts = random_.in({seconds{1}, seconds{20}});
  return hold;
}

core::OperatorCommand Operators::draw() {
  const auto& tables = world_.fake_zookeeper.tables();
  if (tables.empty()) return core::operators::MakeSnapshot{{"none", ""}, 0};
  auto it = tables.begin();
  std::advance(it, static_cast<std::ptrdiff_t>(random_.below(tables.size())));
  const core::TableShape& table = it->second;
  const core::TableName name{table.name, table.db};
  const core::PartitionShape& p = table.partitions[random_.below(table.partitions.size())];
  const std::string row = p.rows[random_.below(p.rows.size())].endpoint;
  // With the switch on they are refused.
  const bool is_on = world_.fake_zookeeper.auto_failover().auto_failover;
  if (random_.chance(is_on ? 0.03 : 0.5)) return draw_by_hand(table, p);
  if (random_.chance(0.5)) return draw_leaders(name, p.pid, row);
  switch (random_.below(8)) {
    case 0:
      return core::operators::MakeSnapshot{name, p.pid};
    case 1:
    case 2:
      return core::operators::AddReplicas{name, {p.pid}, any_tablet()};
    case 3:
    case 4:
      return core::operators::DelReplicas{name, {p.pid}, row};
    default:
      return core::operators::Migrate{row, name, {p.pid}, any_tablet()};
  }
}

core::OperatorCommand Operators::draw_by_hand(const core::TableShape& table,
                                              const core::PartitionShape& p) {
  if (random_.chance(0.4)) return draw_edit(table, p);
  const core::Row& row = p.rows[random_.below(p.rows.size())];
  core::operators::UpdateTableAlive update;
  update.table = {table.name, table.db};
  if (random_.chance(0.8)) update.pid = p.pid;
  update.endpoint = row.endpoint;
  update.alive = random_.chance(0.8) != row.is_alive;
  return update;
}

// As failoverctl sends what was edited in a file.
core::OperatorCommand Operators::draw_edit(const core::TableShape& table,
                                           const core::PartitionShape& p) {
  core::PartitionShape wanted = p;
  change(wanted);
  if (random_.chance(0.2)) change(wanted);
  auto parsed = fedb::parse_partition(json_of(wanted));
  CHECK(parsed);
  core::operators::SetTablePartition edit;
  edit.table = {table.name, table.db};
  edit.partition = std::move(parsed->shape);
  edit.message = std::move(parsed->message);
  edit.version = table.version - (random_.chance(0.1) ? 1 : 0);
  if (wanted != p) edit.what_changes = {"it becomes what ann has written"};
  return edit;
}

void Operators::change(core::PartitionShape& p) {
  core::Row& row = p.rows[random_.below(p.rows.size())];
  switch (random_.below(6)) {
    case 0:
    case 1:
      row.is_alive = !row.is_alive;
      break;
    case 2:  // It leads, and nobody else does.
      for (core::Row& other : p.rows) other.is_leader = false;
      row.is_leader = row.is_alive = true;
      break;
    case 3:
      if (p.rows.size() > 2) p.rows.erase(p.rows.begin() + (&row - p.rows.data()));
      break;
    case 4: {
      const std::string comes = any_tablet();
      const bool is_there = std::any_of(p.rows.begin(), p.rows.end(),
                                        [&](const auto& one) { return one.endpoint == comes; });
      if (!is_there) p.rows.push_back({comes, false, false});
      break;
    }
    default:
      if (!p.terms.empty()) {
        p.terms.push_back({p.terms.back().term + random_.below(3), p.terms.back().offset + 1});
      }
  }
}

// What moves leaders, and brings back what is lost.
core::OperatorCommand Operators::draw_leaders(const core::TableName& table, std::uint32_t pid,
                                              const std::string& row) {
  namespace o = core::operators;
  switch (random_.below(10)) {
    case 0:
    case 1:
    case 2:
      return o::ChangeLeader{table, pid, "auto"};
    case 3:
      return o::ChangeLeader{table, pid, row};
    case 4:
      return o::ChangeLeader{table, pid, random_.chance(0.3) ? row : "", random_.chance(0.4),
                             random_.chance(0.5)};
    case 5:
      return o::OfflineEndpoint{any_tablet(), some_at_once()};
    case 6:
      return o::RecoverEndpoint{any_tablet(), random_.chance(0.5), some_at_once()};
    case 7:
      return draw_hold(table, pid);
    case 8:
      return o::RecoverData{random_.chance(0.5)};
    default:
      return o::RecoverTable{table, pid, row};
  }
}

std::uint32_t Operators::some_at_once() {
  return 1 + static_cast<std::uint32_t>(random_.below(core::operators::kMostConcurrency));
}

std::string Operators::any_tablet() {
  auto it = world_.tablets().begin();
  std::advance(it, static_cast<std::ptrdiff_t>(random_.below(world_.tablets().size())));
  return it->first;
}

std::uint64_t Operators::any_hold(const Daemon& daemon) {
  const auto& holds = daemon.brain().operator_holds();
  return holds.empty() ? 0 : holds[random_.below(holds.size())].id;
}

core::OpId Operators::any_op(const Daemon& daemon) {
  const auto& running = daemon.brain().ops().running();
  if (running.empty()) return 0;
  auto it = running.begin();
  std::advance(it, static_cast<std::ptrdiff_t>(random_.below(running.size())));
  return it->first;
}

}  // namespace failoverd::simulation
