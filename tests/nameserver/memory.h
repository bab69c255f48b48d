// What a nameserver knows while it leads: read once when it became leader, and never looked up in
// ZooKeeper again. Shared by the Nameserver, which owns it, and its Ops.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "proto/table_info.pb.h"
#include "tests/nameserver/messages.pb.h"
#include "tests/nameserver/table.h"

namespace failoverd::mininameserver {

struct TabletState {
  bool healthy = true;
  std::chrono::steady_clock::time_point since = std::chrono::steady_clock::now();
  // It went while auto_failover was on, and its failover has not begun yet.
  bool failover_is_due = false;
};

struct Op {
  fedb::OPInfo info;
  OpData data;
  std::string task = "-";  // Where it is; a failed one stays where it failed.
  bool canceled = false;
};
using OpPtr = std::shared_ptr<Op>;

using TableKey = std::pair<std::string, std::string>;  // Database, name.

struct Memory {
  std::uint64_t reign = 0;  // Counts how often we became leader.
  bool serves = false;      // Leads, and has read everything.

  std::uint64_t term = 0;
  std::uint64_t op_index = 0;
  std::uint64_t table_index = 0;
  bool auto_failover = false;
  std::map<TableKey, Table> tables;  // Those outside a database come first.
  std::set<std::string> databases;
  std::map<std::string, TabletState> tablets;
  std::map<std::uint64_t, OpPtr> ops;

  // A new reign: everything is forgotten.
  void clear() {
    Memory fresh;
    fresh.reign = reign + 1;
    *this = std::move(fresh);
  }
  Table* table(const TableKey& key) {
    const auto at = tables.find(key);
    return at == tables.end() ? nullptr : &at->second;
  }
  bool is_healthy(const std::string& endpoint) const {
    const auto at = tablets.find(endpoint);
    return at != tablets.end() && at->second.healthy;
  }
};

}  // namespace failoverd::mininameserver
