// Operations: what each task looks at, what it does, and what the answers mean (FEDB.md 3.2, 4).
#include <algorithm>

#include "lib/base/check.h"
#include "lib/core/operations.h"

namespace failoverd::core {
namespace {

constexpr Duration kLookAtMost = std::chrono::seconds{5};
constexpr Duration kConfirmAtMost = std::chrono::milliseconds{900};
constexpr Duration kActAtMost = std::chrono::seconds{10};
// A table that is to be loaded is seen in GetTableStatus at once; this much later its load has
// failed.
constexpr Duration kAppearsWithin = std::chrono::seconds{2};
// A follower that is behind and has not moved for so long does not follow.
constexpr Duration kStandsStill = std::chrono::seconds{30};

bool is_loaded(const ReplicaStatus& s) {
  return s.state == TableState::kNormal || s.state == TableState::kMakingSnapshot ||
         s.state == TableState::kSnapshotPaused;
}

std::string number(std::uint64_t n) { return std::to_string(n); }

}  // namespace

const ReplicaStatus* Operations::status_of(const Operation& o, const Answer& answer) {
  for (const ReplicaStatus& s : answer.replicas) {
    if (s.at == o.at) return &s;
  }
  return nullptr;
}

LoadTable Operations::load_table(const Operation& o) const {
  const Table& table = *model_.table(o.at.tid);
  LoadTable load{o.at, table.shape.name, table.shape.db, Mode::kFollower, 0};
  if (o.what.type == OpType::kReLoadTableOP) {
    // The only replica goes on in the term in which it was: nobody else has led since.
    load.mode = Mode::kLeader;
    load.term = model_.partition(o.at)->published_term();
  }
  return load;
}

void Operations::look(Operation& o) {
  switch (task(o)) {
    case Task::kDelReplica:
    case Task::kAddReplica:
      ask(o, kLook, o.leader, GetTableFollower{o.at}, kLookAtMost);
      return;
    case Task::kPauseSnapshot:
    case Task::kRecoverSnapshot:
      ask(o, kLook, o.leader, GetTableStatus{o.at}, kLookAtMost);
      return;
    case Task::kLoadTable:
    case Task::kRecoverTable:
      ask(o, kLook, o.what.replica, GetTableStatus{o.at}, kLookAtMost);
      return;
    case Task::kDropTable:
      ask(o, kLook, o.what.replica, GetTaskStatus{}, kLookAtMost);
      return;
    case Task::kSendSnapshot:
      ask(o, kLook, o.leader, GetTaskStatus{}, kLookAtMost);
      return;
    case Task::kCheckBinlogSyncProgress:
      ask(o, kLeaderPair, o.leader, GetTermPair{o.at}, kLookAtMost);
      return;
    default:
      CHECK(false && "no such task in the tables");
  }
}

void Operations::answered(const Route& route, const Answer& answer) {
  Operation* o = find(route.key);
  if (!o || route.what >> 8 != (o->step & 0xffffff)) return;
  const auto question = static_cast<Question>(route.what & 0xff);
  if (o->ending) {
    if (question == kUndo) taken_back(*o, answer);
    return;
  }
  if (!answer.answered()) {  // It may have been done all the same: look again (SAFETY 17).
    const bool loads = task(*o) == Task::kLoadTable || task(*o) == Task::kRecoverTable;
    if (question == kAct && loads) o->acted = false;  // What a look finds in memory is loaded.
    look_later(*o);
    return;
  }
  remember_offset(*o, route, answer);
  switch (question) {
    case kLook:
      looked(*o, answer);
      return;
    case kTarget:
      target_seen(*o, answer);
      return;
    case kConfirm:
      leader_confirmed(*o, answer);
      return;
    case kAct:
      acted(*o, answer);
      return;
    case kLeaderPair:
      leader_pair_came(*o, answer);
      return;
    case kTermPair:
      term_pair_came(*o, answer);
      return;
    case kListed:
      looked_for_it(*o, answer);
      return;
    case kFence:
      fenced(*o, answer);
      return;
    case kDeleteBinlog:
    case kManifest:
      if (!answer.ok()) {
        fail(*o, name(route.tablet) + ": " + to_text(answer));
      } else if (question == kDeleteBinlog) {
        ask(*o, kTermPair, o->what.replica, GetTermPair{o->at}, kLookAtMost);
      } else {
        o->findings.manifest_offset = answer.offset;
        decide(*o);
      }
      return;
    default:
      return;
  }
}

// Should that tablet be the next to go: so much it had (SAFETY 2, 6).
void Operations::remember_offset(const Operation& o, const Route& route, const Answer& answer) {
  const ReplicaStatus* s = status_of(o, answer);
  Partition* p = model_.partition(o.at);
  Replica* r = p ? p->on(route.tablet) : nullptr;
  if (!s || !r || !is_loaded(*s)) return;
  r->word.offset = s->offset;
  r->word.heard_at = route.asked_at;
}

void Operations::looked(Operation& o, const Answer& answer) {
  switch (task(o)) {
    case Task::kDelReplica:
    case Task::kAddReplica:
      looked_at_followers(o, answer);
      return;
    case Task::kPauseSnapshot:
    case Task::kRecoverSnapshot:
      looked_at_snapshot(o, answer);
      return;
    case Task::kLoadTable:
    case Task::kRecoverTable:
      looked_at_load(o, answer);
      return;
    default:
      looked_at_registry(o, answer);
      return;
  }
}

void Operations::looked_at_followers(Operation& o, const Answer& answer) {
  if (!answer.ok() && answer.code != kNoFollower) {
    fail(o, leader(o) + ": " + to_text(answer));
    return;
  }
  const Partition* p = model_.partition(o.at);
  const Replica* row = p ? p->on(o.what.replica) : nullptr;
  if (!o.what.alive && row && row->is_alive) {  // Somebody has brought it back meanwhile.
    cancel(o, replica(o) + " is alive again");
    return;
  }
  const bool there = std::any_of(answer.followers.begin(), answer.followers.end(),
                                 [&](const FollowerOffset& f) { return f.endpoint == replica(o); });
  const bool wanted = task(o) == Task::kAddReplica;
  if (there == wanted) {
    next(o);
  } else if (wanted) {
    keep_and_act(o);
  } else {
    act(o);
  }
}

void Operations::looked_at_snapshot(Operation& o, const Answer& answer) {
  const ReplicaStatus* s = status_of(o, answer);
  if (!answer.ok() || !s) {
    fail(o, leader(o) + " should lead and does not hold it: " + to_text(answer));
    return;
  }
  const bool paused = s->state == TableState::kSnapshotPaused;
  const bool wanted = task(o) == Task::kPauseSnapshot;
  if (paused == wanted) {
    next(o);
  } else if (paused || s->state == TableState::kNormal) {
    act(o);
  } else {
    says(o, "waits for a snapshot that " + leader(o) + " is making");
    look_later(o);
  }
}

// Also kRecoverTable's first look: what is not in memory is loaded.
void Operations::looked_at_load(Operation& o, const Answer& answer) {
  const bool finds_out = task(o) == Task::kRecoverTable;
  const ReplicaStatus* s = status_of(o, answer);
  if (s && is_loaded(*s)) {
    if (!finds_out || o.plan) return next(o);
    o.findings.was_in_memory = !o.acted;
    ask(o, kTermPair, o.what.replica, GetTermPair{o.at}, kLookAtMost);
  } else if (s) {
    says(o, replica(o) + " is loading it");
    look_later(o);
  } else if (o.acted && desk_.now - *o.acted_at < kAppearsWithin) {
    look_later(o);
  } else if (o.resumed && !o.acted && !finds_out && o.has_leader) {
    ask(o, kListed, o.leader, GetTableFollower{o.at}, kLookAtMost);
  } else if (finds_out && !o.plan && !desk_.policy.recovery.reuse_binlog) {
    confirm(o);
  } else {
    act(o);  // Again, too: only 130 says for certain that there is nothing to load.
  }
}

// A predecessor's op had come further, and the replica has restarted since: what its leader still
// sends would get there while it loads (SAFETY 10).
void Operations::looked_for_it(Operation& o, const Answer& answer) {
  const bool listed =
      std::any_of(answer.followers.begin(), answer.followers.end(),
                  [&](const FollowerOffset& f) { return f.endpoint == replica(o); });
  if (listed || (!answer.ok() && answer.code != kNoFollower)) {
    cancel(o, replica(o) + " restarted since it was added");
  } else {
    act(o);
  }
}

void Operations::nothing_on_disk(Operation& o) {
  if (o.plan) {
    o.plan->type = OpType::kReAddReplicaOP;
    next(o);
    return;
  }
  o.findings.nothing_on_disk = true;
  ask(o, kLeaderPair, o.leader, GetTermPair{o.at}, kLookAtMost);
}

void Operations::looked_at_registry(Operation& o, const Answer& answer) {
  const auto found =
      std::find_if(answer.tasks.begin(), answer.tasks.end(),
                   [&](const RegisteredTask& t) { return t.op == o.op && t.task == task(o); });
  if (found == answer.tasks.end()) {
    if (o.acted) {
      fail(o, std::string{to_text(task(o))} + " was sent and is not known any more");
    } else if (task(o) == Task::kSendSnapshot) {
      keep_and_act(o);
    } else {
      look_at_target(o);
    }
    return;
  }
  switch (found->status) {
    case OpStatus::kDone:
      if (task(o) == Task::kDropTable && o.what.lost_entries.value_or(0) > 0) {
        desk_.out.emplace_back(EntriesLost{o.at, *o.what.lost_entries});
      }
      next(o);
      return;
    case OpStatus::kInited:
    case OpStatus::kDoing:
      look_later(o);
      return;
    case OpStatus::kFailed:
    case OpStatus::kCanceled:
      fail(o, std::string{to_text(task(o))} + " failed on the tablet");
  }
}

void Operations::look_at_target(Operation& o) {
  ask(o, kTarget, o.what.replica, GetTableStatus{o.at}, kLookAtMost);
}

// SAFETY 9: nothing is destroyed on a target that is loading, or that is not what it should be.
void Operations::target_seen(Operation& o, const Answer& answer) {
  const ReplicaStatus* s = status_of(o, answer);
  if (task(o) == Task::kSendSnapshot) {
    if (s) {
      fail(o, replica(o) + " holds it in memory: nothing can be sent there");
    } else {
      confirm(o);
    }
    return;
  }
  if (!s) {
    fail(o, replica(o) + " holds nothing that could be dropped");
  } else if (s->state == TableState::kNormal || s->state == TableState::kSnapshotPaused) {
    confirm(o);
  } else {
    look_later(o);
  }
}

// SAFETY 9: another tablet has just answered that it leads with the published term.
void Operations::confirm(Operation& o) {
  ask(o, kConfirm, o.leader, GetTermPair{o.at}, kConfirmAtMost);
}

// An election that nobody remembers made it leader, or a ChangeRole that was carried out late, with
// a term that its followers do not take any more: it is elected anew before anything else (SAFETY
// 5, 8).
bool Operations::leads_unpublished(Operation& o, const Answer& answer) {
  Partition* p = model_.partition(o.at);
  if (!p || !answer.ok() || !answer.is_leader || answer.term == p->published_term()) return false;
  if (p->published_term() == 0) return false;
  p->begun_term = std::max(answer.term, p->published_term() + 1);
  p->seen_term = std::max(p->seen_term, answer.term);
  cancel(o, leader(o) + " leads with term " + number(answer.term) + ", which nobody published");
  return true;
}

void Operations::leader_confirmed(Operation& o, const Answer& answer) {
  const Partition* p = model_.partition(o.at);
  if (leads_unpublished(o, answer)) return;
  const bool leads = answer.ok() && answer.is_leader && answer.term == o.leader_term;
  if (!leads || !p || p->replicas.size() < 2 || !leader_leads(o)) {
    fail(o, leader(o) + " does not say that it leads with the published term " +
                number(o.leader_term) + ": nothing is deleted (" + to_text(answer) + ")");
  } else if (task(o) == Task::kRecoverTable) {
    ask(o, kDeleteBinlog, o.what.replica, DeleteBinlog{o.at}, kActAtMost);
  } else {
    act(o);
  }
}

void Operations::act(Operation& o) {
  o.acted = true;
  o.acted_at = desk_.now;
  const TabletIndex to = o.what.replica;
  switch (task(o)) {
    case Task::kDelReplica:
      ask(o, kAct, o.leader, DelReplica{o.at, replica(o)}, kJoinsAReplica);
      return;
    case Task::kAddReplica:
      ask(o, kAct, o.leader, AddReplica{o.at, replica(o)}, kActAtMost);
      return;
    case Task::kPauseSnapshot:
      ask(o, kAct, o.leader, PauseSnapshot{o.at}, kActAtMost);
      return;
    case Task::kRecoverSnapshot:
      ask(o, kAct, o.leader, RecoverSnapshot{o.at}, kActAtMost);
      return;
    case Task::kLoadTable:
    case Task::kRecoverTable:
      ask(o, kAct, to, load_table(o), kActAtMost);
      return;
    case Task::kDropTable:
      ask(o, kAct, to, DropTable{o.at, o.op, o.what.type}, kActAtMost);
      return;
    case Task::kSendSnapshot:
      ask(o, kAct, o.leader, SendSnapshot{o.at, replica(o), o.op, o.what.type}, kActAtMost);
      return;
    default:
      CHECK(false && "no such task in the tables");
  }
}

void Operations::acted(Operation& o, const Answer& answer) {
  const Task t = task(o);
  const int code = answer.code;
  const bool loads = t == Task::kLoadTable || t == Task::kRecoverTable;
  const bool done_already = (t == Task::kDelReplica && code == kNoFollower) ||
                            (t == Task::kAddReplica && code == kReplicaAlreadyExists) ||
                            (t == Task::kRecoverSnapshot && code == kTableStatusIsNotPaused) ||
                            (loads && code == kTableAlreadyExists);
  if (answer.ok() || done_already) {
    o.acted_at = desk_.now;
    const bool goes_on = loads || t == Task::kDropTable || t == Task::kSendSnapshot;
    goes_on ? look_later(o) : next(o);
  } else if (t == Task::kPauseSnapshot && code == kTableStatusIsNotNormal) {
    look_later(o);
  } else if (t == Task::kRecoverTable && code == kTableDirIsNotExist) {
    nothing_on_disk(o);
  } else {
    fail(o, name(t == Task::kDelReplica || t == Task::kAddReplica || t == Task::kPauseSnapshot ||
                         t == Task::kRecoverSnapshot || t == Task::kSendSnapshot
                     ? o.leader
                     : o.what.replica) +
                ": " + to_text(t) + " " + to_text(answer));
  }
}

// --- kRecoverTable and kCheckBinlogSyncProgress: the replica's offset and its leader's -----------

// kRecoverTable has asked the replica first: what it says must be from before anything is sent to
// it (SAFETY 10). kCheckBinlogSyncProgress asks the leader first: it only grows.
void Operations::leader_pair_came(Operation& o, const Answer& answer) {
  if (leads_unpublished(o, answer)) return;
  if (!answer.ok() || !answer.is_leader || answer.term != o.leader_term) {
    fail(o, leader(o) + " does not say that it leads with the published term " +
                number(o.leader_term) + ": " + to_text(answer));
    return;
  }
  o.findings.leader_offset = answer.offset;
  if (task(o) == Task::kCheckBinlogSyncProgress) {
    ask(o, kTermPair, o.what.replica, GetTermPair{o.at}, kLookAtMost);
  } else {
    ask(o, kManifest, o.leader, GetManifest{o.at}, kLookAtMost);
  }
}

void Operations::term_pair_came(Operation& o, const Answer& answer) {
  if (!answer.ok()) {
    fail(o, replica(o) + ": " + to_text(answer));
    return;
  }
  if (task(o) == Task::kCheckBinlogSyncProgress) {
    progress_came(o, answer);
    return;
  }
  const bool deleted = !desk_.policy.recovery.reuse_binlog && !o.findings.was_in_memory;
  if (answer.is_leader || (!answer.has_table && !deleted)) {
    fail(o, replica(o) + (answer.is_leader ? " still leads it" : " lost it meanwhile"));
    return;
  }
  o.findings.term = answer.term;
  o.findings.offset = answer.offset;
  if (desk_.policy.recovery.reuse_binlog) {
    fence(o);
  } else {
    ask(o, kLeaderPair, o.leader, GetTermPair{o.at}, kLookAtMost);
  }
}

// An old leader that stood still may go on, and send to it until AddReplica is done: with the
// published term nobody else's entries are taken. From here on its own term tells nothing, so what
// was kept decides (SAFETY 10).
void Operations::fence(Operation& o) {
  ask(o, kFence, o.what.replica, Probe{o.at, o.leader_term}, kLookAtMost);
}

void Operations::fenced(Operation& o, const Answer& answer) {
  const bool above = answer.code == kFailToAppendEntries;
  if (!answer.ok() && !above) {
    fail(o, replica(o) + ": " + to_text(answer));
  } else if (task(o) == Task::kAddReplica) {
    act(o);
  } else if (above) {
    o.findings.term_above = true;
    ask(o, kLeaderPair, o.leader, GetTermPair{o.at}, kLookAtMost);
  } else if (o.fence_reading != answer.offset) {  // Once more: a batch may still land.
    o.fence_reading = answer.offset;
    fence(o);
  } else {
    o.findings.offset = answer.offset;
    ask(o, kLeaderPair, o.leader, GetTermPair{o.at}, kLookAtMost);
  }
}

void Operations::progress_came(Operation& o, const Answer& answer) {
  if (!answer.has_table) {
    fail(o, replica(o) + " lost it meanwhile");
    return;
  }
  const Offset goal = o.findings.leader_offset;
  // Its term is its leader's as soon as the leader has found its position.
  const bool follows = answer.term >= o.leader_term || answer.offset >= goal;
  if (follows && goal <= answer.offset + desk_.policy.recovery.catch_up_delta) {
    next(o);
    return;
  }
  if (OpRecord* record = ops_.find(o.op)) {
    record->progress =
        goal == 0 ? 1
                  : std::min(1.0, static_cast<double>(answer.offset) / static_cast<double>(goal));
    record->detail = "at offset " + number(answer.offset) + " of " + number(goal);
  }
  if (answer.offset != o.reached || !o.reached_at) {
    o.reached = answer.offset;
    o.reached_at = desk_.now;
  } else if (desk_.now - *o.reached_at > kStandsStill) {
    fail(o,
         replica(o) + " stands still at offset " + number(answer.offset) + " of " + number(goal));
    return;
  }
  look_later(o);
}

void Operations::decide(Operation& o) {
  const Partition* p = model_.partition(o.at);
  if (!p) return gone(o.op, "the partition is gone");
  const Kept* kept = model_.kept(o.at, replica(o));
  o.findings.followed = kept ? kept->followed : 0;
  o.findings.binlog_kept = desk_.policy.recovery.reuse_binlog;
  o.plan = choose_recovery(o.findings, p->terms);
  const Findings& f = o.findings;
  if (o.plan->type == OpType::kReAddReplicaOP && !f.nothing_on_disk && f.offset > 0) {
    // To the letter (FEDB.md 4.3) it would be sent over, and a leader without a snapshot leaves the
    // replica's own there, with a tail that nobody else has. Loaded, it can be dropped.
    o.plan->type = OpType::kReAddReplicaWithDropOP;
    act(o);
    return;
  }
  next(o);
}

}  // namespace failoverd::core
