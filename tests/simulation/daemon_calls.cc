// A daemon's calls to tablets: one connection each, and for a look at the port a new one.
#include <utility>

#include "tests/simulation/daemon.h"
#include "tests/simulation/world.h"

namespace failoverd::simulation {

void Daemon::call(const core::CallTablet& c) {
  pending_[c.id] = {c, 0, false};
  const auto channel = channels_.find(c.tablet);
  const bool stands = channel != channels_.end();
  if (core::changes(c.call) && !(may_change() && stands)) {
    const std::string why = stands ? "not allowed to now" : "no connection";
    world_.schedule.after(Duration{0}, guarded([this, id = c.id, why] {
                            finish(id, core::Transport::kNotSent, why);
                          }));
    return;
  }
  world_.schedule.after(c.deadline, guarded([this, id = c.id] { timed_out(id); }));
  if (!c.fresh && stands) {
    send_request(c.id, channel->second);
  } else {
    connect(c.id);
  }
}

// Without the lock nothing that waits to be sent is sent any more. Nobody is told of it but who
// waits for an answer.
void Daemon::drop_connections() {
  channels_.clear();
  for (const auto& [id, p] : pending_) {
    if (p.call.fresh) continue;
    const auto how = p.sent ? core::Transport::kBroken : core::Transport::kNotSent;
    world_.schedule.after(Duration{0}, guarded([this, id = id, how] {
                            finish(id, how, "we closed the connection");
                          }));
  }
}

void Daemon::connect(core::RequestId id) {
  const std::string to = pending_.at(id).call.tablet;
  if (!world_.tablets().contains(to)) return;  // No such host: silence.
  world_.send(name_, to, [this, id, to] {
    const Tablet& tablet = world_.tablet(to);
    if (!tablet.powered()) return;
    // Also while it is stopped: the kernel accepts.
    const bool open = tablet.running() && !world_.rejects(name_, to);
    world_.send(to, name_, guarded([this, id, to, open, process = tablet.process()] {
                  const auto found = pending_.find(id);
                  if (found == pending_.end()) return;
                  if (!open) return finish(id, core::Transport::kRefused, "connection refused");
                  if (!found->second.call.fresh) connection_stands(to, process);
                  if (pending_.contains(id)) send_request(id, process);
                }));
  });
}

void Daemon::send_request(core::RequestId id, std::uint64_t process) {
  Pending& pending = pending_.at(id);
  pending.sent = true;
  pending.process = process;
  const core::CallTablet c = pending.call;
  world_.tell(&Observer::sent, *this, c);
  world_.send(name_, c.tablet, [this, id, c, process] { request_arrived(id, c, process); });
}

void Daemon::request_arrived(core::RequestId id, const core::CallTablet& c, std::uint64_t process) {
  Tablet& tablet = world_.tablet(c.tablet);
  if (!tablet.powered() || world_.rejects(name_, c.tablet)) return;
  if (!tablet.running() || tablet.process() != process) {
    world_.send(c.tablet, name_, guarded([this, to = c.tablet, process] {
                  connection_broke(to, process, core::ConnectionEnd::kReset);
                }));
    return;
  }
  tablet.take([this, id, c, &tablet] {
    tablet.call(
        c.call,
        [this, id, c](const core::Answer& answer) {
          world_.send(c.tablet, name_, guarded([this, id, answer] { finish(id, answer); }));
        },
        [this, c](const core::Answer& answer) {
          world_.tell(&Observer::carried_out, name_, c, answer);
        },
        c.storage);
  });
}

// Another call's connection may have been made to a process that has ended since.
void Daemon::connection_stands(const std::string& tablet, std::uint64_t process) {
  const auto channel = channels_.find(tablet);
  const bool other = channel != channels_.end() && channel->second != process;
  if (other) connection_broke(tablet, channel->second);
  channels_[tablet] = process;
}

std::optional<std::uint64_t> Daemon::connected_to(const std::string& tablet) const {
  const auto channel = channels_.find(tablet);
  return channel == channels_.end() ? std::nullopt : std::optional{channel->second};
}

void Daemon::connection_broke(const std::string& tablet, std::uint64_t process,
                              core::ConnectionEnd how) {
  run([this, tablet, process, how] {
    const auto channel = channels_.find(tablet);
    if (channel != channels_.end() && channel->second == process) {
      channels_.erase(channel);
      tell(core::ConnectionLost{tablet, how});
    }
    std::vector<core::RequestId> broken;
    for (const auto& [id, p] : pending_) {
      if (p.sent && p.process == process && p.call.tablet == tablet) broken.push_back(id);
    }
    for (const core::RequestId id : broken) {
      finish(id, core::Transport::kBroken, "connection reset");
    }
  });
}

void Daemon::timed_out(core::RequestId id) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return;
  const bool not_sent = !found->second.sent && world_.random.chance(world_.timing.not_sent);
  finish(id, not_sent ? core::Transport::kNotSent : core::Transport::kSilent, "no answer");
}

void Daemon::finish(core::RequestId id, core::Answer answer) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return;  // It was answered already: its time was over.
  const core::CallTablet c = found->second.call;
  pending_.erase(found);
  world_.tell(&Observer::answered, *this, c, answer);
  tell(core::TabletAnswered{id, c.tablet, std::move(answer)});
}

void Daemon::finish(core::RequestId id, core::Transport transport, const std::string& text) {
  core::Answer answer;
  answer.transport = transport;
  answer.text = text;
  finish(id, std::move(answer));
}

}  // namespace failoverd::simulation
