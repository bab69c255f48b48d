// What a daemon has of the real daemon's code, wired as daemon/driver.cc wires it.
#include <utility>

#include "lib/base/loop.h"
#include "lib/base/overload.h"
#include "lib/fedb/cluster_view.h"
#include "lib/fedb/leadership.h"
#include "lib/fedb/switch.h"
#include "lib/fedb/znode_metadata.h"
#include "tests/simulation/daemon.h"
#include "tests/simulation/keeper_client.h"
#include "tests/simulation/world.h"

namespace failoverd::simulation {
namespace {

// A process's loop, of virtual time.
class ProcessLoop : public Loop {
 public:
  ProcessLoop(World& world, RunInProcess run) : world_(world), run_(std::move(run)) {}

  Instant now() const override { return world_.schedule.now(); }
  std::int64_t wall_now_ms() const override { return world_.schedule.wall_now_ms(); }
  void post(std::function<void()> what) override { in(Duration{0}, std::move(what)); }
  void after(Duration duration, std::function<void()> what) override {
    in(duration + world_.dice.in(world_.timing.timer_late), std::move(what));
  }

 private:
  void in(Duration duration, Work what) {
    world_.schedule.after(duration, [run = run_, what = std::move(what)] { run(what); });
  }

  World& world_;
  const RunInProcess run_;
};

}  // namespace

struct Daemon::Parts {
  Parts(Daemon& daemon, World& world, const RunInProcess& run)
      : loop(world, run),
        client(world, daemon.name(), run),
        view(loop, client, world.keeper.paths(), fedb::Numbering::kFedb, teller(daemon)),
        leadership(loop, client, world.keeper.paths(), daemon.name(), teller(daemon)),
        metadata(
            loop, client,
            [&world, name = daemon.name(), run](std::size_t longest) {
              return std::make_unique<KeeperClient>(world, name, run, longest);
            },
            world.keeper.paths(), fedb::Numbering::kFedb, view, leadership, teller(daemon)),
        switched(loop, client, world.keeper.paths(), daemon.name(), teller(daemon)) {
    const auto warn = [&world, name = daemon.name()](const std::string& line) {
      world.say(name + " warns: " + line);
    };
    view.on_warning = leadership.on_warning = metadata.on_warning = switched.on_warning = warn;
  }

  static std::function<void(core::Event)> teller(Daemon& daemon) {
    return [&daemon](core::Event event) { daemon.tell(std::move(event)); };
  }

  ProcessLoop loop;
  KeeperClient client;
  fedb::ClusterView view;
  fedb::Leadership leadership;
  fedb::ZnodeMetadata metadata;
  fedb::Switch switched;
};

Daemon::Daemon(World& world, std::string name, const core::Policy& policy)
    : world_(world), name_(std::move(name)), brain_(std::make_unique<core::Brain>(policy)) {}

Daemon::~Daemon() = default;

void Daemon::start() {
  parts_ = std::make_unique<Parts>(*this, world_, [this](Work work) { run(std::move(work)); });
  parts_->client.on_state = [this](zookeeper::SessionState state, bool new_session) {
    session_changed(state, new_session);
  };
  parts_->switched.file_says(std::nullopt);
  parts_->client.start();
}

// Whoever is at work in its parts just now must find them to the end of that.
void Daemon::parts_end() {
  parts_->client.die();
  world_.schedule.after(Duration{0}, [this] { parts_.reset(); });
}

void Daemon::stop() {
  if (!alive() || std::exchange(stopping_, true)) return;
  parts_->leadership.release([this] {
    parts_->client.close();
    kill();
  });
}

void Daemon::session_changed(zookeeper::SessionState state, bool new_session) {
  if (state == zookeeper::SessionState::kConnected) {
    tell(core::ZookeeperConnected{});
    parts_->view.connected(new_session);
    parts_->switched.connected(new_session);
  } else {
    tell(core::ZookeeperLost{});
  }
  parts_->leadership.session_changed(state, new_session);
}

void Daemon::lose_connection() {
  if (alive()) parts_->client.lose_connection();
}

void Daemon::cut_off_server(bool is) {
  if (alive()) parts_->client.cut_off_server(is);
}

bool Daemon::connected() const { return alive() && parts_->client.connected(); }

bool Daemon::server_is_cut_off() const { return alive() && parts_->client.server_is_cut_off(); }

SessionId Daemon::session() const { return parts_ ? parts_->client.session_id() : 0; }

bool Daemon::holds_lock() const { return alive() && parts_->leadership.gained(); }

bool Daemon::may_change() const {
  if (world_.tamper.ignore_lease) return true;
  return alive() && parts_->leadership.may_change();
}

void Daemon::before_brain(const core::Event& event) {
  const auto* gained = std::get_if<core::LockGained>(&event);
  if (!gained) return;
  epoch_ = gained->epoch;
  parts_->metadata.begin(*gained);
}

void Daemon::after_brain(const core::Event& event) {
  if (std::holds_alternative<core::LockGained>(event)) parts_->switched.now_active(true);
}

void Daemon::carry_out_in_zookeeper(const core::Command& command) {
  fedb::ZnodeMetadata& metadata = parts_->metadata;
  std::visit(Overload{
                 [&](const core::Publish& c) { metadata.publish(c); },
                 [&](const core::TryTable& c) { metadata.try_table(c); },
                 [&](const core::ReserveTerms& c) { metadata.reserve_terms(c); },
                 [&](const core::ReserveOpIds& c) { metadata.reserve_op_ids(c); },
                 [&](const core::WriteRecord& c) { metadata.write_record(c); },
                 [&](const core::DropRecord& c) { metadata.drop_record(c); },
                 [&](const core::WriteJournal& c) { metadata.write_journal(c); },
                 [&](const core::ReadTable& c) { parts_->view.read_again(c.znode); },
                 [](const auto&) {},
             },
             command);
}

}  // namespace failoverd::simulation
