// Nameservers beside the daemons, and what befalls them: they are there from the start or come
// later, die, stop for longer than their session lives and go on, a second one takes over, people
// order things there. They draw from random of their own: seeds without nameservers stay what they
// are. Owned by the run.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "tests/simulation/nameserver.h"
#include "tests/simulation/world.h"

namespace failoverd::simulation {

class NameserverTroubles : public Observer {
 public:
  // Every third seed has nameservers; the others go on as they were without them.
  // Nor has one whose ZooKeeper refuses any: what 304 has left in a memory comes into the znode
  // with the next write of that table and is put back at once, which checkers take for new
  // decisions.
  static bool belong_to(std::uint64_t seed) { return seed % 3 == 2 && seed % 5 != 3; }

  NameserverTroubles(World& world, std::uint64_t seed);

  void start();
  // All go on or are gone for good, and none steers.
  void calm();

  // Aimed: what they miss most is what happens in the middle of a failover.
  void sent(const Daemon&, const core::CallTablet&) override;
  void nameserver_did(const NameserverCall&) override;

 private:
  void next();
  void happens();
  void later(Range, Work);
  void come(Nameserver&);
  void die(Nameserver&);
  void stop(Nameserver&);
  void strike(Nameserver&);
  void steer_for_a_while(Nameserver&);
  void cut_off(Nameserver&);
  void break_connections(Nameserver&);
  void order(Nameserver&);
  void switch_off_whoever_leads();
  Nameserver* leading();
  Nameserver& any();
  core::PartitionKey any_partition(core::PartitionShape& p);

  World& world_;
  Random random_;
  bool calm_ = false;
  bool orders_ = false;  // People order things there.
  double aimed_ = 0;     // How often one is struck in the middle of something.
  Range pause_;
};

}  // namespace failoverd::simulation
