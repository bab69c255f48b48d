#include "lib/core/operations.h"

#include <algorithm>

#include "lib/base/check.h"

namespace failoverd::core {
namespace {

// What a task asks of the leader. DelReplica looks first: one that the leader no longer sends to is
// done, also when an earlier answer was lost (SAFETY 17).
enum What : std::uint32_t { kLook, kAct };
constexpr Duration kLookAtMost = std::chrono::seconds{5};

}  // namespace

Operations::Operation* Operations::find(OpId op) {
  const auto found = operations_.find(op);
  return found == operations_.end() ? nullptr : &found->second;
}

void Operations::begin(OpId op, OpType type, PartitionKey at, TabletIndex replica,
                       std::span<const TaskRow> table) {
  Operation& o = operations_[op];
  o.op = op;
  o.type = type;
  o.at = at;
  o.replica = replica;
  o.table = table;
  o.began = desk_.now;
  of_partition_[at] = op;
  run(o);
}

void Operations::stop() {
  operations_.clear();
  of_partition_.clear();
  ended.clear();
}

void Operations::call_off(const std::string& why) {
  std::vector<OpId> not_published;
  for (const auto& [op, o] : operations_) {
    if (o.row == 0) not_published.push_back(op);
  }
  for (const OpId op : not_published) {
    publisher_.forget(op);
    end(op, OpStatus::kCanceled, why);
  }
}

void Operations::run(Operation& o) {
  OpRecord* record = ops_.find(o.op);
  CHECK(record);
  record->status = OpStatus::kDoing;
  const TaskRow& row = o.table[o.row];
  record->task = row.task;
  ++o.attempt;
  switch (row.seat) {
    case Seat::kMetadata:
      o.publishing = true;
      publisher_.want(o.op, o.at, *this, Publisher::Urgency::kNobodyWaits);
      return;
    case Seat::kLeader:
      run_at_leader(o);
      return;
    case Seat::kReplica:
      break;
  }
  CHECK(false && "no task of part 1 runs at the replica");
}

void Operations::run_at_leader(Operation& o) {
  const Partition* p = model_.partition(o.at);
  const Replica* leader = p ? p->leader() : nullptr;
  if (!leader || leader->tablet == o.replica) {
    fail(o, "the partition has no leader to ask");
    return;
  }
  o.leader = leader->tablet;
  desk_.call({Route::Owner::kOperations, o.op, kLook | o.attempt << 8, o.leader, {}},
             model_.tablet(o.leader).endpoint, GetTableFollower{o.at}, kLookAtMost);
}

void Operations::answered(const Route& route, const Answer& answer) {
  Operation* o = find(route.key);
  if (!o || route.what >> 8 != o->attempt || o->publishing) return;
  const Endpoint& leader = model_.tablet(o->leader).endpoint;
  const Endpoint& replica = model_.tablet(o->replica).endpoint;
  if ((route.what & 0xff) == kLook && answer.ok()) {
    const bool there = std::any_of(answer.followers.begin(), answer.followers.end(),
                                   [&](const FollowerOffset& f) { return f.endpoint == replica; });
    const Partition* p = model_.partition(o->at);
    const Replica* row = p ? p->on(o->replica) : nullptr;
    if (row && row->is_alive) {  // Somebody has brought it back meanwhile.
      end(o->op, OpStatus::kCanceled, replica + " is alive again");
      return;
    }
    if (there) {
      desk_.call({Route::Owner::kOperations, o->op, kAct | o->attempt << 8, o->leader, {}}, leader,
                 DelReplica{o->at, replica}, o->table[o->row].at_most);
    } else {
      next(*o);
    }
    return;
  }
  if (answer.ok() || (answer.answered() && answer.code == kNoFollower)) {
    next(*o);
    return;
  }
  fail(*o, leader + ": " + to_text(answer));
}

void Operations::look_again(PartitionKey at) {
  const auto op = of_partition_.find(at);
  Operation* o = op == of_partition_.end() ? nullptr : find(op->second);
  if (!o || o->publishing || o->table[o->row].seat != Seat::kLeader) return;
  const Partition* p = model_.partition(at);
  const Replica* leader = p ? p->leader() : nullptr;
  if (!leader || leader->tablet != o->leader || model_.tablet(o->leader).verdict.dead()) {
    end(o->op, OpStatus::kCanceled, "the partition's leader changed or died meanwhile");
  }
}

void Operations::next(Operation& o) {
  if (++o.row < o.table.size()) {
    run(o);
    return;
  }
  end(o.op, OpStatus::kDone, "");
}

void Operations::fail(Operation& o, const std::string& why) { end(o.op, OpStatus::kFailed, why); }

// SAFETY 1: a follower's row dies only while an alive leader row stands beside it.
std::optional<PartitionEdit> Operations::edit(OpId op, const Partition& p) {
  const Operation& o = *find(op);
  const Replica* r = p.on(o.replica);
  if (!r || !r->is_alive) return std::nullopt;
  const Replica* leader = p.leader();
  const bool single = p.replicas.size() == 1;
  if (!single && (!leader || leader == r)) return std::nullopt;
  const Tablet& t = model_.tablet(o.replica);
  if (single && (!t.verdict.dead() || t.evidence.registered)) return std::nullopt;
  PartitionEdit edit;
  edit.rows.push_back({model_.tablet(o.replica).endpoint, r->is_leader, false});
  return edit;
}

void Operations::published(OpId op) {
  Operation* o = find(op);
  if (!o) return;
  o->publishing = false;
  const Partition* p = model_.partition(o->at);
  const Replica* r = p ? p->on(o->replica) : nullptr;
  if (r && r->is_alive) {
    fail(*o, "the rows changed meanwhile: it cannot be set dead now");
    return;
  }
  next(*o);
}

void Operations::gone(OpId op, const std::string& why) {
  if (find(op)) end(op, OpStatus::kCanceled, why);
}

void Operations::end(OpId op, OpStatus status, const std::string& how) {
  const Operation o = *find(op);
  ops_.end(op, status, desk_.now, how);
  desk_.out.emplace_back(OpEnded{op, o.type, status, desk_.now - o.began});
  of_partition_.erase(o.at);
  operations_.erase(op);
  if (Partition* p = model_.partition(o.at)) p->op = 0;
  ended.push_back({o.at, status == OpStatus::kFailed});
  if (status == OpStatus::kFailed) {
    desk_.note(Severity::kWarning, "op",
               std::string{to_text(o.type)} + " of " + to_text(o.at) + " failed: " + how,
               {{"op_id", std::to_string(op)}, {"partition", to_text(o.at)}});
  }
}

}  // namespace failoverd::core
