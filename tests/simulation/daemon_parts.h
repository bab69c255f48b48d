// What a daemon of the made-up world has of the real daemon's code: all that stands between its
// brain and ZooKeeper, over a client of the made-up one and on virtual time. Owned by a Daemon, or
// by a test.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "lib/base/loop.h"
#include "lib/core/api/event.h"
#include "lib/fedb/zookeeper_side.h"
#include "tests/simulation/fake_zookeeper_client.h"
#include "tests/simulation/nameserver_link.h"
#include "tests/simulation/world.h"

namespace failoverd::simulation {

// A process's loop, of virtual time.
class ProcessLoop : public Loop {
 public:
  ProcessLoop(World& world, RunInProcess run) : world_(world), run_(std::move(run)) {}

  Instant now() const override { return world_.schedule.now(); }
  std::int64_t wall_now_ms() const override { return world_.schedule.wall_now_ms(); }
  void post(std::function<void()> what) override { in(Duration{0}, std::move(what)); }
  void after(Duration duration, std::function<void()> what) override {
    in(duration + world_.random.in(world_.timing.timer_late), std::move(what));
  }

 private:
  void in(Duration duration, Work what) {
    world_.schedule.after(duration, [run = run_, what = std::move(what)] { run(what); });
  }

  World& world_;
  const RunInProcess run_;
};

struct DaemonParts {
  using Tell = std::function<void(core::Event)>;

  // name: its place in the network, and among the daemons.
  DaemonParts(World& world, const std::string& name, const RunInProcess& run, const Tell& tell,
              const std::string& machine = {});
  // file: what its file says of auto_failover.
  void start(std::optional<bool> file = std::nullopt);

  ProcessLoop loop;
  FakeClient client;
  NameserverLink nameserver;
  fedb::ServerNames names;
  fedb::ZookeeperSide side;
};

}  // namespace failoverd::simulation
