#include "lib/core/brain.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "lib/base/check.h"
#include "lib/base/overload.h"
#include "lib/core/api/desk.h"
#include "lib/core/detection/status_questions.h"
#include "lib/core/detection/tablet_monitor.h"
#include "lib/core/durable/election_records.h"
#include "lib/core/durable/publisher.h"
#include "lib/core/durable/refusals.h"
#include "lib/core/election/elections.h"
#include "lib/core/operation/operations.h"
#include "lib/core/repair/copy_queue.h"
#include "lib/core/repair/diagnosis.h"
#include "lib/core/repair/reconciliation.h"
#include "lib/core/repair/row_edits.h"
#include "lib/core/repair/takeover.h"
#include "lib/core/repair/treatments.h"
#include "lib/core/reserving.h"
#include "lib/core/table_facts.h"

namespace failoverd::core {
namespace {

// What one part decides may be news for another. So many rounds are never needed: whatever goes on
// for longer goes in circles.
constexpr int kMostRounds = 100;

}  // namespace

struct Brain::Parts {
  explicit Parts(const Policy& policy) {
    desk.policy = policy;
    desk.why_not_told = [this](const Endpoint& tablet, const Call& call) {
      return core::why_not_told(model, tablet, call);
    };
  }

  // One event: takes the fact in.
  void take(const Event&);
  // What follows from it: verdicts, diagnoses, ops, publishing; until nothing is left to do.
  void settle();
  std::vector<WouldDo> would_do() const;

