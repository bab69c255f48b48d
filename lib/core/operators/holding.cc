// Operators' commands about what automatic failover may touch, and about the cluster as a whole.
#include <algorithm>
#include <utility>

#include "lib/core/cluster/lying_rows.h"
#include "lib/core/operators/operators.h"

namespace failoverd::core {
namespace {

namespace o = operators;

constexpr std::size_t kLongestReason = 200;

}  // namespace

Operators::Outcome Operators::carry_out(const o::AddHold& c) {
  const auto wrong = [](std::string hint) {
    return refuse(kInvalidParameter, "invalid parameter", std::move(hint));
  };
  const int said =
      (c.tablet.empty() ? 0 : 1) + (c.table.name.empty() ? 0 : 1) + (c.everything ? 1 : 0);
  if (said != 1)
    return wrong("a hold is on a tablet, on a table, or on everything: say one of them");
  if (c.pid && c.table.name.empty()) return wrong("a partition is one of a table: name it, too");
  if (c.reason.empty() || c.reason.size() > kLongestReason) {
    return wrong("its reason is 1 to " + std::to_string(kLongestReason) + " letters long");
  }
  if (c.lasts < std::chrono::seconds{1} || c.lasts > o::kLongestHold) {
    return wrong("it lasts from 1 second to a year");
  }
  if (!c.tablet.empty() && !listed(c.tablet)) {
    return refuse(kEndpointIsNotExist, "endpoint is not exist");
  }
  if (!c.table.name.empty()) {
    const Table* table = find(c.table);
    if (!table) return no_table(c.table);
    if (c.pid && !table->partitions.contains(*c.pid)) {
      return refuse(kPidIsNotExist, "pid is not exist");
    }
  }
  Outcome outcome;
  OperatorHold& hold = outcome.hold.emplace();
  hold.tablet = c.tablet;
  hold.table = c.table.name;
  hold.db = c.table.db;
  hold.pid = c.pid;
  hold.reason = c.reason;
  hold.by = c.by;
  hold.until = outbox_.now + c.lasts;
  outcome.answer.plan.push_back("automatic failover leaves " + held_text(hold) +
                                " alone; manual commands do not, and an old leader is demoted");
  return outcome;
}

Operators::Outcome Operators::carry_out(const o::RemoveHold& c) {
  const OperatorHold* hold = holds_.find(c.hold);
  if (!hold) {
    return refuse(kInvalidParameter, "invalid parameter",
                  "there is no hold " + std::to_string(c.hold) + ": hold list shows them");
  }
  Outcome outcome;
  outcome.lifts = c.hold;
  outcome.answer.plan.push_back("no longer held: " + held_text(*hold));
  return outcome;
}

Operators::Outcome Operators::look_at_data() const {
  Outcome outcome;
  outcome.looks = true;
  for (const auto& [tid, table] : model_.tables()) {
    for (const auto& [pid, p] : table.partitions) {
      if (p.diagnosis.condition == Condition::kHealthy && p.op == 0) continue;
      std::string line = model_.name_of({tid, pid}) + ": ";
      const auto replicas = data_look_.replicas_of({tid, pid}, p);
      for (const TabletIndex tablet : replicas) {
        const bool held = p.on(tablet)->report.held;
        line += (tablet == replicas.front() ? "" : ", ") + model_.tablet(tablet).endpoint +
                (held ? " is asked" : " is loaded as follower");
      }
      if (replicas.empty())
        line += model_.is_on_disk({tid, pid})
                    ? "it is on disk: nothing is loaded before it is recovered"
                    : "it is led, or worked on, or nobody is there: nothing is loaded";
      outcome.answer.plan.push_back(std::move(line));
    }
  }
  return outcome;
}

// On a healthy cluster it does nothing: its plan is empty.
Operators::Outcome Operators::carry_out(const o::RecoverData& c) {
  if (c.look) return look_at_data();
  Outcome outcome;
  outcome.care.emplace();
  for (const auto& [tid, table] : model_.tables()) {
    for (const auto& [pid, p] : table.partitions) {
      if (p.diagnosis.condition == Condition::kHealthy && p.op == 0) continue;
      const PartitionKey at{tid, pid};
      outcome.answer.plan.push_back(data_recovery_.plan(at, p));
      outcome.care->insert(at);
      if (p.op != 0 || table.refusal) continue;
      const auto lie = lying_rows(model_, at, p).set_alive;
      if (lie.empty()) continue;
      Order& order = outcome.orders.emplace_back();
      order.at = at;
      order.what.type = OpType::kUpdateTableAliveOP;
      order.what.table = kUpdateRowTasks;
      order.what.replica = lie.front();
      order.what.by_hand = order.what.every_row = true;
      order.what.why = "recoverdata: its rows lie";
      outcome.prepared.insert(at);
    }
  }
  if (outcome.care->empty()) {
    outcome.care.reset();
  }
  return outcome;
}

}  // namespace failoverd::core
