// Operations: what is written of an op to ZooKeeper: rows that change, come and go, and what is
// kept of a replica; and that nothing of it is left half-done (SAFETY 1, 11).
#include <algorithm>
#include <utility>

#include "lib/core/cluster/lying_rows.h"
#include "lib/core/cluster/standing.h"
#include "lib/core/operation/operations.h"

namespace failoverd::core {

// --- Whose rows ----------------------------------------------------------------------------------

bool Operations::moves(const Operation& o) { return has(o.what.table, Task::kUpdateTableInfo); }

std::optional<TabletIndex> Operations::goes(const Operation& o) {
  if (moves(o)) return o.what.from;
  if (has(o.what.table, Task::kDelTableInfo)) return o.what.replica;
  return std::nullopt;
}

bool Operations::brings_alive(const Treatment& what) {
  return what.alive && !what.table.empty() && !has(what.table, Task::kMakeSnapshot);
}

bool Operations::needs_its_row(const Operation& o) {
  const auto& table = o.what.table;
  if (has(table, Task::kAddTableInfo)) return o.row > place_of(table, Task::kAddTableInfo);
  return task(o) != Task::kDelTableInfo || !o.publishing;
}

bool Operations::rows_are_final(const Operation& o) {
  return o.row > place_of_final_rows(o.what.table);
}

bool Operations::rows_are_settled(const Operation& o) const {
  const Partition* p = model_.partition(o.at);
  return p && goes(o) && !p->on(*goes(o)) && (!moves(o) || is_alive(o));
}

// Its row is never taken away: what it may have been told would be forgotten with it (SAFETY 5).
bool Operations::may_lead(const Replica& r) {
  return r.leads() || r.in_doubt_term || (r.report.held && r.report.mode == Mode::kLeader);
}

// Its rows are as they are to be: nothing can be taken back, and only what is left on the tablet
// whose row is gone is to be seen to.
void Operations::look_again_at_what_goes(Operation& o, const Partition& p) {
  const TabletIndex gone = *goes(o);
  if (p.on(gone)) {
    cancel(o, name(gone) + " is a replica of it again");
  } else if (!leader_leads(o)) {
    cancel(o, "the partition's leader changed or died meanwhile");
  } else if (task(o) != Task::kDropTable) {
    return;
  } else if (model_.tablet(gone).verdict.dead() || is_another(model_, name(gone), o.at)) {
    cancel(o, name(gone) + " does not answer, or not as this cluster's tablet");
  }
}

// --- What is written -----------------------------------------------------------------------------

// What a replica is and what is copied to it is nobody's prefix for certain before it is fenced.
Term Operations::follows_from_now(const Operation& o) {
  const bool unsure = task(o) == Task::kRecoverTable || task(o) == Task::kSendSnapshot;
  return unsure || !o.lacks.empty() ? 0 : o.leader_term;
}

// What is kept is true from here on: the replica's log is a prefix of its leader's, or nobody
// knows.
void Operations::keep_first(Operation& o) {
  const Lineage* kept = model_.kept(o.at, replica(o));
  const Term followed = follows_from_now(o);
  const bool is_kept =
      kept ? kept->followed == followed && !kept->or_later && !kept->by_hand : followed == 0;
  if (is_kept) {
    after_keeping(o);
    return;
  }
  keep(o);
}

void Operations::keep(Operation& o) {
  o.keeping = o.publishing = true;
  publisher_.want(o.op, o.at, *this, Publisher::Urgency::kNobodyWaits);
}

void Operations::publish_row(Operation& o) {
  o.publishing = true;
  publisher_.want(o.op, o.at, *this, Publisher::Urgency::kNobodyWaits);
}

std::optional<PartitionEdit> Operations::edit(OpId op, const Partition& p) {
  Operation* found = find(op);
  if (!found || !found->publishing) return std::nullopt;
  const Operation& o = *found;
  if (o.ending) return edit_back(o, p);
  if (o.keeping) return edit_of_kept(o, p);
  switch (task(o)) {
    case Task::kAddTableInfo:
      return edit_that_adds(o, p);
    case Task::kUpdateTableInfo:
    case Task::kDelTableInfo:
      return edit_that_removes(o, p);
    default:
      return edit_of_row(o, p);
  }
}

std::optional<PartitionEdit> Operations::edit_of_kept(const Operation& o,
                                                      const Partition& p) const {
  const Replica* r = p.on(o.what.replica);
  if (!r && !has(o.what.table, Task::kAddTableInfo)) return std::nullopt;
  PartitionEdit edit;
  edit.kept.push_back({replica(o), follows_from_now(o), {}, false});
  if (r) edit.kept.back().last_offset = r->report.offset;
  return edit;
}

// SAFETY 1: a follower's row dies only while an alive leader row stands beside it, a single
// replica's only when its znode is gone and its port does not answer.
std::optional<PartitionEdit> Operations::edit_of_row(const Operation& o, const Partition& p) const {
  const Replica* r = p.on(o.what.replica);
  if (o.what.every_row) return edit_of_every_row(o.at, p);
  if (!r || r->is_alive == o.what.alive) return std::nullopt;
  PartitionEdit edit;
  if (o.what.by_hand) {
    // Never two alive leader rows, and never none that is alive (SAFETY 1).
    const Replica* leads = p.leader();
    const bool last = std::none_of(p.replicas.begin(), p.replicas.end(), [&](const Replica& other) {
      return &other != r && other.is_alive && !other.stepping_down;
    });
    if (!o.what.alive && last) return std::nullopt;
    // SAFETY 1, 18: a leader that serves is not asked what this one lacks.
    if (o.what.alive && leads && leads != r && standing(model_, *leads) == Standing::kServes) {
      return std::nullopt;
    }
    const Lineage kept =
        o.what.alive ? model_.lineage_by_hand(o.at, p, *r) : model_.lineage_of(o.at, p, *r);
    const bool may_say_so = (!leads || leads == r) && !kept.by_hand;
    edit.rows.push_back({replica(o), r->is_leader && (!o.what.alive || may_say_so), o.what.alive});
    // Of a leader nothing is kept: nobody was elected behind it, and recoverdata goes by that.
    const bool keeps = o.what.alive ? kept.by_hand || model_.kept(o.at, replica(o)) : !r->is_leader;
    if (keeps) edit.kept.push_back(kept);
    return edit;
  }
  const bool single = p.replicas.size() == 1;
  if (o.what.alive) {
    if (!single && !leader_leads(o)) return std::nullopt;
    comes_alive(o, single, edit);
    return edit;
  }
  const Replica* leader = p.leader();
  if (!single && (!leader || leader == r)) return std::nullopt;
  const Tablet& t = model_.tablet(o.what.replica);
  if (single && (!t.verdict.dead() || t.evidence.registered)) return std::nullopt;
  edit.rows.push_back({replica(o), r->is_leader, false});
  edit.kept.push_back(model_.lineage_of(o.at, p, *r));
  return edit;
}

std::optional<PartitionEdit> Operations::edit_of_every_row(PartitionKey at,
                                                           const Partition& p) const {
  PartitionEdit edit;
  for (const TabletIndex tablet : lying_rows(model_, at, p).set_alive) {
    edit.rows.push_back({model_.tablet(tablet).endpoint, false, true});
  }
  if (edit.rows.empty()) return std::nullopt;
  return edit;
}

void Operations::comes_alive(const Operation& o, bool leads, PartitionEdit& edit) const {
  edit.rows.push_back({replica(o), leads, true});
  const Lineage* kept = model_.kept(o.at, replica(o));
  if (kept && kept->last_offset)
    edit.kept.push_back({replica(o), kept->followed, {}, kept->or_later});
}

// SAFETY 18: dead, until it has caught up.
std::optional<PartitionEdit> Operations::edit_that_adds(const Operation& o,
                                                        const Partition& p) const {
  if (p.on(o.what.replica) || !leader_leads(o)) return std::nullopt;
  PartitionEdit edit;
  edit.added.push_back({replica(o), false, false});
  return edit;
}

// SAFETY 1: an alive leader row stands beside it. With a migrate the new replica's row comes alive
// in the same write.
std::optional<PartitionEdit> Operations::edit_that_removes(const Operation& o,
                                                           const Partition& p) const {
  const Replica* r = p.on(o.what.replica);
  const Replica* gone = p.on(*goes(o));
  if (!leader_leads(o) || (gone && may_lead(*gone))) return std::nullopt;
  PartitionEdit edit;
  if (moves(o)) {
    if (!r) return std::nullopt;
    if (!r->is_alive) comes_alive(o, false, edit);
  }
  if (gone) edit.removed.push_back(name(*goes(o)));
  if (!edit.changes_table()) return std::nullopt;
  return edit;
}

// A row that is alive follows, and stays.
std::optional<PartitionEdit> Operations::edit_back(const Operation& o, const Partition& p) const {
  const Replica* r = p.on(o.what.replica);
  if (!has(o.what.table, Task::kAddTableInfo) || !r || r->is_alive || r->is_leader) {
    return std::nullopt;
  }
  PartitionEdit edit;
  edit.removed.push_back(replica(o));
  return edit;
}

// --- What has become of it -----------------------------------------------------------------------

bool Operations::is_as_written(const Operation& o) const {
  const Partition* p = model_.partition(o.at);
  const Replica* r = p ? p->on(o.what.replica) : nullptr;
  switch (task(o)) {
    case Task::kAddTableInfo:
      return r;
    case Task::kUpdateTableInfo:
    case Task::kDelTableInfo:
      return rows_are_settled(o);
    default:
      return !r || r->is_alive == o.what.alive;
  }
}

void Operations::published(OpId op) {
  Operation* o = find(op);
  if (!o || !o->publishing) return;
  o->publishing = false;
  if (o->ending) return rows_settled(*o);
  if (std::exchange(o->keeping, false)) {
    o->lacks.empty() ? after_keeping(*o) : fail(*o, o->lacks);
    return;
  }
  if (is_as_written(*o)) return next(*o);
  const bool sets_alive = task(*o) == Task::kUpdatePartitionStatus;
  fail(*o, std::string{"the rows changed meanwhile: "} +
               (sets_alive ? std::string{"it cannot be set "} + (o->what.alive ? "alive" : "dead")
                           : std::string{to_text(task(*o))} + " is not possible") +
               " now");
}

// What it paused is left to the cleanup.
void Operations::gone(OpId op, const std::string& why) {
  Operation* o = find(op);
  if (!o) return;
  if (!o->ending) o->undo = what_to_undo(*o);
  end(op, OpStatus::kCanceled, why);
}

// SAFETY 11: nothing is left half-done for as long as ZooKeeper does not take its table.
void Operations::refused(OpId op, const std::string& why) {
  Operation* o = find(op);
  if (o && o->publishing) fail(*o, "ZooKeeper does not take its table: " + why);
}

}  // namespace failoverd::core
