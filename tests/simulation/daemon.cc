#include "tests/simulation/daemon.h"

#include <algorithm>
#include <utility>

#include "lib/base/overload.h"
#include "tests/simulation/world.h"

namespace failoverd::simulation {

Daemon::Daemon(World& world, std::string name, const core::Policy& policy)
    : world_(world), name_(std::move(name)), brain_(std::make_unique<core::Brain>(policy)) {}

Daemon::~Daemon() = default;

// --- Its process
// -----------------------------------------------------------------------------------

void Daemon::kill() {
  if (!alive()) return;
  world_.tell(&Observer::daemon_died, *this);
  carry_out_some();
  brain_.reset();
  asks_.clear();
  pending_.clear();
  inbox_.clear();
  channels_.clear();
  paused_ = connected_ = held_ = read_ = false;
}

void Daemon::stop_cleanly() {
  if (!alive()) return;
  kill();
  world_.keeper.expire(session_);
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

// --- Its brain
// -------------------------------------------------------------------------------------

void Daemon::tell(core::Event event) {
  if (!alive()) return;
  if (dies_before && dies_before(event)) return kill();
  world_.tell(&Observer::before_step, *this, event);
  if (world_.tamper.event) world_.tamper.event(*this, event);
  std::vector<core::Command> commands = brain_->step(world_.schedule.now(), event);
  for (core::Command& command : commands) {
    if (world_.tamper.command && !world_.tamper.command(*this, command)) continue;
    world_.tell(&Observer::commanded, *this, command);
    carry_out(command);
    if (dies_after && dies_after(command)) return kill();
  }
  world_.tell(&Observer::after_step, *this, event);
}

void Daemon::soon(core::Event event) {
  world_.schedule.after(Duration{0}, guarded([this, event = std::move(event)] { tell(event); }));
}

void Daemon::carry_out(const core::Command& command) {
  std::visit(Overload{
                 [&](const core::CallTablet& c) { call(c); },
                 [&](const core::Publish& c) { publish(c); },
                 [&](const core::TryTable& c) { try_table(c); },
                 [&](const core::ReserveTerms& c) {
                   const auto asked = [this, s = session_, e = epoch_, c]() -> Reply {
                     return [this, answer = world_.keeper.reserve(s, e, c)] { tell(answer); };
                   };
                   ask(asked, [this, c] { tell(core::TermsReserved{c.id, false, 0, 0}); });
                 },
                 [&](const core::ReserveOpIds& c) {
                   const auto asked = [this, s = session_, e = epoch_, c]() -> Reply {
                     return [this, answer = world_.keeper.reserve(s, e, c)] { tell(answer); };
                   };
                   ask(asked, [this, c] { tell(core::OpIdsReserved{c.id, false, 0, 0}); });
                 },
                 [&](const core::WriteRecord& c) {
                   const auto asked = [this, s = session_, e = epoch_, c]() -> Reply {
                     const bool ok = world_.keeper.write(s, e, c.record);
                     return [this, id = c.id, ok] { tell(core::RecordWritten{id, ok}); };
                   };
                   ask(asked, [this, c] { tell(core::RecordWritten{c.id, false}); });
                 },
                 [&](const core::DropRecord& c) {
                   const auto asked = [this, s = session_, e = epoch_, c]() -> Reply {
                     const bool ok = world_.keeper.drop(s, e, c.name);
                     return [this, id = c.id, ok] { tell(core::RecordWritten{id, ok}); };
                   };
                   ask(asked, [this, c] { tell(core::RecordWritten{c.id, false}); });
                 },
                 [&](const core::WriteJournal& c) {
                   const auto asked = [this, s = session_, e = epoch_, c]() -> Reply {
                     const bool ok = world_.keeper.write(s, e, c);
                     return [this, id = c.id, ok] { tell(core::JournalWritten{id, ok}); };
                   };
                   ask(asked, [this, c] { tell(core::JournalWritten{c.id, false}); });
                 },
                 [&](const core::SetTimer& c) {
                   const Instant at = std::max(c.at, world_.schedule.now());
                   world_.schedule.at(at + world_.dice.in(world_.timing.timer_late),
                                      guarded([this, id = c.id] { tell(core::TimerFired{id}); }));
                 },
                 [&](const core::ReadTable& c) { read(Keeper::kTable + c.znode); },
                 [](const core::ShowStatus&) {},
                 [&](const core::Note& note) {
                   if (note.kind == "settle")
                     world_.violate("one event's decisions end", note.text);
                 },
                 [](const core::CountFailover&) {},
                 [](const core::CountOp&) {},
                 [](const core::CountLost&) {},
                 [](const core::EntriesGivenUp&) {},
             },
             command);
}

}  // namespace failoverd::simulation
