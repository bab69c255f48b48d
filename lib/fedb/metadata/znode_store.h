// Writes the cluster's metadata into its znodes, as the holder of the lock: tables, terms, op ids,
// and what successors need: records of elections and ops, what is kept of replicas. Every write
// checks the epoch in the same multi and compares versions; nothing is retried here, and a lost
// answer is told as unknown (SAFETY 14, 17). Owned by the driver; one thread.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/lifetime.h"
#include "lib/base/loop.h"
#include "lib/core/api/command.h"
#include "lib/core/api/event.h"
#include "lib/fedb/leadership/leadership.h"
#include "lib/fedb/metadata/cluster_view.h"
#include "lib/fedb/metadata/metadata_store.h"
#include "lib/fedb/metadata/notify_znodes.h"
#include "lib/fedb/metadata/number_znodes.h"
#include "lib/fedb/metadata/publish_trial.h"
#include "lib/fedb/wire/paths.h"
#include "lib/fedb/wire/record_codec.h"
#include "lib/zookeeper/client.h"

namespace failoverd::fedb {

class ZnodeStore : public MetadataStore {
 public:
  using Tell = std::function<void(core::Event)>;

  // open: for trials, which have a connection of their own.
  ZnodeStore(Loop& loop, zookeeper::Client& session, zookeeper::OpenClient open, Paths paths,
             ClusterView& view, Leadership& leadership, Tell tell);
  ~ZnodeStore() override;
  ZnodeStore(const ZnodeStore&) = delete;
  ZnodeStore& operator=(const ZnodeStore&) = delete;

  // One line about a counter's znode that is no number or cannot be used. Must be set.
  std::function<void(std::string)> on_warning;

  // We act now: what is kept of replicas is what was read.
  void begin(const core::LockGained& left);
  // We do not act any more.
  void end() { numbers_.end(); }

  void publish(const core::Publish& command) override { publish(command, tell_); }
  // `told` instead of whoever is told else.
  using Told = std::function<void(core::Published)>;
  void publish(const core::Publish& command, const Told& told);
  // A publish that writes a table's znode is under way.
  bool writes_tables() const { return table_writes_ > 0; }
  // The highest term that was reserved, or that table/term was raised to, since we act; 0: none.
  core::Term highest_term() const { return numbers_.highest_term(); }
  void try_table(const core::TryTable& command) override;
  void reserve_terms(const core::ReserveTerms& command);
  // See NumberZnodes.
  void raise_terms(core::Term least, std::function<void(bool ok)> done) {
    numbers_.raise_terms(least, std::move(done));
  }
  // How it was published last is kept of that partition.
  bool keeps_published(std::uint32_t tid, std::uint32_t pid) const;
  void reserve_op_ids(const core::ReserveOpIds& command) { numbers_.reserve_op_ids(command); }
  void write_record(const core::WriteRecord& command);
  void drop_record(const core::DropRecord& command);
  void write_hold(const core::WriteHold& command);
  void drop_hold(const core::DropHold& command);
  void write_journal(const core::WriteJournal& command);

 private:
  struct Written;
  // A multi under way.
  struct Publishing;
  bool add(const core::TableEdit& edit, Publishing& to, core::Published& refused);
  void keep(const core::TableEdit& edit, Publishing& to);
  void add_entries(const core::TableEdit& edit, Publishing& to);
  zookeeper::Op kept_op(std::uint32_t tid, const TableLineages& kept) const;
  bool is_too_long(const Publishing& sent, core::Published& refused) const;
  void multi(std::vector<zookeeper::Op> ops, zookeeper::Client::MultiDone done);
  void published(core::RequestId id, const Publishing& sent, const Told& tell, zookeeper::Code code,
                 const std::vector<zookeeper::OpResult>& results);
  void not_published(const Publishing& sent, const std::vector<zookeeper::OpResult>& results,
                     core::Published& told);
  void look_for_kept(std::uint32_t tid);
  void table_tried(const core::TryTable& command, std::size_t bytes,
                   const PublishTrial::Result& result);

  void put(core::RequestId id, const std::string& parent, const std::string& path,
           const std::string& bytes);
  void take_away(core::RequestId id, const std::string& path);
  void failed_later(std::function<void()> tell);

  Loop& loop_;
  zookeeper::Client& session_;
  const Paths paths_;
  ClusterView& view_;
  Leadership& leadership_;
  Tell tell_;
  PublishTrial trial_;
  NumberZnodes numbers_;
  NotifyZnodes notify_;
  int table_writes_ = 0;  // Under way.
  // What is kept of replicas, by tid, as we last wrote it; and of which tids there is a znode.
  std::map<std::uint32_t, TableLineages> kept_;
  std::set<std::uint32_t> kept_znodes_;
  // Entries of ops that have a znode.
  std::set<std::string> op_znodes_;
  // Of them those that a publish was to make and that were there already.
  std::set<std::string> entries_there_;
  Lifetime lifetime_;
};

}  // namespace failoverd::fedb
