// A daemon's session with ZooKeeper: reads and watches, contact, the lock, and multis whose answers
// can be lost.
#include <algorithm>
#include <utility>

#include "tests/simulation/daemon.h"
#include "tests/simulation/world.h"

namespace failoverd::simulation {
namespace {

constexpr Duration kSendAgain = std::chrono::milliseconds{20};

}  // namespace

// --- Requests
// --------------------------------------------------------------------------------------

void Daemon::ask(std::function<Reply()> at_server, Work lost) {
  if (!connected_) {
    if (lost) world_.schedule.after(Duration{0}, guarded(std::move(lost)));
    return;
  }
  const std::uint64_t id = ++last_ask_;
  asks_[id] = {std::move(at_server), std::move(lost), false};
  const Instant now = world_.schedule.now();
  up_free_ = std::max(up_free_, now + world_.dice.in(world_.timing.zookeeper));
  world_.schedule.at(up_free_, [this, id] { ask_arrived(id); });
}

void Daemon::ask_arrived(std::uint64_t id) {
  const auto found = asks_.find(id);
  if (found == asks_.end() || found->second.carried_out) return;
  // While the network is cut it is sent again and again, until the connection is given up.
  const bool in_order = found == asks_.begin() || std::prev(found)->second.carried_out;
  if (!in_order || !world_.reaches(name_, World::kZookeeper)) {
    return world_.schedule.after(kSendAgain, [this, id] { ask_arrived(id); });
  }
  if (!world_.keeper.alive(session_)) return session_closed(session_);
  world_.keeper.heard(session_);
  found->second.carried_out = true;
  found->second.at_server = [reply = found->second.at_server()] { return reply; };
  down_free_ =
      std::max(down_free_, world_.schedule.now() + world_.dice.in(world_.timing.zookeeper));
  world_.schedule.at(down_free_, guarded([this, id] { ask_answered(id); }));
}

void Daemon::ask_answered(std::uint64_t id) {
  const auto found = asks_.find(id);
  if (found == asks_.end()) return;
  if (found != asks_.begin() || !world_.reaches(name_, World::kZookeeper)) {
    return world_.schedule.after(kSendAgain, guarded([this, id] { ask_answered(id); }));
  }
  const Reply reply = found->second.at_server();
  asks_.erase(found);
  if (reply) reply();
}

void Daemon::carry_out_some() {
  if (!world_.reaches(name_, World::kZookeeper) || !world_.keeper.alive(session_)) return;
  for (auto& [id, asked] : asks_) {
    if (asked.carried_out) continue;
    if (!world_.dice.chance(world_.timing.carried_out)) return;  // Nor what was sent after it.
    asked.carried_out = true;
    (void)asked.at_server();
  }
}

// --- Connection and session
// ------------------------------------------------------------------------

void Daemon::begin_session() {
  session_ = world_.keeper.open(name_, world_.timing.daemon_session);
  connected_ = true;
  read_ = taking_lock_ = false;
  reading_.clear();
  missed_.clear();
  last_contact_ = world_.schedule.now();
  ++connection_;
  tell(core::ZookeeperConnected{});
  if (!alive()) return;
  join_lock();
  read_everything();
  watch_contact();
}

void Daemon::lose_connection() {
  if (!alive() || !connected_) return;
  carry_out_some();
  run([this, connection = connection_] {
    if (connected_ && connection == connection_) connection_lost();
  });
}

void Daemon::connection_lost() {
  connected_ = false;
  taking_lock_ = false;
  ++connection_;
  const auto asks = std::exchange(asks_, {});
  missed_.insert(reading_.begin(), reading_.end());
  reading_.clear();
  tell(core::ZookeeperLost{});
  for (const auto& [id, asked] : asks) {
    if (asked.lost && alive()) asked.lost();
  }
  if (alive()) reconnect();
}

void Daemon::reconnect() {
  world_.schedule.after(world_.dice.in(world_.timing.reconnect), guarded([this] {
                          if (connected_) return;
                          if (!world_.reaches(name_, World::kZookeeper)) return reconnect();
                          if (!world_.keeper.alive(session_)) return session_expired();
                          world_.keeper.heard(session_);
                          connected_ = true;
                          last_contact_ = world_.schedule.now();
                          const bool was_read = read_;
                          tell(core::ZookeeperConnected{});
                          if (!alive()) return;
                          join_lock();  // The answer to the first time may have been lost.
                          if (!was_read) {
                            read_everything();
                          } else {
                            // Its watches still hold: what they missed fires now.
                            for (const std::string& what : std::exchange(missed_, {})) read(what);
                            contact();
                            lock_noticed();
                          }
                          watch_contact();
                        }));
}

void Daemon::session_expired() {
  if (std::exchange(held_, false)) tell(core::LockLost{"the session expired"});
  if (alive()) begin_session();
}

void Daemon::session_closed(SessionId session) {
  if (session != session_ || !world_.reaches(name_, World::kZookeeper)) return;
  run([this, connection = connection_] {
    if (connected_ && connection == connection_) connection_lost();
  });
}

// --- Reads and watches
// -----------------------------------------------------------------------------

void Daemon::noticed(const std::string& what) {
  if (!alive()) return;
  if (!connected_) {
    missed_.insert(what);
    return;
  }
  if (!reading_.insert(what).second) return;  // That read will see this change, too.
  world_.schedule.after(world_.dice.in(world_.timing.notice), guarded([this, what] {
                          if (reading_.contains(what) && connected_) read(what);
                        }));
}

void Daemon::read(const std::string& what) {
  if (!connected_) {
    missed_.insert(what);
    return;
  }
  const auto lost = [this, what] { read(what); };
  Keeper& keeper = world_.keeper;
  if (what.starts_with(Keeper::kTable)) return read_table(what.substr(2));
  ask(
      [this, what, &keeper]() -> Reply {
        reading_.erase(what);  // From here on a change needs another read.
        if (what == Keeper::kNodes) {
          return [this, event = keeper.list_tablets()] { tell(event); };
        }
        if (what == Keeper::kNameservers) {
          return [this, event = core::NameserversListed{keeper.nameservers()}] { tell(event); };
        }
        if (what == Keeper::kSwitch) {
          return [this, event = keeper.auto_failover()] { tell(event); };
        }
        core::TablesListed list;
        for (const auto& [znode, shape] : keeper.tables()) list.znodes.push_back(znode);
        return [this, list] {
          tell(list);
          for (std::size_t i = 0; alive() && i < list.znodes.size(); ++i) {
            read(Keeper::kTable + list.znodes[i]);
          }
        };
      },
      lost);
}

void Daemon::read_table(const std::string& znode) {
  const std::string what = Keeper::kTable + znode;
  Keeper& keeper = world_.keeper;
  ask(
      [this, znode, what, &keeper]() -> Reply {
        reading_.erase(what);
        const auto table = keeper.tables().find(znode);
        if (table == keeper.tables().end()) return {};  // The list will say so.
        if (const auto bad = keeper.poisoned().find(znode); bad != keeper.poisoned().end()) {
          return [this, event = core::TableUnreadable{znode, bad->second}] { tell(event); };
        }
        return [this, event = core::TableRead{table->second, keeper.acl(znode)}] { tell(event); };
      },
      [this, what] { read(what); });
}

void Daemon::read_everything() {
  read(Keeper::kNodes);
  read(Keeper::kNameservers);
  read(Keeper::kSwitch);
  read(Keeper::kTables);
  // The tables' reads are asked for when the list is here; this waits for it, and then for them.
  ask(
      [this]() -> Reply {
        return [this] { ask([this]() -> Reply { return [this] { everything_read(); }; }, {}); };
      },
      {});
}

void Daemon::everything_read() {
  read_ = true;
  tell(core::ClusterRead{});
  if (!alive()) return;
  for (const std::string& what : std::exchange(missed_, {})) read(what);
  contact();
  lock_noticed();
}

void Daemon::contact() {
  const Instant sent = world_.schedule.now();
  const Duration session = world_.timing.daemon_session;
  ask(
      [this, sent, session]() -> Reply {
        return [this, sent, session] {
          last_contact_ = world_.schedule.now();
          fresh_until_ = sent + session * 2 / 3;
          tell(core::ContactMade{fresh_until_});
        };
      },
      {});
  world_.schedule.after(session / 3, guarded([this, connection = connection_] {
                          if (connected_ && connection == connection_) contact();
                        }));
}

// A connection over which nothing comes is given up after two thirds of the session.
void Daemon::watch_contact() {
  const Duration patience = world_.timing.daemon_session * 2 / 3;
  world_.schedule.after(patience / 2, guarded([this, patience, connection = connection_] {
                          if (!connected_ || connection != connection_) return;
                          if (world_.schedule.now() - last_contact_ >= patience)
                            return connection_lost();
                          watch_contact();
                        }));
}

// --- The lock, and what is written with it
// ---------------------------------------------------------

bool Daemon::may_change() const {
  if (world_.tamper.ignore_lease) return true;
  return held_ && world_.schedule.now() < fresh_until_;
}

void Daemon::lock_noticed() {
  if (!alive()) return;
  world_.schedule.after(world_.dice.in(world_.timing.notice), guarded([this] { try_lock(); }));
}

void Daemon::join_lock() {
  ask(
      [this, s = session_]() -> Reply {
        world_.keeper.join_lock(s);
        return {};
      },
      {});
}

void Daemon::try_lock() {
  if (held_ || taking_lock_ || !connected_ || !read_) return;
  if (world_.keeper.lock_holder() != session_) return;
  taking_lock_ = true;
  ask(
      [this, s = session_]() -> Reply {
        Keeper& keeper = world_.keeper;
        if (keeper.lock_holder() != s) return {};
        return [this, gained = keeper.take_over()] {
          taking_lock_ = false;
          held_ = true;
          epoch_ = gained.epoch;
          tell(gained);
        };
      },
      {});
}

void Daemon::publish(const core::Publish& wish) {
  using Outcome = core::Published::Outcome;
  if (!held_) {
    return soon(core::Published{wish.id, Outcome::kNotHeld, {}, "the lock is not held"});
  }
  const auto unknown = [this, wish] {
    tell(core::Published{wish.id, Outcome::kUnknown, {}, "connection lost"});
    for (const core::TableEdit& edit : wish.tables) read(Keeper::kTable + edit.znode);
  };
  ask(
      [this, wish, s = session_, e = epoch_]() -> Reply {
        if (!world_.keeper.takes_length(wish)) {  // The server closes the connection.
          world_.schedule.after(Duration{0}, [this, s] { session_closed(s); });
          return {};
        }
        const core::Published answer = world_.keeper.publish(s, e, wish, name_);
        return [this, answer] {
          tell(answer);
          for (const std::string& znode : answer.conflicts) {
            if (alive()) read(Keeper::kTable + znode);
          }
        };
      },
      unknown);
}

// Over a connection of its own.
void Daemon::try_table(const core::TryTable& wish) {
  constexpr Duration kAtMost = std::chrono::seconds{3};
  core::TableTried not_tried;
  not_tried.id = wish.id;
  not_tried.znode = wish.znode;
  if (!held_) return soon(not_tried);
  const auto unknown = [this, not_tried] { tell(not_tried); };
  const Duration there = 2 * world_.dice.in(world_.timing.zookeeper);
  const Duration back = world_.dice.in(world_.timing.zookeeper);
  world_.schedule.after(there, guarded([=, this, s = session_, e = epoch_] {
                          if (!world_.reaches(name_, World::kZookeeper)) {
                            return world_.schedule.after(kAtMost, guarded(unknown));
                          }
                          const core::TableTried answer = world_.keeper.try_table(s, e, wish);
                          world_.schedule.after(back, guarded([this, answer] { tell(answer); }));
                        }));
}

}  // namespace failoverd::simulation
