#include "lib/core/repair/takeover.h"

#include <algorithm>
#include <span>

#include "lib/core/operation/task_tables.h"

namespace failoverd::core {

void Takeover::start(const LockGained& e) {
  begun_ops_ = e.begun;
  elections_.clear();
  for (const ElectionRecord& record : e.records) {
    elections_.insert(elections_.end(), record.elections.begin(), record.elections.end());
  }
}

void Takeover::stop() {
  elections_.clear();
  begun_ops_.clear();
}

// What predecessors began and did not publish (SAFETY 3, 5). A partition that is not there is known
// to be gone only when every table has been read: until then its record stays, and waits.
void Takeover::recall_elections() {
  if (elections_.empty() || !stand_back_.cluster_read()) return;
  std::vector<PartitionKey> settled;
  std::erase_if(elections_, [&](const BegunElection& begun) {
    Partition* p = model_.partition(begun.at);
    if (!p && !model_.unreadable().empty()) return false;
    if (!p || !remember(*p, begun)) settled.push_back(begun.at);
    changed.insert(begun.at);
    return true;
  });
  for (const PartitionKey at : settled) {
    const Partition* p = model_.partition(at);
    if (!p || !p->unfinished_term)
      records_.done(at);  // Another record may tell of a later election.
  }
}

// False: it has been published, nothing of it is left to be done.
bool Takeover::remember(Partition& p, const BegunElection& begun) {
  const bool published = std::any_of(p.terms.begin(), p.terms.end(),
                                     [&](const TermPair& t) { return t.term >= begun.probe_term; });
  if (published || p.replicas.size() == 1) return false;  // An only replica fences nobody.
  p.unfinished_term = std::max(p.unfinished_term.value_or(0), begun.probe_term);
  p.unfinished_restart = p.unfinished_restart || begun.restart;
  p.saw(begun.probe_term);
  for (const MayLead& m : begun.may_lead) {
    p.saw(m.term);
    const auto tablet = model_.find_tablet(m.endpoint);
    if (Replica* r = tablet ? p.on(*tablet) : nullptr) {
      r->in_doubt_term = m.term;
      r->in_doubt_offset = m.offset;
    }
  }
  return true;
}

void Takeover::resume_ops() {
  if (begun_ops_.empty() || !stand_back_.cluster_read()) return;
  std::erase_if(begun_ops_, [&](const BegunOp& begun) { return resume(begun); });
}

// False: later.
bool Takeover::resume(const BegunOp& begun) {
  if (begun.over) {
    cleanup_.resume(begun);
    return true;
  }
  Partition* p = model_.partition(begun.at);
  if (p && p->op != 0) return false;
  if (!p && !model_.unreadable().empty()) return false;
  open(begun);
  if (p && begun.type == OpType::kHandoverOP) {
    ops_.end(begun.id, OpStatus::kCanceled, outbox_.now,
             "its daemon has ended: an election finishes it, with " + begun.leader + " in it");
    journal_.finished(ops_.ended().back());
    handovers_.resume(begun);
    return true;
  }
  const bool damaged = begun.type == OpType::kMigrateOP && begun.from.empty();
  if (p && !damaged && !table_of(begun.type).empty()) {
    p->op = begun.id;
    operations_.resume(begun);
  } else {
    ops_.end(begun.id, OpStatus::kCanceled, outbox_.now,
             p ? std::string{to_text(begun.type)} + " is no op that this version goes on with"
               : "the partition is gone");
    journal_.finished(ops_.ended().back());
    leave_to_cleanup(begun);
  }
  return true;
}

void Takeover::open(const BegunOp& begun) {
  OpRecord record;
  record.id = begun.id;
  record.type = begun.type;
  record.at = begun.at;
  record.replica = begun.replica;
  record.started = begun.started;
  if (const Table* table = model_.table(begun.at.tid)) {
    record.table = table->shape.name;
    record.db = table->shape.db;
  }
  ops_.begin(record);
}

// Nobody can say how far it came.
void Takeover::leave_to_cleanup(const BegunOp& begun) {
  const std::span<const TaskRow> table = table_of(begun.type);
  BegunOp over = begun;
  over.over = true;
  over.paused = has(table, Task::kPauseSnapshot);
  if (over.paused) {
    cleanup_.begin(over, Task::kPauseSnapshot);  // It may be under way.
  } else {
    journal_.drop(begun.id);
  }
}

}  // namespace failoverd::core
