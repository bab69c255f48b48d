// What the tests of recovery share: the ops that failoverd shows, rows that only a leader has, and
// what must be true when a tablet is back. Asks, and waits; owned by nobody.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "proto/tablet.pb.h"
#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"

namespace failoverd::e2e {

// Tablets whose znodes do not outlive them for long.
inline ClusterOptions quick() { return {.tablet_session = std::chrono::milliseconds{600}}; }

// A line of `failoverctl showopstatus --json`.
struct ShownOp {
  std::uint64_t id = 0;
  std::string type;
  std::string table;
  std::uint32_t pid = 0;
  std::string status;
  std::string task;  // Empty: none.
  std::string detail;
  std::string endpoint;
  std::int64_t started_ms = 0;
  std::int64_t ended_ms = 0;  // 0: it runs.

  bool runs() const { return status == "kDoing" || status == "kInited"; }
};

// By id. Empty if the daemon does not answer.
std::vector<ShownOp> shown_ops(Daemon& daemon);
// Of one partition.
std::vector<ShownOp> shown_ops(Daemon& daemon, const std::string& table, std::uint32_t pid);
// Their types that ended kDone, in order.
std::vector<std::string> done_types(const std::vector<ShownOp>& ops);
// One line per op, for a failed test's output.
std::string to_text(const std::vector<ShownOp>& ops);

// Puts so many rows into partition `pid` at its leader that never reach a follower, and returns
// their keys. The followers refuse entries of that partition until they are released.
std::vector<std::string> put_unreplicated(Cluster& cluster, const std::string& table,
                                          std::uint32_t pid, int rows);

// The daemon has heard that the leader is at this offset: it asks when it is asked.
bool knows_offset(Cluster& cluster, Daemon& daemon, int tablet, const std::string& table,
                  std::uint32_t pid, std::uint64_t offset);

// Somebody tells a tablet by hand to lead or to follow: the code that is answered.
int change_role(Cluster& cluster, int tablet, const std::string& table, std::uint32_t pid,
                fedb::TableMode mode, std::uint64_t term = 0);

// The code that MakeSnapshot of flow/PID is answered with.
int make_snapshot(Cluster& cluster, int tablet, std::uint32_t pid);

// Flags of tablets whose binlogs are many small files, deleted soon.
std::vector<std::string> small_binlogs();
// With these: flow/0's leader makes a snapshot, and its binlog begins behind it from then on.
void shorten_binlog(Cluster& cluster, int leader);

// Some file below this directory holds these bytes.
bool lies_below(const std::filesystem::path& directory, const std::string& bytes);

// Waits until every row is alive and nothing is left to be done, and compares the rows of every
// replica: `wanted` is on each of them. It took no endless row of ops.
void expect_all_is_well(Cluster& cluster, Daemon& daemon,
                        const std::vector<testkit::AckedRow>& wanted = {},
                        std::chrono::milliseconds within = std::chrono::seconds{30});

}  // namespace failoverd::e2e
