// The methods that lead to ops. What they are refused for, and in which order, is docs/wire.md's.
#include <utility>

#include "tests/nameserver/nameserver.h"

namespace failoverd::mininameserver {

namespace {

constexpr std::uint32_t kMostAtOnce = 8;

}  // namespace

asio::awaitable<void> Nameserver::change_leader(P<fedb::ChangeLeaderRequest> call) {
  const fedb::ChangeLeaderRequest& request = call->request;
  const TableKey key{request.db(), request.name()};
  Table* table = memory_.table(key);
  if (!table) co_return refuse(call, kTableIsNotExist);
  const fedb::TablePartition* partition = table->partition(request.pid());
  if (!partition) co_return refuse(call, kPidIsNotExist);
  if (partition->partition_meta_size() == 1) co_return refuse(call, kNoFollower);
  const std::string leader = leader_of(*partition);
  if (!leader.empty() && !request.has_candidate_leader()) co_return refuse(call, kLeaderIsAlive);
  bool any = false;
  bool candidate_is_one = !request.has_candidate_leader() || request.candidate_leader() == "auto";
  for (const fedb::PartitionMeta& row : partition->partition_meta()) {
    if (row.is_leader() || !row.is_alive()) continue;
    any = true;
    candidate_is_one |= row.endpoint() == request.candidate_leader();
  }
  if (!any) co_return refuse(call, kNoAliveFollower);
  if (!candidate_is_one) co_return refuse(call, kCreateOpFailed);
  OpData data;
  data.set_endpoint(leader);
  data.set_candidate(request.candidate_leader());
  const bool added = co_await ops_.add(fedb::kChangeLeaderOP, key, request.pid(), data);
  if (!added) co_return refuse(call, kCreateOpFailed);
  call->ok();
}

// Concurrency is looked at, and no more: ops go so many at a time as the flag says.
asio::awaitable<void> Nameserver::offline_endpoint(P<fedb::OfflineEndpointRequest> call) {
  const fedb::OfflineEndpointRequest& request = call->request;
  if (request.concurrency() > kMostAtOnce) co_return refuse(call, kInvalidParameter);
  if (!memory_.tablets.contains(request.endpoint())) co_return refuse(call, kEndpointIsNotExist);
  const bool added = co_await ops_.offline_endpoint(request.endpoint(), false);
  if (!added) co_return refuse(call, kCreateOpFailed);
  call->ok();
}

asio::awaitable<void> Nameserver::recover_endpoint(P<fedb::RecoverEndpointRequest> call) {
  const fedb::RecoverEndpointRequest& request = call->request;
  if (request.concurrency() > kMostAtOnce) co_return refuse(call, kInvalidParameter);
  if (!memory_.tablets.contains(request.endpoint())) co_return refuse(call, kEndpointIsNotExist);
  if (!memory_.is_healthy(request.endpoint())) co_return refuse(call, kTabletIsNotHealthy);
  const bool added = co_await ops_.recover_endpoint(request.endpoint(), request.need_restore());
  if (!added) co_return refuse(call, kCreateOpFailed);
  call->ok();
}

asio::awaitable<void> Nameserver::recover_table(P<fedb::RecoverTableRequest> call) {
  const fedb::RecoverTableRequest& request = call->request;
  const TableKey key{request.db(), request.name()};
  if (!memory_.tablets.contains(request.endpoint())) co_return refuse(call, kEndpointIsNotExist);
  if (!memory_.is_healthy(request.endpoint())) co_return refuse(call, kTabletIsNotHealthy);
  Table* table = memory_.table(key);
  if (!table) co_return refuse(call, kTableIsNotExist);
  fedb::TablePartition* partition = table->partition(request.pid());
  const fedb::PartitionMeta* row = partition ? row_of(*partition, request.endpoint()) : nullptr;
  if (row && row->is_alive()) co_return refuse(call, kPartitionIsAlive);
  if (!row) co_return refuse(call, kPidIsNotExist);
  OpData data;
  data.set_endpoint(request.endpoint());
  data.set_delta(options_.check_binlog_sync_progress_delta);
  const bool added = co_await ops_.add(fedb::kRecoverTableOP, key, request.pid(), data);
  if (!added) co_return refuse(call, kCreateOpFailed);
  call->ok();
}

// One that is under way ends when its present task has.
void Nameserver::cancel_op(P<fedb::CancelOPRequest> call) {
  const auto at = memory_.ops.find(call->request.op_id());
  const bool open = at != memory_.ops.end() && at->second->info.task_status() <= fedb::kDoing;
  if (!open) return refuse(call, kOpStatusIsNotDoingOrInited);
  at->second->canceled = true;
  if (at->second->info.task_status() == fedb::kInited) {
    at->second->info.set_task_status(fedb::kCanceled);
    spawn(ops_.forget(call->request.op_id()));
  }
  call->ok();
}

}  // namespace failoverd::mininameserver
