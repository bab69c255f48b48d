// A tablet's znode and the session behind it.
#include "tests/simulation/tablet.h"
#include "tests/simulation/world.h"

namespace failoverd::simulation {

bool Tablet::registered() const {
  const auto node = world_.fake_zookeeper.nodes().find(endpoint_);
  return node != world_.fake_zookeeper.nodes().end() && node->second.session == session_;
}

void Tablet::register_first() {
  if (!world_.reaches(endpoint_, World::kZookeeper)) {
    after(world_.timing.tablet_session / 2, [this] { register_first(); });
    return;
  }
  session_ = world_.fake_zookeeper.open(endpoint_, world_.timing.tablet_session);
  if (!world_.fake_zookeeper.register_tablet(endpoint_, /*startup=*/true, session_)) {
    world_.fake_zookeeper.expire(
        session_);  // It closes its own session, and exits: its old znode is there.
    kill();
    world_.supervise(endpoint_);
    return;
  }
  ping();
}

void Tablet::ping() {
  if (!world_.fake_zookeeper.alive(session_)) {
    after(world_.random.in(world_.timing.keep_alive), [this] { register_again(); });
    return;
  }
  if (world_.reaches(endpoint_, World::kZookeeper)) world_.fake_zookeeper.heard(session_);
  after(world_.timing.tablet_session / 3, [this] { ping(); });
}

void Tablet::register_again() {
  if (world_.reaches(endpoint_, World::kZookeeper)) {
    session_ = world_.fake_zookeeper.open(endpoint_, world_.timing.tablet_session);
    if (world_.fake_zookeeper.register_tablet(endpoint_, /*startup=*/false, session_))
      return ping();
    world_.fake_zookeeper.expire(session_);
  }
  after(world_.random.in(world_.timing.keep_alive), [this] { register_again(); });
}

void Tablet::lose_session() {
  if (world_.fake_zookeeper.alive(session_)) world_.fake_zookeeper.expire(session_);
}

}  // namespace failoverd::simulation
