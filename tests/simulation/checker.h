// A rule that is looked at after everything that happens. A checker that finds it broken says so to
// the world, which stops there. Which rule each one holds stands in its first lines.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/simulation/ledger.h"
#include "tests/simulation/observer.h"
#include "tests/simulation/world.h"

namespace failoverd::simulation {

class Checker : public Observer {
 public:
  Checker(World& world, const Ledger& ledger, std::string rule)
      : world_(world), ledger_(ledger), rule_(std::move(rule)) {}
  const std::string& rule() const { return rule_; }

 protected:
  void broken(const std::string& what) { world_.violate(rule_, what); }
  std::string at(core::PartitionKey key) const { return world_.name_of(key); }
  Instant now() const { return world_.schedule.now(); }

  World& world_;
  const Ledger& ledger_;

 private:
  const std::string rule_;
};

// One that goes by what a daemon has been told: what it asked for before it lost the lock is void.
class Listener : public Checker {
 public:
  using Checker::Checker;

  void commanded(const Daemon& daemon, const core::Command& command) override;
  void before_step(const Daemon& daemon, const core::Event& event) override;

 protected:
  // Whether this answer to GetTableStatus is heard: a stranger's is not (SAFETY 21).
  bool hears_status(const Daemon&, const core::CallTablet&, const core::Answer&) const;
  bool is_void(const Daemon&, core::RequestId) const;

 private:
  std::map<std::string, core::RequestId> last_id_;  // By daemon.
  std::map<std::string, core::RequestId> void_up_to_;
};

// One that looks at every partition five times a second, as long as the same daemon acts, no
// nameserver leads and every table can be read.
class Looker : public Checker {
 public:
  using Checker::Checker;

  void stepped() override;

 protected:
  // is_taken: ZooKeeper has taken the table's writes for so long that what it did not take has been
  // tried again (SAFETY 22).
  virtual void look(core::PartitionKey, const core::PartitionShape&, bool is_taken) = 0;
  // What was seen before does not count: nobody acts, or another one.
  virtual void forget() = 0;
  // Whether it can do what is waited for.
  virtual bool is_able(const Daemon&) const { return true; }
  // Who acts; only while look() runs.
  const Daemon& daemon() const { return *daemon_; }

 private:
  Instant next_look_;
  const Daemon* daemon_ = nullptr;
};

using Checkers = std::vector<std::unique_ptr<Checker>>;

// Who may lead, and what a publish may say: check_publish.cc.
void add_publish_checkers(World&, const Ledger&, Checkers&);
// Terms, promotions, demotions, who acts: check_acts.cc.
void add_act_checkers(World&, const Ledger&, Checkers&);
// Handovers: check_handover.cc.
void add_handover_checkers(World&, const Ledger&, Checkers&);
// Rows that writers were told are safe: check_rows.cc.
void add_row_checkers(World&, const Ledger&, Checkers&);
// What brings replicas back: check_recovery.cc.
void add_recovery_checkers(World&, const Ledger&, Checkers&);
// What is left of ops at rest: check_at_rest.cc.
void add_rest_checkers(World&, const Ledger&, Checkers&);
// When everything went down: check_restart.cc.
void add_restart_checkers(World&, const Ledger&, Checkers&);
// Known losses: check_lost.cc.
void add_loss_checkers(World&, const Ledger&, Checkers&);
// When ZooKeeper does not take a table: check_left_alone.cc.
void add_left_alone_checkers(World&, const Ledger&, Checkers&);
// Other clusters' tablets: check_strangers.cc.
void add_stranger_checkers(World&, const Ledger&, Checkers&);
// Beside nameservers: check_nameserver.cc.
void add_nameserver_checkers(World&, const Ledger&, Checkers&);
// The nameserver that leads when all is over has other tables in its memory than stand in the
// znodes.
std::optional<Violation> memory_differs(World&);

}  // namespace failoverd::simulation
