#include "tests/simulation/operators.h"

#include <iterator>
#include <utility>

#include "tests/simulation/daemon.h"

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
  core::OperatorCommand what = draw();
  if (random_.chance(0.15)) {
    if (const core::OpId op = any_op(*daemon)) what = core::operators::CancelOp{op};
  }
  ask(*daemon, std::move(what));
}

void Operators::ask(Daemon& daemon, core::OperatorCommand what) {
  core::OperatorAsked asked;
  asked.id = ++last_;
  asked.by = "ann";
  asked.what = std::move(what);
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
      return o::OfflineEndpoint{any_tablet()};
    case 6:
      return o::RecoverEndpoint{any_tablet(), random_.chance(0.5)};
    case 7:
      return draw_hold(table, pid);
    case 8:
      return o::RecoverData{random_.chance(0.5)};
    default:
      return o::RecoverTable{table, pid, row};
  }
}

std::string Operators::any_tablet() {
  auto it = world_.tablets().begin();
  std::advance(it, static_cast<std::ptrdiff_t>(random_.below(world_.tablets().size())));
  return it->first;
}

core::OpId Operators::any_op(const Daemon& daemon) {
  const auto& running = daemon.brain().ops().running();
  if (running.empty()) return 0;
  auto it = running.begin();
  std::advance(it, static_cast<std::ptrdiff_t>(random_.below(running.size())));
  return it->first;
}

}  // namespace failoverd::simulation
