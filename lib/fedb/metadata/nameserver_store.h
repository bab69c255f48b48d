// Publishes through the leading nameserver, which keeps the tables in its memory and would write
// over what is changed past it (SAFETY 13): reads each partition from it, replaces it whole with
// SetTablePartition, and reads back, from it and from ZooKeeper. What is ours goes straight into
// ZooKeeper, before. Nothing is retried; what may have been carried out is told as unknown (SAFETY
// 17). Owned by ZookeeperSide; one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lib/base/lifetime.h"
#include "lib/base/loop.h"
#include "lib/core/api/command.h"
#include "lib/core/api/event.h"
#include "lib/fedb/leadership/leadership.h"
#include "lib/fedb/metadata/cluster_view.h"
#include "lib/fedb/metadata/metadata_store.h"
#include "lib/fedb/metadata/nameserver_calls.h"
#include "lib/fedb/metadata/nameserver_comparison.h"
#include "lib/fedb/metadata/nameserver_watch.h"
#include "lib/fedb/metadata/znode_store.h"

namespace failoverd::fedb {

class NameserverStore : public MetadataStore {
 public:
  using Tell = std::function<void(core::Event)>;

  NameserverStore(Loop& loop, NameserverCalls& calls, NameserverWatch& watch, ClusterView& view,
                  Leadership& leadership, ZnodeStore& own, Tell tell);
  ~NameserverStore() override;
  NameserverStore(const NameserverStore&) = delete;
  NameserverStore& operator=(const NameserverStore&) = delete;

  // One line about what the nameserver held otherwise than ZooKeeper. Must be set.
  std::function<void(std::string)> on_warning;

  void publish(const core::Publish& command) override;
  void try_table(const core::TryTable& command) override { own_.try_table(command); }

  // A nameserver has begun to lead, or we have begun to act: what was written directly while it
  // came up it may not have read. Where its memory stays behind the znodes, they are published
  // through it once more.
  void compare_soon();

 private:
  struct Part;
  struct Flight;
  using FlightPtr = std::shared_ptr<Flight>;
  using Next = void (NameserverStore::*)(const FlightPtr&);

  void call(const std::string& endpoint, const std::string& method, std::string request,
            std::size_t beside, NameserverCalls::Done done);
  FlightPtr new_flight() const;
  bool may_go_on(const Flight& flight) const;
  bool refuse_not_written(const Flight& flight, core::Published& told);
  void tell(const Flight& flight, core::Published told);
  void fail(core::RequestId id, const std::string& why);
  void ended(const FlightPtr& flight, Next next);
  void ask(const FlightPtr& flight);
  void ask_partition(const FlightPtr& flight, Part& part, Next next);
  void ask_ops(const FlightPtr& flight, const std::string& znode);
  void asked(const FlightPtr& flight);
  void set(const FlightPtr& flight);
  // Why it is not set; empty: it is.
  std::string set_answered(Part& part, const NameserverReply& reply);
  void fence(const FlightPtr& flight);
  void read_back(const FlightPtr& flight);
  void was_read_back(const FlightPtr& flight);
  void finish(const FlightPtr& flight);

  void read_and_repeat(std::vector<core::TableEdit> differ);
  void repeat(const std::vector<core::TableEdit>& differ);

  Loop& loop_;
  NameserverCalls& calls_;
  NameserverWatch& watch_;
  ClusterView& view_;
  Leadership& leadership_;
  ZnodeStore& own_;
  Tell tell_;
  NameserverComparison comparison_;
  bool repeating_ = false;                  // What differed is on its way.
  std::map<std::string, int> not_written_;  // How often in a row it answered 304, by znode.
  Lifetime lifetime_;
};

}  // namespace failoverd::fedb
