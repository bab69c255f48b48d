// How a replica comes back: kRecoverTableOP finds out how, kReAdd...OP and kReLoadTableOP do it.
#include <algorithm>

#include "tests/nameserver/ops.h"

namespace failoverd::mininameserver {
namespace {

using fedb::TaskType;

// The replica's last row is one of the partition's history.
bool matches(const fedb::TablePartition& partition, std::uint64_t term, std::uint64_t offset) {
  const auto& history = partition.term_offset();
  for (int i = 0; i < history.size(); ++i) {
    if (history[i].term() != term) continue;
    const bool is_last = i + 1 == history.size();
    if (offset < history[i].offset()) {
      // Nothing of that term reached it yet.
      return is_last && offset + 1 == history[i].offset();
    }
    return is_last || offset < history[i + 1].offset();
  }
  return false;
}

fedb::OPType way_back(bool has_table, bool keeps_its_rows) {
  if (has_table) {
    return keeps_its_rows ? fedb::kReAddReplicaSimplifyOP : fedb::kReAddReplicaWithDropOP;
  }
  return keeps_its_rows ? fedb::kReAddReplicaNoSendOP : fedb::kReAddReplicaOP;
}

const char* method_of(TaskType type) {
  switch (type) {
    case fedb::kPauseSnapshot:
      return "PauseSnapshot";
    case fedb::kRecoverSnapshot:
      return "RecoverSnapshot";
    case fedb::kSendSnapshot:
      return "SendSnapshot";
    case fedb::kLoadTable:
      return "LoadTable";
    case fedb::kAddReplica:
      return "AddReplica";
    case fedb::kDelReplica:
      return "DelReplica";
    case fedb::kMakeSnapshot:
      return "MakeSnapshot";
    default:
      return "DropTable";
  }
}

bool finishes_later(TaskType type) {
  return type == fedb::kSendSnapshot || type == fedb::kLoadTable || type == fedb::kDropTable ||
         type == fedb::kMakeSnapshot;
}

template <class Request>
Request request_for(const Table& table, std::uint32_t pid) {
  using Number = decltype(std::declval<Request>().tid());
  Request request;
  request.set_tid(static_cast<Number>(table.tid()));
  request.set_pid(static_cast<Number>(pid));
  return request;
}

template <class Request>
std::string bytes_with(Request request, const fedb::TaskInfo& task) {
  *request.mutable_task_info() = task;
  return request.SerializeAsString();
}

}  // namespace

std::string Ops::task_request(const Op& op, const Place& place, TaskType type,
                              const std::string& at, const std::string& about) {
  const std::uint32_t pid = op.info.pid();
  fedb::TaskInfo task;
  task.set_op_id(op.info.op_id());
  task.set_op_type(op.info.op_type());
  task.set_task_type(type);
  task.set_status(fedb::kDoing);
  task.set_endpoint(at);
  if (type == fedb::kAddReplica || type == fedb::kDelReplica) {
    auto request = request_for<fedb::ReplicaRequest>(*place.table, pid);
    request.set_endpoint(about);
    return bytes_with(request, task);
  }
  if (type == fedb::kSendSnapshot) {
    auto request = request_for<fedb::SendSnapshotRequest>(*place.table, pid);
    request.set_endpoint(about);
    if (options_.kind->wire->sends_to_remote_tid) request.set_remote_tid(place.table->tid());
    return bytes_with(request, task);
  }
  if (type == fedb::kDropTable) {
    return bytes_with(request_for<fedb::DropTableRequest>(*place.table, pid), task);
  }
  if (type == fedb::kLoadTable) {
    minitablet::LoadTableRequest request;
    *request.mutable_table_meta() = place.table->meta(pid, false);
    const bool leads = op.info.op_type() == fedb::kReLoadTableOP;
    request.mutable_table_meta()->set_mode(leads ? fedb::kTableLeader : fedb::kTableFollower);
    *request.mutable_task_info() = task;
    return serialize(request, *options_.kind->wire);
  }
  return bytes_with(request_for<fedb::GeneralRequest>(*place.table, pid), task);
}

asio::awaitable<bool> Ops::task(const OpPtr& op, TaskType type, bool leader) {
  op->task = fedb::TaskType_Name(type);
  const Place place = place_of(*op);
  if (!place.row) co_return false;
  const std::string about = op->data.endpoint();
  const std::string at = leader ? place.leader : about;
  co_return co_await tell(op, type, at, about);
}

asio::awaitable<bool> Ops::tell(const OpPtr& op, TaskType type, const std::string& at,
                                const std::string& about) {
  op->task = fedb::TaskType_Name(type);
  const Place place = place_of(*op);
  if (!place.partition || at.empty()) co_return false;
  std::string request = task_request(*op, place, type, at, about);
  const int code = co_await tablets_.code(at, method_of(type), request);
  if (code != 0) co_return false;
  if (!finishes_later(type)) co_return true;
  co_return co_await wait_for_task(op, type, at);
}

asio::awaitable<bool> Ops::wait_for_task(const OpPtr& op, TaskType type, const std::string& at) {
  while (!op->canceled && memory_.is_healthy(at)) {
    co_await minitablet::sleep_for(options_.get_task_status_interval);  // As the flag says.
    std::string request;
    const auto response =
        co_await tablets_.ask<fedb::GetTaskStatusResponse>(at, "GetTaskStatus", request);
    if (!response) continue;
    const auto mine = std::ranges::find_if(response->task(), [&](const fedb::TaskInfo& task) {
      return task.op_id() == op->info.op_id() && task.task_type() == type;
    });
    if (mine == response->task().end()) co_return false;  // It has restarted and forgot.
    if (mine->status() == fedb::kDone) co_return true;
    if (mine->status() == fedb::kFailed) co_return false;
  }
  co_return false;
}

asio::awaitable<bool> Ops::recover_table(const OpPtr& op) {
  Place place = place_of(*op);
  if (!place.row) co_return false;
  if (place.partition->partition_meta_size() == 1) co_return co_await recover_single(op);
  if (place.leader != op->data.endpoint()) {
    const bool dropped = co_await drop_old_follower(op);
    if (!dropped) co_return false;
  }

  op->task = "kRecoverTable";
  place = place_of(*op);
  if (!place.row || place.leader.empty()) co_return false;
  const std::string endpoint = op->data.endpoint();
  const std::uint32_t tid = place.table->tid();
  auto ask = request_for<fedb::GetTermPairRequest>(*place.table, op->info.pid());
  std::string payload = ask.SerializeAsString();
  const auto pair =
      co_await tablets_.ask<fedb::GetTermPairResponse>(endpoint, "GetTermPair", payload);
  if (!pair || pair->code() != 0) co_return false;
  if (pair->has_table() && pair->is_leader()) {
    fedb::ChangeRoleRequest follow;
    follow.set_tid(tid);
    follow.set_pid(op->info.pid());
    follow.set_mode(fedb::kTableFollower);
    payload = follow.SerializeAsString();
    const int code = co_await tablets_.code(endpoint, "ChangeRole", payload);
    if (code != 0) co_return false;
  }
  fedb::GeneralRequest general;
  general.set_tid(static_cast<std::int32_t>(tid));
  general.set_pid(static_cast<std::int32_t>(op->info.pid()));
  if (!pair->has_table()) {
    payload = general.SerializeAsString();
    const int code = co_await tablets_.code(endpoint, "DeleteBinlog", payload);
    if (code != 0) co_return false;
  }
  payload = ask.SerializeAsString();  // GetManifest asks with the same fields.
  const auto manifest =
      co_await tablets_.ask<fedb::GetManifestResponse>(place.leader, "GetManifest", payload);
  place = place_of(*op);
  if (!manifest || manifest->code() != 0 || !place.row) co_return false;
  const bool keeps = matches(*place.partition, pair->term(), pair->offset()) &&
                     pair->offset() >= manifest->manifest().offset();
  const TableKey key = key_of(*op);
  co_return co_await add(way_back(pair->has_table(), keeps), key, op->info.pid(), op->data,
                         op->info.op_id());
}

// Nobody else has its rows: whatever it holds is taken.
asio::awaitable<bool> Ops::recover_single(const OpPtr& op) {
  op->task = "kRecoverTable";
  const Place place = place_of(*op);
  std::string payload =
      request_for<fedb::GetTermPairRequest>(*place.table, op->info.pid()).SerializeAsString();
  const auto pair =
      co_await tablets_.ask<fedb::GetTermPairResponse>(op->data.endpoint(), "GetTermPair", payload);
  if (!pair || pair->code() != 0) co_return false;
  OpData data = op->data;
  data.set_is_leader(true);
  data.set_is_alive(true);
  const auto type = pair->has_table() ? fedb::kUpdatePartitionStatusOP : fedb::kReLoadTableOP;
  const TableKey key = key_of(*op);
  co_return co_await add(type, key, op->info.pid(), data, op->info.op_id());
}

// A leader that knows it still would keep its old position for it.
asio::awaitable<bool> Ops::drop_old_follower(const OpPtr& op) {
  op->task = "kDelReplica";
  const Place place = place_of(*op);
  if (place.leader.empty()) co_return false;
  std::string payload =
      request_for<fedb::GetTableFollowerRequest>(*place.table, op->info.pid()).SerializeAsString();
  const auto response = co_await tablets_.ask<fedb::GetTableFollowerResponse>(
      place.leader, "GetTableFollower", payload);
  if (!response) co_return false;
  const auto& all = response->follower_info();
  const bool known = std::ranges::any_of(all, [&](const fedb::FollowerInfo& follower) {
    return follower.endpoint() == op->data.endpoint();
  });
  if (!known) co_return true;
  co_return co_await task(op, fedb::kDelReplica, true);
}

asio::awaitable<bool> Ops::re_add(const OpPtr& op) {
  const fedb::OPType type = op->info.op_type();
  const bool in_memory = type == fedb::kReAddReplicaSimplifyOP;
  const bool drops = type == fedb::kReAddReplicaWithDropOP;
  std::vector<Step> steps;
  if (!in_memory) steps.push_back({fedb::kPauseSnapshot, true});
  if (drops) steps.push_back({fedb::kDropTable, false});
  if (drops || type == fedb::kReAddReplicaOP) steps.push_back({fedb::kSendSnapshot, true});
  if (!in_memory) steps.push_back({fedb::kLoadTable, false});
  steps.push_back({fedb::kAddReplica, true});
  if (!in_memory) steps.push_back({fedb::kRecoverSnapshot, true});
  for (const Step& step : steps) {
    const bool done = co_await task(op, step.type, step.at_leader);
    if (!done) co_return false;
  }
  const std::string endpoint = op->data.endpoint();
  const bool near = co_await check_binlog(op, endpoint);
  if (!near) co_return false;
  op->data.set_is_leader(false);
  op->data.set_is_alive(true);
  co_return co_await update_partition_status(op);
}

asio::awaitable<bool> Ops::reload(const OpPtr& op) {
  const bool loaded = co_await task(op, fedb::kLoadTable, false);
  if (!loaded) co_return false;
  op->data.set_is_leader(true);
  op->data.set_is_alive(true);
  co_return co_await update_partition_status(op);
}

asio::awaitable<bool> Ops::check_binlog(const OpPtr& op, const std::string& follower) {
  op->task = "kCheckBinlogSyncProgress";
  for (;;) {
    const Place place = place_of(*op);
    if (!place.row || place.leader.empty()) co_return false;
    std::string payload = request_for<fedb::GetTableFollowerRequest>(*place.table, op->info.pid())
                              .SerializeAsString();
    const auto response = co_await tablets_.ask<fedb::GetTableFollowerResponse>(
        place.leader, "GetTableFollower", payload);
    if (response) {
      for (const fedb::FollowerInfo& known : response->follower_info()) {
        const bool is_it = known.endpoint() == follower;
        if (is_it && response->offset() <= known.offset() + op->data.delta()) co_return true;
      }
    }
    if (!memory_.is_healthy(follower)) co_return false;
    co_await minitablet::sleep_for(options_.get_task_status_interval);  // As the flag says.
  }
}

}  // namespace failoverd::mininameserver
