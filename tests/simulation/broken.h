// Daemons that are broken on purpose, in the one way that a rule forbids: their commands, or what
// they are told, are changed on the way. Every checker is shown to bite by one; without this a
// checker that sees nothing looks like a rule that holds.
#pragma once

#include <functional>
#include <string>

#include "tests/simulation/daemon.h"
#include "tests/simulation/run.h"

namespace failoverd::simulation {

using Break = std::function<void(World&)>;

// The first seed whose run breaks the rule; nothing else is looked at. Fails if there is none.
void expect_found(const std::string& rule, const Break& broken, std::uint64_t seeds = 1'000,
                  bool operators = false);

// Every partition's part of every publish.
void change_publishes(World&, const std::function<void(core::PartitionEdit&)>& change);

// Answers to the calls that `which` names are changed on their way to the brain.
void change_answers_if(World&, const std::function<bool(const Daemon&, const core::Call&)>& which,
                       const std::function<void(core::TabletAnswered&)>& change);

// Answers a call that is not carried out; it takes as long as a call would: whoever asks again at
// once would go round in circles.
void answer_soon(World&, Daemon&, const core::CallTablet&, core::Answer);

// Every call of kind C.
template <class C>
void change_calls(World& world, const std::function<void(Daemon&, core::CallTablet&, C&)>& change) {
  world.tamper.command = [change](Daemon& daemon, core::Command& command) {
    if (auto* c = std::get_if<core::CallTablet>(&command)) {
      if (auto* call = std::get_if<C>(&c->call)) change(daemon, *c, *call);
    }
    return true;
  };
}

// Answers to calls of kind C.
template <class C>
void change_answers(World& world, const std::function<void(core::TabletAnswered&)>& change) {
  const auto is_c = [](const Daemon&, const core::Call& call) {
    return std::holds_alternative<C>(call);
  };
  change_answers_if(world, is_c, change);
}

// Swallows calls of kind C and answers them so.
template <class C>
void swallow(World& world, core::Transport transport) {
  world.tamper.command = [&world, transport](Daemon& daemon, const core::Command& command) {
    const auto* c = std::get_if<core::CallTablet>(&command);
    if (!c || !std::holds_alternative<C>(c->call)) return true;
    core::Answer answer;
    answer.transport = transport;
    answer_soon(world, daemon, *c, answer);
    return false;
  };
}

bool names_a_leader(const core::PartitionEdit&);

// Whoever answers a probe with the least is taken for the best.
void elect_the_lowest(World&);

// What tablet A:1 answers after the first calls is heard as a refusal of its port, and once as the
// end of its connection.
void believe_that_a_healthy_tablet_refuses(World&);

}  // namespace failoverd::simulation
