// A table as the nameserver holds it in memory: a TableInfo in the numbering of its generation,
// with every field that we do not name kept.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "proto/openmldb.pb.h"
#include "proto/table_info.pb.h"
#include "tests/minitablet/table_meta.pb.h"
#include "tests/nameserver/kind.h"

namespace failoverd::mininameserver {

using Partitions = google::protobuf::RepeatedPtrField<fedb::TablePartition>;

class Table {
 public:
  // Nothing: these bytes are no TableInfo, or have no name.
  static std::optional<Table> parse(const std::string& bytes, const Kind& kind);
  std::string bytes() const;

  const std::string& name() const;
  const std::string& db() const;
  std::uint32_t tid() const;
  void set_tid(std::uint32_t tid);
  // What the table says, or the given one, which it says from now on.
  std::uint32_t partition_num(std::uint32_t otherwise);
  std::uint32_t replica_num(std::uint32_t otherwise);

  Partitions& partitions();
  const Partitions& partitions() const;
  // Null: there is none of that pid.
  fedb::TablePartition* partition(std::uint32_t pid);

  // What a tablet is told of it, without role and term.
  minitablet::TableMeta meta(std::uint32_t pid, bool with_columns) const;

  // Below the root.
  std::string path() const;

 private:
  std::variant<fedb::TableInfo, openmldb::TableInfo> info_;
};

// The row of a replica, or null.
fedb::PartitionMeta* row_of(fedb::TablePartition& partition, const std::string& endpoint);
// Of the first row that says leader and alive; empty: there is none.
std::string leader_of(const fedb::TablePartition& partition);

}  // namespace failoverd::mininameserver
