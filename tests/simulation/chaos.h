// What makes the made-up world suffer: faults drawn from its random, one after the other, until it
// is told to calm down. Each seed draws which kinds it uses, so that rare combinations are not
// drowned by the rest. Owned by the run.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/simulation/world.h"

namespace failoverd::simulation {

class Chaos : public Observer {
 public:
  explicit Chaos(World& world);

  // Some faults are aimed: they strike just when something that matters is on its way.
  void sent(const Daemon&, const core::CallTablet&) override;
  void commanded(const Daemon&, const core::Command&) override;

  void start();
  // Everything is mended, whoever is stopped goes on, the switch is on, a daemon runs. Tablets that
  // are dead are started again or stay dead, as the random say.
  void calm();

 private:
  // How long what comes and goes lasts.
  static constexpr Range kBlink{std::chrono::milliseconds{20}, std::chrono::milliseconds{900}};
  static constexpr Range kWhile{std::chrono::milliseconds{300}, std::chrono::seconds{8}};
  static constexpr std::size_t kMostDaemons = 12;
  static constexpr std::size_t kUsualRequest = 0xfffff;

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

  void strike(const std::string& tablet, const std::string& daemon);
  // Whom a call is about: its tablet, another one that it names, the partition's leader.
  std::string victim(const core::CallTablet&);

  // --- Tablets: chaos_tablets.cc
  void crash();
  void crash_two();
  void quick_restart();
  void restarts_in_a_row(const std::string& tablet, std::uint64_t left);
  void power_cut();
  // All tablets, in any order, with or without the daemons; and back in any order.
  void blackout();
  void stop_tablet();
  void stop(const std::string& tablet);
  void slow_tablet();
  void hang_method();
  void hang(Tablet&, Method);
  void fail_method();
  void pause_snapshot();
  void make_snapshot();
  void lose_session();
  // Somebody tells a follower to lead beside its leader; and it may not say by what term.
  void promote_by_hand();
  // Another cluster's tablet takes the address of one that died.
  void stranger();
  std::vector<core::ReplicaStatus> what_a_stranger_holds();

  // --- The network, daemons, metadata: chaos_cluster.cc
  void cut(const std::string& a, const std::string& b, Range how_long);
  void reject();
  void kill_daemon();
  void kill_daemon_at_a_command();
  void stop_daemon();
  void stop_daemon_cleanly();
  void cut_off_server();
  void start_successor();
  void switch_off();
  void remove_switch();
  void nameserver_comes();
  void somebody_writes();
  void somebody_drops();
  void unreadable();
  void refuse_table();
  void take_shorter_requests();
  void reload();

  World& world_;
  bool calm_ = false;
  double aimed_ = 0;  // How often something that matters is struck.
  int total_weight_ = 0;
  Range pause_;
  std::vector<Fault> faults_;
};

}  // namespace failoverd::simulation
