#include "lib/core/rooms.h"

#include <algorithm>
#include <optional>

#include "lib/base/overload.h"
#include "lib/core/diagnosis.h"

namespace failoverd::core {
// --- Facts ---------------------------------------------------------------------------------------

void Brain::Rooms::take(const Event& event) {
  std::visit(Overload{
                 [&](const TabletsListed& e) { watch.listed(e); },
                 [&](const TablesListed& e) { tables_listed(e); },
                 [&](const TableRead& e) { table_read(e); },
                 [&](const TableUnreadable& e) { table_unreadable(e); },
                 [&](const NameserversListed& e) { nameservers_listed(e); },
                 [&](const SwitchRead& e) { switch_was_read(e); },
                 [&](const ClusterRead&) {
                   cluster_read = true;
                   model.all_was_read();
                   recall();
                 },
                 [&](const LockGained& e) { lock_gained(e); },
                 [&](const LockLost& e) { lock_lost(e); },
                 [&](const ContactMade& e) { fresh_until = std::max(fresh_until, e.fresh_until); },
                 [&](const ZookeeperLost&) { zookeeper_connected = false; },
                 [&](const ZookeeperConnected&) { zookeeper_connected = true; },
                 [&](const TabletAnswered& e) { tablet_answered(e); },
                 [&](const Published& e) {
                   if (const auto route = desk.close(e.id)) publisher.answered(*route, e);
                 },
                 [&](const TableTried& e) { table_tried(e); },
                 [&](const TermsReserved& e) {
                   if (!desk.close(e.id)) return;
                   if (!e.ok) {
                     terms.failed();
                     return reserve_later();
                   }
                   terms.reserved(e.first, e.last);
                   elections.terms_came();
                 },
                 [&](const OpIdsReserved& e) {
                   if (!desk.close(e.id)) return;
                   if (e.ok) return op_ids.reserved(e.first, e.last);
                   op_ids.failed();
                   reserve_later();
                 },
                 [&](const RecordWritten& e) {
                   const auto route = desk.close(e.id);
                   if (!route) return;
                   records.answered(*route, e.ok);
                   elections.record_written();
                 },
                 [&](const JournalWritten& e) {
                   if (!desk.close(e.id)) return;
                   journal.answered(e.ok);
                   for (const OpId op : std::exchange(journal.written, {})) {
                     operations.journaled(op);
                     cleanup.journaled(op);
                   }
                 },
                 [&](const ConnectionLost& e) { watch.connection_lost(e.tablet); },
                 [&](const TimerFired& e) { timer_fired(e); },
                 [&](const LoopStalled& e) {
                   watch.stalled();
                   elections.stalled(e.duration);
                 },
                 [&](const StatusAsked& e) { status_questions.asked(e); },
                 [&](const PolicyChanged& e) {
                   desk.policy = e.policy;
                   look_at_all_troubled();
                 },
                 [&](const LossAccepted& e) { loss_accepted(e); },
             },
             event);
}

void Brain::Rooms::loss_accepted(const LossAccepted& e) {
  if (elections.accept_loss(e.at, e.by)) return;
  desk.note(Severity::kInfo, "hold",
            "nothing waits for lost entries of " + model.name_of(e.at) + "; " + e.by +
                " would accept the loss",
            {{"partition", model.name_of(e.at)}});
}

void Brain::Rooms::tables_listed(const TablesListed& list) {
  const std::set<std::string> there(list.znodes.begin(), list.znodes.end());
  std::vector<std::string> gone;
  for (const auto& [tid, table] : model.tables()) {
    if (there.contains(table.shape.znode)) continue;
    gone.push_back(table.shape.znode);
    for (const auto& [pid, p] : table.partitions) dirty_.insert({tid, pid});
  }
  for (const auto& [znode, why] : model.unreadable()) {
    if (!there.contains(znode)) gone.push_back(znode);
  }
  for (const std::string& znode : gone) model.drop_table(znode);
  if (gone.empty()) return;
  for (const auto& [znode, why] : model.unreadable()) {  // Its tid may have been one of theirs.
    desk.out.emplace_back(ReadTable{znode});
  }
}

void Brain::Rooms::table_read(const TableRead& e) {
  const TableShape& shape = e.table;
  if (Table* known = model.table_of(shape.znode);
      known && known->shape.tid == shape.tid && known->shape.created == shape.created) {
    if (shape.version < known->shape.version) return;  // Read before our own publish arrived.
    if (shape.version == known->shape.version) {
      known->stale = false;
      known->shape.bytes = shape.bytes;  // After a publish of our own.
      known->acl = e.acl;
      return;
    }
  }
  if (const Table* before = model.table_of(shape.znode)) {  // Made anew, or with fewer partitions.
    for (const auto& [pid, p] : before->partitions) dirty_.insert({before->shape.tid, pid});
  }
  if (const auto wrong = model.put_table(shape, desk.now)) {
    table_unreadable({shape.znode, *wrong});
    return;
  }
  Table& table = *model.table(shape.tid);
  table.acl = e.acl;
  if (active) refusals.table_read(table);
  for (auto& [pid, p] : table.partitions) {
    // Somebody else has named a leader since.
    const bool later = p.begun_term && !p.terms.empty() && p.terms.back().term >= *p.begun_term;
    if (later) {
      p.begun_term.reset();
      p.begun_restart = false;
      if (p.op == 0) records.done({shape.tid, pid});
    }
    forget_what_was_published(p);
    dirty_.insert({shape.tid, pid});
  }
  watch.tables_changed();
  leaders_counted_ = false;
  if (!recalled_.empty()) recall();
}

// A publish whose answer was lost was written after all: whoever is named there was told to lead,
// and need not be told to follow first (SAFETY 5).
void Brain::Rooms::forget_what_was_published(Partition& p) {
  for (Replica& r : p.replicas) {
    if (r.leads() && r.may_lead_term == p.published_term()) r.may_lead_term.reset();
  }
}

void Brain::Rooms::table_unreadable(const TableUnreadable& e) {
  if (const Table* known = model.table_of(e.znode)) {
    for (const auto& [pid, p] : known->partitions) dirty_.insert({known->shape.tid, pid});
  }
  const auto known = model.unreadable().find(e.znode);
  const bool news = known == model.unreadable().end() || known->second != e.why;
  if (const Table* table = model.table_of(e.znode)) elections.put_aside(table->shape.tid);
  model.put_aside(e.znode);
  model.unreadable()[e.znode] = e.why;
  if (!news) return;
  desk.note(Severity::kError, "table", e.znode + ": " + e.why + "; this table is left alone",
            {{"znode", e.znode}});
}

void Brain::Rooms::nameservers_listed(const NameserversListed& e) {
  nameservers = e.endpoints;
  nameservers_read = true;
  if (nameservers.empty() || desk.policy.metadata != Metadata::kAuto) return;
  // What has not touched the cluster yet is called off; an election whose probes are out goes on to
  // its end, because a probe cannot be taken back (SAFETY 3).
  const std::string why = "nameserver " + nameservers.front() + " has come up";
  elections.call_off(why, /*all=*/true);
  operations.call_off(why, /*all=*/true);
  drop_waiting(why);
}

void Brain::Rooms::switch_was_read(const SwitchRead& e) {
  const bool was_read = std::exchange(switch_read, true);
  const bool news = !was_read || auto_failover != e.auto_failover;
  if (news) {
    const std::string was = auto_failover ? "true" : "false";
    auto_failover = e.auto_failover;
    for (const PartitionKey at : troubled_) {
      if (Partition* p = model.partition(at)) p->would_note = false;
    }
    std::vector<std::pair<std::string, std::string>> fields;
    if (was_read) fields.emplace_back("old", was);  // At the first look nothing has changed.
    fields.emplace_back("new", auto_failover ? "true" : "false");
    fields.emplace_back("by", e.by);
    desk.note(Severity::kInfo, "switch",
              std::string{"auto_failover is "} + (auto_failover ? "true" : "false") +
                  (e.by.empty() ? "" : ", set by " + e.by),
              std::move(fields));
    if (!auto_failover) {
      elections.call_off("auto_failover is off", /*all=*/false);
      operations.call_off("auto_failover is off", /*all=*/false);
      drop_waiting("auto_failover is off");
    }
    look_at_all_troubled();
  }
  switched_by = e.by;
}

void Brain::Rooms::lock_gained(const LockGained& e) {
  active = true;
  epoch = e.epoch;
  desk.note(Severity::kInfo, "lock", "this daemon is active, epoch " + std::to_string(epoch),
            {{"epoch", std::to_string(epoch)}});
  records.start(epoch, e.records);
  journal.start(e.begun, e.finished);
  begun_ops_ = e.begun;
  ops.replace_ended(e.finished);
  model.forget_kept();
  for (const KeptPartition& partition : e.kept) {
    for (const Kept& kept : partition.replicas) model.keep(partition.at, kept);
  }
  recalled_.clear();
  for (const ElectionRecord& record : e.records) {
    recalled_.insert(recalled_.end(), record.elections.begin(), record.elections.end());
  }
  recall();
  watch.start();
  status_questions.start();
  cleanup.start();
  refusals.start();
  for (const auto& [tid, table] : model.tables()) {
    for (const auto& [pid, p] : table.partitions) dirty_.insert({tid, pid});
  }
}

void Brain::Rooms::lock_lost(const LockLost& e) {
  if (active) {
    desk.note(Severity::kWarning, "lock", "this daemon is no longer active: " + e.why);
  }
  active = false;
  fresh_until = {};
  desk.forget_all();
  elections.stop();
  operations.stop();
  cleanup.stop();
  publisher.stop();
  refusals.stop();
  records.stop();
  journal.stop();
  recalled_.clear();
  begun_ops_.clear();
  waiting_.clear();
  lost_rows_wanted_.clear();
  watch.stop();
  status_questions.stop();
  terms.void_all();
  op_ids.void_all();
  const auto running = ops.running();
  for (const auto& [id, op] : running) {
    ops.end(id, OpStatus::kCanceled, desk.now, "this daemon is no longer active");
  }
  for (auto& [tid, table] : model.tables()) {
    for (auto& [pid, p] : table.partitions) {
      p.op = 0;
      p.begun_term.reset();
      p.begun_restart = false;
      for (Replica& r : p.replicas) {
        r.asked_about = r.let_go = r.strayed = r.unsent = false;
        r.may_lead_term.reset();
        r.failures = 0;
        r.not_before = {};
      }
    }
    table.stale = false;
  }
  dirty_.clear();
  troubled_.clear();
}

void Brain::Rooms::timer_fired(const TimerFired& e) {
  const auto route = desk.close(e.id);
  if (!route) return;
  switch (route->owner) {
    case Route::Owner::kWatch:
      watch.timer(*route);
      break;
    case Route::Owner::kElections:
      elections.timer(*route);
      break;
    case Route::Owner::kOperations:
      operations.timer(*route);
      break;
    case Route::Owner::kCleanup:
      cleanup.timer(*route);
      break;
    case Route::Owner::kPublisher:
      publisher.timer();
      break;
    case Route::Owner::kStatus:
      status_questions.timer(*route);
      break;
    case Route::Owner::kRefusals:
      refusals.timer();
      break;
    case Route::Owner::kBrain:
      dirty_.insert(unpacked(route->key));
      break;
    default:
      break;
  }
}

// --- What follows --------------------------------------------------------------------------------

void Brain::Rooms::settle() {
  reserve_blocks();
  note_stands_back();
  const bool can = may_change();
  if (can && !could_change_) look_at_all_troubled();
  could_change_ = can;
  if (can) resume_ops();
  for (int round = 0; round < 100; ++round) {
    watch.judge_all();
    for (TabletAnswered& e : std::exchange(desk.withheld, {})) tablet_answered(std::move(e));
    dirty_.merge(std::exchange(watch.changed, {}));
    dirty_.merge(std::exchange(publisher.changed, {}));
    dirty_.merge(std::exchange(refusals.changed, {}));
    dirty_.merge(std::exchange(cleanup.changed, {}));
    for (const PartitionKey at : std::exchange(elections.ended, {})) dirty_.insert(at);
    for (const PartitionKey at : std::exchange(elections.holds_changed, {})) dirty_.insert(at);
    for (const Operations::Ended& ended : std::exchange(operations.ended, {})) op_ended(ended);
    if (!dirty_.empty()) {
      for (const PartitionKey at : std::exchange(dirty_, {})) diagnose_again(at);
    }
    start_copies();
    publisher.flush(elections.promoting() ? Publisher::Elections::kAboutToEnd
                    : elections.any()     ? Publisher::Elections::kUnderWay
                                          : Publisher::Elections::kNone);
    if (dirty_.empty() && watch.changed.empty() && publisher.changed.empty() &&
        refusals.changed.empty() && elections.ended.empty() && elections.holds_changed.empty() &&
        operations.ended.empty() && desk.withheld.empty()) {
      break;
    }
  }
  if (can) refusals.look();
  records.flush();
  journal.flush();
  reserve_blocks();
}

// SAFETY 14; and while somebody else steers, or nothing is known yet, nothing is changed.
bool Brain::Rooms::may_change() const {
  return active && cluster_read && switch_read && desk.now < fresh_until && !op_ids.empty() &&
         stands_back(desk.now).empty();
}

std::vector<StandsBack> Brain::Rooms::stands_back(Instant now) const {
  std::vector<StandsBack> why;
  if (!cluster_read || !nameservers_read) {
    why.push_back({"not_read", "the cluster has not been read yet"});
  }
  if (!active) why.push_back({"standby", "another daemon holds the lock, or nobody does yet"});
  if (active && now >= fresh_until) {
    why.push_back({"zookeeper", "no fresh contact with ZooKeeper; waits for it to answer"});
    if (fresh_until != Instant{}) why.back().since = fresh_until;
  }
  if (!nameservers.empty() && desk.policy.metadata == Metadata::kAuto) {
    why.push_back({"nameserver", "nameserver " + nameservers.front() +
                                     " lives and keeps the metadata; waits until its znode below "
                                     "leader/ is gone, or for cluster.metadata: zookeeper"});
  }
  if (active && !switch_read) {
    why.push_back({"not_read", "the switch auto_failover has not been read yet"});
  }
  if (cluster_read && model.tables().empty() && !model.unreadable().empty()) {
    why.push_back({"numbering",
                   "no table looks like cluster.numbering: " + model.unreadable().begin()->first +
                       ": " + model.unreadable().begin()->second});
  }
  for (StandsBack& s : why) {
    const auto known = stands_back_since_.find(s.reason);
    if (!s.since && known != stands_back_since_.end()) s.since = known->second;
  }
  return why;
}

void Brain::Rooms::note_stands_back() {
  std::string all;
  std::string reason;
  std::map<std::string, Instant> since;
  for (const StandsBack& s : stands_back(desk.now)) {
    since.emplace(s.reason, s.since.value_or(desk.now));
    if (s.reason != "nameserver" && s.reason != "numbering") continue;
    all += (all.empty() ? "" : "; ") + s.text;
    reason = s.reason;
  }
  stands_back_since_ = std::move(since);
  if (all == stood_back_) return;
  stood_back_ = all;
  if (all.empty()) {
    desk.note(Severity::kInfo, "stands_back", "nothing stands in the way any more");
  } else {
    desk.note(Severity::kWarning, "stands_back", "changes nothing: " + all, {{"reason", reason}});
  }
}

void Brain::Rooms::look_at_all_troubled() { dirty_.insert(troubled_.begin(), troubled_.end()); }

// SAFETY 2: one that is ahead of its leader goes its own way for ever.
void Brain::Rooms::mark_strays(Partition& p) {
  const Replica* leader = p.leader();
  if (!leader) return;
  for (Replica& r : p.replicas) {
    if (r.is_alive && &r != leader && is_ahead(*leader, r)) r.strayed = true;
  }
}

void Brain::Rooms::diagnose_again(PartitionKey at) {
  Partition* p = model.partition(at);
  elections.look_again(at);
  operations.look_again(at);
  if (!p) {
    troubled_.erase(at);
    return;
  }
  if (active) mark_strays(*p);
  const Diagnosis diagnosis = diagnose(model, *p);
  if (diagnosis != p->diagnosis) {
    if (diagnosis.condition != p->diagnosis.condition) {
      p->since = desk.now;
      p->would_note = false;
    }
    p->diagnosis = diagnosis;
  }
  if (diagnosis.condition == Condition::kHealthy) {
    troubled_.erase(at);
  } else {
    troubled_.insert(at);
  }
  if (!active) return;
  if (p->op != 0 && elects(diagnosis.condition)) operations.give_way(at, diagnosis.text());
  keep_last_offsets(at, *p);
  if (p->op == 0) treat(at, *p);
  set_lost_rows_dead(at, *p);
  look_for_contradictions(at, *p);
}

}  // namespace failoverd::core
