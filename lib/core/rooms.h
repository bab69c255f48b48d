// The brain's inside: its rooms, wired. Only brain.cc and rooms.cc include this.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "lib/core/blocks.h"
#include "lib/core/brain.h"
#include "lib/core/cleanup.h"
#include "lib/core/desk.h"
#include "lib/core/elections.h"
#include "lib/core/journal.h"
#include "lib/core/operations.h"
#include "lib/core/publisher.h"
#include "lib/core/records.h"
#include "lib/core/refusals.h"
#include "lib/core/status_questions.h"
#include "lib/core/watch.h"

namespace failoverd::core {

// What is published of a partition without an op of its own; nobody waits for it.
class WithoutOp : public Publishing {
 public:
  explicit WithoutOp(const Model& model) : model_(model) {}
  void published(OpId) override {}
  void gone(OpId, const std::string&) override {}

 protected:
  const Model& model_;
};

// Writes what a partition's replicas on dead tablets were last heard to hold when its last tablet
// is gone (SAFETY 6), or an election waits for one of them (SAFETY 20): a successor must know whom
// to wait for. And takes it back when it is led again.
class LastOffsets : public WithoutOp {
 public:
  using WithoutOp::WithoutOp;
  bool lost_every_tablet(const Partition&) const;  // Every alive row's.
  bool are_old(PartitionKey, const Partition&) const;
  static OpId id(PartitionKey at) { return ~packed(at); }

  std::optional<PartitionEdit> edit(OpId, const Partition&) override;
};

// Sets dead the rows of followers that are lost while an op works on their partition: no copy of
// another replica is worth an alive row that does not follow (SAFETY 1).
class LostRows : public WithoutOp {
 public:
  using WithoutOp::WithoutOp;
  static OpId id(PartitionKey at) { return ~packed(at) ^ (OpId{1} << 62); }

  std::optional<PartitionEdit> edit(OpId, const Partition&) override;
};

struct Brain::Rooms {
  explicit Rooms(const Policy& policy) {
    desk.policy = policy;
    desk.why_not_told = [this](const Endpoint& tablet, const Call& call) {
      return core::why_not_told(model, tablet, call);
    };
  }

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
  Refusals refusals{model, desk};
  Publisher publisher{model, desk, refusals};
  Watch watch{model, desk};
  StatusQuestions status_questions{model, desk, watch};
  Elections elections{model, desk, ops, publisher, records, terms, journal};
  Cleanup cleanup{model, desk, journal};
  Operations operations{model, desk, ops, publisher, journal, cleanup};
  LastOffsets last_offsets{model};
  LostRows lost_rows{model};

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
  void table_tried(const TableTried&);
  void table_unreadable(const TableUnreadable&);
  void nameservers_listed(const NameserversListed&);
  void switch_was_read(const SwitchRead&);
  void loss_accepted(const LossAccepted&);
  void lock_gained(const LockGained&);
  void lock_lost(const LockLost&);
  void tablet_answered(TabletAnswered);  // answers.cc
  void timer_fired(const TimerFired&);
  void routed(const Route&, const TabletAnswered&);

  // takeover.cc
  void recall();
  bool remember(Partition&, const BegunElection&);

  // Decisions.
  bool may_change() const;
  static void forget_what_was_published(Partition&);
  void diagnose_again(PartitionKey);
  static void mark_strays(Partition&);

  // treatments.cc: which op helps, and when it may begin.
  void treat(PartitionKey, Partition&);
  bool is_left_alone(PartitionKey, Partition&);
  void elect(PartitionKey, Partition&);
  void begin(PartitionKey, Partition&, const Treatment&);
  std::optional<Treatment> treatment_of_lost(const Partition&) const;
  std::optional<Treatment> treatment_of_returned(PartitionKey, const Partition&) const;
  bool in_back_off(const Replica&) const;
  void op_ended(const Operations::Ended&);
  void resume_ops();
  void leave_to_cleanup(const BegunOp&);
  void keep_last_offsets(PartitionKey, const Partition&);
  void set_lost_rows_dead(PartitionKey, const Partition&);
  void would_treat(PartitionKey, Partition&);
  OpId open(OpType, PartitionKey, Partition&, const std::string& why,
            std::optional<TabletIndex> replica);

  // Copies that wait for their turn, treatments.cc: those whose partitions have the fewest live
  // replicas first, recovery.max_copies_per_tablet at a time on either tablet.
  using CopyKey = std::pair<PartitionKey, TabletIndex>;  // The replica's.
  struct WaitingCopy {
    OpId op = 0;
    Treatment what;
    TabletIndex leader = 0;
    Term leader_term = 0;
    Incarnation incarnation = 0;
    Instant since;
  };
  void wait_for_turn(PartitionKey, Partition&, const Treatment&);
  void start_copies();
  bool still_needed(PartitionKey, const WaitingCopy&) const;
  bool has_turn(const WaitingCopy&) const;
  void drop_waiting(const std::string& why);
  void stop_waiting(CopyKey, const std::string& why);

  // contradictions.cc
  void look_for_contradictions(PartitionKey, Partition&);
  void look_into(PartitionKey, Replica& about, std::uint32_t what, TabletIndex whom, Call,
                 Duration at_most);
  bool is_left_paused(PartitionKey, const Partition&, const Replica&) const;
  bool pretends(PartitionKey, const Replica&) const;
  void contradiction_answered(const Route&, const Answer&);
  void pretender_leads(PartitionKey, Partition&, Replica&, Term);
  void pretender_was_told(PartitionKey, Replica&, const Answer&);
  void still_follower_said_its_term(PartitionKey, Partition&, Replica&, Term);
  void leader_of_still_follower_said(PartitionKey, Partition&, Replica&, std::uint32_t what,
                                     const Answer&);
  void leader_of_dead_said(PartitionKey, Partition&, Replica&, const Answer&);
  void reserve_blocks();
  void reserve_later();
  void note_stands_back();
  void look_at_all_troubled();

  std::vector<BegunElection> recalled_;  // Of predecessors, not yet looked at.
  std::vector<BegunOp> begun_ops_;       // The same.
  std::map<CopyKey, WaitingCopy> waiting_;
  std::set<PartitionKey> lost_rows_wanted_;
  std::set<PartitionKey> dirty_;
  std::set<PartitionKey> troubled_;  // Not healthy: looked at again when we may change things.
  bool could_change_ = false;
  std::string stood_back_;
  std::map<std::string, Instant> stands_back_since_;  // By reason.
  bool leaders_counted_ = false;
  Instant reserve_not_before_;
};

}  // namespace failoverd::core
