// The brain's inside: its rooms, wired. Only brain.cc and rooms.cc include this.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "lib/core/blocks.h"
#include "lib/core/brain.h"
#include "lib/core/desk.h"
#include "lib/core/elections.h"
#include "lib/core/journal.h"
#include "lib/core/operations.h"
#include "lib/core/publisher.h"
#include "lib/core/records.h"
#include "lib/core/watch.h"

namespace failoverd::core {

struct Brain::Rooms {
  explicit Rooms(const Policy& policy) { desk.policy = policy; }

  // One event: takes the fact in.
  void take(const Event&);
  // What follows from it: verdicts, diagnoses, ops, publishing; until nothing is left to do.
  void settle();

  std::vector<StandsBack> stands_back(Instant now) const;
  std::vector<WouldDo> would_do() const;

  Desk desk;
  Model model;
  OpLog ops;
  Block terms{1'000};
  Block op_ids{1'000};
  Records records{desk};
  Journal journal{desk};
  Publisher publisher{model, desk};
  Watch watch{model, desk};
  Elections elections{model, desk, ops, publisher, records, terms};
  Operations operations{model, desk, ops, publisher};

  bool active = false;
  std::int64_t epoch = 0;
  bool auto_failover = false;
  bool switch_read = false;
  std::string switched_by;
  bool cluster_read = false;
  bool nameservers_read = false;
  std::vector<std::string> nameservers;
  bool zookeeper_connected = false;
  Instant fresh_until;

 private:
  // Facts.
  void tables_listed(const TablesListed&);
  void table_read(const TableRead&);
  void table_unreadable(const TableUnreadable&);
  void nameservers_listed(const NameserversListed&);
  void switch_was_read(const SwitchRead&);
  void lock_gained(const LockGained&);
  void lock_lost(const LockLost&);
  void tablet_answered(const TabletAnswered&);
  void timer_fired(const TimerFired&);
  void routed(const Route&, const TabletAnswered&);
  void recall();
  bool remember(Partition&, const BegunElection&);

  // Decisions.
  bool may_change() const;
  void diagnose_again(PartitionKey);
  void treat(PartitionKey, Partition&);
  void would_treat(PartitionKey, Partition&);
  OpId open(OpType, PartitionKey, Partition&);
  void demote_pretenders(PartitionKey, Partition&);
  void ask_those_that_stand_still(PartitionKey, Partition&);
  void demotion_answered(const Route&, const Answer&);
  void reserve_blocks();
  void reserve_later();
  void note_stands_back();
  void back_off(PartitionKey, Partition&);
  void look_at_all_troubled();

  std::vector<BegunElection> recalled_;  // Of predecessors, not yet looked at.
  std::set<PartitionKey> dirty_;
  std::set<PartitionKey> troubled_;  // Not healthy: looked at again when we may change things.
  bool could_change_ = false;
  std::string stood_back_;
  bool leaders_counted_ = false;
  Instant reserve_not_before_;
};

}  // namespace failoverd::core
