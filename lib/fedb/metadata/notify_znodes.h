// The counters that others watch: table/notify, which clients and tablets read their routing by,
// and OpenMLDB's notify/global_variable, which goes with INFORMATION_SCHEMA.GLOBAL_VARIABLES
// (FEDB.md 1, 8). Who watches compares nothing; but a counter goes up, whoever else counts. Owned
// by ZnodeStore; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/lifetime.h"
#include "lib/fedb/wire/paths.h"
#include "lib/zookeeper/client.h"

namespace failoverd::fedb {

class NotifyZnodes {
 public:
  NotifyZnodes(zookeeper::Client& session, Paths paths)
      : session_(session), paths_(std::move(paths)) {}

  // One line about notify/global_variable where it cannot be written. Must be set.
  std::function<void(const std::string&)> on_warning;

  // We act now: the watches of an earlier session never fire.
  void begin() { notify_watched_ = global_variable_watched_ = false; }
  // Call before the first bump(): reads them and follows what others write, unless it does.
  void follow();
  // What a publish adds behind everything else: one op, or two where global variables are among its
  // tables and the cluster has that counter.
  void bump(std::vector<zookeeper::Op>& ops, bool global_variables);
  // ZooKeeper has refused one of these, the first (0) or the second: why, for people. The next
  // bump() is without one that cannot be written and may lack (SAFETY 22).
  std::string refused(std::size_t which, const zookeeper::OpResult& result);

 private:
  void watch_notify();
  void make_notify();
  void watch_global_variable();

  zookeeper::Client& session_;
  const Paths paths_;
  std::uint64_t notify_ = 0;  // The highest that was read or written there.
  bool notify_watched_ = false;
  // The same of notify/global_variable; none: it is not there, or cannot be written.
  std::optional<std::uint64_t> global_variable_;
  bool global_variable_watched_ = false;
  Lifetime lifetime_;
};

}  // namespace failoverd::fedb
