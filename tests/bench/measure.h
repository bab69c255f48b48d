// What is measured, each on a cluster of its own: a real ZooKeeper that syncs to its disk, three
// minitablets, one table, one failoverd. Throws std::runtime_error when a cluster does not come up,
// no failover happens, or replicas do not come back in the way that was to be measured.
#pragma once

#include <chrono>
#include <cstdint>

#include "tests/bench/figures.h"

namespace failoverd::bench {

struct FailoverCase {
  std::uint32_t partitions = 8;
  bool stop = false;               // SIGSTOP instead of SIGKILL.
  double writes_per_second = 0;    // Puts into each partition meanwhile.
  int readers = 0;                 // HTTP clients that read the daemon as fast as it answers:
  bool they_read_the_log = false;  // its events, of which there are many, instead of a bit of all.
  std::chrono::milliseconds tablet_session{2000};
  std::chrono::milliseconds silence{3000};
  bool nameserver = false;  // One that lives, through which failoverd publishes.
};

// Tablet 0 gets its signal; until every partition that it led has a new leader.
Phases measure_failover(const FailoverCase& what);

// The same without failoverd, by somebody who knows the answer beforehand: two round trips to the
// two tablets that are left, one multi. Or, beside a nameserver, a SetTablePartition for each.
Limit measure_limit(std::uint32_t partitions, bool nameserver);

// Tablet 0 is killed, its leaders are replaced, it starts again.
struct RecoveryCase {
  std::uint32_t partitions = 8;
  std::uint32_t rows = 10;         // In each partition before.
  std::uint32_t value_bytes = 10;  // Of each row.
  bool snapshots = false;          // The other tablets have all of that in a snapshot.
  std::uint32_t missed = 0;        // Rows in each partition that it lacks.
  bool wiped = false;              // Its disk is empty when it starts.
  bool reuse_binlog = true;
  bool copies = false;  // Whether all of its replicas are to be copied, or none.
};

// From its znode to the last row alive, as a client sees it that watches the table's znode;
// milliseconds.
double measure_recovery(const RecoveryCase& what);

// The same by somebody who knows what each replica needs and waits for nothing but the tablets: the
// calls of that op, for all partitions at once (copies: as many at a time as failoverd may), and
// one multi.
double measure_recovery_floor(const RecoveryCase& what);

// Four tablets, tables of 250 partitions x 3; one tablet is killed, and comes back. Milliseconds.
struct Growth {
  double leaders = 0;  // From SIGKILL until no partition is without an alive leader.
  double alive = 0;    // From its znode until every row is alive again.
};
Growth measure_growth(std::uint32_t partitions);

// `changeleader T P auto` of all partitions at once, again and again, while rows are put to each.
struct HandoverCase {
  std::uint32_t partitions = 8;
  std::uint32_t rounds = 125;
  double writes_per_second = 200;  // To each partition.
  bool notify_on_put = true;       // The tablets' binlog_notify_on_put.
};
struct HandoversTaken {
  Series pauses;  // From the old leader's last acknowledged row to the new one's first.
  std::uint64_t taken_back = 0;  // The old leader went on leading.
  std::uint64_t acked = 0;
  std::uint64_t lost = 0;  // Of these, row by row and replica by replica.
};
HandoversTaken measure_handovers(const HandoverCase& what);

// `offlineendpoint` of a tablet that lives, and `recoverendpoint` of the same.
struct PlannedCase {
  std::uint32_t partitions = 300;
  bool leads_all = false;         // Else a third of them.
  double writes_per_second = 0;   // To each partition, all the time; 0: nothing is missed.
  std::uint32_t concurrency = 0;  // 0: the command's default.
};
struct Planned {
  double leaders = 0;  // From the command until all its leaders are elsewhere; milliseconds.
  double dead = 0;     // Until all its rows are dead, too.
  double alive = 0;    // From recoverendpoint until every row is alive.
};
Planned measure_planned(const PlannedCase& what);

struct Idle {
  double cpu_percent = 0;  // Of one core.
  double resident_mib = 0;
  double peak_mib = 0;
};
// A daemon with nothing to do but to watch.
Idle measure_idle(std::uint32_t partitions, std::chrono::seconds time);

}  // namespace failoverd::bench
