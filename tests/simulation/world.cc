#include "tests/simulation/world.h"

#include <algorithm>

#include "tests/simulation/daemon.h"
#include "tests/simulation/nameserver.h"

namespace failoverd::simulation {

World::World(std::uint64_t seed, Timing how_long)
    : timing(how_long), random(seed), fake_zookeeper(schedule) {
  fake_zookeeper.table_written = [this](const auto& before, const auto& after,
                                        const std::string& by) {
    table_written(before, after, by);
  };
}

// Daemons first: their sessions end, and ask whom they still reach.
World::~World() {
  daemons_.clear();
  nameservers_.clear();
}

// --- The cluster
// -----------------------------------------------------------------------------------

Tablet& World::add_tablet(const std::string& endpoint) {
  auto& t = tablets_[endpoint] = std::make_unique<Tablet>(*this, endpoint);
  wanted_.insert(endpoint);
  t->start();
  return *t;
}

void World::add_table(core::TableShape shape) {
  for (const core::PartitionShape& p : shape.partitions) {
    const core::PartitionKey at{shape.tid, p.pid};
    const core::Term term = p.terms.empty() ? 0 : p.terms.back().term;
    fake_zookeeper.set_term(std::max(fake_zookeeper.term(), term));
    std::vector<std::string> followers;
    for (const core::Row& row : p.rows) {
      if (!row.is_leader) followers.push_back(row.endpoint);
    }
    for (const core::Row& row : p.rows) {
      const core::Mode mode = row.is_leader ? core::Mode::kLeader : core::Mode::kFollower;
      tablet(row.endpoint)
          .create(at, shape.name, mode, term,
                  row.is_leader ? followers : std::vector<std::string>{}, shape.storage);
    }
  }
  fake_zookeeper.write_table(shape, "nameserver");
}

void World::table_written(const core::TableShape& before, const core::TableShape& after,
                          const std::string& by) {
  writer_ = by;
  if (Nameserver* nameserver = find_nameserver(by)) {
    written_through(*nameserver, before, after);
  } else {
    tell(&Observer::table_written, before, after, by);
  }
  writer_.clear();
}

// It writes the whole table. Of what it was asked for the asker is the author, if that acts by its
// epoch still; of all else, and of what comes later, the nameserver.
void World::written_through(Nameserver& nameserver, const core::TableShape& before,
                            const core::TableShape& after) {
  const auto by = nameserver.written(after.znode);
  if (!by || by->epoch != fake_zookeeper.epoch()) {
    return tell(&Observer::table_written, before, after, nameserver.endpoint());
  }
  core::TableShape between = after;
  for (core::PartitionShape& p : between.partitions) {
    const auto old = std::ranges::find(before.partitions, p.pid, &core::PartitionShape::pid);
    if (p.pid == by->pid && old != before.partitions.end()) p = *old;
  }
  tell(&Observer::table_written, before, between, nameserver.endpoint());
  tell(&Observer::table_written, between, after, by->daemon);
}

std::string World::name_of(core::PartitionKey at) const {
  const core::TableShape* shape = fake_zookeeper.table(at);
  return (shape ? shape->name : std::to_string(at.tid)) + "/" + std::to_string(at.pid);
}

// --- The network
// -----------------------------------------------------------------------------------

void World::send(const std::string& from, const std::string& to, Work arrive) {
  schedule.after(random.in(timing.network), [this, from, to, arrive = std::move(arrive)]() mutable {
    if (reaches(from, to)) {
      arrive();
    } else {
      stuck_.push_back({from, to, std::move(arrive)});
    }
  });
}

void World::cut(const std::string& a, const std::string& b) { cuts_.insert(std::minmax(a, b)); }

void World::mend(const std::string& a, const std::string& b) {
  cuts_.erase(std::minmax(a, b));
  // What the senders kept is sent again, if they still want it to arrive.
  for (Stuck& stuck : std::exchange(stuck_, {})) {
    if (!reaches(stuck.from, stuck.to)) {
      stuck_.push_back(std::move(stuck));
    } else if (random.chance(timing.late_delivery)) {
      send(stuck.from, stuck.to, std::move(stuck.arrive));
    }
  }
}

void World::mend_all() {
  rejects_.clear();
  while (!cuts_.empty()) {
    const auto [a, b] = *cuts_.begin();
    mend(a, b);
  }
}

bool World::reaches(const std::string& a, const std::string& b) const {
  return cuts_.empty() || !cuts_.contains(std::minmax(a, b));
}

void World::reject(Daemon& daemon, const std::string& name,
                   std::optional<core::ConnectionEnd> ends) {
  trouble(name, "rejected");
  rejects_.emplace(daemon.name(), name);
  if (ends) daemon.connection_broke(name, tablet(name).process(), *ends);
}

void World::accept(Daemon& daemon, const std::string& name) {
  rejects_.erase({daemon.name(), name});
}

bool World::rejects(const std::string& daemon, const std::string& name) const {
  return !rejects_.empty() && rejects_.contains({daemon, name});
}

bool World::hangs(const std::string& from, const std::string& to) const {
  const Tablet& t = *tablets_.at(to);
  return !reaches(from, to) || t.paused() || !t.powered();
}

// --- What happens to tablets
// -----------------------------------------------------------------------

void World::trouble(const std::string& name, const std::string& what) {
  tell(&Observer::trouble, name, what);
}

void World::kill(const std::string& name) {
  wanted_.erase(name);
  trouble(name, "kill");
  tablet(name).kill();
}

void World::power_cut(const std::string& name) {
  wanted_.erase(name);
  tablet(name).power_cut();
  trouble(name, "power cut");
}

void World::restart(const std::string& name) {
  trouble(name, "restart");
  tablet(name).kill();
  wanted_.insert(name);
  schedule.after(random.in(timing.start), [this, name] {
    if (wanted_.contains(name)) tablet(name).start();
  });
}

void World::replace(const std::string& name, std::vector<core::ReplicaStatus> holds) {
  kill(name);
  trouble(name, "another cluster's tablet has its address");
  tablet(name).start_stranger(std::move(holds));
}

void World::supervise(const std::string& name) {
  trouble(name, "exit");
  schedule.after(random.in(timing.supervisor), [this, name] {
    if (wanted_.contains(name)) tablet(name).start();
  });
}

void World::pause(const std::string& name) {
  trouble(name, "pause");
  tablet(name).pause();
}

void World::resume(const std::string& name) {
  trouble(name, "continue");
  tablet(name).resume();
}

void World::process_ended(Tablet& tablet) {
  for (const auto& d : daemons_) {
    send(tablet.endpoint(), d->name(),
         [&d = *d, name = tablet.endpoint(), process = tablet.process()] {
           d.connection_broke(name, process);
         });
  }
}

// --- Daemons, writers, time
// ------------------------------------------------------------------------

Daemon& World::start_daemon() {
  const std::string name = "d" + std::to_string(daemons_.size() + 1);
  core::Policy its_own = policy;
  if (tamper.policy) tamper.policy(its_own);
  Daemon& d = *daemons_.emplace_back(std::make_unique<Daemon>(*this, name, its_own));
  tell(&Observer::daemon_started, d);
  d.start();
  return d;
}

Daemon* World::active() {
  for (const auto& d : daemons_) {
    if (d->alive() && d->holds_lock()) return d.get();
  }
  return nullptr;
}

Daemon* World::find_daemon(const std::string& name) {
  for (const auto& d : daemons_) {
    if (d->name() == name) return d.get();
  }
  return nullptr;
}

Nameserver& World::add_nameserver(const std::string& endpoint, std::uint64_t seed) {
  return *nameservers_.emplace(endpoint, std::make_unique<Nameserver>(*this, endpoint, seed))
              .first->second;
}

Nameserver* World::find_nameserver(const std::string& endpoint) {
  const auto found = nameservers_.find(endpoint);
  return found == nameservers_.end() ? nullptr : found->second.get();
}

Nameserver* World::leading_nameserver() {
  const auto& queue = fake_zookeeper.nameservers();
  return queue.empty() ? nullptr : find_nameserver(queue.front());
}

Writer& World::add_writer(core::PartitionKey at, Range every) {
  return *writers_.emplace_back(std::make_unique<Writer>(*this, at, every));
}

void World::stop_writers() {
  for (const auto& w : writers_) w->stop();
}

bool World::step(Instant until) {
  if (violation_) return false;
  const Instant before = schedule.now();
  if (!schedule.step(until)) return false;
  // Nothing may go round in circles without time passing.
  constexpr int kMostAtOnce = 50'000;
  at_once_ = schedule.now() == before ? at_once_ + 1 : 0;
  if (at_once_ > kMostAtOnce) violate("no busy loop", "time stands still");
  tell(&Observer::stepped);
  return !violation_;
}

void World::run_for(Duration how_long) {
  const Instant until = schedule.now() + how_long;
  while (step(until)) {
  }
}

bool World::run_until(const std::function<bool()>& predicate, Duration within) {
  const Instant until = schedule.now() + within;
  while (!predicate()) {
    if (!step(until)) return predicate() && !violation_;
  }
  return true;
}

void World::violate(const std::string& rule, const std::string& what) {
  if (!violation_) violation_ = {rule, what};
  say("BROKEN " + rule + ": " + what);
}

}  // namespace failoverd::simulation
