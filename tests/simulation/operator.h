// Somebody who brings dead replicas back by hand, and looks at every partition now and then:
// without it a run would see few failovers, because a tablet that restarts holds nothing. Daemons
// see only what comes of it: rows that others wrote. Owned by the run.
#pragma once

#include <set>
#include <string>
#include <utility>

#include "tests/simulation/observer.h"
#include "tests/simulation/world.h"

namespace failoverd::simulation {

class Operator : public Observer {
 public:
  explicit Operator(World& world) : world_(world) {}

  void start() { next(); }
  void stop() { stopped_ = true; }

  void sent(const Daemon&, const core::CallTablet&) override;
  void carried_out(const std::string&, const core::CallTablet&, const core::Answer&) override;

 private:
  void next();
  void look_after(core::PartitionKey);
  bool may_come_back(core::PartitionKey, const core::Row&) const;
  void recover(core::PartitionKey, core::TableShape, const core::Row&, const core::Row& leader);
  // No row that is alive can lead: the one with the longest log is loaded, and leads.
  void revive(core::PartitionKey, core::TableShape);

  World& world_;
  bool stopped_ = false;
  // DelReplicas that may still be carried out, and would undo a recovery.
  std::set<std::pair<core::PartitionKey, core::Endpoint>> leaving_;
};

}  // namespace failoverd::simulation
