// Writes down everything that happens in a made-up world, a line each: time in seconds, who, what.
// The lines of events and commands are the ones that a real daemon logs.
#pragma once

#include <ostream>

#include "tests/simulation/observer.h"
#include "tests/simulation/world.h"

namespace failoverd::simulation {

class Trace : public Observer {
 public:
  Trace(World& world, std::ostream& to) : world_(world), to_(to) {}

  void daemon_started(const Daemon&) override;
  void daemon_died(const Daemon&) override;
  void before_step(const Daemon&, const core::Event&) override;
  void commanded(const Daemon&, const core::Command&) override;
  void carried_out(const std::string&, const core::CallTablet&, const core::Answer&) override;
  void trouble(const core::Endpoint&, const std::string&) override;
  void table_written(const core::TableShape&, const core::TableShape&, const std::string&) override;
  void nameserver_did(const NameserverCall&) override;
  void nameserver_answered(const NameserverCall&, const fedb::NameserverReply&) override;
  void happened(const std::string&) override;

 private:
  std::ostream& line(const std::string& who);

  World& world_;
  std::ostream& to_;
};

// "A:1 leader alive | B:1 follower dead  terms 1:0 12:7"
std::string rows_text(const core::PartitionShape&);

}  // namespace failoverd::simulation
