// What the leading nameserver holds in its memory otherwise than the znodes say: it may not have
// read what was written directly while it came up (SAFETY 13). Asks until nothing differs any more,
// and changes nothing. Owned by NameserverStore; one thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/lifetime.h"
#include "lib/base/loop.h"
#include "lib/core/api/command.h"
#include "lib/fedb/leadership/leadership.h"
#include "lib/fedb/metadata/cluster_view.h"
#include "lib/fedb/metadata/nameserver_calls.h"
#include "lib/fedb/metadata/nameserver_watch.h"
#include "lib/fedb/metadata/znode_store.h"

namespace failoverd::fedb {

class NameserverComparison {
 public:
  NameserverComparison(Loop& loop, NameserverCalls& calls, const NameserverWatch& watch,
                       const ClusterView& view, const Leadership& leadership,
                       const ZnodeStore& own);

  // The partitions that differ, each as its znode has it. Must be set.
  std::function<void(std::vector<core::TableEdit>)> on_differ;

  // Now, and then with growing pauses.
  void begin();
  // Until nothing differs, or the nameserver does not lead or takes nothing of ours.
  bool runs() const { return runs_; }

 private:
  void later(Duration pause);
  void compare();
  void shown(const NameserverReply& reply);
  std::optional<core::TableEdit> difference(const std::string& bytes) const;

  NameserverCalls& calls_;
  const NameserverWatch& watch_;
  const ClusterView& view_;
  const Leadership& leadership_;
  const ZnodeStore& own_;
  Timer again_;
  bool runs_ = false;
  Duration pause_{};
  std::vector<core::TableEdit> differed_;  // At the last look.
  Lifetime lifetime_;
};

}  // namespace failoverd::fedb
