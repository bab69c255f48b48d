// One daemon of the made-up world: a real Brain, and the real code that holds the lock and its
// epoch, reads the cluster and publishes, over a client of the made-up ZooKeeper. Made up are its
// loop, and its connections to tablets, which keep the real ones' rules: every call is answered
// exactly once, late answers are dropped, and what changes a tablet leaves only with the lock held
// and fresh contact to ZooKeeper (SAFETY 14). It can be killed, stopped and continued at any point.
// Owned by the world.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/core/brain.h"
#include "tests/simulation/fake_zookeeper.h"
#include "tests/simulation/schedule.h"

namespace failoverd::simulation {

class World;
struct DaemonParts;

class Daemon {
 public:
  Daemon(World& world, std::string name, const core::Policy& policy);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  const std::string& name() const { return name_; }
  const core::Brain& brain() const { return *brain_; }

  // --- Its process
  void start();
  void kill();  // Its session lives on until it expires.
  void stop();  // SIGTERM: it gives the lock back first.
  void pause();
  void resume();
  bool alive() const { return brain_ != nullptr; }
  bool paused() const { return paused_; }
  bool stopping() const { return stopping_; }
  // Dies at the first command for which this is true, after it was carried out.
  std::function<bool(const core::Command&)> dies_after;
  // The same before its brain is told an event.
  std::function<bool(const core::Event&)> dies_before;

  // --- ZooKeeper: daemon_zookeeper.cc
  void lose_connection();  // Reset; it connects again by itself.
  // Its server of ZooKeeper hears nothing from the leader any more, or hears again.
  void cut_off_server(bool);
  // confset auto_failover; whether it is written nobody waits for.
  void set_auto_failover(bool, const std::string& by);
  bool connected() const;
  bool server_is_cut_off() const;
  SessionId session() const;
  std::int64_t epoch() const { return epoch_; }
  bool holds_lock() const;  // As it believes itself.
  bool may_change() const;

  // --- Tablets: daemon_calls.cc
  void connection_broke(const std::string& tablet, std::uint64_t process,
                        core::ConnectionEnd how = core::ConnectionEnd::kClosed);
  // The process at the other end of the connection that stands, as far as this daemon knows.
  std::optional<std::uint64_t> connected_to(const std::string& tablet) const;

  // --- For tests that break things
  void tell(core::Event);  // Its brain steps, and what it commands is carried out.
  void soon(core::Event);  // The same after what goes on now.
  void carry_out(const core::Command&);

 private:
  struct Pending {
    core::CallTablet call;
    std::uint64_t process = 0;  // The tablet's process that it was sent to.
    bool sent = false;
  };

  // Done here, later if it is stopped, never if it is dead.
  void run(Work);
  Work guarded(Work);
  void step(core::Event);

  void parts_end();
  void before_brain(const core::Event&);
  void after_brain(const core::Event&);
  void carry_out_in_zookeeper(const core::Command&);

  void call(const core::CallTablet&);
  void drop_connections();
  void connect(core::RequestId);
  void connection_stands(const std::string& tablet, std::uint64_t process);
  void send_request(core::RequestId, std::uint64_t process);
  void request_arrived(core::RequestId, const core::CallTablet&, std::uint64_t process);
  void timed_out(core::RequestId);
  void finish(core::RequestId, core::Answer);
  void finish(core::RequestId, core::Transport, const std::string& text);

  World& world_;
  const std::string name_;
  std::unique_ptr<core::Brain> brain_;
  std::unique_ptr<DaemonParts> parts_;
  std::deque<core::Event> waiting_;  // Told while the brain was thinking.
  bool thinking_ = false;
  bool paused_ = false;
  bool stopping_ = false;
  Instant paused_at_;
  std::vector<Work> inbox_;  // What came while it was stopped.
  std::int64_t epoch_ = 0;

  std::map<core::RequestId, Pending> pending_;
  std::map<std::string, std::uint64_t> channels_;  // tablet -> the process connected to.
};

}  // namespace failoverd::simulation
