// A daemon without a brain, for tests of what lies between the two: ZooKeeper is made up, and what
// the brain would be told is kept.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "lib/core/api/event.h"
#include "tests/simulation/daemon_parts.h"
#include "tests/simulation/world.h"

namespace failoverd::simulation {

class Hands {
 public:
  Hands(World& world, const std::string& name)
      : parts(
            world, name, [](const Work& work) { work(); },
            [this](core::Event event) {
              parts.side.before_brain(event);
              told_.push_back(std::move(event));
            }) {
    parts.start();
  }

  // Those events that it was told since the last question, the newest last.
  template <class Event>
  std::vector<Event> told() {
    std::vector<Event> found;
    for (const core::Event& event : told_) {
      if (const auto* e = std::get_if<Event>(&event)) found.push_back(*e);
    }
    std::erase_if(told_, [](const auto& e) { return std::holds_alternative<Event>(e); });
    return found;
  }

  DaemonParts parts;

 private:
  std::vector<core::Event> told_;
};

}  // namespace failoverd::simulation
