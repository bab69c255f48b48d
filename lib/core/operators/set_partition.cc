// Operators: a partition that somebody has written by hand.
#include <utility>
#include <variant>

#include "lib/core/durable/refusals.h"
#include "lib/core/operators/edit_rules.h"
#include "lib/core/operators/operators.h"

namespace failoverd::core {

// SAFETY outranks what he has written: what breaks a rule is refused, and the hint says which.
Operators::Outcome Operators::carry_out(const operators::SetTablePartition& c) {
  Table* table = find(c.table);
  if (!table) return no_table(c.table);
  const PartitionKey at{table->shape.tid, c.partition.pid};
  const Partition* p = model_.partition(at);
  if (!p) return refuse(kPidIsNotExist, "pid is not exist");
  if (table->stale || table->shape.version != c.version) {
    return refuse(kSetZkFailed, "set zk failed",
                  "the table's znode has changed meanwhile: read it again");
  }
  if (table->refusal) {
    return refuse(kSetZkFailed, "set zk failed",
                  "ZooKeeper does not take its table: " + Refusals::waits_for(*table));
  }
  Outcome outcome;
  if (c.what_changes.empty()) return outcome;
  for (const Row& row : c.partition.rows) {
    if (row.endpoint.empty() || listed(row.endpoint)) continue;
    return refuse(kEndpointIsNotExist, "endpoint is not exist",
                  "no tablet is called \"" + row.endpoint + "\"");
  }
  const auto broken = [&](std::optional<std::string> why) {
    return refuse(kInvalidParameter, "invalid parameter", model_.name_of(at) + ": " + *why);
  };
  if (auto wrong = what_is_wrong_with(c.partition)) return broken(std::move(wrong));
  if (const auto why = edits_.what_works_on(at)) {
    return refuse(kCreateOpFailed, "create op failed", model_.name_of(at) + ": " + *why);
  }
  if (auto why = rule_broken_by(model_, *p, c.partition)) return broken(std::move(why));
  for (const std::string& line : c.what_changes) {
    outcome.answer.plan.push_back(model_.name_of(at) + ": " + line);
  }
  outcome.edits = at;
  return outcome;
}

// True: it has begun, and is answered when it is written.
bool Operators::begin_edit(const OperatorAsked& e, Outcome& outcome) {
  const bool is_edit = std::holds_alternative<operators::SetTablePartition>(e.what);
  // Whose scripts know that as ok, with nothing done.
  if (is_edit && e.as_nameserver && outcome.answer.code == kPidIsNotExist) outcome = {};
  if (outcome.refused() || e.only_plan || !outcome.edits) return false;
  if (orders_.has_ids(1) && edits_.begin(e, *outcome.edits, outcome.answer.plan)) return true;
  outcome = refuse(kCreateOpFailed, "create op failed",
                   "no number for an op has been reserved yet: ask again");
  return false;
}

}  // namespace failoverd::core
