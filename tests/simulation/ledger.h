// What every daemon asked of every partition, and what came of it: the checkers' memory. It knows
// the truth (what was carried out) beside what the daemons were told. Owned by the run.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/simulation/observer.h"
#include "tests/simulation/world.h"

namespace failoverd::simulation {

// A probe or a promotion that left for a tablet.
struct Attempt {
  bool promotion = false;
  std::string daemon;
  core::RequestId id = 0;
  core::Endpoint tablet;
  core::Term term = 0;
  std::vector<core::Endpoint> replicas;  // Of a promotion.
  Instant sent_at;

  // The truth.
  std::optional<int> code;  // None: not carried out, so far.
  core::Offset offset = 0;  // The replica's log then.
  Instant carried_out_at;
  // What the daemon was told; none: nothing yet, or it died.
  std::optional<core::Answer> told;
  Instant told_at;

  bool accepted() const { return code == core::kOk; }
  // It was carried out, or may still be, as far as anybody can know.
  bool may_lead() const {
    if (accepted() || !told) return true;
    return told->transport == core::Transport::kBroken ||
           told->transport == core::Transport::kSilent;
  }
};

class Ledger : public Observer {
 public:
  explicit Ledger(World& world) : world_(world) {}

  // All attempts of a partition, in the order of sending.
  const std::vector<Attempt>& attempts(core::PartitionKey) const;
  // The promotion behind a leader that is published with this term.
  const Attempt* promotion(core::PartitionKey, core::Term, const core::Endpoint&) const;
  // The probe of `tablet` that fenced it for the promotion: accepted, and with a term above every
  // term that somebody else may have led with.
  const Attempt* fence(core::PartitionKey, const Attempt& promotion,
                       const core::Endpoint& tablet) const;
  // The same, if the daemon knew of it when it chose.
  const Attempt* known_fence(core::PartitionKey, const Attempt& promotion,
                             const core::Endpoint& tablet) const;
  // Something was done to the tablet or to the ways to it since then, or still is wrong with it.
  bool troubled_since(const core::Endpoint&, Instant) const;
  bool troubled_ever(const core::Endpoint&) const;
  // A probe with a term that is published begins nothing: it fences a replica that comes back
  // against every leader but the published one.
  bool is_recovery(core::PartitionKey, core::Term probe) const;
  // A probe left for the partition, and no publish has named its leader since.
  bool begun(core::PartitionKey) const;
  std::optional<Instant> first_probe_since_publish(core::PartitionKey) const;
  // Who acts was told by a predecessor's record that an election was begun there.
  bool recorded(core::PartitionKey at) const { return recorded_.contains(at); }
  // An operator has asked for something: what follows from it needs no other cause.
  bool operators_asked() const { return operators_asked_; }

  // An operator has accepted what is lost there (changeleader --accept-loss), and when last; none:
  // nobody has.
  std::optional<Instant> loss_accepted(core::PartitionKey) const;

  // An operator's word (updatetablealive, settablepartition, recoverdata): the write that is told
  // of just now makes the row so.
  bool set_by_hand(core::PartitionKey, const core::Endpoint&) const;
  // The row is alive by such a word, and neither died nor was named by a later leader since: it
  // vouches for nothing. Before the write that is told of just now; and after it.
  bool was_alive_by_hand(core::PartitionKey, const core::Endpoint&) const;
  bool alive_by_hand(core::PartitionKey, const core::Endpoint&) const;
  // Such a word took the row away, and it has not come back: what is left of it is his to see to.
  bool taken_by_hand(core::PartitionKey, const core::Endpoint&) const;

  // What a term in the history says about the leader that a publish names; none: it names none.
  struct Naming {
    core::PartitionKey at;
    const core::PartitionShape* before = nullptr;
    const core::PartitionShape* after = nullptr;
    core::Endpoint leader;
    core::Term term = 0;
  };
  static std::vector<Naming> namings(const core::TableShape& before, const core::TableShape& after);

  void before_step(const Daemon&, const core::Event&) override;
  void commanded(const Daemon&, const core::Command&) override;
  void sent(const Daemon&, const core::CallTablet&) override;
  void answered(const Daemon&, const core::CallTablet&, const core::Answer&) override;
  void carried_out(const std::string&, const core::CallTablet&, const core::Answer&) override;
  void trouble(const core::Endpoint&, const std::string&) override;
  void table_written(const core::TableShape&, const core::TableShape&, const std::string&) override;

 private:
  using Replica = std::pair<core::PartitionKey, core::Endpoint>;
  // What a publish under way makes of a row by an operator's word.
  struct Word {
    std::int32_t version = 0;  // Of the table that it was decided on.
    bool is_alive = false;     // False, too, where the row goes.
  };

  Attempt* find(const std::string& daemon, const core::CallTablet&);
  void note_rows(const core::TableShape& before, const core::TableShape& after, bool by_daemon);

  World& world_;
  std::map<core::PartitionKey, std::vector<Attempt>> attempts_;
  std::map<core::Endpoint, Instant> last_trouble_;
  std::map<core::PartitionKey, Instant> first_probe_;  // Since the last publish.
  std::set<core::PartitionKey> recorded_;
  bool operators_asked_ = false;
  std::map<core::PartitionKey, Instant> loss_accepted_;
  std::map<Replica, Word> words_;
  std::set<Replica> set_by_hand_;
  std::set<Replica> was_alive_by_hand_;
  std::set<Replica> alive_by_hand_;
  std::set<Replica> taken_by_hand_;
};

// --- Rows
// ------------------------------------------------------------------------------------------

inline bool leads(const core::Row& row) { return row.is_leader && row.is_alive; }
const core::Row* row_of(const core::PartitionShape&, const core::Endpoint&);
const core::Row* leader_of(const core::PartitionShape&);  // The alive leader row, if there is one.
const core::PartitionShape* partition_of(const core::TableShape&, std::uint32_t pid);

}  // namespace failoverd::simulation
