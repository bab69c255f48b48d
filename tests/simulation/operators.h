// Operators who order leaders to move and replicas to come, move and go, who hold and take offline,
// who switch auto_failover off for a while and write rows by hand then, at any moment, also what
// makes no sense then.
// They draw from random of their own: what a seed draws beside them stays what it is. Owned by the
// run.
#pragma once

#include <cstdint>
#include <string>

#include "lib/core/api/operator_command.h"
#include "tests/simulation/world.h"

namespace failoverd::simulation {

class Operators {
 public:
  Operators(World& world, std::uint64_t seed) : world_(world), random_(seed) {}

  void start();
  // From now on they only end what they hold.
  void stop();

 private:
  void next();
  void let_go();
  void switch_off();
  void switch_on();
  void ask(Daemon&, core::OperatorCommand);
  void order();
  core::OperatorCommand draw();
  core::OperatorCommand draw_leaders(const core::TableName&, std::uint32_t pid,
                                     const std::string& row);
  core::OperatorCommand draw_hold(const core::TableName&, std::uint32_t pid);
  core::OperatorCommand draw_by_hand(const core::TableShape&, const core::PartitionShape&);
  core::OperatorCommand draw_edit(const core::TableShape&, const core::PartitionShape&);
  void change(core::PartitionShape&);
  std::string any_tablet();
  std::uint32_t some_at_once();
  core::OpId any_op(const Daemon&);
  std::uint64_t any_hold(const Daemon&);

  World& world_;
  Random random_;
  bool stopped_ = false;
  core::RequestId last_ = 0;
};

}  // namespace failoverd::simulation
