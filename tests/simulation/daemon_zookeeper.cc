// What a daemon does with ZooKeeper, through the real daemon's code.
#include <utility>

#include "tests/simulation/daemon.h"
#include "tests/simulation/daemon_parts.h"
#include "tests/simulation/world.h"

namespace failoverd::simulation {

Daemon::Daemon(World& world, std::string name, const core::Policy& policy)
    : world_(world), name_(std::move(name)), brain_(std::make_unique<core::Brain>(policy)) {}

Daemon::~Daemon() = default;

void Daemon::start() {
  parts_ = std::make_unique<DaemonParts>(
      world_, name_, [this](Work work) { run(std::move(work)); },
      [this](core::Event event) { tell(std::move(event)); });
  parts_->start();
}

// Whoever is at work in its parts just now must find them to the end of that.
void Daemon::parts_end() {
  parts_->client.die();
  world_.schedule.after(Duration{0}, [this] { parts_.reset(); });
}

void Daemon::stop() {
  if (!alive() || std::exchange(stopping_, true)) return;
  parts_->side.leadership.release([this] {
    parts_->client.close();
    kill();
  });
}

void Daemon::lose_connection() {
  if (alive()) parts_->client.lose_connection();
}

void Daemon::cut_off_server(bool is) {
  if (alive()) parts_->client.cut_off_server(is);
}

void Daemon::set_auto_failover(bool is, const std::string& by) {
  if (alive()) parts_->side.switched.set(is, by, [](bool, const std::string&) {});
}

bool Daemon::connected() const { return alive() && parts_->client.connected(); }

bool Daemon::server_is_cut_off() const { return alive() && parts_->client.server_is_cut_off(); }

SessionId Daemon::session() const { return parts_ ? parts_->client.session_id() : 0; }

bool Daemon::holds_lock() const { return alive() && parts_->side.leadership.gained(); }

bool Daemon::may_change() const {
  if (world_.tamper.ignore_lease) return true;
  return alive() && parts_->side.leadership.may_change();
}

void Daemon::before_brain(const core::Event& event) {
  if (const auto* gained = std::get_if<core::LockGained>(&event)) epoch_ = gained->epoch;
  parts_->side.before_brain(event);
}

void Daemon::after_brain(const core::Event& event) {
  parts_->side.after_brain(event);
  if (std::holds_alternative<core::LockLost>(event)) drop_connections();
}

void Daemon::carry_out_in_zookeeper(const core::Command& command) {
  std::visit(
      [&](const auto& c) {
        if constexpr (requires { parts_->side.carry_out(c); }) parts_->side.carry_out(c);
      },
      command);
}

}  // namespace failoverd::simulation
