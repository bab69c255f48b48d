#include "tests/simulation/checker.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "tests/simulation/daemon.h"

namespace failoverd::simulation {

void Listener::commanded(const Daemon& daemon, const core::Command& command) {
  core::RequestId& last = last_id_[daemon.name()];
  if (const auto* c = std::get_if<core::CallTablet>(&command)) last = c->id;
  if (const auto* c = std::get_if<core::Publish>(&command)) last = c->id;
  if (const auto* c = std::get_if<core::TryTable>(&command)) last = c->id;
}

void Listener::before_step(const Daemon& daemon, const core::Event& event) {
  if (std::holds_alternative<core::LockLost>(event)) {
    void_up_to_[daemon.name()] = last_id_[daemon.name()];
  }
}

bool Listener::is_void(const Daemon& daemon, core::RequestId id) const {
  const auto up_to = void_up_to_.find(daemon.name());
  return up_to != void_up_to_.end() && id <= up_to->second;
}

bool Listener::hears_status(const Daemon& daemon, const core::CallTablet& c,
                            const core::Answer& answer) const {
  if (!std::holds_alternative<core::GetTableStatus>(c.call) || !answer.ok()) return false;
  // Also one that has gone since: a daemon that was stopped reads it late.
  const bool names_others =
      std::any_of(answer.replicas.begin(), answer.replicas.end(), [&](const auto& said) {
        const core::TableShape* ours = world_.fake_zookeeper.table(said.at);
        return ours && ours->name != said.name;
      });
  return !world_.tablet(c.tablet).is_stranger() && !names_others && !is_void(daemon, c.id);
}

void Looker::stepped() {
  if (now() < next_look_) return;
  next_look_ = now() + std::chrono::milliseconds{200};
  const FakeZooKeeper& zookeeper = world_.fake_zookeeper;
  const Daemon* daemon = world_.active();
  const bool same = std::exchange(daemon_, daemon) == daemon;
  const bool acts = same && daemon && daemon->may_change() && !daemon->paused() &&
                    zookeeper.nameservers().empty() && zookeeper.poisoned().empty() &&
                    is_able(*daemon);
  if (!acts) return forget();
  // What ZooKeeper did not take is tried again at last after so long.
  constexpr Duration kTroubleLasts = std::chrono::seconds{65};
  for (const auto& [znode, table] : zookeeper.tables()) {
    const bool is_taken = !zookeeper.was_troubled(znode, kTroubleLasts);
    for (const core::PartitionShape& p : table.partitions) look({table.tid, p.pid}, p, is_taken);
  }
}

}  // namespace failoverd::simulation
