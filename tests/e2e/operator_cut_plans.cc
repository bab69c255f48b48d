#include "tests/e2e/operator_cut_plans.h"

namespace failoverd::e2e {
namespace {

using Stage = Cluster::Stage;
using Cuts = std::vector<OperatorCut>;

constexpr auto kBefore = Stage::kBefore;
constexpr auto kInside = Stage::kInside;
constexpr auto kAfter = Stage::kAfter;

// Both readings; what it is told; its probe; the promotion.
const Cuts kHandover = {
    {"GetTermPair", Seat::kLeader, kBefore},   {"GetTermPair", Seat::kLeader, kAfter, 1},
    {"ChangeRole", Seat::kLeader, kBefore},    {"ChangeRole", Seat::kLeader, kAfter},
    {"AppendEntries", Seat::kLeader, kBefore}, {"AppendEntries", Seat::kLeader, kAfter},
    {"ChangeRole", Seat::kFollowers, kBefore}, {"ChangeRole", Seat::kFollowers, kAfter}};

// Behind the handover: its row is dead, and its new leader lets go of it.
const Cuts kOffline = {
    {"ChangeRole", Seat::kLeader, kBefore},    {"ChangeRole", Seat::kLeader, kAfter},
    {"ChangeRole", Seat::kFollowers, kBefore}, {"ChangeRole", Seat::kFollowers, kAfter},
    {"DelReplica", Seat::kFollowers, kBefore}, {"DelReplica", Seat::kFollowers, kAfter}};

// It has stayed in memory: kRecoverTableOP, then kReAddReplicaSimplifyOP.
const Cuts kSimplify = {
    {"GetTableFollower", Seat::kLeader, kBefore}, {"AppendEntries", Seat::kTarget, kBefore},
    {"AppendEntries", Seat::kTarget, kAfter},     {"GetManifest", Seat::kLeader, kBefore},
    {"GetManifest", Seat::kLeader, kAfter},       {"AddReplica", Seat::kLeader, kBefore},
    {"AddReplica", Seat::kLeader, kAfter},        {"AppendEntries", Seat::kTarget, kBefore, 2}};

// kRecoverTable tries to load it, and finds nothing: that call has no inside.
const Cuts kWholeCopy = {
    {"LoadTable", Seat::kTarget, kBefore},       {"LoadTable", Seat::kTarget, kAfter},
    {"PauseSnapshot", Seat::kLeader, kBefore},   {"PauseSnapshot", Seat::kLeader, kAfter},
    {"SendSnapshot", Seat::kLeader, kBefore},    {"SendSnapshot", Seat::kLeader, kInside},
    {"SendSnapshot", Seat::kLeader, kAfter},     {"LoadTable", Seat::kTarget, kBefore, 1},
    {"LoadTable", Seat::kTarget, kInside},       {"LoadTable", Seat::kTarget, kAfter, 1},
    {"AddReplica", Seat::kLeader, kBefore},      {"AddReplica", Seat::kLeader, kAfter},
    {"RecoverSnapshot", Seat::kLeader, kBefore}, {"RecoverSnapshot", Seat::kLeader, kAfter},
    {"GetTermPair", Seat::kTarget, kBefore}};

// What an earlier one may have left is looked for first, by the same means.
Cuts new_copy() {
  Cuts cuts = kWholeCopy;
  cuts.push_back({"GetTableFollower", Seat::kLeader, kBefore});
  return cuts;
}

// The source goes.
Cuts migration() {
  Cuts cuts = new_copy();
  cuts.push_back({"DelReplica", Seat::kLeader, kBefore});
  cuts.push_back({"DelReplica", Seat::kLeader, kAfter});
  cuts.push_back({"DropTable", Seat::kSource, kBefore});
  cuts.push_back({"DropTable", Seat::kSource, kInside});
  cuts.push_back({"DropTable", Seat::kSource, kAfter});
  return cuts;
}

const Cuts kDeletion = {{"DelReplica", Seat::kLeader, kBefore},
                        {"DelReplica", Seat::kLeader, kAfter},
                        {"DropTable", Seat::kTarget, kBefore},
                        {"DropTable", Seat::kTarget, kInside},
                        {"DropTable", Seat::kTarget, kAfter}};

const Cuts kSnapshot = {{"MakeSnapshot", Seat::kLeader, kBefore},
                        {"MakeSnapshot", Seat::kLeader, kInside},
                        {"MakeSnapshot", Seat::kLeader, kAfter}};

}  // namespace

const std::vector<OperatorPlan>& operator_plans() {
  static const std::vector<int> three = {0, 1, 2};
  static const std::vector<OperatorPlan> all = {
      {"ChangeLeader",
       {"changeleader", "flow", "PID", "B"},
       Before::kAllIsWell,
       three,
       1,
       -1,
       {"ABC"},
       false,
       false,
       2,
       kHandover},
      {"OfflineEndpoint",
       {"offlineendpoint", "A", "8"},
       Before::kAllIsWell,
       three,
       0,
       -1,
       {"ABC"},
       true,
       false,
       3,
       kOffline},
      {"RecoverEndpoint",
       {"recoverendpoint", "C", "false", "8"},
       Before::kOffline,
       three,
       2,
       -1,
       {"ABC"},
       true,
       true,
       1,
       kSimplify},
      {"RecoverTable",
       {"recovertable", "flow", "PID", "C"},
       Before::kWiped,
       three,
       2,
       -1,
       {"ABC"},
       true,
       true,
       1,
       kWholeCopy},
      {"Migrate",
       {"migrate", "C", "flow", "PIDS", "D"},
       Before::kAllIsWell,
       three,
       3,
       2,
       {"ABC", "ABD"},
       false,
       true,
       2,
       migration()},
      {"AddReplica",
       {"addreplica", "flow", "PIDS", "D"},
       Before::kAllIsWell,
       three,
       3,
       -1,
       {"ABC", "ABCD"},
       false,
       true,
       2,
       new_copy()},
      {"DelReplica",
       {"delreplica", "flow", "PIDS", "C"},
       Before::kAllIsWell,
       three,
       2,
       -1,
       {"ABC", "AB"},
       false,
       true,
       1,
       kDeletion},
      {"MakeSnapshot",
       {"makesnapshot", "flow", "PID"},
       Before::kAllIsWell,
       three,
       -1,
       -1,
       {"ABC"},
       false,
       true,
       0,
       kSnapshot},
  };
  return all;
}

}  // namespace failoverd::e2e
