// What makes the made-up world suffer: faults drawn from its dice, one after the other, until it is
// told to calm down. Each seed draws which kinds it uses, so that rare combinations are not drowned
// by the rest. Owned by the run.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/simulation/world.h"

namespace failoverd::simulation {

class Chaos {
 public:
  explicit Chaos(World& world);

  void start();
  // Everything is mended, whoever is stopped goes on, the switch is on, a daemon runs. Tablets that
  // are dead are started again or stay dead, as the dice say.
  void calm();

 private:
  struct Fault {
    int weight = 0;
    std::function<void()> happens;
  };

  void choose_faults();
  void next();
  Tablet& any_tablet();
  Daemon* any_daemon();
  core::PartitionKey any_partition();
  // Done unless calm came first: calm mends everything itself.
  void later(Range, Work);
  void for_a_while(Range how_long, const Work& begin, const Work& end);

  // --- Tablets
  void crash();
  void crash_two();
  void quick_restart();
  void stop_tablet();
  void slow_tablet();
  void hang_method();
  void fail_method();
  void snapshot();
  void lose_session();
  // --- The network
  void cut(const std::string& a, const std::string& b, Range how_long);
  void reject();
  // --- Daemons
  void kill_daemon();
  void kill_daemon_at_a_command();
  void stop_daemon();
  void start_successor();
  // --- Metadata
  void switch_off();
  void nameserver_comes();
  void somebody_writes();

  World& world_;
  bool calm_ = false;
  int total_weight_ = 0;
  Range pause_;
  std::vector<Fault> faults_;
};

}  // namespace failoverd::simulation
