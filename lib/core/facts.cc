// The brain: what each fact means, and to which part it goes.
#include <algorithm>
#include <utility>
#include <vector>

#include "lib/base/overload.h"
#include "lib/core/parts.h"

namespace failoverd::core {
namespace {

// It may be what an election that is not known to be over has published.
bool is_of_begun(const PublishedLeader& published, const BegunElection& e) {
  if (published.terms.empty()) return false;
  const Term last = published.terms.back().term;
  return last >= e.probe_term || std::ranges::count(e.may_lead, last, &MayLead::term) > 0;
}

bool is_of_begun(const PartitionLineages& partition, const std::vector<ElectionRecord>& records) {
  return std::ranges::any_of(records, [&](const ElectionRecord& record) {
    return std::ranges::any_of(record.elections, [&](const BegunElection& e) {
      return e.at == partition.at && is_of_begun(*partition.published, e);
    });
  });
}

}  // namespace

void Brain::Parts::take(const Event& event) {
  std::visit(Overload{
                 [&](const TabletsListed& e) { monitor.listed(e); },
                 [&](const TablesListed& e) { tables.listed(e); },
                 [&](const TableRead& e) { take_table(e); },
                 [&](const TableUnreadable& e) { tables.unreadable(e); },
                 [&](const NameserversListed& e) { nameservers_listed(e); },
                 [&](const NameserverAnswered& e) { nameserver_answered(e); },
                 [&](const NameserverOpsRead& e) { nameserver_ops_read(e); },
                 [&](const SwitchRead& e) { switch_was_read(e); },
                 [&](const ClusterRead&) {
                   stand_back.cluster_was_read();
                   model.all_was_read();
                 },
                 [&](const LockGained& e) { lock_gained(e); },
                 [&](const LockLost& e) { lock_lost(e); },
                 [&](const ContactMade& e) { stand_back.contact_made(e.fresh_until); },
                 [&](const Obstacle& e) { stand_back.obstacle(e); },
                 [&](const ZookeeperLost&) {},  // What it means comes with the lease's end.
                 [&](const ZookeeperConnected& e) { stand_back.connected(e); },
                 [&](const TabletAnswered& e) { tablet_answered(e); },
                 [&](const Published& e) {
                   if (const auto reply_to = outbox.close(e.id)) publisher.published(*reply_to, e);
                 },
                 [&](const TableTried& e) {
                   if (!outbox.close(e.id)) return;
                   refusals.tried(e);
                   publisher.tell_refused(e.znode);
                 },
                 [&](const TermsReserved& e) { reserving.terms_reserved(e); },
                 [&](const OpIdsReserved& e) { reserving.op_ids_reserved(e); },
                 [&](const RecordWritten& e) {
                   const auto reply_to = outbox.close(e.id);
                   if (!reply_to) return;
                   if (reply_to->owner == ReplyTo::Owner::kHolds) {
                     holds.answered(*reply_to, e.ok);
                     return;
                   }
                   records.answered(*reply_to, e.ok);
                   elections.record_written();
                 },
                 [&](const JournalWritten& e) { take_journal(e); },
                 [&](const ConnectionLost& e) { monitor.connection_lost(e); },
                 [&](const TimerFired& e) { timer_fired(e); },
                 [&](const LoopStalled& e) {
                   monitor.stalled();
                   elections.stalled(e.duration);
                 },
                 [&](const StatusAsked& e) { status_questions.asked(e); },
                 [&](const PolicyChanged& e) {
                   outbox.policy = e.policy;
                   states.mark_troubled();
                 },
                 [&](const OperatorAsked& e) { operators.asked(e); },
             },
             event);
}

void Brain::Parts::take_table(const TableRead& e) {
  if (!tables.read(e)) return;
  monitor.table_was_read(e.table.tid);
  treatments.rows_changed();
}

void Brain::Parts::take_journal(const JournalWritten& e) {
  if (!outbox.close(e.id)) return;
  journal.answered(e.ok);
  for (const OpId op : std::exchange(journal.written, {})) {
    operations.journaled(op);
    handovers.journaled(op);
    cleanup.journaled(op);
  }
}

// What has not touched the cluster yet is called off; `all`: what has is taken back as well. An
// election whose probes are out goes on to its end, because a probe cannot be taken back (SAFETY
// 3).
void Brain::Parts::call_off(const std::string& why, bool all) {
  elections.call_off(why, all);
  operations.call_off(why, all);
  copies.cancel_all(why);
  if (!all) return;  // What operators ordered goes on with the switch off.
  handovers.call_off(why);
  orders.cancel_all(why);
  data_look.stop();
  data_recovery.stop();
  operators.start();  // What is to be offline is ordered anew when something may be changed again.
}

// Until it is known whether that one steers, nothing new touches the cluster.
void Brain::Parts::nameservers_listed(const NameserversListed& e) {
  stand_back.nameservers_listed(e.endpoints);
  if (const auto lives = stand_back.nameserver(); lives && !stand_back.nameserver_said()) {
    call_off("nameserver " + *lives + " has come up", /*all=*/false);
  }
}

// What has been begun is not called off before it is known that somebody else steers: nameservers
// come and go, and their switch stays as it is.
void Brain::Parts::nameserver_answered(const NameserverAnswered& e) {
  const auto* said = stand_back.nameserver_said();
  const bool steered = said && said->auto_failover;
  stand_back.nameserver_answered(e);
  said = stand_back.nameserver_said();
  const bool steers = said && said->auto_failover && stand_back.nameserver();
  if (steers && !steered) {
    call_off("the auto_failover of nameserver " + e.endpoint + " is on", /*all=*/true);
  } else if (!steers) {
    states.mark_troubled();
  }
}

// What it works on is left alone until it has ended.
void Brain::Parts::nameserver_ops_read(const NameserverOpsRead& e) {
  stand_back.nameserver_ops_read(e);
  states.mark_troubled();
}

void Brain::Parts::switch_was_read(const SwitchRead& e) {
  if (!stand_back.switch_was_read(e)) return;
  states.say_again();
  if (!stand_back.auto_failover()) call_off("auto_failover is off", /*all=*/false);
  states.mark_troubled();
}

void Brain::Parts::lock_gained(const LockGained& e) {
  stand_back.lock_gained(e.epoch);
  records.start(e.epoch, e.records);
  journal.start(e.begun, e.finished);
  ops.replace_ended(e.finished);
  model.forget_kept();
  for (const PartitionLineages& partition : e.kept) {
    for (const Lineage& kept : partition.replicas) model.keep(partition.at, kept);
    // Who may lead by an election's record is known by that; it is finished first.
    if (partition.published && !is_of_begun(partition, e.records)) {
      model.was_published(partition.at, *partition.published);
    }
  }
  model.place_overwritten(outbox.now);
  holds.start(e.holds);
  operators.start();
  takeover.start(e);
  monitor.start();
  status_questions.start();
  cleanup.start();
  refusals.start();
  states.mark_all();
}

void Brain::Parts::lock_lost(const LockLost& e) {
  if (stand_back.active()) {
    outbox.note(Severity::kWarning, "lock", "this daemon is no longer active: " + e.why);
  }
  stand_back.lock_lost();
  outbox.forget_all();
  edits.stop();
  elections.stop();
  operations.stop();
  handovers.stop();
  cleanup.stop();
  publisher.stop();
  refusals.stop();
  records.stop();
  journal.stop();
  takeover.stop();
  copies.stop();
  orders.stop();
  operators.stop();
  data_look.stop();
  data_recovery.stop();
  holds.stop();
  monitor.stop();
  status_questions.stop();
  terms.void_all();
  op_ids.void_all();
  const auto running = ops.running();
  for (const auto& [id, op] : running) {
    ops.end(id, OpStatus::kCanceled, outbox.now, "this daemon is no longer active");
  }
  model.forget_what_was_begun();
  states.stop();
}

void Brain::Parts::tablet_answered(TabletAnswered e) {
  const auto reply_to = outbox.close(e.id);
  if (!reply_to) return;  // Nobody waits for it any more.
  // What changed something was told to a process that was known to be ours. Everything else may
  // have been answered by anybody: whoever asked has heard nothing then (SAFETY 21). The monitor
  // finds out who it is, so it hears all of it.
  const bool finds_out = TabletMonitor::asked_who_it_is(*reply_to);
  const auto tablet = model.find_tablet(e.tablet);
  if (!finds_out && tablet && holdings_of(model, e.answer).others) monitor.names_others(*tablet);
  if (e.answer.answered() && !reply_to->changes && !finds_out &&
      !counts(model, e.tablet, reply_to->at)) {
    e.answer = {};
    e.answer.transport = Transport::kStranger;
    e.answer.text = "whoever answers there is not known to be this cluster's";
  }
  if (tablet) monitor.heard(*tablet, *reply_to, e.answer);
  if (Asker* asked = asker(reply_to->owner)) asked->answered(*reply_to, e.answer);
  // Also where whoever asked does not want to know any more: so much the replica had (SAFETY 2, 6).
  // The monitor has taken what it asked for itself.
  if (!tablet || finds_out) return;
  for (const ReplicaStatus& status : e.answer.replicas) {
    model.remember_offset(status.at, *tablet, status, reply_to->asked_at);
  }
}

// Null: it asks no tablet, and a timer of its own only brings a step.
Asker* Brain::Parts::asker(ReplyTo::Owner owner) {
  switch (owner) {
    case ReplyTo::Owner::kTabletMonitor:
      return &monitor;
    case ReplyTo::Owner::kElections:
      return &elections;
    case ReplyTo::Owner::kOperations:
      return &operations;
    case ReplyTo::Owner::kHandovers:
      return &handovers;
    case ReplyTo::Owner::kCleanup:
      return &cleanup;
    case ReplyTo::Owner::kReconciliation:
      return &reconciliation;
    case ReplyTo::Owner::kStatus:
      return &status_questions;
    case ReplyTo::Owner::kLook:
      return &data_look;
    case ReplyTo::Owner::kBrain:
      return &states;
    default:
      return nullptr;
  }
}

void Brain::Parts::timer_fired(const TimerFired& e) {
  const auto reply_to = outbox.close(e.id);
  if (!reply_to) return;
  if (Asker* asked = asker(reply_to->owner)) asked->timer(*reply_to);
}

}  // namespace failoverd::core
