#include "tests/simulation/checker.h"

#include <variant>

#include "tests/simulation/daemon.h"

namespace failoverd::simulation {

void Listener::commanded(const Daemon& daemon, const core::Command& command) {
  if (const auto* c = std::get_if<core::CallTablet>(&command)) last_id_[daemon.name()] = c->id;
}

void Listener::before_step(const Daemon& daemon, const core::Event& event) {
  if (std::holds_alternative<core::LockLost>(event)) {
    void_up_to_[daemon.name()] = last_id_[daemon.name()];
  }
}

bool Listener::hears_status(const Daemon& daemon, const core::CallTablet& c,
                            const core::Answer& answer) const {
  if (!std::holds_alternative<core::GetTableStatus>(c.call) || !answer.ok()) return false;
  const auto up_to = void_up_to_.find(daemon.name());
  return up_to == void_up_to_.end() || c.id > up_to->second;
}

}  // namespace failoverd::simulation