  Desk desk;
  Model model;
  OpHistory ops;
  NumberBlock terms{1'000};
  NumberBlock op_ids{1'000};
  StandBack stand_back{model, desk, op_ids};
  ElectionRecords records{desk};
  OpJournal journal{desk};
  Refusals refusals{model, desk};
  Publisher publisher{model, desk, refusals};
  TabletMonitor monitor{model, desk};
  StatusQuestions status_questions{model, desk, monitor};
  Elections elections{model, desk, ops, publisher, records, terms, journal};
  Cleanup cleanup{model, desk, journal};
  Operations operations{model, desk, ops, publisher, journal, cleanup};
  Reserving reserving{model, desk, stand_back, elections, terms, op_ids};
  TableFacts tables{model, desk, records, refusals, elections, stand_back};
  Takeover takeover{model, desk, ops, records, journal, operations, cleanup, stand_back};
  CopyQueue copies{model, desk, ops, operations, journal, stand_back};
  Treatments treatments{model,     desk,       ops,     op_ids, refusals,
                        elections, operations, cleanup, copies, stand_back};
  LastOffsets last_offsets{model, publisher, elections, stand_back};
  LostRows lost_rows{model, desk, ops, publisher, stand_back};
  Reconciliation reconciliation{model, desk, ops, operations, copies, stand_back};

 private:
  void take_table(const TableRead&);
  void take_journal(const JournalWritten&);
  void nameservers_listed(const NameserversListed&);
  void switch_was_read(const SwitchRead&);
  void loss_accepted(const LossAccepted&);
  void lock_gained(const LockGained&);
  void lock_lost(const LockLost&);
  void tablet_answered(TabletAnswered);
  void pass_on(const Route&, const Answer&);
  void timer_fired(const TimerFired&);
  void call_off(const std::string& why, bool all);

  void collect();
  std::array<std::set<PartitionKey>*, 8> news();
  bool is_settled();
  void give_up_settling();
  void diagnose_again(PartitionKey);
  static void mark_diverged(Partition&);
  void look_at_all_troubled() { dirty_.insert(troubled_.begin(), troubled_.end()); }

  std::set<PartitionKey> dirty_;     // To be diagnosed again.
  std::set<PartitionKey> troubled_;  // Not healthy: looked at again when we may change things.
  bool could_change_ = false;
};

Brain::Brain(const Policy& policy) : parts_(std::make_unique<Parts>(policy)) {}
Brain::~Brain() = default;

std::vector<Command> Brain::step(Instant now, const Event& event) {
  Parts& parts = *parts_;
  CHECK(parts.desk.out.empty());
  CHECK(now >= parts.desk.now);
  parts.desk.now = now;
  parts.take(event);
  parts.settle();
  return std::exchange(parts.desk.out, {});
}

const Model& Brain::model() const { return parts_->model; }
const OpHistory& Brain::ops() const { return parts_->ops; }
bool Brain::active() const { return parts_->stand_back.active(); }
std::int64_t Brain::epoch() const { return parts_->stand_back.epoch(); }
bool Brain::auto_failover() const { return parts_->stand_back.auto_failover(); }
bool Brain::switch_read() const { return parts_->stand_back.switch_read(); }
const std::string& Brain::switched_by() const { return parts_->stand_back.switched_by(); }
bool Brain::cluster_read() const { return parts_->stand_back.cluster_read(); }
std::uint64_t Brain::needless_verdicts() const { return parts_->monitor.needless_verdicts(); }
std::vector<Hold> Brain::holds() const { return parts_->elections.holds(); }

std::vector<StandsBack> Brain::stands_back(Instant now) const {
  return parts_->stand_back.reasons(now);
}

std::vector<WouldDo> Brain::would_do() const { return parts_->would_do(); }

std::vector<WouldDo> Brain::Parts::would_do() const {
  std::vector<WouldDo> all;
  if (stand_back.auto_failover() || !stand_back.active()) return all;
  for (const PartitionKey at : troubled_) {
    const Partition* p = model.partition(at);
    const char* what = p ? core::would_do(p->diagnosis.condition) : nullptr;
    if (!what || !p->would_note) continue;
    all.push_back({at, model.name_of(at), std::string{what} + ": " + p->diagnosis.text()});
  }
  return all;
}

// --- Facts ---------------------------------------------------------------------------------------

void Brain::Parts::take(const Event& event) {
  std::visit(Overload{
                 [&](const TabletsListed& e) { monitor.listed(e); },
                 [&](const TablesListed& e) { tables.listed(e); },
                 [&](const TableRead& e) { take_table(e); },
                 [&](const TableUnreadable& e) { tables.unreadable(e); },
                 [&](const NameserversListed& e) { nameservers_listed(e); },
                 [&](const SwitchRead& e) { switch_was_read(e); },
                 [&](const ClusterRead&) {
                   stand_back.cluster_was_read();
                   model.all_was_read();
                 },
                 [&](const LockGained& e) { lock_gained(e); },
                 [&](const LockLost& e) { lock_lost(e); },
                 [&](const ContactMade& e) { stand_back.contact_made(e.fresh_until); },
                 [&](const ZookeeperLost&) {},  // What it means comes with the lease's end.
                 [&](const ZookeeperConnected&) {},
                 [&](const TabletAnswered& e) { tablet_answered(e); },
                 [&](const Published& e) {
                   if (const auto route = desk.close(e.id)) publisher.answered(*route, e);
                 },
                 [&](const TableTried& e) {
                   if (!desk.close(e.id)) return;
                   refusals.tried(e);
                   publisher.tell_refused(e.znode);
                 },
                 [&](const TermsReserved& e) { reserving.terms_reserved(e); },
                 [&](const OpIdsReserved& e) { reserving.op_ids_reserved(e); },
                 [&](const RecordWritten& e) {
                   const auto route = desk.close(e.id);
                   if (!route) return;
                   records.answered(*route, e.ok);
                   elections.record_written();
                 },
                 [&](const JournalWritten& e) { take_journal(e); },
                 [&](const ConnectionLost& e) { monitor.connection_lost(e.tablet); },
                 [&](const TimerFired& e) { timer_fired(e); },
                 [&](const LoopStalled& e) {
                   monitor.stalled();
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

void Brain::Parts::take_table(const TableRead& e) {
  if (!tables.read(e)) return;
  monitor.table_was_read(e.table.tid);
  treatments.rows_changed();
}

void Brain::Parts::take_journal(const JournalWritten& e) {
  if (!desk.close(e.id)) return;
  journal.answered(e.ok);
  for (const OpId op : std::exchange(journal.written, {})) {
    operations.journaled(op);
    cleanup.journaled(op);
  }
}

void Brain::Parts::loss_accepted(const LossAccepted& e) {
  if (elections.accept_loss(e.at, e.by)) return;
  desk.note(Severity::kInfo, "hold",
            "nothing waits for lost entries of " + model.name_of(e.at) + "; " + e.by +
                " would accept the loss",
            {{"partition", model.name_of(e.at)}});
}

// What has not touched the cluster yet is called off; `all`: what has is taken back as well. An
// election whose probes are out goes on to its end, because a probe cannot be taken back (SAFETY
// 3).
void Brain::Parts::call_off(const std::string& why, bool all) {
  elections.call_off(why, all);
  operations.call_off(why, all);
  copies.cancel_all(why);
}

void Brain::Parts::nameservers_listed(const NameserversListed& e) {
  stand_back.nameservers_listed(e.endpoints);
  if (const auto lives = stand_back.nameserver()) {
    call_off("nameserver " + *lives + " has come up", /*all=*/true);
  }
}

void Brain::Parts::switch_was_read(const SwitchRead& e) {
  if (!stand_back.switch_was_read(e)) return;
  for (const PartitionKey at : troubled_) {
    if (Partition* p = model.partition(at)) p->would_note = false;
  }
  if (!stand_back.auto_failover()) call_off("auto_failover is off", /*all=*/false);
  look_at_all_troubled();
}

void Brain::Parts::lock_gained(const LockGained& e) {
  stand_back.lock_gained(e.epoch);
  records.start(e.epoch, e.records);
  journal.start(e.begun, e.finished);
  ops.replace_ended(e.finished);
  model.forget_kept();
  for (const KeptPartition& partition : e.kept) {
    for (const Kept& kept : partition.replicas) model.keep(partition.at, kept);
  }
  takeover.start(e);
  monitor.start();
  status_questions.start();
  cleanup.start();
  refusals.start();
  for (const auto& [tid, table] : model.tables()) {
    for (const auto& [pid, p] : table.partitions) dirty_.insert({tid, pid});
  }
}

void Brain::Parts::lock_lost(const LockLost& e) {
  if (stand_back.active()) {
    desk.note(Severity::kWarning, "lock", "this daemon is no longer active: " + e.why);
  }
  stand_back.lock_lost();
  desk.forget_all();
  elections.stop();
  operations.stop();
  cleanup.stop();
  publisher.stop();
  refusals.stop();
  records.stop();
  journal.stop();
  takeover.stop();
  copies.stop();
  monitor.stop();
  status_questions.stop();
  terms.void_all();
  op_ids.void_all();
  const auto running = ops.running();
  for (const auto& [id, op] : running) {
    ops.end(id, OpStatus::kCanceled, desk.now, "this daemon is no longer active");
  }
  model.forget_what_was_begun();
  dirty_.clear();
  troubled_.clear();
}

void Brain::Parts::tablet_answered(TabletAnswered e) {
  const auto route = desk.close(e.id);
  if (!route) return;  // Nobody waits for it any more.
  // What changed something was told to a process that was known to be ours. Everything else may
  // have been answered by anybody: whoever asked has heard nothing then (SAFETY 21). The monitor
  // finds out who it is, so it hears all of it.
  const bool finds_out = TabletMonitor::asked_who_it_is(*route);
  const auto tablet = model.find_tablet(e.tablet);
  if (!finds_out && tablet && holdings_of(model, e.answer).others) monitor.names_others(*tablet);
  if (e.answer.answered() && !route->changes && !finds_out && !counts(model, e.tablet, route->at)) {
    e.answer = {};
    e.answer.transport = Transport::kStranger;
    e.answer.text = "whoever answers there is not known to be this cluster's";
  }
  if (tablet) monitor.heard(*tablet, *route, e.answer);
  pass_on(*route, e.answer);
  // Also where whoever asked does not want to know any more: so much the replica had (SAFETY 2, 6).
  // The monitor has taken what it asked for itself.
  if (!tablet || finds_out) return;
  for (const ReplicaStatus& status : e.answer.replicas) {
    model.remember_offset(status.at, *tablet, status, route->asked_at);
  }
}

void Brain::Parts::pass_on(const Route& route, const Answer& answer) {
  switch (route.owner) {
    case Route::Owner::kTabletMonitor:
      return monitor.answered(route, answer);
    case Route::Owner::kElections:
      return elections.answered(route, answer);
    case Route::Owner::kOperations:
      return operations.answered(route, answer);
    case Route::Owner::kCleanup:
      return cleanup.answered(route, answer);
    case Route::Owner::kReconciliation:
      return reconciliation.answered(route, answer);
    case Route::Owner::kStatus:
      return status_questions.answered(route, answer);
    default:
      return;
  }
}

void Brain::Parts::timer_fired(const TimerFired& e) {
  const auto route = desk.close(e.id);
  if (!route) return;
  switch (route->owner) {
    case Route::Owner::kTabletMonitor:
      return monitor.timer(*route);
    case Route::Owner::kElections:
      return elections.timer(*route);
    case Route::Owner::kOperations:
      return operations.timer(*route);
    case Route::Owner::kCleanup:
      return cleanup.timer(*route);
    case Route::Owner::kPublisher:
      return publisher.timer();
    case Route::Owner::kStatus:
      return status_questions.timer(*route);
    case Route::Owner::kRefusals:
      return refusals.timer();
    case Route::Owner::kBrain:
      dirty_.insert(unpacked(route->key));
      return;
    default:
      return;
  }
}

// --- What follows --------------------------------------------------------------------------------

void Brain::Parts::settle() {
  reserving.look();
  stand_back.note();
  const bool can = stand_back.may_change();
  if (can && !could_change_) look_at_all_troubled();
  could_change_ = can;
  takeover.recall_elections();
  if (can) takeover.resume_ops();
  int round = 0;
  do {
    if (++round > kMostRounds) {
      give_up_settling();
      break;
    }
    monitor.judge_all();
    for (TabletAnswered& e : std::exchange(desk.withheld, {})) tablet_answered(std::move(e));
    collect();
    for (const PartitionKey at : std::exchange(dirty_, {})) diagnose_again(at);
    copies.look();
    publisher.flush(elections.promoting() ? Publisher::Elections::kAboutToEnd
                    : elections.any()     ? Publisher::Elections::kUnderWay
                                          : Publisher::Elections::kNone);
  } while (!is_settled());
  // A trial changes nothing, and a nameserver that has come up must not keep a finished election
  // from being published (SAFETY 3).
  if (stand_back.has_lease()) refusals.look();
  records.flush();
  journal.flush();
  reserving.look();
}

// SAFETY 16: no partition's data may end every daemon in turn. What goes in circles goes on with
// the next event; the simulation takes this for a fault.
void Brain::Parts::give_up_settling() {
  const std::string where = dirty_.empty() ? "no partition" : model.name_of(*dirty_.begin());
  desk.note(Severity::kError, "settle",
            "decisions about " + where + " went in circles for " + std::to_string(kMostRounds) +
                " rounds; they go on with the next event",
            {{"partition", where}});
}

// Where the parts say which partitions are worth another look.
std::array<std::set<PartitionKey>*, 8> Brain::Parts::news() {
  return {&tables.changed,   &takeover.changed, &monitor.changed, &publisher.changed,
          &refusals.changed, &cleanup.changed,  &copies.changed,  &reconciliation.changed};
}

void Brain::Parts::collect() {
  for (std::set<PartitionKey>* changed : news()) dirty_.merge(std::exchange(*changed, {}));
  for (const PartitionKey at : std::exchange(elections.ended, {})) dirty_.insert(at);
  for (const PartitionKey at : std::exchange(elections.holds_changed, {})) dirty_.insert(at);
  for (const Operations::Ended& ended : std::exchange(operations.ended, {})) {
    dirty_.insert(ended.at);
    treatments.op_ended(ended);
  }
}

bool Brain::Parts::is_settled() {
  const auto parts = news();
  return dirty_.empty() &&
         std::all_of(parts.begin(), parts.end(), [](const auto* p) { return p->empty(); }) &&
         elections.ended.empty() && elections.holds_changed.empty() && operations.ended.empty() &&
         desk.withheld.empty();
}

// SAFETY 2: one that is ahead of its leader goes its own way for ever.
void Brain::Parts::mark_diverged(Partition& p) {
  const Replica* leader = p.leader();
  if (!leader) return;
  for (Replica& r : p.replicas) {
    if (r.is_alive && &r != leader && is_ahead(*leader, r)) r.diverged = true;
  }
}

void Brain::Parts::diagnose_again(PartitionKey at) {
  Partition* p = model.partition(at);
  elections.look_again(at);
  operations.look_again(at);
  if (!p) {
    troubled_.erase(at);
    return;
  }
  if (stand_back.active()) mark_diverged(*p);
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
  if (!stand_back.active()) return;
  if (p->op != 0 && elects(diagnosis.condition)) operations.give_way(at, diagnosis.text());
  last_offsets.look(at, *p);
  if (p->op == 0) treatments.treat(at, *p);
  lost_rows.look(at, *p);
  reconciliation.look(at, *p);
}

}  // namespace failoverd::core
