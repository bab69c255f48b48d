// Operators' commands at any moment.
#include "tests/simulation/chaos.h"
#include "tests/simulation/daemon.h"

namespace failoverd::simulation {

namespace o = core::operators;

core::OperatorCommand Chaos::any_command() {
  const core::PartitionKey at = any_partition();
  const core::TableShape* table = world_.fake_zookeeper.table(at);
  const core::TableName name{table->name, table->db};
  const std::string& tablet = any_tablet().endpoint();
  switch (world_.random.below(9)) {
    case 0:
    case 1:
    case 2:
      return o::ChangeLeader{name, at.pid, "auto"};
    case 3:
      return o::ChangeLeader{name, at.pid, tablet};
    case 4:
      return o::ChangeLeader{name, at.pid, "", false, world_.random.chance(0.5)};
    case 5:
      return o::OfflineEndpoint{tablet};
    case 6:
      return o::RecoverEndpoint{tablet, world_.random.chance(0.5)};
    case 7:
      return o::RecoverTable{name, at.pid, tablet};
    default: {
      const auto& running = world_.active()->brain().ops().running();
      if (running.empty()) return o::ChangeLeader{name, at.pid, "auto"};
      auto op = running.begin();
      std::advance(op, world_.random.below(running.size()));
      return o::CancelOp{op->first};
    }
  }
}

void Chaos::operator_asks() {
  Daemon* d = world_.active();
  if (!d || d->paused()) return;
  core::OperatorAsked asked{1, any_command(), "an operator"};
  world_.say(core::to_text(core::Event{asked}));
  d->tell(std::move(asked));
}

}  // namespace failoverd::simulation
