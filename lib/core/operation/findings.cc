// Operations: what a returned replica holds (kRecoverTable), and how far it is behind
// (kCheckBinlogSyncProgress).
#include <algorithm>

#include "lib/core/api/timing.h"
#include "lib/core/operation/operations.h"

namespace failoverd::core {
namespace {

std::string number(std::uint64_t n) { return std::to_string(n); }

std::string says_too_much(const Endpoint& who, Offset offset) {
  return who + " says offset " + number(offset) + ", which no log has ever reached";
}

}  // namespace

// --- kRecoverTable -------------------------------------------------------------------------------

// It is in memory, or its binlog is gone and the snapshot counts. Asked before anything is sent to
// it (SAFETY 10).
void Operations::look_at_what_it_holds(Operation& o) {
  if (o.plan) return next(o);  // It was loaded so that it can be dropped.
  ask(o, kTermPair, o.what.replica, GetTermPair{o.at}, kLookAtMost);
}

void Operations::nothing_on_disk(Operation& o) {
  if (o.plan) {
    o.plan->type = OpType::kReAddReplicaOP;
    next(o);
    return;
  }
  o.findings.nothing_on_disk = true;
  look_at_leaders_offset(o);
}

// OpenMLDB says so of a disk that is lost, and of a description that cannot be used any more.
// Behind that may lie a log that its leader's is not: what LoadTable would read behind the copy.
void Operations::cannot_be_loaded(Operation& o) {
  if (o.plan) return nothing_on_disk(o);
  o.findings.nothing_on_disk = true;
  confirm(o);
}

void Operations::it_said_what_it_holds(Operation& o, const Answer& answer) {
  if (answer.offset > kHighestOffset) return fail(o, says_too_much(replica(o), answer.offset));
  if (o.findings.nothing_on_disk) {  // Its snapshot's, if there is one.
    o.findings.offset = answer.ok() ? answer.offset : 0;
    return look_at_leaders_offset(o);
  }
  const bool expected = answer.has_table || !o.findings.binlog_kept;
  if (!answer.ok() || answer.is_leader || !expected) {
    fail(o, replica(o) + (answer.is_leader ? " still leads it" : " lost it meanwhile: ") +
                (answer.is_leader ? "" : to_text(answer)));
    return;
  }
  o.findings.was_in_memory = answer.has_table && !o.acted;
  // One that was loaded has no term before somebody sends to it, and nobody should (SAFETY 10).
  o.findings.term_above = o.acted && answer.term != 0;
  o.findings.term = answer.term;
  o.findings.offset = answer.offset;
  o.findings.binlog_kept ? fence(o) : look_at_leaders_offset(o);
}

// An old leader that stood still may go on, and send to it until AddReplica is done: with the
// published term nobody else's entries are taken. From here on its own term tells nothing, so what
// was kept decides (SAFETY 10).
void Operations::fence(Operation& o) {
  ask(o, kFence, o.what.replica, Probe{o.at, o.leader_term}, kLookAtMost);
}

// Whether the replica takes nobody else's entries any more; if not, the op has ended. `above`: its
// term is above the published one, so that it takes not even its leader's.
bool Operations::is_fenced(Operation& o, const Answer& answer, bool* above) {
  *above = answer.code == kFailToAppendEntries;
  if (answer.ok() || *above) return true;
  fail(o, replica(o) + ": AppendEntries " + to_text(answer));
  return false;
}

// One that was loaded anew has no term, and takes what anybody sends until it is fenced: an old
// leader that stood still, and was told to add it then. So it is compared with what was copied.
void Operations::fence_what_was_copied(Operation& o) {
  copies(o.what.table) ? fence(o) : keep_first(o);
}

void Operations::fenced_before_it_is_added(Operation& o, const Answer& answer) {
  bool above = false;
  if (!is_fenced(o, answer, &above)) return;
  o.findings.offset = answer.offset;
  ask(o, kManifest, o.leader, GetManifest{o.at}, kLookAtMost);
}

// Its snapshots are paused since before it was sent.
void Operations::leader_said_what_was_sent(Operation& o, const Answer& answer) {
  if (!answer.ok()) return fail(o, leader(o) + ": GetManifest " + to_text(answer));
  if (o.findings.offset <= answer.offset) return keep_first(o);
  fail(o, replica(o) + " holds offset " + number(o.findings.offset) + ", and " +
              number(answer.offset) + " was sent to it: somebody else sends to it, too");
}

void Operations::fenced_behind_its_leader(Operation& o, const Answer& answer) {
  bool above = false;
  if (is_fenced(o, answer, &above)) look_later(o);
}

void Operations::fenced_to_find_out(Operation& o, const Answer& answer) {
  bool above = false;
  if (!is_fenced(o, answer, &above)) return;
  if (above) {
    o.findings.term_above = true;
    look_at_leaders_offset(o);
  } else if (o.fence_reading != answer.offset) {  // Once more: a batch may still land.
    o.fence_reading = answer.offset;
    fence(o);
  } else {
    o.findings.offset = answer.offset;
    look_at_leaders_offset(o);
  }
}

void Operations::look_at_leaders_offset(Operation& o) {
  ask(o, kLeaderPair, o.leader, GetTermPair{o.at}, kLookAtMost);
}

void Operations::leader_said_what_it_has(Operation& o, const Answer& answer) {
  if (!says_it_leads(o, answer)) return;
  if (answer.offset > kHighestOffset) return fail(o, says_too_much(leader(o), answer.offset));
  o.findings.leader_offset = answer.offset;
  ask(o, kManifest, o.leader, GetManifest{o.at}, kLookAtMost);
}

void Operations::manifest_said(Operation& o, const Answer& answer) {
  if (!answer.ok()) return fail(o, leader(o) + ": GetManifest " + to_text(answer));
  o.findings.manifest_offset = answer.offset;
  decide(o);
}

void Operations::binlog_deleted(Operation& o, const Answer& answer) {
  if (!answer.ok()) return fail(o, replica(o) + ": DeleteBinlog " + to_text(answer));
  if (o.findings.nothing_on_disk) {
    return ask(o, kTermPair, o.what.replica, GetTermPair{o.at}, kLookAtMost);
  }
  look_at_what_it_holds(o);
}

void Operations::decide(Operation& o) {
  const Partition* p = model_.partition(o.at);
  if (!p) return gone(o.op, "the partition is gone");
  Findings& f = o.findings;
  if (f.nothing_on_disk && f.offset > 0 && f.manifest_offset == 0) {
    return fail(o, replica(o) + " cannot load its snapshot, and " + leader(o) +
                       " has none that could take its place: makesnapshot makes one");
  }
  const bool came_up = f.was_in_memory || f.binlog_kept;  // Else what its disk has is not known.
  if (const Lineage* kept = model_.kept(o.at, replica(o))) {
    f.followed = kept->followed;
    f.or_later = kept->or_later;
    if (came_up && f.offset == 0) f.had = kept->last_offset.value_or(0);
  }
  const Replica* r = p->on(o.what.replica);
  if (r && came_up && f.offset == 0) f.had = std::max(f.had, r->report.had.value_or(0));
  if (r && r->may_have_gap) f.followed = 0;
  o.plan = choose_recovery(f, p->terms);
  if (o.plan->type == OpType::kReAddReplicaOP && !f.nothing_on_disk && f.offset > 0) {
    // To the letter (FEDB.md 4.3) it would be sent over, and a leader without a snapshot leaves the
    // replica's own there, with a tail that nobody else has. Loaded, it can be dropped.
    o.plan->type = OpType::kReAddReplicaWithDropOP;
    act(o);
    return;
  }
  next(o);
}

// --- kCheckBinlogSyncProgress --------------------------------------------------------------------

// SAFETY 18: alive means caught up with what its leader was read to have after AddReplica had
// answered: whatever was acknowledged before is there, and what comes later is replicated as to
// every alive follower. The goal is read once, so that it is reached however fast its leader goes
// on; a successor reads its own. The leader is asked each time whether it still leads.
void Operations::leader_said_its_goal(Operation& o, const Answer& answer) {
  if (!says_it_leads(o, answer)) return;
  if (answer.offset > kHighestOffset) return fail(o, says_too_much(leader(o), answer.offset));
  const bool first = !o.goal;
  if (first) o.goal = answer.offset;
  if (first && o.what.held) return ask(o, kManifest, o.leader, GetManifest{o.at}, kLookAtMost);
  ask(o, kTermPair, o.what.replica, GetTermPair{o.at}, kLookAtMost);
}

// Since they were compared it may have made a snapshot and deleted the binlog before it, until it
// was told to send to this replica: it would send from further on, and OpenMLDB's take that
// (FEDB.md 8).
void Operations::leader_said_how_far_it_reaches(Operation& o, const Answer& answer) {
  if (!answer.ok()) return fail(o, leader(o) + ": GetManifest " + to_text(answer));
  if (answer.offset <= *o.what.held) {
    return ask(o, kTermPair, o.what.replica, GetTermPair{o.at}, kLookAtMost);
  }
  Partition* p = model_.partition(o.at);
  if (Replica* r = p ? p->on(o.what.replica) : nullptr) r->may_have_gap = true;
  o.lacks = leader(o) + " has made a snapshot up to offset " + number(answer.offset) + ", and " +
            replica(o) + " held " + number(*o.what.held) +
            " when it was added: it may lack what lies between";
  keep(o);
}

void Operations::it_said_its_offset(Operation& o, const Answer& answer) {
  if (!answer.ok() || !answer.has_table) {
    fail(o, replica(o) + " lost it meanwhile: " + to_text(answer));
    return;
  }
  const Offset goal = *o.goal;
  if (goal <= answer.offset + outbox_.policy.recovery.catch_up_delta) {
    // Its term is its leader's as soon as the leader has found its position. One that its leader
    // counted on from an earlier position gets it from us: nobody older is to be followed.
    answer.term >= o.leader_term ? next(o) : fence(o);
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
    o.reached_at = outbox_.now;
  } else if (outbox_.now - *o.reached_at > kFollowsNoMore) {
    fail(o,
         replica(o) + " stands still at offset " + number(answer.offset) + " of " + number(goal));
    return;
  }
  look_later(o);
}

}  // namespace failoverd::core
