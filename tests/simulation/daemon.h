// One daemon of the made-up world: a real Brain with hands that keep the real ones' rules. Every
// command that asks is answered exactly once, late answers are dropped; a call that changes a
// tablet leaves only with the lock held and fresh contact to ZooKeeper (SAFETY 14); answers of
// ZooKeeper come in the order in which it worked. It can be killed, stopped and continued at any
// point. Owned by the world.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lib/core/brain.h"
#include "tests/simulation/keeper.h"
#include "tests/simulation/schedule.h"

namespace failoverd::simulation {

class World;

class Daemon {
 public:
  Daemon(World& world, std::string name, const core::Policy& policy);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  const std::string& name() const { return name_; }
  const core::Brain& brain() const { return *brain_; }

  // --- Its process
  void kill();          // Its session lives on until it expires.
  void stop_cleanly();  // Its session ends with it.
  void pause();
  void resume();
  bool alive() const { return brain_ != nullptr; }
  bool paused() const { return paused_; }
  // Dies at the first command for which this is true, after it was carried out.
  std::function<bool(const core::Command&)> dies_after;
  // The same before its brain is told an event.
  std::function<bool(const core::Event&)> dies_before;

  // --- ZooKeeper: daemon_zookeeper.cc
  void begin_session();
  void lose_connection();  // Reset; it connects again by itself.
  bool connected() const { return connected_; }
  SessionId session() const { return session_; }
  std::int64_t epoch() const { return epoch_; }
  bool holds_lock() const { return held_; }  // As it believes itself.
  bool may_change() const;
  void noticed(const std::string& what);  // A watch fires.
  void lock_noticed();
  void session_closed(SessionId);  // ZooKeeper closed it.

  // --- Tablets: daemon_calls.cc
  void connection_broke(const std::string& tablet, std::uint64_t process, bool by_itself = true);
  // The process at the other end of the connection that stands, as far as this daemon knows.
  std::optional<std::uint64_t> connected_to(const std::string& tablet) const;

  // --- For tests that break things
  void tell(core::Event);  // Its brain steps, and what it commands is carried out.
  void soon(core::Event);  // The same after what goes on now.
  void carry_out(const core::Command&);

 private:
  using Reply = Work;  // Runs here, after it was answered.
  struct Ask {
    std::function<Reply()> at_server;
    Work lost;
    bool carried_out = false;
  };
  struct Pending {
    core::CallTablet call;
    std::uint64_t process = 0;  // The tablet's process that it was sent to.
    bool sent = false;
  };

  // Done here, later if it is stopped, never if it is dead.
  void run(Work);
  Work guarded(Work);

  void ask(std::function<Reply()> at_server, Work lost);
  void ask_arrived(std::uint64_t id);
  void ask_answered(std::uint64_t id);
  void carry_out_some();  // Requests under way: some reach ZooKeeper after all.
  void connection_lost();
  void reconnect();
  void session_expired();
  void read(const std::string& what);
  void read_everything();
  void read_table(const std::string& znode);
  void everything_read();
  void contact();
  void watch_contact();
  void join_lock();
  void try_lock();
  void publish(const core::Publish&);
  void try_table(const core::TryTable&);

  void call(const core::CallTablet&);
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
  bool paused_ = false;
  Instant paused_at_;
  std::vector<Work> inbox_;  // What came while it was stopped.

  SessionId session_ = 0;
  bool connected_ = false;
  bool read_ = false;  // Everything, in this session.
  std::uint64_t connection_ = 0;
  std::int64_t epoch_ = 0;
  bool held_ = false;
  bool taking_lock_ = false;
  Instant fresh_until_;
  Instant last_contact_;
  Instant up_free_;    // When the request before has arrived at ZooKeeper.
  Instant down_free_;  // When the answer before has arrived here.
  std::uint64_t last_ask_ = 0;
  std::map<std::uint64_t, Ask> asks_;
  std::set<std::string> reading_;  // Watches that fired and whose read is still to be made.
  std::set<std::string> missed_;   // To be read once connected again.

  std::map<core::RequestId, Pending> pending_;
  std::map<std::string, std::uint64_t> channels_;  // tablet -> the process connected to.
};

}  // namespace failoverd::simulation
