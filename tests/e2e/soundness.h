// What must be true of a cluster once a failover is over, seen from outside: in the metadata, at
// the tablets, and in what the daemons keep for each other. Asks, and changes nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/e2e/cluster.h"

namespace failoverd::e2e {

// One line for each thing that is not as it must be; empty: all is well.
//   - every partition of several replicas has one alive leader row, on a tablet that lives
//   - by the tablets' own word that one leads, with the last term of its history, and no other does
//   - no alive follower has a term above its leader's (SAFETY 3: else the leader is fenced)
//   - terms rise strictly in each history, and none was given out twice (SAFETY 4)
//   - no election record is left
std::vector<std::string> unsound(Cluster& cluster);

// What an op has left behind, or has not ended (SAFETY 11): one line each.
//   - a replica whose snapshot is paused, a task in a tablet's registry
//   - a leader that sends to a row that is not alive, or does not to one that is
//   - an op in <root>/failoverd/ops that has begun and not ended
std::vector<std::string> left_behind(Cluster& cluster);

// Waits until unsound() is empty; the lines of the last look, if it never was.
std::vector<std::string> wait_until_sound(Cluster& cluster,
                                          std::chrono::milliseconds deadline = std::chrono::seconds{
                                              20});

// What a tablet itself says of one replica (GetTermPair). Not held: has_table is false.
struct Word {
  bool answered = false;
  bool has_table = false;
  bool is_leader = false;
  std::uint64_t term = 0;
  std::uint64_t offset = 0;
};
Word word(Cluster& cluster, int tablet, const std::string& table, std::uint32_t pid);

// The terms of a partition's history, in its order.
std::vector<std::uint64_t> terms(Cluster& cluster, const std::string& table, std::uint32_t pid);

}  // namespace failoverd::e2e
