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
  static const std::vector<OperatorPlan> all = {
      {.name = "ChangeLeader",
       .command = {"changeleader", "flow", "PID", "B"},
       .target = 1,
       .in_journal = false,
       .publishes = 2,
       .cuts = kHandover},
      {.name = "OfflineEndpoint",
       .command = {"offlineendpoint", "A", "8"},
       .target = 0,
       .in_journal = false,
       .publishes = 3,
       .cuts = kOffline},
      {.name = "RecoverEndpoint",
       .command = {"recoverendpoint", "C", "false", "8"},
       .target = 2,
       .before = Before::kOffline,
       .only_off = true,
       .cuts = kSimplify},
      {.name = "RecoverTable",
       .command = {"recovertable", "flow", "PID", "C"},
       .target = 2,
       .before = Before::kWiped,
       .only_off = true,
       .cuts = kWholeCopy},
      {.name = "Migrate",
       .command = {"migrate", "C", "flow", "PIDS", "D"},
       .target = 3,
       .source = 2,
       .outcomes = {"ABC", "ABD"},
       .publishes = 2,
       .cuts = migration()},
      {.name = "AddReplica",
       .command = {"addreplica", "flow", "PIDS", "D"},
       .target = 3,
       .outcomes = {"ABC", "ABCD"},
       .publishes = 2,
       .cuts = new_copy()},
      {.name = "DelReplica",
       .command = {"delreplica", "flow", "PIDS", "C"},
       .target = 2,
       .outcomes = {"ABC", "AB"},
       .cuts = kDeletion},
      {.name = "MakeSnapshot",
       .command = {"makesnapshot", "flow", "PID"},
       .publishes = 0,
       .cuts = kSnapshot},
  };
  return all;
}

}  // namespace failoverd::e2e
