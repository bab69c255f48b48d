#include "tests/simulation/broken.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>

namespace failoverd::simulation {

void expect_found(const std::string& rule, const Break& broken, std::uint64_t seeds,
                  bool operators) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    RunOptions options;
    options.seed = seed;
    options.operators = operators;
    options.tamper = broken;
    options.only = rule;
    options.well_within = std::chrono::seconds{20};
    const RunResult result = run(options);
    if (result.violation && result.violation->rule == rule) return;
  }
  ADD_FAILURE() << "nobody noticed in " << seeds << " seeds: " << rule;
}

void change_publishes(World& world, const std::function<void(core::PartitionEdit&)>& change) {
  world.tamper.command = [change](Daemon&, core::Command& command) {
    if (auto* publish = std::get_if<core::Publish>(&command)) {
      for (core::TableEdit& t : publish->tables) {
        for (core::PartitionEdit& p : t.partitions) change(p);
      }
    }
    return true;
  };
}

void change_answers_if(World& world,
                       const std::function<bool(const Daemon&, const core::Call&)>& which,
                       const std::function<void(core::TabletAnswered&)>& change) {
  const auto asked = std::make_shared<std::set<std::pair<std::string, core::RequestId>>>();
  world.tamper.command = [asked, which](const Daemon& daemon, core::Command& command) {
    const auto* c = std::get_if<core::CallTablet>(&command);
    if (c && which(daemon, c->call)) asked->emplace(daemon.name(), c->id);
    return true;
  };
  world.tamper.event = [asked, change](const Daemon& daemon, core::Event& event) {
    auto* answered = std::get_if<core::TabletAnswered>(&event);
    if (answered && asked->erase({daemon.name(), answered->id}) > 0) change(*answered);
  };
}

void answer_soon(World& world, Daemon& daemon, const core::CallTablet& c, core::Answer answer) {
  world.schedule.after(std::chrono::milliseconds{2}, [&daemon, c, answer] {
    daemon.soon(core::TabletAnswered{c.id, c.tablet, answer});
  });
}

bool names_a_leader(const core::PartitionEdit& p) {
  for (const core::RowEdit& row : p.rows) {
    if (row.is_leader && row.is_alive) return true;
  }
  return false;
}

void elect_the_lowest(World& world) {
  change_answers<core::Probe>(world, [](core::TabletAnswered& e) {
    if (e.answer.ok()) e.answer.offset = 1'000'000 - e.answer.offset;
  });
}

void believe_that_a_healthy_tablet_refuses(World& world) {
  const auto closed = std::make_shared<std::set<std::string>>();
  world.tamper.event = [&world, closed](const Daemon& daemon, core::Event& event) {
    auto* e = std::get_if<core::TabletAnswered>(&event);
    if (!e || e->tablet != "A:1" || !e->answer.answered() || e->id < 30) return;
    e->answer = {};
    e->answer.transport = core::Transport::kRefused;
    // A port that refuses is believed where its connection was closed before.
    if (closed->insert(daemon.name()).second) {
      world.find_daemon(daemon.name())->soon(core::ConnectionLost{"A:1"});
    }
  };
}

}  // namespace failoverd::simulation
