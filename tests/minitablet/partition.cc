#include "tests/minitablet/partition.h"

#include "tests/minitablet/follower_link.h"

namespace failoverd::minitablet {

Partition::Partition(const Disk& disk_in, std::filesystem::path directory_in, TableMeta meta_in,
                     const Generation& generation_in, std::uint64_t max_binlog_bytes)
    : disk{disk_in},
      directory{std::move(directory_in)},
      meta{std::move(meta_in)},
      generation{generation_in},
      table{static_cast<std::uint32_t>(meta.seg_cnt())},
      binlog{disk_in, directory / "binlog", max_binlog_bytes} {
  leader = meta.mode() == fedb::kTableLeader;
  replicates = leader;
  if (leader) term = meta.term();
}

void Partition::put(fedb::LogEntry entry) {
  entry.set_term(term);
  entry.set_log_index(offset + 1);
  table.apply(entry);
  std::string frame;
  append_frame(frame, Record{offset + 1, term, entry.SerializeAsString()});
  (void)binlog.append(frame, offset);
  ++offset;
  for (const auto& follower : followers) follower->poke();
}

bool Partition::append_entries(const fedb::AppendEntriesRequest& request,
                               fedb::AppendEntriesResponse& response) {
  if (is_probe(request)) {
    term = request.term();
    response.set_log_offset(offset);
    return true;
  }
  // As in the original the file comes before the check: while the table waits to be loaded, entries
  // that are refused cost its rows, too.
  if (!binlog.begin(offset)) return false;
  if (!generation.takes_gaps && request.pre_log_index() > offset) return false;
  std::string frames;
  std::uint64_t last = offset;
  for (const fedb::LogEntry& entry : request.entries()) {
    if (entry.log_index() <= last) continue;
    append_frame(frames, Record{entry.log_index(), entry.term(), entry.SerializeAsString()});
    last = entry.log_index();
  }
  if (last == offset) {  // All of it was skipped.
    if (generation.tells_offset_always) response.set_log_offset(offset);
    return true;
  }
  if (!binlog.append(frames, offset)) return false;
  for (const fedb::LogEntry& entry : request.entries()) {
    if (entry.log_index() <= offset) continue;
    table.apply(entry);
    offset = entry.log_index();
  }
  response.set_log_offset(offset);
  return true;
}

}  // namespace failoverd::minitablet
