// Operators' commands: whether they are refused, with the nameserver's codes in the nameserver's
// order of checks (docs/wire.md), and which ops they are. The ops wait in Orders for their turn.
// Owned by the brain.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lib/core/api/event.h"
#include "lib/core/api/outbox.h"
#include "lib/core/cluster/model.h"
#include "lib/core/cluster/op_history.h"
#include "lib/core/guards/operator_holds.h"
#include "lib/core/guards/stand_back.h"
#include "lib/core/operators/data_look.h"
#include "lib/core/operators/data_recovery.h"
#include "lib/core/operators/orders.h"
#include "lib/core/operators/partition_edits.h"
#include "lib/core/repair/copy_queue.h"

namespace failoverd::core {

class Operators {
 public:
  Operators(Model& model, Outbox& outbox, OpHistory& ops, Orders& orders, Elections& elections,
            Operations& operations, Handovers& handovers, CopyQueue& copies, OperatorHolds& holds,
            DataLook& data_look, DataRecovery& data_recovery, PartitionEdits& edits,
            const StandBack& stand_back)
      : model_(model),
        outbox_(outbox),
        ops_(ops),
        orders_(orders),
        elections_(elections),
        operations_(operations),
        handovers_(handovers),
        copies_(copies),
        holds_(holds),
        data_look_(data_look),
        data_recovery_(data_recovery),
        edits_(edits),
        stand_back_(stand_back) {}

  // Answered in the same step; what is written first, when it is written. What cannot be carried
  // out for lack of fresh contact with ZooKeeper or of op ids waits for them for a second.
  void asked(const OperatorAsked&);
  // A new tenure: what a predecessor took offline is gone on with.
  void start() { goes_on_ = true; }
  // Answers those whose ops have ended, and goes on with what is offline. Call in every step.
  void look();
  void stop();  // The lock is lost.

 private:
  // What a command comes to: refused, or orders that are not opened yet, each with its plan.
  struct Outcome {
    OperatorAnswer answer;
    std::vector<Order> orders;
    // To be held: what AddHold says, or the tablet that goes offline. Answered when it is written.
    std::optional<OperatorHold> hold;
    std::uint64_t lifts = 0;  // This hold ends.
    OpId cancels = 0;
    // RecoverData: what it takes into its care, and where it sets the rows first.
    std::optional<std::set<PartitionKey>> care;
    std::set<PartitionKey> prepared;
    bool looks = false;                   // RecoverData: it only loads, to see what is there.
    std::optional<PartitionKey> accepts;  // What its election waits for may be lost.
    Elections::Acceptance acceptance;
    std::optional<PartitionKey> edits;  // It is replaced.
    bool refused() const { return answer.code != 0; }
  };
  static Outcome refuse(int code, std::string words, std::string hint = "");

  // UpdateTableAlive: scripts go on with what the rows say then.
  struct Late {
    RequestId id = 0;
    OperatorAnswer answer;
  };
  // It waits for what StandBack::may_soon_change says, or for numbers of so many ops.
  struct Early {
    OperatorAsked what;
    Instant until;
    bool waits = false;  // The timer is set.
  };
  void carry_out(Early);
  bool lacks_ids(const OperatorAsked&, const Outcome&);
  void wait(Early);
  Outcome decide(const OperatorAsked&);
  // False: it is answered later.
  bool begin(const OperatorAsked&, Outcome&);
  void hold(const OperatorAsked&, Outcome&, std::uint64_t command);
  void add(Order, std::uint64_t command, const std::string& by, OperatorAnswer&);
  void answer_late();
  void go_on_with_offline();
  void order_what_is_pending();
  void cancel(OpId, const std::string& by);
  void call_off_returns(OperatorHold& offline, const std::string& by);
  void end_early(OpId, const std::string& why);
  std::optional<Outcome> refused_by_switch(const OperatorAsked&) const;
  std::optional<Outcome> stands_in_the_way(const OperatorAsked&) const;
  Outcome carry_out(const operators::ChangeLeader&);
  Outcome carry_out(const operators::OfflineEndpoint&);
  Outcome carry_out(const operators::RecoverEndpoint&);
  Outcome carry_out(const operators::RecoverTable&);
  Outcome carry_out(const operators::Migrate&);
  Outcome carry_out(const operators::AddReplicas&);
  Outcome carry_out(const operators::DelReplicas&);
  Outcome carry_out(const operators::MakeSnapshot&);
  Outcome carry_out(const operators::CancelOp&);
  Outcome carry_out(const operators::UpdateTableAlive&);
  Outcome carry_out(const operators::AddHold&);
  Outcome carry_out(const operators::RemoveHold&);
  Outcome carry_out(const operators::RecoverData&);
  Outcome look_at_data() const;
  Outcome carry_out(const operators::SetTablePartition&);
  bool begin_edit(const OperatorAsked&, Outcome&);

  Table* find(const TableName&);
  Outcome no_table(const TableName&) const;
  std::optional<TabletIndex> listed(const Endpoint&) const;
  bool is_healthy(TabletIndex) const;
  void plan(Outcome&, PartitionKey, Treatment, const std::string& text);
  std::string stands_text(PartitionKey, const Replica&) const;
  Outcome elect_without_alive_rows(const operators::ChangeLeader&, PartitionKey, const Partition&);
  Outcome accept_loss_of_election(const operators::ChangeLeader&, PartitionKey, const Partition&);
  Outcome lead_with_nothing(const operators::ChangeLeader&, PartitionKey, const Replica&);
  void plan_relatives(Outcome&, PartitionKey, TabletIndex from, TabletIndex to);
  void plan_offline(Outcome&, PartitionKey, Partition&, TabletIndex);
  void plan_recovery(Outcome&, PartitionKey, const Partition&, const Replica&);
  std::optional<std::string> why_not_migrated(const operators::Migrate&, const Table&,
                                              std::uint32_t pid) const;

  Model& model_;
  Outbox& outbox_;
  OpHistory& ops_;
  Orders& orders_;
  Elections& elections_;
  Operations& operations_;
  Handovers& handovers_;
  CopyQueue& copies_;
  OperatorHolds& holds_;
  DataLook& data_look_;
  DataRecovery& data_recovery_;
  PartitionEdits& edits_;
  const StandBack& stand_back_;
  std::vector<Late> late_;
  std::vector<Early> early_;
  bool goes_on_ = false;
  std::map<std::uint64_t, std::uint64_t> command_of_;  // Which one takes a hold's tablet offline.
};

}  // namespace failoverd::core
