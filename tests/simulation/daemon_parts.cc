#include "tests/simulation/daemon_parts.h"

#include <memory>
#include <optional>

namespace failoverd::simulation {

DaemonParts::DaemonParts(World& world, const std::string& name, const RunInProcess& run,
                         const Tell& tell)
    : loop(world, run),
      client(world, name, run),
      view(loop, client, world.keeper.paths(), fedb::Numbering::kFedb, tell),
      leadership(loop, client, world.keeper.paths(), name, tell),
      metadata(
          loop, client,
          [&world, name, run](std::size_t longest) {
            return std::make_unique<KeeperClient>(world, name, run, longest);
          },
          world.keeper.paths(), fedb::Numbering::kFedb, view, leadership, tell),
      switched(loop, client, world.keeper.paths(), name, tell),
      tell_(tell) {
  const auto warn = [&world, name](const std::string& line) {
    world.say(name + " warns: " + line);
  };
  view.on_warning = leadership.on_warning = metadata.on_warning = switched.on_warning = warn;
  client.on_state = [this](zookeeper::SessionState state, bool new_session) {
    session_changed(state, new_session);
  };
}

void DaemonParts::start() {
  switched.file_says(std::nullopt);
  client.start();
}

void DaemonParts::session_changed(zookeeper::SessionState state, bool new_session) {
  if (state == zookeeper::SessionState::kConnected) {
    tell_(core::ZookeeperConnected{});
    view.connected(new_session);
    switched.connected(new_session);
  } else {
    tell_(core::ZookeeperLost{});
  }
  leadership.session_changed(state, new_session);
}

}  // namespace failoverd::simulation
