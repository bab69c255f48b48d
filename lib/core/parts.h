// The brain's parts, wired: whom each of them may read and change stands in its constructor. Only
// brain.cc and facts.cc include this.
#pragma once

#include <array>
#include <set>
#include <string>
#include <vector>

#include "lib/core/api/outbox.h"
#include "lib/core/brain.h"
#include "lib/core/cluster/answer_limit.h"
#include "lib/core/detection/status_questions.h"
#include "lib/core/detection/tablet_monitor.h"
#include "lib/core/durable/election_records.h"
#include "lib/core/durable/publisher.h"
#include "lib/core/durable/refusals.h"
#include "lib/core/election/elections.h"
#include "lib/core/guards/automation.h"
#include "lib/core/guards/operator_holds.h"
#include "lib/core/handover/handovers.h"
#include "lib/core/operation/operations.h"
#include "lib/core/operators/data_look.h"
#include "lib/core/operators/data_recovery.h"
#include "lib/core/operators/operators.h"
#include "lib/core/operators/orders.h"
#include "lib/core/operators/partition_edits.h"
#include "lib/core/repair/copy_queue.h"
#include "lib/core/repair/partition_states.h"
#include "lib/core/repair/reconciliation.h"
#include "lib/core/repair/row_edits.h"
#include "lib/core/repair/shadow.h"
#include "lib/core/repair/takeover.h"
#include "lib/core/repair/treatments.h"
#include "lib/core/reserving.h"
#include "lib/core/table_facts.h"

namespace failoverd::core {

struct Brain::Parts {
  explicit Parts(const Policy& policy) {
    outbox.policy = policy;
    outbox.why_not_told = [this](const Endpoint& tablet, const Call& call) {
      return core::why_not_told(model, tablet, call);
    };
    outbox.longest_answer = [this](const Endpoint& tablet, const Call& call) {
      return core::longest_answer(model, tablet, call);
    };
    outbox.storage_of = [this](std::uint32_t tid) {
      const Table* table = model.table(tid);
      return table ? table->shape.storage : Storage::kMemory;
    };
  }

  // One event: takes the fact in.
  void take(const Event&);
  // What follows from it: verdicts, diagnoses, ops, publishing; until nothing is left to do.
  void settle();

  Outbox outbox;
  Model model;
  OpHistory ops;
  NumberBlock terms{1'000};
  NumberBlock op_ids{1'000};
  StandBack stand_back{model, outbox, op_ids};
  OperatorHolds holds{model, outbox};
  Automation automation{model, holds, stand_back};
  ElectionRecords records{outbox};
  OpJournal journal{outbox};
  Refusals refusals{model, outbox};
  Publisher publisher{model, outbox, refusals};
  TabletMonitor monitor{model, outbox};
  StatusQuestions status_questions{model, outbox, monitor};
  Elections elections{model, outbox, ops, publisher, records, terms, journal};
  Cleanup cleanup{model, outbox, journal};
  Operations operations{model, outbox, ops, publisher, journal, cleanup};
  Handovers handovers{model, outbox, ops, publisher, journal, terms, elections};
  Reserving reserving{model, outbox, automation, stand_back, elections, handovers, terms, op_ids};
  TableFacts tables{model, outbox, records, refusals, elections, stand_back};
  Takeover takeover{model,      outbox,    ops,     records,   journal,
                    operations, handovers, cleanup, stand_back};
  CopyQueue copies{model, outbox, ops, operations, journal, automation, stand_back};
  Shadow shadow{model, outbox};
  Treatments treatments{model,      outbox,  ops,    op_ids, refusals,   elections, handovers,
                        operations, cleanup, copies, shadow, automation, stand_back};
  Orders orders{model,      outbox,    ops,     op_ids, journal,   elections,
                operations, handovers, cleanup, copies, stand_back};
  DataLook data_look{model, outbox, cleanup, copies, automation, stand_back};
  DataRecovery data_recovery{model, outbox, automation, orders, copies};
  PartitionEdits edits{model, outbox, ops, op_ids, journal, publisher, stand_back};
  Operators operators{model,  outbox, ops,       orders,        elections, operations, handovers,
                      copies, holds,  data_look, data_recovery, edits,     stand_back};
  LastOffsets last_offsets{model, publisher, elections, stand_back};
  PutBack put_back{model, outbox, publisher, stand_back};
  LostRows lost_rows{model, outbox, ops, publisher, automation, stand_back};
  Reconciliation reconciliation{model,      outbox, ops,        elections,
                                operations, copies, automation, stand_back};
  PartitionStates states{model,        outbox,   elections, operations,     handovers,  treatments,
                         last_offsets, put_back, lost_rows, reconciliation, automation, stand_back};

 private:
  void take_table(const TableRead&);
  void take_journal(const JournalWritten&);
  void nameservers_listed(const NameserversListed&);
  void nameserver_answered(const NameserverAnswered&);
  void nameserver_ops_read(const NameserverOpsRead&);
  void switch_was_read(const SwitchRead&);
  void lock_gained(const LockGained&);
  void lock_lost(const LockLost&);
  void tablet_answered(TabletAnswered);
  Asker* asker(ReplyTo::Owner);
  void timer_fired(const TimerFired&);
  void call_off(const std::string& why, bool all);

  void collect();
  std::array<std::set<PartitionKey>*, 12> news();
  bool is_settled();
  void give_up_settling();

  bool could_change_ = false;
};

}  // namespace failoverd::core
