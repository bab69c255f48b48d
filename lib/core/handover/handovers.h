// kHandoverOP: the leadership of a partition goes to a follower while its leader lives, and no
// acknowledged row is lost (SAFETY 12). The leader's row is published dead, in one multi with the
// op's entry, so that clients stop writing to it; when its log stands still and the follower has
// all of it, it is told to follow; then all are probed as in any election, the old leader among
// them, and whoever holds most leads. Where the time is up before, or something is in the way, its
// row says alive again and it goes on leading. Owned by the brain.
//
// From the flip to the end its replica is stepping down: the row says dead, and everything but
// clients takes it for the alive leader, also a successor, who finds the op's entry.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lib/core/api/asker.h"
#include "lib/core/api/outbox.h"
#include "lib/core/cluster/model.h"
#include "lib/core/cluster/op_history.h"
#include "lib/core/durable/number_block.h"
#include "lib/core/durable/op_journal.h"
#include "lib/core/durable/publisher.h"
#include "lib/core/election/elections.h"

namespace failoverd::core {

class Handovers : public Publishing, public Asker {
 public:
  Handovers(Model& model, Outbox& outbox, OpHistory& ops, Publisher& publisher, OpJournal& journal,
            NumberBlock& terms, Elections& elections)
      : model_(model),
        outbox_(outbox),
        ops_(ops),
        publisher_(publisher),
        journal_(journal),
        terms_(terms),
        elections_(elections) {}

  // The op has been opened in the OpHistory and is the partition's, which has a leader. `to`: who
  // is to lead; none: whoever can best (standing.h).
  void begin(OpId op, PartitionKey at, std::optional<TabletIndex> to);
  // SAFETY 12: the row of a leader may have been set dead by hand, and it leads all the same.
  // False: a successor is to know that before it is told to follow, and that is being written, as
  // an entry of the number that `id` gives: no election begins yet.
  using GiveId = std::function<std::optional<OpId>()>;
  bool may_be_elected(PartitionKey at, const GiveId& id);
  // Then it counts as one that steps down, until there is a later leader. None: nobody is in that
  // way.
  std::optional<Elections::Handed> adopt(PartitionKey at);
  // No election begins after all.
  void adopt_not(PartitionKey at);
  void journaled(OpId);
  // A predecessor's: its election is finished first thing, with the old leader among the
  // candidates. The op is not opened.
  void resume(const BegunOp& op);
  void stop();  // The lock is lost.
  // The old leader goes on leading, where it has not been told to follow yet.
  void call_off(const std::string& why);
  bool call_off(OpId op, const std::string& why);  // False: it goes on, or is none.
  // Those of them that were ordered to this tablet.
  std::vector<OpId> leading_to(TabletIndex) const;
  bool any() const { return !handovers_.empty(); }
  // A verdict, a row or a term of it changed.
  void look_again(PartitionKey at);

  void answered(const ReplyTo&, const Answer&) override;
  void timer(const ReplyTo&) override;

  std::optional<PartitionEdit> edit(OpId, const Partition&) override;
  void published(OpId) override;
  void gone(OpId, const std::string& why) override;
  void refused(OpId, const std::string& why) override;

  // Partitions to diagnose again; the brain takes them.
  std::set<PartitionKey> changed;

 private:
  enum class Phase : std::uint8_t {
    kLooking,     // Whether both can do what is asked of them; nothing has been changed.
    kFlipping,    // The leader's row is being published dead.
    kQuiescing,   // Until its log stands still, and the follower has all of it.
    kDemoting,    // It has been told to follow.
    kTakingBack,  // Its row is being published alive again.
  };
  struct Handover {
    OpId op = 0;
    PartitionKey at;
    Phase phase = Phase::kLooking;
    TabletIndex from = 0;
    TabletIndex to = 0;
    bool any = false;
    Term term = 0;  // The published one.
    std::uint32_t step = 0;
    Instant began;
    Instant flipped;
    // This turn's answers, and the leader's offset in the turn before.
    std::optional<Answer> said_from;
    std::optional<Answer> said_to;
    std::optional<Offset> before;
    std::string how;  // Why it is taken back.
  };
  enum What : std::uint32_t { kFrom, kTo, kDemote, kAgain };

  Handover* find(OpId);
  const Endpoint& name(TabletIndex i) const { return model_.tablet(i).endpoint; }
  const Replica* leads_with_dead_row(PartitionKey, const Partition&) const;
  static bool choose(const Model&, Handover&);
  std::optional<std::string> what_is_in_the_way(const Handover&, const Partition&);
  bool row_is_alive(const Handover&) const;  // As it is written.
  BegunOp entry(const Handover&) const;
  Instant quiet_until(const Handover&) const;

  void says(Handover&, Task, std::string what);
  void ask(Handover&, What, TabletIndex, Call);
  void ask_both(Handover&);
  void again(Handover&, Duration);
  void looked(Handover&);
  void read(Handover&);
  // One that is being told to follow in another partition.
  std::optional<Endpoint> follower_that_stands_still(const Handover&) const;
  void demote(Handover&);
  void demoted(Handover&, const Answer&);
  void elect(Handover&, bool told = false);
  void take_back(Handover&, const std::string& how);
  void end(OpId, OpStatus, std::string how);

  Model& model_;
  Outbox& outbox_;
  OpHistory& ops_;
  Publisher& publisher_;
  OpJournal& journal_;
  NumberBlock& terms_;
  Elections& elections_;
  std::map<OpId, Handover> handovers_;
  std::map<PartitionKey, OpId> of_partition_;
  // Old leaders whose rows were flipped, until a later leader is published: their entries.
  std::map<PartitionKey, BegunOp> stepping_down_;
  // Of leaders whose rows somebody else set dead, before their election begins.
  struct Adopted {
    BegunOp entry;
    bool written = false;
  };
  std::map<PartitionKey, Adopted> adopted_;
};

}  // namespace failoverd::core
