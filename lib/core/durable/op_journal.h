// The ops' entries in ZooKeeper: those that have begun, so that a successor goes on with them or
// takes back what they did (SAFETY 11), and the last that have ended, for whoever asks. What is new
// in a step goes out in one write, one write at a time. Owned by the brain.
#pragma once

#include <set>
#include <vector>

#include "lib/core/api/journal_entry.h"
#include "lib/core/api/outbox.h"
#include "lib/core/durable/write_pace.h"

namespace failoverd::core {

class OpJournal {
 public:
  explicit OpJournal(Outbox& outbox) : outbox_(outbox) {}

  // A new tenure: what predecessors left.
  void start(const std::vector<BegunOp>& begun, const std::vector<FinishedOps>& finished);
  void stop();

  // Its entry is to be written, or replaced; `written` tells of it.
  void begin(const BegunOp& op);
  // Its entry was made by a publish (PartitionEdit::begins).
  void written_with_publish(OpId op) { entries_.insert(op); }
  // Its entry is to go, if it has one.
  void drop(OpId op);
  // Whether it has one, or is about to.
  bool has(OpId op) const { return entries_.contains(op); }
  // It has ended, and joins the list of those.
  void finished(const OpRecord& op);

  // Ops whose entry has been written since somebody looked; the brain takes them.
  std::vector<OpId> written;

  void flush();
  void answered(bool ok);

 private:
  struct Batch {
    std::vector<BegunOp> begun;
    std::vector<OpId> ended;
    bool finished = false;          // With the group that fills up now.
    std::vector<FinishedOps> full;  // Groups that filled up.
    bool has_list() const { return finished || !full.empty(); }
  };
  void send();

  Outbox& outbox_;
  Batch next_;
  Batch flying_;
  bool in_flight_ = false;
  // What has ended never holds back what begins: once they were not written together, the list of
  // the ended goes by itself, and not before then.
  bool list_refused_ = false;
  Instant list_not_before_;
  std::set<OpId> entries_;  // That are written, or about to be.
  FinishedOps finished_;    // The group that fills up now.
  std::optional<Instant> send_at_;
  WritePace pace_{outbox_, ReplyTo::Owner::kJournal};
};

}  // namespace failoverd::core
