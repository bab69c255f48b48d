#include "tests/simulation/daemon.h"

#include <algorithm>
#include <utility>

#include "lib/base/overload.h"
#include "tests/simulation/world.h"

namespace failoverd::simulation {

// --- Its process ---------------------------------------------------------------------------------

void Daemon::kill() {
  if (!alive()) return;
  world_.tell(&Observer::daemon_died, *this);
  parts_end();
  brain_.reset();
  waiting_.clear();
  pending_.clear();
  inbox_.clear();
  channels_.clear();
  paused_ = false;
}

void Daemon::pause() {
  if (!alive() || paused_) return;
  paused_ = true;
  paused_at_ = world_.schedule.now();
}

void Daemon::resume() {
  if (!paused_) return;
  paused_ = false;
  const std::vector<Work> inbox = std::exchange(inbox_, {});
  // Its loop sees how late it is before it looks at anything else.
  tell(core::LoopStalled{world_.schedule.now() - paused_at_});
  for (const Work& work : inbox) run(work);
}

void Daemon::run(Work work) {
  if (!alive()) return;
  if (paused_) {
    inbox_.push_back(std::move(work));
  } else {
    work();
  }
}

Work Daemon::guarded(Work work) {
  return [this, work = std::move(work)]() mutable { run(std::move(work)); };
}

// --- Its brain -----------------------------------------------------------------------------------

void Daemon::tell(core::Event event) {
  if (!alive()) return;
  waiting_.push_back(std::move(event));
  if (std::exchange(thinking_, true)) return;
  while (alive() && !waiting_.empty()) {
    core::Event next = std::move(waiting_.front());
    waiting_.pop_front();
    step(std::move(next));
  }
  thinking_ = false;
}

void Daemon::step(core::Event event) {
  if (dies_before && dies_before(event)) return kill();
  world_.tell(&Observer::before_step, *this, event);
  before_brain(event);
  if (world_.tamper.event) world_.tamper.event(*this, event);
  std::vector<core::Command> commands = brain_->step(world_.schedule.now(), event);
  for (core::Command& command : commands) {
    if (world_.tamper.command && !world_.tamper.command(*this, command)) continue;
    world_.tell(&Observer::commanded, *this, command);
    carry_out(command);
    if (dies_after && dies_after(command)) return kill();
  }
  world_.tell(&Observer::after_step, *this, event);
  after_brain(event);
}

void Daemon::soon(core::Event event) {
  world_.schedule.after(Duration{0}, guarded([this, event = std::move(event)] { tell(event); }));
}

void Daemon::carry_out(const core::Command& command) {
  std::visit(Overload{
                 [&](const core::CallTablet& c) { call(c); },
                 [&](const core::SetTimer& c) {
                   const Instant at = std::max(c.at, world_.schedule.now());
                   world_.schedule.at(at + world_.random.in(world_.timing.timer_late),
                                      guarded([this, id = c.id] { tell(core::TimerFired{id}); }));
                 },
                 [&](const core::Note& note) {
                   if (note.kind == "settle")
                     world_.violate("one event's decisions end", note.text);
                 },
                 [&](const auto&) { carry_out_in_zookeeper(command); },
             },
             command);
}

}  // namespace failoverd::simulation
