#include "lib/fedb/zookeeper_side.h"

#include <variant>

namespace failoverd::fedb {

ZookeeperSide::ZookeeperSide(Loop& loop, zookeeper::Client& client,
                             const zookeeper::OpenClient& open, const Options& options,
                             const Tell& tell)
    : obstacles(tell),
      presence(loop, client, options.paths, obstacles),
      view(loop, client, options.paths, options.numbering, obstacles, tell),
      leadership(loop, client, options.paths, options.lock_value, obstacles, tell),
      metadata(loop, client, open, options.paths, options.numbering, view, leadership, tell),
      switched(loop, client, options.paths, options.daemon, options.machine, obstacles, tell),
      tell_(tell),
      auto_failover_(options.auto_failover) {
  leadership.may_create = switched.may_create = [this] { return presence.there(); };
  presence.on_there = [this] { leadership.try_again(); };
}

// The lock comes behind the rest: whoever gains it has asked for what it will act on.
void ZookeeperSide::session_changed(zookeeper::SessionState state, bool new_session) {
  if (state == zookeeper::SessionState::kConnected) {
    tell_(core::ZookeeperConnected{});
    presence.connected(new_session);
    view.connected(new_session);
    switched.connected(new_session);
  } else {
    tell_(core::ZookeeperLost{});
  }
  leadership.session_changed(state, new_session);
}

void ZookeeperSide::before_brain(const core::Event& event) {
  if (const auto* gained = std::get_if<core::LockGained>(&event)) metadata.begin(*gained);
}

void ZookeeperSide::after_brain(const core::Event& event) {
  if (std::holds_alternative<core::LockGained>(event)) switched.now_active(auto_failover_);
}

}  // namespace failoverd::fedb
