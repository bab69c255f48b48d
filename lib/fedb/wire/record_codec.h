// What failoverd keeps in ZooKeeper, as bytes: election records, begun and finished ops, what is
// kept of replicas (proto/journal.proto). Times are Unix milliseconds there, so that they outlive a
// boot. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "lib/base/loop.h"
#include "lib/base/result.h"
#include "lib/core/api/election_record.h"
#include "lib/core/api/hold.h"
#include "lib/core/api/journal_entry.h"

namespace failoverd::fedb {

// Both clocks, read at the same moment.
struct Clocks {
  Instant now;
  std::int64_t wall_ms = 0;
};
inline Clocks clocks_of(const Loop& loop) { return {loop.now(), loop.wall_now_ms()}; }

// Reading: `newer`, if given, becomes true when there are fields that this version does not know.
// Writing: `before` is the value that stands there if it had any: what they say of what is written
// again is kept as it is.

std::string to_bytes(const core::ElectionRecord& record, const std::string& before = {});
Result<core::ElectionRecord> record_from(const std::string& name, const std::string& bytes,
                                         bool* newer = nullptr);

std::string to_bytes(const core::BegunOp& op, const Clocks& clocks, const std::string& before = {});
Result<core::BegunOp> begun_op_from(const std::string& bytes, const Clocks& clocks,
                                    bool* newer = nullptr);

std::string to_bytes(const core::FinishedOps& finished, const Clocks& clocks,
                     const std::string& before = {});
Result<core::FinishedOps> finished_ops_from(const std::string& bytes, const Clocks& clocks,
                                            bool* newer = nullptr);

std::string to_bytes(const core::OperatorHold& hold, const Clocks& clocks,
                     const std::string& before = {});
// Its id is the znode's name.
Result<core::OperatorHold> operator_hold_from(const std::string& name, const std::string& bytes,
                                              const Clocks& clocks, bool* newer = nullptr);

// Of one table, by pid.
struct KeptPartition {
  std::map<core::Endpoint, core::Lineage> replicas;
  std::optional<core::PublishedLeader> published = {};
  bool operator==(const KeptPartition&) const = default;
};
using TableLineages = std::map<std::uint32_t, KeptPartition>;
std::string to_bytes(const TableLineages& kept, const std::string& before = {});
Result<TableLineages> kept_table_from(const std::string& bytes, bool* newer = nullptr);

}  // namespace failoverd::fedb
