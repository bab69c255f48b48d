#include "lib/core/operators/partition_edits.h"

#include <utility>
#include <variant>

#include "lib/base/check.h"
#include "lib/core/operators/edit_rules.h"

namespace failoverd::core {
namespace {

constexpr const char* kChanged = "the table's znode has changed meanwhile: read it again";

}  // namespace

// SAFETY 3, 11, 12: what was begun is finished or taken back first.
std::optional<std::string> PartitionEdits::what_works_on(PartitionKey at) const {
  const Partition& p = *model_.partition(at);
  if (p.op != 0) {
    const OpRecord* op = ops_.find(p.op);
    return "op " + std::to_string(p.op) +
           (op ? std::string{" ("} + to_text(op->type) + ")" : std::string{}) + " works on it";
  }
  if (p.unfinished_term) return "an election of it has been begun and is not finished";
  for (const Replica& r : p.replicas) {
    if (r.stepping_down) return "a handover of it has been begun and is not finished";
  }
  if (publisher_.publishes(at)) return "it is being published";
  return std::nullopt;
}

bool PartitionEdits::begin(const OperatorAsked& e, PartitionKey at, std::vector<std::string> plan) {
  const auto id = op_ids_.take(1);
  if (!id) return false;
  const auto& command = std::get<operators::SetTablePartition>(e.what);
  Partition& p = *model_.partition(at);
  CHECK(p.op == 0);
  p.op = *id;
  const Table& table = *model_.table(at.tid);
  OpRecord record;
  record.id = *id;
  record.type = OpType::kUpdatePartitionStatusOP;
  record.table = table.shape.name;
  record.db = table.shape.db;
  record.at = at;
  record.status = OpStatus::kDoing;
  record.task = Task::kUpdatePartitionStatus;
  record.started = outbox_.now;
  record.detail = "written by hand, by " + e.by;
  ops_.begin(record);
  std::string text = model_.name_of(at) + " is written by hand, by " + e.by;
  for (const std::string& line : command.what_changes) text += "; " + line;
  outbox_.note(Severity::kWarning, "operator", std::move(text),
               {{"op_id", std::to_string(*id)},
                {"table", record.table},
                {"pid", std::to_string(at.pid)},
                {"by", e.by}});
  Edit& edit = edits_[*id];
  edit.asked = e.id;
  edit.at = at;
  edit.whole = {command.partition, command.message};
  edit.version = command.version;
  edit.plan = std::move(plan);
  publisher_.want(*id, at, *this, Publisher::Urgency::kClientsWait);
  return true;
}

bool PartitionEdits::call_off(OpId op, const std::string& why) {
  const auto found = edits_.find(op);
  if (found == edits_.end()) return false;
  Edit& e = found->second;
  e.canceled_by = why;
  if (!e.sent) end(op, why, OpStatus::kCanceled);
  return true;
}

void PartitionEdits::stop() {
  while (!edits_.empty()) {
    const OpId op = edits_.begin()->first;
    end(op, "this daemon is no longer active; whether it was written, the table shows");
  }
}

bool PartitionEdits::is_as_wanted(const Edit& e, const Partition& p) const {
  const PartitionShape& wanted = e.whole.shape;
  if (p.terms != wanted.terms || p.replicas.size() != wanted.rows.size()) return false;
  for (const Row& row : wanted.rows) {
    const auto written = model_.row(e.at, row.endpoint);
    if (!written || *written != row) return false;
  }
  return true;
}

// What was looked at when it was asked for may be otherwise now. Empty: it is not.
std::string PartitionEdits::why_not(const Edit& e, const Partition& p) const {
  if (!e.canceled_by.empty()) return e.canceled_by;
  if (stand_back_.auto_failover()) return "auto_failover was switched on meanwhile";
  if (!stand_back_.may_change()) return "nothing is changed now";
  if (model_.table(e.at.tid)->shape.version != e.version) return kChanged;
  return rule_broken_by(model_, p, e.whole.shape).value_or("");
}

std::optional<PartitionEdit> PartitionEdits::edit(OpId op, const Partition& p) {
  Edit& e = edits_.at(op);
  // Its answer was lost, and it was written.
  if (e.sent && model_.table(e.at.tid)->shape.version != e.version && is_as_wanted(e, p)) {
    return std::nullopt;
  }
  e.why_not = why_not(e, p);
  if (!e.why_not.empty()) return std::nullopt;
  e.sent = true;
  PartitionEdit edit;
  edit.whole = e.whole;
  for (const Replica& r : p.replicas) {  // What a successor must know when it comes back.
    const Endpoint& endpoint = model_.tablet(r.tablet).endpoint;
    bool is_alive = false;
    bool leads = false;
    for (const Row& row : e.whole.shape.rows) {
      is_alive |= row.endpoint == endpoint && row.is_alive;
      leads |= row.endpoint == endpoint && row.is_leader;
    }
    if (r.is_alive && !is_alive) edit.kept.push_back(model_.lineage_of(e.at, p, r));
    // Of a leader it has been seen that it leads.
    if (!r.is_alive && is_alive && !leads) {
      edit.kept.push_back(model_.lineage_by_hand(e.at, p, r));
    }
  }
  return edit;
}

void PartitionEdits::published(OpId op) {
  const Edit& e = edits_.at(op);
  const bool canceled = !e.canceled_by.empty() && e.why_not == e.canceled_by;
  end(op, std::string{e.why_not}, canceled ? OpStatus::kCanceled : OpStatus::kFailed);
}

void PartitionEdits::gone(OpId op, const std::string& why) { end(op, why, OpStatus::kCanceled); }

void PartitionEdits::refused(OpId op, const std::string& why) {
  end(op, "ZooKeeper does not take its table: " + why);
}

void PartitionEdits::end(OpId op, const std::string& why_not, OpStatus unless_done) {
  const Edit e = std::move(edits_.extract(op).mapped());
  publisher_.forget(op);
  const OpRecord* record = ops_.find(op);
  const Duration took = outbox_.now - (record ? record->started : outbox_.now);
  const std::string how = record ? record->detail : "";
  const OpStatus status = why_not.empty() ? OpStatus::kDone : unless_done;
  ops_.end(op, status, outbox_.now, why_not.empty() ? how : why_not);
  if (record) journal_.finished(ops_.ended().back());
  outbox_.out.emplace_back(CountOp{op, OpType::kUpdatePartitionStatusOP, status, took});
  if (Partition* p = model_.partition(e.at); p && p->op == op) p->op = 0;
  changed.insert(e.at);
  OperatorAnswer answer;
  if (why_not.empty()) {
    answer.ops = {op};
    answer.plan = e.plan;
  } else {
    answer.code = kSetZkFailed;
    answer.error = "set zk failed";
    answer.hint = why_not;
  }
  outbox_.out.emplace_back(AnswerOperator{e.asked, std::move(answer)});
}

}  // namespace failoverd::core
