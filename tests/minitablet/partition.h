// One replica as its tablet holds it in memory: rows, log, role, state and, as leader, its links to
// the followers. It knows what replication and loading do to it; who may call what, and the tasks,
// are the Tablet's. All on one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "proto/tablet.pb.h"
#include "tests/minitablet/binlog.h"
#include "tests/minitablet/generation.h"
#include "tests/minitablet/table.h"
#include "tests/minitablet/table_meta.pb.h"

namespace failoverd::minitablet {

class FollowerLink;

// The election's probe, which raises the replica's term.
inline bool is_probe(const fedb::AppendEntriesRequest& request) {
  return request.pre_log_index() == 0 && request.entries_size() == 0;
}

struct Partition {
  Partition(const Disk& disk_in, std::filesystem::path directory_in, TableMeta meta_in,
            const Generation& generation_in, std::uint64_t max_binlog_bytes);

  std::uint32_t tid() const { return static_cast<std::uint32_t>(meta.tid()); }
  std::uint32_t pid() const { return static_cast<std::uint32_t>(meta.pid()); }

  // Gives a put its place in the log. As in the original the row is in memory first, the offset
  // grows and the put counts as done even if the binlog cannot be written.
  void put(fedb::LogEntry entry);

  // What AppendEntries does to a follower, in two steps; false: refused (122). First the fence,
  bool takes_term(const fedb::AppendEntriesRequest& request) const {
    return request.term() >= term;
  }
  // then the probe, or the check for a gap if its generation has one, and the entries that are new.
  bool append_entries(const fedb::AppendEntriesRequest& request,
                      fedb::AppendEntriesResponse& response);

  // What is on the disk: loading found the log's end here.
  const Disk& disk;
  const std::filesystem::path directory;
  const TableMeta meta;
  const Generation& generation;

  Table table;
  Binlog binlog;
  // Two flags as in the original: the table's decides on puts, the replicator's on AddReplica.
  bool leader = false;
  bool replicates = false;
  fedb::TableState state = fedb::kTableUndefined;
  std::uint64_t term = 0;
  std::uint64_t offset = 0;  // Last log index; 0 while loading.
  std::uint64_t snapshot_offset = 0;
  std::int64_t snapshot_file = Binlog::Cursor::kNowhere;  // The binlog file that it ends in.
  bool dropped = false;  // No longer the tablet's; a task may still be at work on it.
  std::vector<std::shared_ptr<FollowerLink>> followers;
};

using PartitionPtr = std::shared_ptr<Partition>;

}  // namespace failoverd::minitablet
