// What a nameserver is about, by op/op_data: it writes an op there before it begins and removes it
// when it is done; one that failed stays. Reads and watches, and tells every change of those that
// run. Owned by ZookeeperSide; one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lib/base/lifetime.h"
#include "lib/base/loop.h"
#include "lib/core/api/event.h"
#include "lib/fedb/metadata/children_watch.h"
#include "lib/fedb/wire/paths.h"
#include "lib/zookeeper/client.h"

namespace failoverd::fedb {

class NameserverOps {
 public:
  using Tell = std::function<void(core::Event)>;

  NameserverOps(Loop& loop, zookeeper::Client& session, const Paths& paths, Tell tell);
  NameserverOps(const NameserverOps&) = delete;
  NameserverOps& operator=(const NameserverOps&) = delete;

  void connected(bool new_session);

 private:
  void listed(const std::vector<std::string>& names);
  void read(const std::string& name);
  void read_later();
  void tell_if_new();

  zookeeper::Client& session_;
  Tell tell_;
  ChildrenWatch list_;
  Timer again_;
  // By name; none: it does not run (any more), or is nothing that we can read.
  std::map<std::string, std::optional<core::NameserverOp>> known_;
  std::set<std::string> reading_;
  std::set<std::string> unread_;  // They could not be read, and are read again.
  std::vector<core::NameserverOp> told_;
  bool any_told_ = false;
  Lifetime lifetime_;
};

}  // namespace failoverd::fedb
