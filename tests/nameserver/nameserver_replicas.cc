// The methods that move replicas and make snapshots: ops, of several partitions all or none.
#include <set>
#include <utility>

#include "tests/nameserver/nameserver.h"

namespace failoverd::mininameserver {
namespace {

std::string quoted(const char* what, const std::string& value) {
  return std::string{what} + "[" + value + "]";
}

template <class Request>
std::set<std::uint32_t> pids_of(const Request& request) {
  std::set<std::uint32_t> pids{request.pid_group().begin(), request.pid_group().end()};
  pids.insert(request.pid());
  return pids;
}

// Why a replica may not be moved; empty: it may.
std::string why_not_migrated(const Memory& memory, Table& table,
                             const fedb::MigrateRequest& request, std::uint32_t pid) {
  const std::string name = quoted("name", request.name());
  const std::string where = name + " " + quoted("pid", std::to_string(pid));
  fedb::TablePartition* partition = table.partition(pid);
  const std::string leader = partition ? leader_of(*partition) : "";
  if (leader.empty()) return "leader endpoint is empty. " + where;
  if (leader == request.src_endpoint()) return "cannot migrate leader. " + where;
  if (!memory.is_healthy(leader)) return quoted("leader", leader) + " is offline. " + where;
  if (!row_of(*partition, request.src_endpoint())) {
    return quoted("src_endpoint", request.src_endpoint()) + " has not " +
           quoted("partition", std::to_string(pid)) + ". " + name;
  }
  if (row_of(*partition, request.des_endpoint())) {
    return quoted("partition", std::to_string(pid)) + " is already in " +
           quoted("des_endpoint", request.des_endpoint()) + ". " + name;
  }
  return "";
}

}  // namespace

template <class Call>
asio::awaitable<void> Nameserver::begin_all(const Call& call, fedb::OPType type,
                                            const std::set<std::uint32_t>& pids,
                                            const OpData& data) {
  const TableKey key{call->request.db(), call->request.name()};
  bool all = true;
  for (const std::uint32_t pid : pids) {
    const bool added = co_await ops_.add(type, key, pid, data);
    all &= added;
  }
  if (!all) co_return refuse(call, kCreateOpFailed);
  call->ok();
}

asio::awaitable<void> Nameserver::migrate(P<fedb::MigrateRequest> call) {
  const fedb::MigrateRequest& request = call->request;
  if (!memory_.is_healthy(request.src_endpoint())) co_return refuse(call, kSrcEndpointIsNotHealthy);
  if (!memory_.is_healthy(request.des_endpoint())) co_return refuse(call, kDesEndpointIsNotHealthy);
  const TableKey key{request.db(), request.name()};
  Table* table = memory_.table(key);
  if (!table) co_return refuse(call, kTableIsNotExist);
  const std::set<std::uint32_t> pids{request.pid().begin(), request.pid().end()};
  for (const std::uint32_t pid : pids) {
    const std::string why = why_not_migrated(memory_, *table, request, pid);
    if (!why.empty()) co_return call->end(kMigrateFailed, why.c_str());
  }
  OpData data;
  data.set_endpoint(request.src_endpoint());
  data.set_des_endpoint(request.des_endpoint());
  data.set_delta(options_.check_binlog_sync_progress_delta);
  co_await begin_all(call, fedb::kMigrateOP, pids, data);
}

asio::awaitable<void> Nameserver::add_replica(P<fedb::AddReplicaNSRequest> call) {
  const fedb::AddReplicaNSRequest& request = call->request;
  const TableKey key{request.db(), request.name()};
  if (!memory_.is_healthy(request.endpoint())) co_return refuse(call, kTabletIsNotHealthy);
  Table* table = memory_.table(key);
  if (!table) co_return refuse(call, kTableIsNotExist);
  const std::set<std::uint32_t> pids = pids_of(request);
  for (const std::uint32_t pid : pids) {
    fedb::TablePartition* partition = table->partition(pid);
    if (!partition) co_return refuse(call, kInvalidParameter);
    if (!row_of(*partition, request.endpoint())) continue;
    const std::string why = "pid " + std::to_string(pid) + " is exist in " + request.endpoint();
    co_return call->end(kPidAlreadyExists, why.c_str());
  }
  OpData data;
  data.set_endpoint(request.endpoint());
  data.set_delta(options_.check_binlog_sync_progress_delta);
  co_await begin_all(call, fedb::kAddReplicaOP, pids, data);
}

asio::awaitable<void> Nameserver::del_replica(P<fedb::DelReplicaNSRequest> call) {
  const fedb::DelReplicaNSRequest& request = call->request;
  const TableKey key{request.db(), request.name()};
  Table* table = memory_.table(key);
  if (!table) co_return refuse(call, kTableIsNotExist);
  if (!memory_.is_healthy(request.endpoint())) co_return refuse(call, kTabletIsNotHealthy);
  const std::set<std::uint32_t> pids = pids_of(request);
  for (const std::uint32_t pid : pids) {
    const std::string number = std::to_string(pid);
    fedb::TablePartition* partition = table->partition(pid);
    if (!partition) {
      co_return call->end(kInvalidParameter, "max pid is greater than partition size");
    }
    std::string why = "pid " + number + " is not in " + request.endpoint();
    if (!row_of(*partition, request.endpoint())) co_return call->end(kPidIsNotExist, why.c_str());
    why = "can not del leader. pid " + number + " endpoint " + request.endpoint();
    if (leader_of(*partition) == request.endpoint()) co_return call->end(kIsLeader, why.c_str());
  }
  OpData data;
  data.set_endpoint(request.endpoint());
  co_await begin_all(call, fedb::kDelReplicaOP, pids, data);
}

asio::awaitable<void> Nameserver::make_snapshot(P<fedb::MakeSnapshotNSRequest> call) {
  const fedb::MakeSnapshotNSRequest& request = call->request;
  const TableKey key{request.db(), request.name()};
  Table* table = memory_.table(key);
  fedb::TablePartition* partition = table ? table->partition(request.pid()) : nullptr;
  if (!partition || leader_of(*partition).empty()) co_return refuse(call, kCreateOpFailed);
  OpData data;
  data.set_endpoint(leader_of(*partition));
  const std::set<std::uint32_t> pids{request.pid()};
  co_await begin_all(call, fedb::kMakeSnapshotOP, pids, data);
}

}  // namespace failoverd::mininameserver
