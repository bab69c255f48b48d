// The nameserver's own ops: so many at a time, those of one partition after each other, each task
// by task as docs/wire.md has them. They act on memory and publish what they changed without
// comparing. What fails stays failed: nothing is tried again, and nothing is undone. Owned by the
// Nameserver.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "tests/nameserver/keeper.h"
#include "tests/nameserver/memory.h"
#include "tests/nameserver/tablets.h"

namespace failoverd::mininameserver {

class Ops {
 public:
  Ops(asio::io_context& io, const Options& options, Memory& memory, Keeper& keeper,
      Tablets& tablets);

  // Forgets the last reign's; those under way end with their next task.
  void begin_reign();
  // Of an op that an earlier nameserver left: begun anew, or kept as failed.
  void resume(const fedb::OPInfo& info);
  // False: op_index or its znode could not be written.
  asio::awaitable<bool> add(fedb::OPType type, const TableKey& table, std::uint32_t pid,
                            const OpData& data, std::uint64_t parent = 0);

  // Removes its znode: nobody is to begin it again.
  asio::awaitable<void> forget(std::uint64_t op_id);

  // The ops that take a tablet's replicas out (automatic: its rows say dead first), and those that
  // bring them back. False: one could not be added.
  asio::awaitable<bool> offline_endpoint(const std::string& endpoint, bool automatic);
  asio::awaitable<bool> recover_endpoint(const std::string& endpoint, bool need_restore);

  // Writes the table's znode and bumps notify; false if either could not be done.
  asio::awaitable<bool> publish(const TableKey& key);

 private:
  struct Lane {
    std::deque<OpPtr> waiting;
    bool works = false;
  };
  // What an op is about, looked up again after every wait: null where it is gone by now.
  struct Place {
    Table* table = nullptr;
    fedb::TablePartition* partition = nullptr;
    fedb::PartitionMeta* row = nullptr;  // Of the op's endpoint, if it has one.
    std::string leader;                  // Alive; empty: none.
  };

  void enqueue(const OpPtr& op, bool first);
  asio::awaitable<void> work(std::shared_ptr<Lane> lane, std::uint64_t reign);
  asio::awaitable<void> execute(const OpPtr& op, std::uint64_t reign);
  asio::awaitable<bool> run(const OpPtr& op);
  asio::awaitable<void> forget_tasks(const OpPtr& op);
  asio::awaitable<bool> restore(const TableKey& key, std::uint32_t pid, const OpData& data,
                                const std::string& leader);
  Place place_of(const Op& op);
  static TableKey key_of(const Op& op) { return {op.info.db(), op.info.name()}; }

  // ops_leader.cc
  asio::awaitable<bool> change_leader(const OpPtr& op);
  asio::awaitable<std::vector<std::pair<std::string, std::uint64_t>>> probe(
      const OpPtr& op, const std::vector<std::string>& followers, std::uint64_t term);
  asio::awaitable<bool> offline_replica(const OpPtr& op);
  asio::awaitable<bool> update_partition_status(const OpPtr& op);

  // ops_recover.cc
  asio::awaitable<bool> recover_table(const OpPtr& op);
  asio::awaitable<bool> recover_single(const OpPtr& op);
  asio::awaitable<bool> drop_old_follower(const OpPtr& op);
  asio::awaitable<bool> re_add(const OpPtr& op);
  asio::awaitable<bool> reload(const OpPtr& op);
  // One task: true when it is done. `leader`: at the leader, else at the op's endpoint.
  asio::awaitable<bool> task(const OpPtr& op, fedb::TaskType type, bool leader);
  // The same, told to `at` about the replica on `about`.
  asio::awaitable<bool> tell(const OpPtr& op, fedb::TaskType type, const std::string& at,
                             const std::string& about);
  std::string task_request(const Op& op, const Place& place, fedb::TaskType type,
                           const std::string& at, const std::string& about);
  asio::awaitable<bool> wait_for_task(const OpPtr& op, fedb::TaskType type, const std::string& at);
  asio::awaitable<bool> check_binlog(const OpPtr& op, const std::string& follower);

  // ops_replicas.cc: replicas that come, go and move.
  struct Step {
    fedb::TaskType type;
    bool at_leader;  // Else at the tablet that it is about.
  };
  asio::awaitable<bool> walk(const OpPtr& op, const std::vector<Step>& steps,
                             const std::string& about);
  // The same of one that is to come there: then it has a row, which says dead, and has caught up.
  asio::awaitable<bool> bring(const OpPtr& op, const std::vector<Step>& steps,
                              const std::string& to);
  asio::awaitable<bool> make_snapshot(const OpPtr& op);
  asio::awaitable<bool> add_replica(const OpPtr& op);
  asio::awaitable<bool> del_replica(const OpPtr& op);
  asio::awaitable<bool> migrate(const OpPtr& op);
  asio::awaitable<bool> add_row(const OpPtr& op, const std::string& endpoint);
  asio::awaitable<bool> remove_row(const OpPtr& op, const std::string& endpoint);

  asio::io_context& io_;
  const Options& options_;
  Memory& memory_;
  Keeper& keeper_;
  Tablets& tablets_;
  std::vector<std::shared_ptr<Lane>> lanes_;
};

// Unix seconds.
std::uint64_t now_in_seconds();

}  // namespace failoverd::mininameserver
