// Ops that operators ordered: opened and listed at once, begun when nothing else works on their
// partition and their command has room for one more. What has become needless or impossible until
// then ends and says why. Owned by the brain.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lib/core/api/outbox.h"
#include "lib/core/cluster/model.h"
#include "lib/core/cluster/op_history.h"
#include "lib/core/durable/number_block.h"
#include "lib/core/durable/op_journal.h"
#include "lib/core/election/elections.h"
#include "lib/core/guards/stand_back.h"
#include "lib/core/handover/handovers.h"
#include "lib/core/operation/cleanup.h"
#include "lib/core/operation/operations.h"
#include "lib/core/repair/copy_queue.h"

namespace failoverd::core {

// An op that was ordered and waits for its turn, or runs.
struct Order {
  OpId op = 0;
  PartitionKey at;
  // A task list, or an election: kChangeLeaderOP, kHandoverOP.
  Treatment what;
  // Orders of one command: so many of them run at once; 0: all.
  std::uint64_t command = 0;
  std::uint32_t at_once = 0;
  std::string by;
  // kChangeLeaderOP: who answers for what is lost there; empty: nobody.
  bool accept_loss = false;
  bool force = false;  // Its leader hangs, and is not handed over.
  // What the same partition is ordered when this op has ended well.
  std::optional<Treatment> then = {};
  int tries = 1;  // With this one.
};

class Orders {
 public:
  Orders(Model& model, Outbox& outbox, OpHistory& ops, NumberBlock& op_ids, OpJournal& journal,
         Elections& elections, Operations& operations, Handovers& handovers, const Cleanup& cleanup,
         const CopyQueue& copies, const StandBack& stand_back)
      : model_(model),
        outbox_(outbox),
        ops_(ops),
        op_ids_(op_ids),
        journal_(journal),
        elections_(elections),
        operations_(operations),
        handovers_(handovers),
        cleanup_(cleanup),
        copies_(copies),
        stand_back_(stand_back) {}

  // A number that no other command has.
  std::uint64_t new_command() { return ++last_command_; }
  // Whether so many ops can be opened now; if not, ids for them are reserved next.
  bool has_ids(std::size_t count) {
    op_ids_.want_size(2 * count);
    return op_ids_.has(count, 0);
  }
  // Opens its op, and gives its id.
  OpId add(Order order);
  // Begins those whose turn has come. Call in every step.
  void look();
  // Ends one that has not begun; false: it is none that waits.
  bool cancel(OpId, const std::string& why);
  bool waits(OpId op) const;
  // Some of a partition's have not ended.
  bool any_of(PartitionKey) const;
  bool is_running(PartitionKey) const;
  // Some of a command's, or what follows them, have not ended.
  bool any_of_command(std::uint64_t command) const { return open_.contains(command); }
  void cancel_all(const std::string& why);
  // Those of a command: what runs ends by itself, and nothing follows it.
  void cancel_command(std::uint64_t command, const std::string& why);
  // Those that would have this tablet's replicas alive or leading again; what runs goes on, and
  // nothing follows it. Gives what it was to lead again once it had been brought back.
  std::vector<PartitionKey> cancel_returns(TabletIndex tablet, const std::string& why);
  // Neither again, nor what was to follow it.
  void try_no_more(OpId);
  void stop();  // The lock is lost.

  // Partitions to diagnose again; the brain takes them.
  std::set<PartitionKey> changed;

 private:
  void open(Order&);
  void ended(const Order&);
  static void try_no_more(Order&);
  void follow(Order, std::deque<Order>& to);
  bool is_tried_again(const Order&, const OpRecord& ended) const;
  std::optional<std::string> is_done_already(const Order&) const;
  std::optional<std::string> why_impossible(const Order&) const;
  std::optional<Endpoint> who_may_answer(const Order&) const;
  std::optional<std::string> other_op(const Order&) const;
  std::optional<std::string> waits_for(const Order&) const;
  bool leads_by_now(const Order&) const;
  void hand_over_first(Order, std::deque<Order>& to);
  bool may_elect(const Order&);
  void brings_back(const Order&, bool);
  void begin(Order&);
  void end(const Order&, OpStatus, const std::string& how);
  void look_at_running();

  Model& model_;
  Outbox& outbox_;
  OpHistory& ops_;
  NumberBlock& op_ids_;
  OpJournal& journal_;
  Elections& elections_;
  Operations& operations_;
  Handovers& handovers_;
  const Cleanup& cleanup_;
  const CopyQueue& copies_;
  const StandBack& stand_back_;
  std::deque<Order> waiting_;
  std::map<OpId, Order> running_;
  std::uint64_t last_command_ = 0;
  // How many of each command, and of each partition, have not ended.
  std::map<std::uint64_t, std::size_t> open_;
  std::map<PartitionKey, std::size_t> of_partition_;
};

}  // namespace failoverd::core
