// An op, as showopstatus lists it. Plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lib/core/api/types.h"

namespace failoverd::core {

struct OpRecord {
  OpId id = 0;
  OpType type{};
  std::string table;
  std::string db;
  PartitionKey at;
  Endpoint replica;  // The tablet whose replica it is about; empty: it is about all of them.
  OpStatus status = OpStatus::kInited;
  Task task = Task::kNone;
  Instant started;
  Instant ended;
  std::optional<double>
      progress;        // While it runs: the follower's offset over what it has to reach, 0 to 1.
  std::string detail;  // What it does or waits for; after its end: how it went.
  // Of one that changed a leader: for how long nobody led, and how many entries may be lost, at
  // least; none: it did not, or nobody knows.
  std::optional<Duration> without_leader = {};
  std::optional<std::uint64_t> may_have_lost = {};
  bool loss_is_exact = false;  // The old leader said itself that it held no more.
  bool operator==(const OpRecord&) const = default;
};

// "flow/3", "shop.flow/3".
inline std::string partition_name(const std::string& db, const std::string& table,
                                  std::uint32_t pid) {
  return (db.empty() ? "" : db + ".") + table + "/" + std::to_string(pid);
}

}  // namespace failoverd::core
