// The daemon's metrics as Prometheus text. It keeps only what adds up (finished ops, durations);
// everything that is a state of now is handed in when the text is made, so that no number can be
// older than the scrape. Knows no HTTP. The daemon owns it; one thread.
//
// Gauges, from MetricsInput:
//   failoverd_auto_failover_enabled            1: acts by itself; 0: only says what it would do.
//                                              Not there before the switch has been read.
//   failoverd_active                           1: this daemon acts; 0: it is a standby.
//   failoverd_zookeeper_connected              1: connected with a session.
//   failoverd_tablets{state}                   tablets: healthy, suspect, crashed, lost, cut_off,
//                                              restarted, hung, stranger. Every state is always
//                                              there.
//   failoverd_partitions{state}                partitions: healthy, degraded, leaderless,
//                                              recovering, held. Every state is always there.
//   failoverd_tables_left_alone{reason}        tables for which nothing is done: unreadable, their
//                                              znodes cannot be read; too_large, no_auth, refused:
//                                              ZooKeeper does not take them (SAFETY 22). Every
//                                              reason is always there.
//   failoverd_ops{type,status}                 ops under way now.
//   failoverd_op_task{op_id,type,table,pid,task}
//                                              always 1: the task that an op under way is at, "-"
//                                              when it is at none.
//   failoverd_op_progress_ratio{op_id,table,pid}
//                                              0 to 1: of an op under way that copies or catches
//                                              up, the follower's offset over its leader's.
//   failoverd_series_dropped                   series that are left out of this page: of each
//                                              metric with an op_id at most 1,000 are shown, of
//                                              the oldest ops.
//   failoverd_stands_back{reason}              1 while failoverd changes nothing for this reason;
//                                              0 afterwards.
//   failoverd_holds{reason}                    partitions that are left waiting on purpose;
//                                              known_loss: for a lost tablet whose replica is
//                                              known to hold what nobody else does (SAFETY 20).
//   failoverd_config_last_reload_successful    0: the file on disk is refused, the old one holds.
//   failoverd_config_last_reload_success_timestamp_seconds
//                                              when the configuration in force was read.
//   failoverd_build_info{version}              always 1.
//   failoverd_log_lines_dropped_total          counter: lines of the log that were dropped because
//                                              nobody read standard error.
//   failoverd_needless_verdicts_total          counter: tablets that were judged dead and were not;
//                                              each gets no early verdict for 10 minutes
//                                              (SAFETY 15).
// Kept here:
//   failoverd_ops_total{type,status}           counter: ops that ended kDone, kFailed, kCanceled.
//   failoverd_op_duration_seconds{type}        histogram: from an op's start to its end, whatever
//                                              its end; 1 ms to 1 h.
//   failoverd_lost_entries_total               counter: entries that a replica held beyond its
//                                              partition's history and that a full copy dropped;
//                                              they lie in that tablet's recycle bin.
//   failoverd_given_up_entries_total           counter: entries, at least, that a lost replica was
//                                              last known to hold and the leader that was elected
//                                              without it does not (SAFETY 20).
//   failoverd_possible_loss_entries            histogram, one observation per leader change: at
//                                              least so many acknowledged entries may be gone, by
//                                              the dead leader's last known offset.
//   failoverd_http_refused_total               counter: HTTP requests that were not answered (503),
//                                              because others had taken their share of the loop.
//   failoverd_failover_duration_seconds{phase} histogram, one observation per partition and phase:
//                                              detect (first sign to verdict), elect (to ChangeRole
//                                              answered), publish (to the multi answered), total.
// Read from /proc/self: process_cpu_seconds_total, process_resident_memory_bytes,
//   process_virtual_memory_bytes, process_open_fds, process_max_fds, process_threads,
//   process_start_time_seconds.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/admin/status_types.h"
#include "lib/base/time.h"

namespace failoverd::admin {

// What is true now.
struct MetricsInput {
  std::optional<bool> auto_failover_enabled;  // None: the switch has not been read.
  bool active = false;
  bool zookeeper_connected = false;
  std::vector<Count> tablets;            // States that are left out count 0.
  std::vector<Count> partitions;         // The same.
  std::vector<Count> tables_left_alone;  // By reason; those that are left out count 0.
  std::vector<OpRow> running;            // The ops under way, the oldest first.
  std::vector<std::string> stands_back;  // The words of the reasons that hold now.
  std::vector<Count> holds;              // By reason; those that are left out count 0.
  std::uint64_t needless_verdicts = 0;   // Since the process started.
  std::uint64_t log_lines_dropped = 0;   // Since the process started.
  bool config_ok = true;
  std::int64_t config_success_ms = 0;  // Unix milliseconds of the last load that took effect.
};

enum class FailoverPhase { kDetect, kElect, kPublish, kTotal };

class Metrics {
 public:
  // The op types' counters and durations start at 0 instead of being absent, so that an alert on an
  // increase sees the first failure too.
  Metrics(std::string version, const std::vector<std::string>& op_types);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // status: kDone, kFailed or kCanceled.
  void op_finished(const std::string& type, const std::string& status, Duration took);
  // Entries that a replica held beyond its partition's history, and that were dropped.
  void entries_lost(std::uint64_t count);
  // Entries that a lost replica was known to hold, and that are given up with an election.
  void entries_given_up(std::uint64_t count);
  // One leader change: at least so many acknowledged entries may be gone.
  void possible_loss(std::uint64_t entries);
  void failover_took(FailoverPhase phase, Duration duration);
  // An HTTP request was not answered, because others have taken the share of the loop there is.
  void http_refused();

  // All of it, for GET /metrics.
  std::string text(const MetricsInput& now);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace failoverd::admin
