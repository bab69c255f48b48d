// Starts again what died, tablets, daemons and nameservers, as systemd would; and is the hand that
// kills and stops them, so that it knows who died by us and who by himself. A tablet that finds its
// last znode ends with 1 and is started again; everything else that ends without having been killed
// is remembered as a fault of its own.
//
// Never waits: the run calls look() all the time. Borrows the cluster and its daemons; one thread.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/time.h"
#include "tests/chaos/ledger.h"
#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"

namespace failoverd::chaos {

class Supervisor {
 public:
  Supervisor(e2e::Cluster& cluster, std::vector<e2e::Daemon*> daemons, Ledger& ledger);

  // SIGKILL. It is started again after `down`, or sooner if it was down already.
  void kill_tablet(int i, Duration down);
  void kill_daemon(int i, Duration down);
  void stop_tablet(int i);  // SIGSTOP, until:
  void continue_tablet(int i);
  void stop_daemon(int i);
  void continue_daemon(int i);
  void kill_nameserver(int i, Duration down);
  void stop_nameserver(int i);
  void continue_nameserver(int i);

  // Starts whoever is due.
  void look();
  // Everything runs and nothing is stopped.
  bool all_run();
  // Processes that ended by themselves and should not have: a line each.
  const std::vector<std::string>& surprises() const { return surprises_; }
  int starts() const { return starts_; }  // Of what had died.

 private:
  // One of the processes; the number among its like.
  enum class What { kTablet, kDaemon, kNameserver };
  using Who = std::pair<What, int>;

  harness::Process& process(Who who);
  static std::string name_of(Who who);  // "tablet A"
  void start(Who who);
  void look_at(Who who);
  void kill(Who who, Duration down);

  e2e::Cluster& cluster_;
  const std::vector<e2e::Daemon*> daemons_;
  Ledger& ledger_;

  std::vector<Who> all_;
  std::map<Who, Instant> due_;  // Who is down, and when it is started.
  std::map<Who, bool> stopped_;
  std::vector<std::string> surprises_;
  int starts_ = 0;
};

}  // namespace failoverd::chaos
