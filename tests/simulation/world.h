// The made-up cluster: ZooKeeper, tablets, the network between them, daemons with a real Brain
// each, and writers. It only carries out what it is told; who makes it suffer is chaos.h or a
// scenario, who judges is an Observer. Everything follows from the seed.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/simulation/fake_zookeeper.h"
#include "tests/simulation/observer.h"
#include "tests/simulation/random.h"
#include "tests/simulation/schedule.h"
#include "tests/simulation/tablet.h"
#include "tests/simulation/timing.h"
#include "tests/simulation/writer.h"

namespace failoverd::simulation {

class Daemon;
class Nameserver;

// How a test breaks the daemon, to see whether a checker notices.
struct Tamper {
  // May change a command before it is carried out; false: swallow it (answer it, if it asks).
  std::function<bool(Daemon&, core::Command&)> command;
  // May change what the brain is told; observers hear the truth.
  std::function<void(const Daemon&, core::Event&)> event;
  // The brain decides by another policy than the checkers.
  std::function<void(core::Policy&)> policy;
  // May change what daemons write to ZooKeeper.
  std::function<void(std::vector<zookeeper::Op>&)> write;
  // May answer a question to a nameserver in its place; then it is never asked.
  std::function<bool(const NameserverCall&, const std::function<void(std::string payload)>& reply)>
      nameserver;
  bool ignore_lease = false;  // The hands send whatever they are told to.
  // An only replica is loaded as leader, as the original nameserver does it (SAFETY 19).
  bool loads_as_leader = false;
};

struct Violation {
  std::string rule;
  std::string what;
};

class World {
 public:
  static constexpr const char* kZookeeper = "zookeeper";
  static constexpr const char* kClient = "client";

  World(std::uint64_t seed, Timing);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Timing timing;
  Schedule schedule;
  Random random;
  FakeZooKeeper fake_zookeeper;
  FakeServer follower{*this, nullptr};  // Of ZooKeeper's servers one that nobody is connected to.
  core::Policy policy;                  // Of daemons that start from now on.
  bool fake_zookeeper_refuses = false;  // ZooKeeper does not take every table all the time.
  Tamper tamper;
  std::set<core::PartitionKey> written;  // Some row of theirs was acknowledged.

  // --- The cluster
  Tablet& add_tablet(const std::string& endpoint);
  Tablet& tablet(const std::string& endpoint) { return *tablets_.at(endpoint); }
  const std::map<std::string, std::unique_ptr<Tablet>>& tablets() const { return tablets_; }
  // Makes the znode, and every replica on its tablet.
  void add_table(core::TableShape);

  // --- The network. Names are endpoints, daemons' names, kZookeeper and kClient.
  void send(const std::string& from, const std::string& to, Work arrive);
  void cut(const std::string& a, const std::string& b);
  void mend(const std::string& a, const std::string& b);
  void mend_all();
  bool reaches(const std::string& a, const std::string& b) const;
  // Its tablet neither answers nor refuses.
  bool hangs(const std::string& from, const std::string& tablet) const;
  const std::set<std::pair<std::string, std::string>>& cuts() const { return cuts_; }
  // A packet filter answers for the tablet: its port refuses this daemon, and nothing that is sent
  // over the connection that stands arrives. Or that ends, too: one filter resets it, and a proxy
  // closes it.
  void reject(Daemon&, const std::string& tablet,
              std::optional<core::ConnectionEnd> ends = std::nullopt);
  void accept(Daemon&, const std::string& tablet);
  bool rejects(const std::string& daemon, const std::string& tablet) const;

  // --- What happens to tablets
  void kill(const std::string& tablet);  // SIGKILL; nobody starts it again.
  // Its machine goes off, and what it had not synced is lost; nobody starts it again.
  void power_cut(const std::string& tablet);
  void restart(const std::string& tablet);  // Killed if need be, and started.
  // Killed if need be; another cluster's tablet is started on its address.
  void replace(const std::string& tablet, std::vector<core::ReplicaStatus> holds);
  void pause(const std::string& tablet);
  void resume(const std::string& tablet);
  void trouble(const std::string& tablet, const std::string& what);
  // For tablets: their process is gone, its connections with it.
  void process_ended(Tablet&);
  bool supervised(const std::string& tablet) const { return wanted_.contains(tablet); }
  void supervise(const std::string& tablet);  // It exited by itself: start it again, later.

  // --- Daemons; those that died stay listed.
  Daemon& start_daemon();
  const std::vector<std::unique_ptr<Daemon>>& daemons() const { return daemons_; }
  Daemon* active();  // Holds the lock, as it believes itself.
  Daemon* find_daemon(const std::string& name);

  // --- Nameservers: only some worlds have any; those that died stay listed.
  Nameserver& add_nameserver(const std::string& endpoint, std::uint64_t seed);
  Nameserver* find_nameserver(const std::string& endpoint);
  const std::map<std::string, std::unique_ptr<Nameserver>>& nameservers() const {
    return nameservers_;
  }
  Nameserver* leading_nameserver();  // By its znode; it may be dead.

  // --- Writers
  Writer& add_writer(core::PartitionKey, Range every);
  void stop_writers();
  Payload next_payload() { return ++last_payload_; }
  std::string name_of(core::PartitionKey) const;  // "flow/0"

  // --- Time
  bool step(Instant until);  // false: nothing more until then, or a rule was broken.
  void run_for(Duration);
  bool run_until(const std::function<bool()>& predicate, Duration within);

  // --- Who watches
  void watch(Observer& observer) { observers_.push_back(&observer); }
  template <class... Declared, class... Given>
  void tell(void (Observer::*what)(Declared...), const Given&... given) {
    for (Observer* observer : observers_) (observer->*what)(given...);
  }
  void say(const std::string& sentence) { tell(&Observer::happened, sentence); }
  void violate(const std::string& rule, const std::string& what);
  const std::optional<Violation>& violation() const { return violation_; }
  // Who has a table written just now: a nameserver, or a daemon's own multi; empty: neither.
  const std::string& writer() const { return writer_; }

 private:
  void table_written(const core::TableShape& before, const core::TableShape& after,
                     const std::string& by);
  void written_through(Nameserver&, const core::TableShape& before, const core::TableShape& after);

  struct Stuck {
    std::string from;
    std::string to;
    Work arrive;
  };
  std::map<std::string, std::unique_ptr<Tablet>> tablets_;
  std::set<std::string> wanted_;  // Tablets that their supervisor keeps up.
  std::vector<std::unique_ptr<Daemon>> daemons_;
  std::map<std::string, std::unique_ptr<Nameserver>> nameservers_;
  std::vector<std::unique_ptr<Writer>> writers_;
  std::set<std::pair<std::string, std::string>> cuts_;
  std::set<std::pair<std::string, std::string>> rejects_;
  std::vector<Stuck> stuck_;
  std::vector<Observer*> observers_;
  Payload last_payload_ = 0;
  std::string writer_;
  int at_once_ = 0;  // Steps since time went on.
  std::optional<Violation> violation_;
};

}  // namespace failoverd::simulation
