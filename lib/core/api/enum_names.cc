// The words for enumerators.
#include "lib/core/api/calls.h"
#include "lib/core/api/command.h"
#include "lib/core/api/refusal.h"

namespace failoverd::core {

const char* to_text(Mode v) {
  switch (v) {
    case Mode::kLeader:
      return "leader";
    case Mode::kFollower:
      return "follower";
  }
  return "?";
}

const char* to_text(RefusalReason v) {
  switch (v) {
    case RefusalReason::kTooLarge:
      return "too_large";
    case RefusalReason::kNoAuth:
      return "no_auth";
    case RefusalReason::kOther:
      return "refused";
  }
  return "?";
}

const char* to_text(TableState v) {
  switch (v) {
    case TableState::kUndefined:
      return "undefined";
    case TableState::kNormal:
      return "normal";
    case TableState::kLoading:
      return "loading";
    case TableState::kMakingSnapshot:
      return "making-snapshot";
    case TableState::kSnapshotPaused:
      return "snapshot-paused";
  }
  return "?";
}

const char* to_text(OpType v) {
  switch (v) {
    case OpType::kMakeSnapshotOP:
      return "kMakeSnapshotOP";
    case OpType::kAddReplicaOP:
      return "kAddReplicaOP";
    case OpType::kDelReplicaOP:
      return "kDelReplicaOP";
    case OpType::kChangeLeaderOP:
      return "kChangeLeaderOP";
    case OpType::kOfflineReplicaOP:
      return "kOfflineReplicaOP";
    case OpType::kReAddReplicaOP:
      return "kReAddReplicaOP";
    case OpType::kReAddReplicaNoSendOP:
      return "kReAddReplicaNoSendOP";
    case OpType::kReAddReplicaWithDropOP:
      return "kReAddReplicaWithDropOP";
    case OpType::kReAddReplicaSimplifyOP:
      return "kReAddReplicaSimplifyOP";
    case OpType::kUpdateTableAliveOP:
      return "kUpdateTableAliveOP";
    case OpType::kMigrateOP:
      return "kMigrateOP";
    case OpType::kReLoadTableOP:
      return "kReLoadTableOP";
    case OpType::kUpdatePartitionStatusOP:
      return "kUpdatePartitionStatusOP";
    case OpType::kRecoverTableOP:
      return "kRecoverTableOP";
    case OpType::kHandoverOP:
      return "kHandoverOP";
    case OpType::kFullRestartOP:
      return "kFullRestartOP";
  }
  return "?";
}

const char* to_text(Task v) {
  switch (v) {
    case Task::kNone:
      return "-";
    case Task::kMakeSnapshot:
      return "kMakeSnapshot";
    case Task::kPauseSnapshot:
      return "kPauseSnapshot";
    case Task::kRecoverSnapshot:
      return "kRecoverSnapshot";
    case Task::kSendSnapshot:
      return "kSendSnapshot";
    case Task::kLoadTable:
      return "kLoadTable";
    case Task::kAddReplica:
      return "kAddReplica";
    case Task::kAddTableInfo:
      return "kAddTableInfo";
    case Task::kDelReplica:
      return "kDelReplica";
    case Task::kDelTableInfo:
      return "kDelTableInfo";
    case Task::kChangeLeader:
      return "kChangeLeader";
    case Task::kUpdatePartitionStatus:
      return "kUpdatePartitionStatus";
    case Task::kDropTable:
      return "kDropTable";
    case Task::kUpdateTableAlive:
      return "kUpdateTableAlive";
    case Task::kUpdateTableInfo:
      return "kUpdateTableInfo";
    case Task::kSelectLeader:
      return "kSelectLeader";
    case Task::kUpdateLeaderInfo:
      return "kUpdateLeaderInfo";
    case Task::kRecoverTable:
      return "kRecoverTable";
    case Task::kCheckBinlogSyncProgress:
      return "kCheckBinlogSyncProgress";
  }
  return "?";
}

const char* to_text(OpStatus v) {
  switch (v) {
    case OpStatus::kInited:
      return "kInited";
    case OpStatus::kDoing:
      return "kDoing";
    case OpStatus::kDone:
      return "kDone";
    case OpStatus::kFailed:
      return "kFailed";
    case OpStatus::kCanceled:
      return "kCanceled";
  }
  return "?";
}

const char* to_text(TabletState v) {
  switch (v) {
    case TabletState::kUnknown:
      return "suspect";
    case TabletState::kHealthy:
      return "healthy";
    case TabletState::kSuspect:
      return "suspect";
    case TabletState::kCrashed:
      return "crashed";
    case TabletState::kLost:
      return "lost";
    case TabletState::kCutOff:
      return "cut_off";
    case TabletState::kRestarted:
      return "restarted";
    case TabletState::kHung:
      return "hung";
    case TabletState::kStranger:
      return "stranger";
  }
  return "?";
}

const char* to_text(Transport v) {
  switch (v) {
    case Transport::kAnswered:
      return "answered";
    case Transport::kRefused:
      return "refused";
    case Transport::kBroken:
      return "broken";
    case Transport::kGarbled:
      return "garbled";
    case Transport::kSilent:
      return "silent";
    case Transport::kNotSent:
      return "not-sent";
    case Transport::kNowhere:
      return "nowhere";
    case Transport::kStranger:
      return "stranger";
  }
  return "?";
}

const char* to_text(Severity v) {
  switch (v) {
    case Severity::kInfo:
      return "info";
    case Severity::kWarning:
      return "warning";
    case Severity::kError:
      return "error";
  }
  return "?";
}

}  // namespace failoverd::core
