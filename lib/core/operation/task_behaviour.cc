// Operations: every task as a row: how it looks, what each answer leads to, what it calls, and
// which codes mean what. A new task is a new row here, and steps of its own where none of those in
// tasks.cc and findings.cc fits.
#include <algorithm>

#include "lib/base/check.h"
#include "lib/core/api/timing.h"
#include "lib/core/operation/operations.h"

namespace failoverd::core {
// --- What is called ------------------------------------------------------------------------------

Call Operations::del_replica(const Operation& o) const { return DelReplica{o.at, name(whose(o))}; }
Call Operations::add_replica(const Operation& o) const { return AddReplica{o.at, replica(o)}; }
Call Operations::pause_snapshot(const Operation& o) const { return PauseSnapshot{o.at}; }
Call Operations::recover_snapshot(const Operation& o) const { return RecoverSnapshot{o.at}; }
Call Operations::load_table(const Operation& o) const {
  return model_.load_call(o.at, o.op, o.what.type);
}

Call Operations::drop_table(const Operation& o) const { return DropTable{o.at, o.op, o.what.type}; }

Call Operations::send_snapshot(const Operation& o) const {
  return SendSnapshot{o.at, replica(o), o.op, o.what.type};
}

Call Operations::make_snapshot(const Operation& o) const {
  return MakeSnapshot{o.at, o.op, o.what.type};
}

// It goes on in the term in which it was: nobody else has led since.
Call Operations::lead(const Operation& o) const {
  return Promote{o.at, model_.partition(o.at)->published_term(), {}};
}

// --- The rows ------------------------------------------------------------------------------------

using O = Operations;

constexpr std::array<O::TaskBehaviour, 16> Operations::kBehaviours{{
    {.task = Task::kUpdatePartitionStatus, .look = &O::publish_row},
    {.task = Task::kAddTableInfo, .look = &O::publish_row},
    {.task = Task::kUpdateTableInfo,
     .look = &O::confirm_then_publish,
     .answers = {{{kConfirm, &O::leader_lets_row_go}}}},
    {.task = Task::kDelTableInfo,
     .look = &O::confirm_then_publish,
     .answers = {{{kConfirm, &O::leader_lets_row_go}}}},
    {.task = Task::kDelReplica,
     .look = &O::ask_followers,
     .start = &O::act,
     .answers = {{{kLook, &O::looked_at_followers}}},
     .call = &O::del_replica,
     .answers_within = kJoinsAReplica,
     .done_already = {kNoFollower}},
    {.task = Task::kAddReplica,
     .look = &O::ask_followers,
     .start = &O::fence_what_was_copied,
     .kept = &O::act,
     .answers = {{{kLook, &O::looked_at_followers},
                  {kFence, &O::fenced_before_it_is_added},
                  {kManifest, &O::leader_said_what_was_sent}}},
     .call = &O::add_replica,
     .done_already = {kReplicaAlreadyExists}},
    {.task = Task::kPauseSnapshot,
     .look = &O::ask_status,
     .start = &O::act,
     .answers = {{{kLook, &O::looked_at_snapshot}}},
     .call = &O::pause_snapshot,
     .not_now = {kTableStatusIsNotNormal}},
    {.task = Task::kRecoverSnapshot,
     .look = &O::ask_status,
     .start = &O::act,
     .answers = {{{kLook, &O::looked_at_snapshot}}},
     .call = &O::recover_snapshot,
     .done_already = {kTableStatusIsNotPaused}},
    {.task = Task::kDropTable,
     .look = &O::ask_registry,
     .start = &O::look_at_target,
     .confirmed = &O::act,
     .taken = &O::count_lost,
     .answers = {{{kLook, &O::looked_at_registry},
                  {kTarget, &O::may_be_dropped},
                  {kConfirm, &O::leader_confirmed}}},
     .call = &O::drop_table,
     .ok_means = OkMeans::kBegun},
    {.task = Task::kDropTable,
     .is_rowless = true,
     .look = &O::ask_whether_sent,
     .start = &O::look_at_target,
     .confirmed = &O::act,
     .answers = {{{kListed, &O::looked_whether_sent},
                  {kLook, &O::looked_at_registry},
                  {kTarget, &O::looked_at_rowless},
                  {kLoadTasks, &O::looked_at_load_tasks},
                  {kForgetLoad, &O::load_is_forgotten},
                  {kLoad, &O::told_to_load_rowless},
                  {kConfirm, &O::leader_confirmed},
                  {kForget, &O::refused_is_forgotten}}},
     .call = &O::drop_table,
     .ok_means = OkMeans::kBegun,
     .not_now = {kTableIsMakingSnapshot}},
    {.task = Task::kMakeSnapshot,
     .look = &O::ask_registry,
     .start = &O::look_at_target,
     .answers = {{{kLook, &O::looked_at_registry},
                  {kTarget, &O::snapshot_may_be_made},
                  {kForget, &O::refused_is_forgotten}}},
     .call = &O::make_snapshot,
     .ok_means = OkMeans::kBegun,
     .not_now = {kTableStatusIsNotNormal, kTableIsMakingSnapshot}},
    {.task = Task::kSendSnapshot,
     .look = &O::ask_registry,
     .start = &O::keep_first,
     .kept = &O::look_at_target,
     .confirmed = &O::act,
     .answers = {{{kLook, &O::looked_at_registry},
                  {kTarget, &O::nothing_is_held},
                  {kConfirm, &O::leader_confirmed}}},
     .call = &O::send_snapshot,
     .ok_means = OkMeans::kBegun},
    {.task = Task::kLoadTable,
     .look = &O::ask_status,
     .answers = {{{kLook, &O::looked_at_load},
                  {kLoadTasks, &O::looked_at_load_tasks},
                  {kForgetLoad, &O::load_is_forgotten},
                  {kListed, &O::looked_for_it}}},
     .call = &O::load_table,
     .ok_means = OkMeans::kBegun,
     .asked_again = true,
     .done_already = {kTableAlreadyExists}},
    {.task = Task::kRecoverTable,
     .look = &O::ask_status,
     .kept = &O::act,
     .confirmed = &O::delete_binlog,
     .answers = {{{kLook, &O::looked_at_recovery},
                  {kLoadTasks, &O::looked_at_load_tasks},
                  {kForgetLoad, &O::load_is_forgotten},
                  {kConfirm, &O::leader_confirmed},
                  {kDeleteBinlog, &O::binlog_deleted},
                  {kTermPair, &O::it_said_what_it_holds},
                  {kFence, &O::fenced_to_find_out},
                  {kLeaderPair, &O::leader_said_what_it_has},
                  {kManifest, &O::manifest_said}}},
     .call = &O::load_table,
     .ok_means = OkMeans::kBegun,
     .asked_again = true,
     .done_already = {kTableAlreadyExists},
     .nothing_there = {kTableDirIsNotExist, kCreateTableFailed}},
    {.task = Task::kChangeLeader,
     .look = &O::ask_status,
     .answers = {{{kLook, &O::looked_at_role}, {kUnpause, &O::unpaused}}},
     .call = &O::lead,
     .done_already = {kTableIsLeader},
     .not_now = {kTableStatusIsNotNormal}},
    {.task = Task::kCheckBinlogSyncProgress,
     .look = &O::look_at_leaders_offset,
     .answers = {{{kLeaderPair, &O::leader_said_its_goal},
                  {kManifest, &O::leader_said_how_far_it_reaches},
                  {kTermPair, &O::it_said_its_offset},
                  {kFence, &O::fenced_behind_its_leader}}}},
}};

const Operations::TaskBehaviour* Operations::find_behaviour(Task task, About about) {
  const bool is_rowless = about == About::kRowless;
  const auto row = std::find_if(
      kBehaviours.begin(), kBehaviours.end(),
      [&](const TaskBehaviour& b) { return b.task == task && b.is_rowless == is_rowless; });
  return row == kBehaviours.end() ? nullptr : &*row;
}

bool Operations::carries_out(Task task) { return find_behaviour(task) != nullptr; }

const Operations::TaskBehaviour& Operations::behaviour(const Operation& o) {
  const TaskBehaviour* found = find_behaviour(task(o), o.what.table[o.row].about);
  CHECK(found);
  return *found;
}

void Operations::start(Operation& o) { (this->*behaviour(o).start)(o); }
void Operations::after_keeping(Operation& o) { (this->*behaviour(o).kept)(o); }
void Operations::confirmed(Operation& o) { (this->*behaviour(o).confirmed)(o); }

void Operations::taken(Operation& o) {
  if (const Step step = behaviour(o).taken) (this->*step)(o);
}

}  // namespace failoverd::core
