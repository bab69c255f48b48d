#include "lib/core/operators/operators.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "lib/core/api/timing.h"
#include "lib/core/cluster/standing.h"
#include "lib/core/operation/task_tables.h"

namespace failoverd::core {
namespace {

namespace o = operators;

// Commands that a nameserver refuses while its switch is on.
bool is_manual(const OperatorCommand& command) {
  return !std::holds_alternative<o::AddReplicas>(command) &&
         !std::holds_alternative<o::DelReplicas>(command) &&
         !std::holds_alternative<o::MakeSnapshot>(command);
}

bool edits_by_hand(const OperatorCommand& command) {
  return std::holds_alternative<o::UpdateTableAlive>(command) ||
         std::holds_alternative<o::SetTablePartition>(command);
}

bool only_holds(const OperatorCommand& command) {
  return std::holds_alternative<o::AddHold>(command) ||
         std::holds_alternative<o::RemoveHold>(command);
}

std::string number(std::uint64_t n) { return std::to_string(n); }

}  // namespace

Operators::Outcome Operators::refuse(int code, std::string words, std::string hint) {
  Outcome outcome;
  outcome.answer.code = code;
  outcome.answer.error = std::move(words);
  outcome.answer.hint = std::move(hint);
  return outcome;
}

void Operators::asked(const OperatorAsked& e) { carry_out({e, outbox_.now + kCommandWaitsAtMost}); }

// Whoever comes right after the beginning of a tenure waits a moment, and is not refused.
void Operators::carry_out(Early early) {
  const OperatorAsked& e = early.what;
  const bool may_wait = outbox_.now < early.until && !only_holds(e.what);
  if (may_wait && stand_back_.may_soon_change() && !refused_by_switch(e)) {
    return wait(std::move(early));
  }
  Outcome outcome = decide(e);
  if (may_wait && lacks_ids(e, outcome)) return wait(std::move(early));
  if (begin_edit(e, outcome)) return;
  const bool does = !outcome.refused() && !e.only_plan;
  if (does && !begin(e, outcome)) return;
  outbox_.out.emplace_back(AnswerOperator{e.id, std::move(outcome.answer)});
}

bool Operators::lacks_ids(const OperatorAsked& e, const Outcome& outcome) {
  const std::size_t ops = outcome.orders.size() + (outcome.edits ? 1 : 0);
  return !outcome.refused() && !e.only_plan && ops > 0 && !orders_.has_ids(ops);
}

void Operators::wait(Early early) {
  if (!std::exchange(early.waits, true)) {
    outbox_.timer({ReplyTo::Owner::kOperators, 0, 0, 0, {}}, early.until);
  }
  early_.push_back(std::move(early));
}

bool Operators::begin(const OperatorAsked& e, Outcome& outcome) {
  OperatorAnswer& answer = outcome.answer;
  if (!outcome.orders.empty() && !orders_.has_ids(outcome.orders.size())) {
    answer = refuse(kCreateOpFailed, "create op failed",
                    "no numbers for so many ops have been reserved yet: ask again")
                 .answer;
    return true;
  }
  if (outcome.accepts) {
    outcome.acceptance.by = e.by;
    elections_.accept_loss(*outcome.accepts, outcome.acceptance);
  }
  if (const auto of = command_of_.extract(outcome.lifts)) {
    orders_.cancel_command(of.mapped(), e.by + " has it brought back");
  }
  if (outcome.cancels != 0) cancel(outcome.cancels, e.by);
  if (outcome.hold && outcome.hold->offline) call_off_returns(*outcome.hold, e.by);
  if (outcome.looks) data_look_.begin(e.by);
  if (outcome.care) data_recovery_.begin(e.by, *outcome.care, outcome.prepared);
  const std::uint64_t command = orders_.new_command();
  for (Order& order : outcome.orders) add(std::move(order), command, e.by, answer);
  if (outcome.lifts != 0) {
    holds_.remove(outcome.lifts, e.by + " ends it", e.id, std::move(answer));
    return false;
  }
  if (outcome.hold) {  // What is held outlives this daemon once it is answered.
    hold(e, outcome, command);
    return false;
  }
  if (!std::holds_alternative<o::UpdateTableAlive>(e.what)) return true;
  late_.push_back({e.id, std::move(answer)});
  return false;
}

void Operators::add(Order order, std::uint64_t command, const std::string& by,
                    OperatorAnswer& answer) {
  order.command = command;
  order.by = by;
  order.what.ordered = true;
  if (order.what.why.empty()) order.what.why = "ordered by " + by;
  answer.ops.push_back(orders_.add(std::move(order)));
}

void Operators::look() {
  for (Early& early : std::exchange(early_, {})) carry_out(std::move(early));
  answer_late();
  if (stand_back_.may_change()) go_on_with_offline();
}

// Once in a tenure; and when all that was ordered with it has ended, a successor is told so.
void Operators::go_on_with_offline() {
  if (goes_on_) {
    order_what_is_pending();
    return;
  }
  for (auto of = command_of_.begin(); of != command_of_.end();) {
    const auto [hold, command] = *of;
    if (orders_.any_of_command(command)) {
      ++of;
      continue;
    }
    holds_.nothing_is_pending(hold);
    of = command_of_.erase(of);
  }
}

void Operators::order_what_is_pending() {
  std::vector<std::pair<OperatorHold, Outcome>> all;
  std::size_t orders = 0;
  for (const OperatorHold& hold : holds_.all()) {
    if (hold.pending.empty()) continue;
    const auto tablet = model_.find_tablet(hold.tablet);
    Outcome outcome;
    outcome.hold.emplace();
    for (const PartitionKey at : hold.pending) {
      Partition* p = model_.partition(at);
      if (tablet && p) plan_offline(outcome, at, *p, *tablet);
    }
    orders += outcome.orders.size();
    all.emplace_back(hold, std::move(outcome));
  }
  if (!orders_.has_ids(orders)) return;
  for (auto& [hold, outcome] : all) {
    const std::uint64_t command = orders_.new_command();
    for (Order& order : outcome.orders) {
      order.at_once = o::kConcurrency;
      add(std::move(order), command, hold.by, outcome.answer);
    }
    command_of_[hold.id] = command;
  }
  goes_on_ = false;
}

void Operators::answer_late() {
  std::erase_if(late_, [&](Late& late) {
    const auto runs = [&](OpId op) { return ops_.find(op) != nullptr; };
    if (std::any_of(late.answer.ops.begin(), late.answer.ops.end(), runs)) return false;
    for (const OpRecord& op : ops_.ended()) {
      const auto& all = late.answer.ops;
      const bool of_it = std::find(all.begin(), all.end(), op.id) != all.end();
      if (!of_it || op.status == OpStatus::kDone || late.answer.code != 0) continue;
      late.answer.code = kSetZkFailed;
      late.answer.error = "set zk failed";
      late.answer.hint = model_.name_of(op.at) + ": " + op.detail;
    }
    outbox_.out.emplace_back(AnswerOperator{late.id, std::move(late.answer)});
    return true;
  });
}

void Operators::stop() {
  for (Late& late : late_) {
    late.answer.code = kSetZkFailed;
    late.answer.error = "set zk failed";
    late.answer.hint = "this daemon is no longer active: showtable tells what was written";
    outbox_.out.emplace_back(AnswerOperator{late.id, std::move(late.answer)});
  }
  late_.clear();
  for (const Early& early : std::exchange(early_, {})) carry_out({early.what, {}});  // Refused.
  command_of_.clear();
}

// What it handed over when it went offline before, and has not been brought back since, counts,
// too.
void Operators::hold(const OperatorAsked& e, Outcome& outcome, std::uint64_t command) {
  OperatorHold& hold = *outcome.hold;
  if (const OperatorHold* before = hold.offline ? holds_.offline(hold.tablet) : nullptr) {
    for (const PartitionKey at : before->led) {
      const bool known = std::find(hold.led.begin(), hold.led.end(), at) != hold.led.end();
      if (!known) hold.led.push_back(at);
    }
    holds_.remove(before->id, "it is taken offline again");
  }
  if (hold.by.empty()) hold.by = e.by;
  const bool pending = !hold.pending.empty();
  const std::uint64_t id = holds_.add(hold, e.id, std::move(outcome.answer));
  if (pending) command_of_[id] = command;
}

Operators::Outcome Operators::decide(const OperatorAsked& e) {
  if (auto refused = stands_in_the_way(e)) return *refused;
  return std::visit([&](const auto& command) { return carry_out(command); }, e.what);
}

std::optional<Operators::Outcome> Operators::refused_by_switch(const OperatorAsked& e) const {
  const bool by_nameserver = e.as_nameserver && is_manual(e.what);
  if (!stand_back_.auto_failover() || (!by_nameserver && !edits_by_hand(e.what))) {
    return std::nullopt;
  }
  return refuse(kAutoFailoverIsEnabled, "auto_failover is enabled",
                "confset auto_failover false comes first");
}

std::optional<Operators::Outcome> Operators::stands_in_the_way(const OperatorAsked& e) const {
  if (auto refused = refused_by_switch(e)) return refused;
  if (only_holds(e.what) ? stand_back_.has_lease() : stand_back_.may_change()) return std::nullopt;
  std::string why;
  for (const StandsBack& s : stand_back_.reasons(outbox_.now)) {
    why += (why.empty() ? "" : "; ") + s.text;
  }
  return refuse(kSetZkFailed, "set zk failed",
                "nothing is changed now: " + (why.empty() ? "no op ids are reserved yet" : why));
}

void Operators::cancel(OpId op, const std::string& by) {
  const OpRecord& record = *ops_.find(op);
  outbox_.note(
      Severity::kInfo, "operator",
      by + " cancels " + to_text(record.type) + " of " + model_.name_of(record.at),
      {{"op_id", number(op)}, {"table", record.table}, {"pid", number(record.at.pid)}, {"by", by}});
  end_early(op, by + " cancelled it");
}

// What was begun to have its replicas alive or leading again: it goes offline.
void Operators::call_off_returns(OperatorHold& offline, const std::string& by) {
  const auto tablet = model_.find_tablet(offline.tablet);
  if (!tablet) return;
  const std::string why = by + " takes " + offline.tablet + " offline";
  for (const PartitionKey at : orders_.cancel_returns(*tablet, why)) offline.led.push_back(at);
  copies_.cancel_onto(*tablet, why);
  for (const OpId op : operations_.bringing_back(*tablet)) end_early(op, why);
  for (const OpId op : handovers_.leading_to(*tablet)) end_early(op, why);
}

void Operators::end_early(OpId op, const std::string& why) {
  orders_.try_no_more(op);
  if (orders_.cancel(op, why) || copies_.cancel(op, why) || operations_.call_off(op, why)) return;
  if (handovers_.call_off(op, why) || elections_.call_off(op, why)) return;
  edits_.call_off(op, why);
}

// --- What the commands name ----------------------------------------------------------------------

Table* Operators::find(const TableName& name) {
  for (auto& [tid, table] : model_.tables()) {
    if (table.shape.name == name.name && table.shape.db == name.db) return &table;
  }
  return nullptr;
}

Operators::Outcome Operators::no_table(const TableName& name) const {
  std::string hint;
  for (const auto& [tid, table] : model_.tables()) {
    if (table.shape.name != name.name) continue;
    hint = table.shape.db.empty() ? "there is " + name.name + " outside every database: no --db"
                                  : "there is " + name.name + " in database " + table.shape.db +
                                        ": --db " + table.shape.db;
  }
  return refuse(kTableIsNotExist, "table is not exist", hint);
}

// Those that are in the cluster, as a nameserver lists them: with a znode, or named by a row.
std::optional<TabletIndex> Operators::listed(const Endpoint& endpoint) const {
  const auto tablet = model_.find_tablet(endpoint);
  if (!tablet) return std::nullopt;
  const Tablet& t = model_.tablet(*tablet);
  return t.is_of_cluster() ? tablet : std::nullopt;
}

bool Operators::is_healthy(TabletIndex tablet) const { return is_there(model_.tablet(tablet)); }

void Operators::plan(Outcome& outcome, PartitionKey at, Treatment what, const std::string& text) {
  outcome.answer.plan.push_back(model_.name_of(at) + ": " + text);
  Order order;
  order.at = at;
  order.what = std::move(what);
  outcome.orders.push_back(std::move(order));
}

// --- Recovery ------------------------------------------------------------------------------------

void Operators::plan_recovery(Outcome& outcome, PartitionKey at, const Partition& p,
                              const Replica& r) {
  Treatment what;
  what.replica = r.tablet;
  if (p.replicas.size() == 1) {
    what.type = OpType::kReLoadTableOP;
    what.table = kReLoadTableTasks;
    plan(outcome, at, what, "its only replica is loaded, and leads again");
  } else {
    what.type = OpType::kRecoverTableOP;
    what.table = kRecoverTableTasks;
    plan(outcome, at, what,
         "what it holds is compared with its leader's log, and what it lacks sent");
  }
}

Operators::Outcome Operators::carry_out(const o::RecoverEndpoint& c) {
  if (c.concurrency > o::kMostConcurrency || c.concurrency == 0) {
    return refuse(kInvalidParameter, "invalid parameter", "concurrency is 1 to 8");
  }
  const auto tablet = listed(c.endpoint);
  if (!tablet) return refuse(kEndpointIsNotExist, "endpoint is not exist");
  if (!is_healthy(*tablet)) return refuse(kTabletIsNotHealthy, "tablet is not healthy");
  Outcome outcome;
  const OperatorHold* offline = holds_.offline(c.endpoint);
  if (offline) outcome.lifts = offline->id;
  const auto led_before = [&](PartitionKey at) {
    return offline && std::find(offline->led.begin(), offline->led.end(), at) != offline->led.end();
  };
  for (const PartitionKey at : model_.tablet(*tablet).hosts) {
    const Partition* p = model_.partition(at);
    const Replica* r = p ? p->on(*tablet) : nullptr;
    // What is being set dead for offlineendpoint is brought back when that has ended.
    const bool goes_offline = offline && orders_.is_running(at);
    if (!r || (r->is_alive && !goes_offline)) continue;
    const bool led = r->is_leader || led_before(at);
    plan_recovery(outcome, at, *p, *r);
    if (!c.need_restore || !led || p->replicas.size() == 1) continue;
    outcome.answer.plan.back() += "; then it leads again";
    Treatment then;
    then.type = OpType::kHandoverOP;
    then.replica = *tablet;
    then.ordered = true;
    then.why = "what it led it leads again";
    outcome.orders.back().then = then;
  }
  for (Order& order : outcome.orders) order.at_once = c.concurrency;
  return outcome;
}

Operators::Outcome Operators::carry_out(const o::RecoverTable& c) {
  const auto tablet = listed(c.endpoint);
  if (!tablet) return refuse(kEndpointIsNotExist, "endpoint is not exist");
  if (!is_healthy(*tablet)) return refuse(kTabletIsNotHealthy, "tablet is not healthy");
  Table* table = find(c.table);
  if (!table) return no_table(c.table);
  const PartitionKey at{table->shape.tid, c.pid};
  const Partition* p = model_.partition(at);
  const Replica* r = p ? p->on(*tablet) : nullptr;
  if (r && r->is_alive) return refuse(kTableIsAlive, "table is alive, need not recover");
  if (!r) return refuse(kPidIsNotExist, "pid is not exist");
  Outcome outcome;
  plan_recovery(outcome, at, *p, *r);
  return outcome;
}

// --- Ops and rows --------------------------------------------------------------------------------

Operators::Outcome Operators::carry_out(const o::CancelOp& c) {
  const OpRecord* record = ops_.find(c.op);
  if (!record) {
    return refuse(kOpStatusIsNotDoing, "op status is not kDoing or kInited",
                  "op " + number(c.op) + " does not run");
  }
  Outcome outcome;
  const std::string what = std::string{to_text(record->type)} + " of " + model_.name_of(record->at);
  // SAFETY 3: a probe cannot be taken back.
  const char* becomes = is_election(record->type)
                            ? " ends, if nobody has been probed; else it is finished"
                        : edits_.any(c.op) ? " ends, if it is not on its way to ZooKeeper; what is "
                                             "may be written, and the table shows it"
                                           : " is taken back";
  outcome.answer.plan.push_back(what + becomes);
  outcome.cancels = c.op;
  return outcome;
}

Operators::Outcome Operators::carry_out(const o::UpdateTableAlive& c) {
  const auto tablet = listed(c.endpoint);
  if (!tablet) return refuse(kEndpointIsNotExist, "endpoint is not exist");
  Table* table = find(c.table);
  if (!table) return no_table(c.table);
  Outcome outcome;
  for (const auto& [pid, p] : table->partitions) {
    if (c.pid && *c.pid != pid) continue;
    const Replica* r = p.on(*tablet);
    if (!r) continue;
    const auto alive = std::count_if(p.replicas.begin(), p.replicas.end(),
                                     [](const Replica& row) { return row.is_alive; });
    const PartitionKey at{table->shape.tid, pid};
    const Replica* leader = p.leader();
    const bool serves = leader && standing(model_, *leader) == Standing::kServes;
    if (c.alive && !r->is_alive && serves) {  // SAFETY 1, 18.
      return refuse(kInvalidParameter, "invalid parameter",
                    model_.name_of(at) + " is served, and nothing says that " + c.endpoint +
                        " holds all of it: recovertable brings it back");
    }
    if (!c.alive && r->is_alive && alive == 1) {  // SAFETY 1.
      return refuse(kInvalidParameter, "invalid parameter",
                    model_.name_of(at) + " has no other alive row: it stays alive");
    }
    Treatment what;
    what.type = OpType::kUpdateTableAliveOP;
    what.table = kUpdateRowTasks;
    what.replica = *tablet;
    what.alive = c.alive;
    what.by_hand = true;
    plan(outcome, at, what,
         "the row of " + c.endpoint + " says alive: " + (c.alive ? "yes" : "no"));
  }
  if (outcome.orders.empty()) return refuse(kNoPidHasUpdate, "no pid has update");
  return outcome;
}

}  // namespace failoverd::core
