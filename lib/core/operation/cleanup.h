// What ended ops have left on tablets that could not be asked at that moment: tasks in their
// registries, a paused snapshot on a leader that stood still (SAFETY 11). Tried again until the
// tablet has answered. The op's journal entry stays until then, marked as over, so that a successor
// goes on. A tablet that hung may register a task later still: every registry is looked through now
// and then. Owned by the brain.
#pragma once

#include <map>
#include <optional>
#include <set>

#include "lib/core/api/asker.h"
#include "lib/core/api/outbox.h"
#include "lib/core/cluster/model.h"
#include "lib/core/durable/op_journal.h"

namespace failoverd::core {

class Cleanup : public Asker {
 public:
  Cleanup(Model& model, Outbox& outbox, OpJournal& journal)
      : model_(model), outbox_(outbox), journal_(journal) {}

  // A new tenure: from now on the tablets' registries are looked through.
  void start() { look_around(); }
  // An op has ended; `over.over` is set, `over.paused` if its leader may still be paused.
  // `unanswered`: its DropTable or PauseSnapshot, which was not answered, may be carried out yet.
  void begin(const BegunOp& over, Task unanswered);
  // A predecessor's.
  void resume(const BegunOp& over);
  // A DropTable of an op that is over may still be carried out on this replica, or its leader may
  // still be told to let go of it: nobody brings it back before (SAFETY 9).
  bool may_still_drop(PartitionKey at, TabletIndex replica) const;
  // Partitions of which a replica is free of that now; the brain takes them.
  std::set<PartitionKey> changed;
  void stop() {
    left_.clear();
    changed.clear();
  }

  void journaled(OpId);
  void answered(const ReplyTo&, const Answer&) override;
  void timer(const ReplyTo&) override;

 private:
  enum What : std::uint32_t {
    kForgetTasks,  // Once none of them runs, which kLookForTasks tells.
    kRecoverSnapshot,
    kLetGo,        // Of the op's replica: it has no row.
    kLetGoSource,  // The same of the one that moved away.
    kLookForTasks,
    kLookThrough,
    kForgetStrays,
  };
  using Item = std::pair<What, TabletIndex>;
  struct Left {
    BegunOp op;
    bool journaled = false;
    std::optional<Instant> drop_may_come_until;
    std::optional<Instant> pause_may_come_until;
    bool waits = false;  // For a task that runs; has been said.
    std::set<Item> items;
    std::set<Item> asked;    // Without an answer yet.
    bool timer_set = false;  // For all of them.
  };

  Left& take(const BegunOp& over);
  void ask(OpId, What, TabletIndex, Call);
  void clean(Left&);
  bool has_row(const Left&, What) const;
  void looked_for_tasks(Left&, TabletIndex, const Answer&);
  void again(Left&);
  void done(Left&, Item);
  void look_around();
  bool is_seen_to(OpId, TabletIndex) const;
  void looked_through(TabletIndex, const Answer&);

  Model& model_;
  Outbox& outbox_;
  OpJournal& journal_;
  std::map<OpId, Left> left_;
  TabletIndex turn_ = 0;  // Which of the tablets are next to be looked through.
};

}  // namespace failoverd::core
