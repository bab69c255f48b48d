// Who watches the made-up world: checkers, the trace, the scenarios' printer. Everything is told
// after it happened, except where a name says otherwise. An observer changes nothing.
#pragma once

#include <string>

#include "lib/core/api/command.h"
#include "lib/core/api/event.h"
#include "lib/fedb/metadata/nameserver_calls.h"
#include "tests/simulation/log.h"

namespace failoverd::simulation {

class Daemon;
struct NameserverCall;

// A trouble of the tablet that somebody told to lead; behind it the partition's name.
inline const std::string kPromotedByHand = "promoted by hand in ";

class Observer {
 public:
  virtual ~Observer() = default;

  // --- Daemons
  virtual void daemon_started(const Daemon&) {}
  virtual void daemon_died(const Daemon&) {}
  virtual void before_step(const Daemon&, const core::Event&) {}
  virtual void after_step(const Daemon&, const core::Event&) {}
  // The brain asks for it; after the test's tampering, if there is any.
  virtual void commanded(const Daemon&, const core::Command&) {}
  // It really left for the tablet.
  virtual void sent(const Daemon&, const core::CallTablet&) {}
  // The brain of this daemon was told how its call went.
  virtual void answered(const Daemon&, const core::CallTablet&, const core::Answer&) {}

  // --- Tablets
  // A call of that daemon was carried out there; the daemon may be dead by now.
  virtual void carried_out(const std::string& /*daemon*/, const core::CallTablet&,
                           const core::Answer&) {}
  // A partition's directory went into the recycle bin.
  virtual void dropped(const core::Endpoint&, core::PartitionKey, const Log&) {}
  // A put was acknowledged to its writer.
  virtual void acknowledged(core::PartitionKey, const core::Endpoint& /*leader*/, const Entry&) {}
  // Something was done to a tablet or to the ways to it: "kill", "pause", "cut", ...
  virtual void trouble(const core::Endpoint&, const std::string& /*what*/) {}

  // --- ZooKeeper
  virtual void table_written(const core::TableShape& /*before*/, const core::TableShape& /*after*/,
                             const std::string& /*by*/) {}

  // --- Nameservers
  // A question really left for a nameserver; was read there; whoever asked was told how it went.
  virtual void nameserver_asked(const NameserverCall&) {}
  virtual void nameserver_did(const NameserverCall&) {}
  virtual void nameserver_answered(const NameserverCall&, const fedb::NameserverReply&) {}

  // --- Time
  virtual void at_rest() {}                     // The run ends: all is calm, and well again.
  virtual void stepped() {}                     // Anything at all happened.
  virtual void happened(const std::string&) {}  // A sentence for people.
};

}  // namespace failoverd::simulation
