#include "tests/nameserver/ops.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <chrono>
#include <set>
#include <utility>

namespace failoverd::mininameserver {

using zookeeper::Code;

std::uint64_t now_in_seconds() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(
                                        std::chrono::system_clock::now().time_since_epoch())
                                        .count());
}

Ops::Ops(asio::io_context& io, const Options& options, Memory& memory, Keeper& keeper,
         Tablets& tablets)
    : io_{io}, options_{options}, memory_{memory}, keeper_{keeper}, tablets_{tablets} {
  begin_reign();
}

void Ops::begin_reign() {
  lanes_.clear();
  for (std::uint32_t i = 0; i < options_.name_server_task_concurrency; ++i) {
    lanes_.push_back(std::make_shared<Lane>());
  }
}

void Ops::enqueue(const OpPtr& op, bool first) {
  const auto lane = lanes_[op->info.vec_idx() % lanes_.size()];
  if (first) {
    lane->waiting.push_front(op);
  } else {
    lane->waiting.push_back(op);
  }
  if (std::exchange(lane->works, true)) return;
  asio::co_spawn(
      io_, [this, lane, reign = memory_.reign] { return work(lane, reign); }, asio::detached);
}

void Ops::resume(const fedb::OPInfo& info) {
  const auto op = std::make_shared<Op>();
  op->info = info;
  if (!op->data.ParseFromString(info.data())) op->info.set_task_status(fedb::kFailed);
  memory_.ops[info.op_id()] = op;
  if (op->info.task_status() == fedb::kFailed) return;
  op->info.set_task_status(fedb::kInited);
  enqueue(op, false);
}

asio::awaitable<bool> Ops::add(fedb::OPType type, const TableKey& table, std::uint32_t pid,
                               const OpData& data, std::uint64_t parent) {
  const auto op = std::make_shared<Op>();
  op->data = data;
  op->info.set_op_id(++memory_.op_index);
  op->info.set_op_type(type);
  op->info.set_task_index(0);
  op->info.set_data(op->data.SerializeAsString());
  op->info.set_task_status(fedb::kInited);
  op->info.set_name(table.second);
  op->info.set_pid(pid);
  if (!table.first.empty()) op->info.set_db(table.first);
  if (parent != 0) op->info.set_parent_id(parent);
  op->info.set_vec_idx(pid % options_.name_server_task_concurrency);
  const std::uint64_t reign = memory_.reign;
  const std::string id = std::to_string(op->info.op_id());
  const std::string bytes = op->info.SerializeAsString();
  const std::string path = znodes::kOps + "/" + id;
  Code code = co_await keeper_.set(znodes::kOpIndex, id);
  if (code != Code::kOk) co_return false;
  code = co_await keeper_.make(path, bytes);
  if (code != Code::kOk || memory_.reign != reign) co_return false;
  memory_.ops[op->info.op_id()] = op;
  // One that another op leads to comes before whatever waits behind that one.
  enqueue(op, parent != 0);
  co_return true;
}

asio::awaitable<void> Ops::work(std::shared_ptr<Lane> lane, std::uint64_t reign) {
  while (!lane->waiting.empty() && memory_.reign == reign && memory_.serves) {
    const OpPtr op = lane->waiting.front();
    lane->waiting.pop_front();
    if (op->info.task_status() == fedb::kInited) co_await execute(op, reign);
  }
  lane->works = false;
}

asio::awaitable<void> Ops::execute(const OpPtr& op, std::uint64_t reign) {
  op->info.set_task_status(fedb::kDoing);
  op->info.set_start_time(now_in_seconds());
  const bool done = co_await run(op);
  if (memory_.reign != reign) co_return;
  op->info.set_end_time(now_in_seconds());
  if (done) op->task = "-";
  op->info.set_task_status(done ? fedb::kDone : op->canceled ? fedb::kCanceled : fedb::kFailed);
  if (op->info.task_status() == fedb::kFailed) {
    const std::string path = znodes::kOps + "/" + std::to_string(op->info.op_id());
    const std::string bytes = op->info.SerializeAsString();
    co_await keeper_.set(path, bytes);
  } else {
    co_await forget(op->info.op_id());
  }
  co_await forget_tasks(op);
}

asio::awaitable<void> Ops::forget(std::uint64_t op_id) {
  std::string path = znodes::kOps + "/" + std::to_string(op_id);
  co_await keeper_.remove(path);
}

asio::awaitable<bool> Ops::run(const OpPtr& op) {
  switch (op->info.op_type()) {
    case fedb::kChangeLeaderOP:
      co_return co_await change_leader(op);
    case fedb::kOfflineReplicaOP:
      co_return co_await offline_replica(op);
    case fedb::kUpdatePartitionStatusOP:
      co_return co_await update_partition_status(op);
    case fedb::kRecoverTableOP:
      co_return co_await recover_table(op);
    case fedb::kReLoadTableOP:
      co_return co_await reload(op);
    case fedb::kReAddReplicaOP:
    case fedb::kReAddReplicaNoSendOP:
    case fedb::kReAddReplicaWithDropOP:
    case fedb::kReAddReplicaSimplifyOP:
      co_return co_await re_add(op);
    case fedb::kMakeSnapshotOP:
      co_return co_await make_snapshot(op);
    case fedb::kAddReplicaOP:
      co_return co_await add_replica(op);
    case fedb::kDelReplicaOP:
      co_return co_await del_replica(op);
    case fedb::kMigrateOP:
      co_return co_await migrate(op);
    default:  // Of a real nameserver's, which does more.
      co_return false;
  }
}

