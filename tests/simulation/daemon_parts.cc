#include "tests/simulation/daemon_parts.h"

#include <memory>
#include <optional>

namespace failoverd::simulation {

DaemonParts::DaemonParts(World& world, const std::string& name, const RunInProcess& run,
                         const Tell& tell, const std::string& machine)
    : loop(world, run),
      client(world, name, run),
      nameserver(world, loop, name),
      side(
          loop, client,
          [&world, name, run](std::size_t longest) {
            return std::make_unique<FakeClient>(world, name, run, longest);
          },
          nameserver, names,
          {world.fake_zookeeper.paths(), std::nullopt, name, machine, name, true,
           world.policy.metadata == core::Metadata::kAuto},
          tell) {
  const auto warn = [&world, name](const std::string& line) {
    world.say(name + " warns: " + line);
  };
  side.view.on_warning = side.leadership.on_warning = warn;
  side.metadata.on_warning = side.switched.on_warning = side.through.on_warning = warn;
  client.on_state = [this](zookeeper::SessionState state, bool new_session) {
    side.session_changed(state, new_session);
  };
}

void DaemonParts::start(std::optional<bool> file) {
  side.switched.file_says(file);
  client.start();
}

}  // namespace failoverd::simulation
