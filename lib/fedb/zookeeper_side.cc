#include "lib/fedb/zookeeper_side.h"

#include <algorithm>
#include <variant>

namespace failoverd::fedb {

ZookeeperSide::ZookeeperSide(Loop& loop, zookeeper::Client& client,
                             const zookeeper::OpenClient& open, NameserverCalls& calls,
                             ServerNames& server_names, const Options& options, const Tell& tell)
    : obstacles(tell, client.authenticates()),
      numbering(options.numbering, obstacles),
      presence(loop, client, options.paths, obstacles),
      names(loop, client, options.paths, server_names, obstacles),
      view(loop, client, options.paths, numbering, server_names, names, obstacles, tell),
      leadership(loop, client, options.paths, options.lock_value, obstacles, tell),
      metadata(loop, client, open, options.paths, view, leadership, tell),
      nameserver(loop, client, options.paths, calls, server_names, tell),
      nameserver_ops(loop, client, options.paths, tell),
      through(loop, calls, nameserver, view, leadership, metadata, tell),
      switched(loop, client, options.paths, options.daemon, options.machine, obstacles, tell),
      nameserver_switch(client, options.paths, leadership, metadata, nameserver, switched),
      tell_(tell),
      through_nameserver_(options.through_nameserver),
      auto_failover_(options.auto_failover),
      shadow_(options.shadow) {
  leadership.may_create = switched.may_create = [this] { return presence.there(); };
  presence.on_there = [this] { leadership.try_again(); };
  if (!shadow_) nameserver.on_leads = [this] { through.compare_soon(); };
}

// The lock comes behind the rest: whoever gains it has asked for what it will act on.
void ZookeeperSide::session_changed(zookeeper::SessionState state, bool new_session) {
  if (state == zookeeper::SessionState::kConnected) {
    tell_(core::ZookeeperConnected{new_session});
    presence.connected(new_session);
    names.connected(new_session);
    view.connected(new_session);
    switched.connected(new_session);
    if (through_nameserver_) {
      nameserver_ops.connected(new_session);
      nameserver.connected(new_session);
      nameserver_switch.connected(new_session);
    }
  } else {
    tell_(core::ZookeeperLost{});
  }
  leadership.session_changed(state, new_session);
}

// While a nameserver's znode stands, nothing is written past it; what no table is changed by is
// ours alone.
void ZookeeperSide::carry_out(const core::Publish& command) {
  const bool changes_tables = std::ranges::any_of(
      command.tables, [](const core::TableEdit& t) { return t.changes_table(); });
  if (changes_tables && nameserver.is_there()) return through.publish(command);
  metadata.publish(command);
}

void ZookeeperSide::before_brain(const core::Event& event) {
  if (const auto* gained = std::get_if<core::LockGained>(&event)) metadata.begin(*gained);
}

void ZookeeperSide::after_brain(const core::Event& event) {
  if (std::holds_alternative<core::LockGained>(event)) {
    switched.now_active(auto_failover_);
    if (!shadow_) through.compare_soon();
  }
  if (std::holds_alternative<core::LockLost>(event)) metadata.end();
  const bool is_of_switches = std::holds_alternative<core::LockGained>(event) ||
                              std::holds_alternative<core::SwitchRead>(event) ||
                              std::holds_alternative<core::NameserverAnswered>(event);
  if (is_of_switches && !shadow_) nameserver_switch.look();
  const auto* listed = std::get_if<core::NameserversListed>(&event);
  if (listed && through_nameserver_) nameserver.listed(*listed);
  if (listed && through_nameserver_ && !shadow_) nameserver_switch.listed();
}

}  // namespace failoverd::fedb