// Tasks of it can be at the leader and at its endpoints only.
asio::awaitable<void> Ops::forget_tasks(const OpPtr& op) {
  if (op->info.op_type() == fedb::kChangeLeaderOP) co_return;
  const Place place = place_of(*op);
  std::set<std::string> endpoints;
  endpoints.insert(place.leader);
  endpoints.insert(op->data.endpoint());
  endpoints.insert(op->data.des_endpoint());
  fedb::DeleteOPTaskRequest request;
  request.add_op_id(op->info.op_id());
  const std::string payload = request.SerializeAsString();
  for (const std::string& endpoint : endpoints) {
    if (!memory_.is_healthy(endpoint)) continue;
    co_await tablets_.code(endpoint, "DeleteOPTask", payload);
  }
}

Ops::Place Ops::place_of(const Op& op) {
  Place place;
  place.table = memory_.table(key_of(op));
  if (!place.table || op.canceled) return place;
  place.partition = place.table->partition(op.info.pid());
  if (!place.partition) return place;
  place.leader = leader_of(*place.partition);
  place.row = row_of(*place.partition, op.data.endpoint());
  return place;
}

asio::awaitable<bool> Ops::publish(const TableKey& key) {
  const Table* table = memory_.table(key);
  if (!table) co_return false;
  std::string bytes = table->bytes();
  std::string path = table->path();
  const Code code = co_await keeper_.set(path, bytes);
  if (code != Code::kOk) co_return false;
  co_return co_await keeper_.bump(znodes::kNotify);
}

asio::awaitable<bool> Ops::offline_endpoint(const std::string& endpoint, bool automatic) {
  std::vector<TableKey> keys;
  for (const auto& [key, table] : memory_.tables) keys.push_back(key);
  bool all = true;
  for (const TableKey& key : keys) {
    Table* table = memory_.table(key);
    if (!table) continue;  // Dropped meanwhile.
    bool changed = false;
    struct Planned {
      fedb::OPType type;
      std::uint32_t pid;
    };
    std::vector<Planned> planned;
    for (fedb::TablePartition& partition : table->partitions()) {
      fedb::PartitionMeta* row = row_of(partition, endpoint);
      if (!row) continue;
      bool another_lives = false;
      bool follower_lives = false;
      for (const fedb::PartitionMeta& other : partition.partition_meta()) {
        if (other.endpoint() == endpoint || !other.is_alive()) continue;
        another_lives = true;
        follower_lives |= !other.is_leader();
      }
      const std::string leader = leader_of(partition);
      if (automatic && another_lives && row->is_alive()) {
        row->set_is_alive(false);
        changed = true;
      }
      if (partition.partition_meta_size() == 1) {
        planned.push_back({fedb::kUpdatePartitionStatusOP, partition.pid()});
      } else if (leader.empty() || leader == endpoint) {
        if (follower_lives) planned.push_back({fedb::kChangeLeaderOP, partition.pid()});
      } else if (!row->is_leader()) {
        planned.push_back({fedb::kOfflineReplicaOP, partition.pid()});
      }
    }
    if (changed) co_await publish(key);
    for (const Planned& plan : planned) {
      OpData data;
      data.set_endpoint(endpoint);
      data.set_is_leader(true);
      data.set_is_alive(false);
      const bool added = co_await add(plan.type, key, plan.pid, data);
      all &= added;
    }
  }
  co_return all;
}

asio::awaitable<bool> Ops::recover_endpoint(const std::string& endpoint, bool need_restore) {
  struct Planned {
    TableKey key;
    std::uint32_t pid;
    bool led;
    std::string leader;
  };
  std::vector<Planned> planned;
  for (auto& [key, table] : memory_.tables) {
    for (fedb::TablePartition& partition : table.partitions()) {
      const fedb::PartitionMeta* row = row_of(partition, endpoint);
      if (!row || row->is_alive()) continue;
      planned.push_back({key, partition.pid(), row->is_leader(), leader_of(partition)});
    }
  }
  bool all = true;
  for (const Planned& plan : planned) {
    OpData data;
    data.set_endpoint(endpoint);
    data.set_delta(need_restore ? 0 : options_.check_binlog_sync_progress_delta);
    const bool added = co_await add(fedb::kRecoverTableOP, plan.key, plan.pid, data);
    all &= added;
    if (need_restore && plan.led && !plan.leader.empty()) {
      const bool restored = co_await restore(plan.key, plan.pid, data, plan.leader);
      all &= restored;
    }
  }
  co_return all;
}

// The endpoint leads again, and the one that led meanwhile follows it.
asio::awaitable<bool> Ops::restore(const TableKey& key, std::uint32_t pid, const OpData& data,
                                   const std::string& leader) {
  OpData change;
  change.set_endpoint(data.endpoint());
  change.set_candidate(data.endpoint());
  const bool added = co_await add(fedb::kChangeLeaderOP, key, pid, change);
  if (!added) co_return false;
  OpData follow = data;
  follow.set_endpoint(leader);
  co_return co_await add(fedb::kRecoverTableOP, key, pid, follow);
}

}  // namespace failoverd::mininameserver
