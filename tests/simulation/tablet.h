// A made-up tablet that behaves as FEDB.md 3.2 and 7 say, warts included: it replicates
// asynchronously from a position that it takes once per follower, a follower skips what it has and
// answers ok, ChangeRole(leader) does not look at the term, and a stopped process does later what
// it was told earlier. Its disk survives its process. Owned by the world.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lib/core/calls.h"
#include "tests/simulation/keeper.h"
#include "tests/simulation/log.h"
#include "tests/simulation/schedule.h"

namespace failoverd::simulation {

class World;

// Names a method by its call's place in core::Call, so that a new one has a name at once.
using Method = std::size_t;
Method method_of(const core::Call&);
std::string name_of(Method);
std::optional<Method> method_named(const std::string&);
// What partition the call is about; none: the whole tablet.
std::optional<core::PartitionKey> partition_of(const core::Call&);

// Codes that only the made-up tablet needs to know.
inline constexpr int kTableIsFollower = 103;

class Tablet {
 public:
  // A leader's thread for one follower.
  struct Follower {
    std::string endpoint;
    std::optional<core::Offset> position;  // Taken once; then only counted on.
    std::uint64_t attempt = 0;             // Of the request under way; 0: none is.
    Instant attempt_began;
    bool woken = false;  // It will look for new entries by itself.
  };

  // A partition in memory.
  struct Held {
    core::Term term = 0;
    core::Mode mode = core::Mode::kFollower;
    core::TableState state = core::TableState::kNormal;
    std::uint64_t run = 0;  // Changes with the role: older threads have ended.
    std::vector<Follower> followers;
  };

  struct Append {
    core::PartitionKey at;
    core::Term term = 0;
    bool probe = false;  // pre_log_index 0 and no entries.
    std::vector<Entry> entries;
  };
  struct Appended {
    int code = 0;
    core::Offset offset = 0;
    core::Term term = 0;
  };

  Tablet(World& world, std::string endpoint);
  Tablet(const Tablet&) = delete;
  Tablet& operator=(const Tablet&) = delete;

  // --- The process
  void start();  // Opens its port, then registers; exits if its old znode is still there.
  void kill();
  void pause();
  void resume();
  bool running() const { return running_; }
  bool paused() const { return paused_; }
  bool serves() const { return running_ && !paused_; }
  std::uint64_t process() const { return process_; }
  SessionId session() const { return session_; }
  bool registered() const;
  // What reaches the process: done now, or once it goes on, or never if it dies before.
  void take(Work);
  void after(Duration, Work);

  // --- Its services. `done` may be called later, or never; `carried_out` at the moment of truth.
  using Done = std::function<void(const core::Answer&)>;
  void call(const core::Call&, Done done, Done carried_out = nullptr);
  std::optional<Entry> put(core::PartitionKey, Payload, int& code);
  Appended append(const Append&);

  // --- Misbehaviour
  void hang(Method method) { hanging_.insert(method); }
  void unhang();  // What hung is done now.
  void fail(Method method, int code, int times) { failing_[method] = {code, times}; }
  void stop_failing() { failing_.clear(); }
  bool misbehaves() const { return !hanging_.empty() || !failing_.empty() || slow > Duration{}; }
  Duration slow{};  // Every answer takes so much longer.
  void set_state(core::PartitionKey, core::TableState);
  void lose_session();  // Its znode goes, it serves on and comes back by itself.

  // --- What it holds. The logs are its disk.
  std::map<core::PartitionKey, Log> logs;
  std::map<core::PartitionKey, Held> memory;
  const std::string& endpoint() const { return endpoint_; }
  const Held* held(core::PartitionKey) const;
  bool leads(core::PartitionKey) const;
  // The table is made, as the nameserver's CreateTable does.
  void create(core::PartitionKey, core::Mode, core::Term,
              const std::vector<std::string>& followers);
  // What LoadTable leaves in memory: the replica with this log, from wherever it came.
  void load(core::PartitionKey, core::Mode, core::Term, Log);
  void add_replica(core::PartitionKey, const std::string& follower);

 private:
  struct Failing {
    int code = 0;
    int times = 0;
  };

  core::Answer carry_out(const core::Call&);
  core::Answer status() const;
  core::Answer term_pair(core::PartitionKey) const;
  core::Answer probe(const core::Probe&);
  core::Answer promote(const core::Promote&);
  core::Answer demote(core::PartitionKey);
  core::Answer del_replica(const core::DelReplica&);
  core::Answer followers(core::PartitionKey) const;
  core::Answer recover_snapshot(core::PartitionKey);
  // Until when the thread of a follower that does not answer is waited for.
  Instant joined(const Held&, const std::string* only) const;

  // --- Replication: tablet_replication.cc
  void set_followers(core::PartitionKey, Held&, const std::vector<std::string>&);
  Follower* follower(core::PartitionKey, std::uint64_t run, const std::string& endpoint);
  void wake(core::PartitionKey, Held&, Follower&, Duration);
  void replicate(core::PartitionKey, std::uint64_t run, const std::string& to);
  void replicated(core::PartitionKey, std::uint64_t run, const std::string& to,
                  std::uint64_t attempt, core::Offset sent, const std::optional<Appended>&);

  // --- Its session: tablet_registration.cc
  void register_first();
  void ping();
  void register_again();

  World& world_;
  const std::string endpoint_;
  bool running_ = false;
  bool paused_ = false;
  std::uint64_t process_ = 0;
  SessionId session_ = 0;
  std::vector<Work> backlog_;  // What came while it was stopped.
  std::uint64_t last_run_ = 0;
  std::uint64_t last_attempt_ = 0;
  Instant mutex_free_;  // Its one mutex is held until then.

  std::set<Method> hanging_;
  std::vector<Work> hung_;
  std::map<Method, Failing> failing_;
};

}  // namespace failoverd::simulation
