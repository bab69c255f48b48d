// The methods that are answered from memory, or with one write of what is in memory.
#include <algorithm>
#include <cctype>
#include <utility>

#include "tests/nameserver/nameserver.h"

namespace failoverd::mininameserver {

using zookeeper::Code;

namespace {

// OPStatus's for_replica_cluster, which OpenMLDB always sets.
constexpr int kForReplicaCluster = 9;

template <class Request>
TableKey key_of(const Request& request) {
  return {request.db(), request.name()};
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

}  // namespace

std::string Nameserver::words(int code) const {
  const auto no = [&](const char* what) { return std::string{what} + kind().absent; };
  switch (code) {
    case kTableIsNotExist:
      return no("table");
    case kTableAlreadyExists:
      return "table already exists";
    case kNoFollower:
      return "no follower";
    case kNameserverIsNotLeader:
      return "nameserver is not leader";
    case kAutoFailoverIsEnabled:
      return "auto_failover is enabled";
    case kEndpointIsNotExist:
      return no("endpoint");
    case kTabletIsNotHealthy:
      return "tablet is not healthy";
    case kSetZkFailed:
      return "set zk failed";
    case kCreateOpFailed:
      return "create op failed";
    case kInvalidParameter:
      return "invalid parameter";
    case kPidIsNotExist:
      return no("pid");
    case kLeaderIsAlive:
      return "leader is alive";
    case kNoAliveFollower:
      return "no alive follower";
    case kPartitionIsAlive:
      return "table is alive, need not recover";
    case kOpStatusIsNotDoingOrInited:
      return "op status is not kDoing or kInited";
    case kDropTableFailed:
      return "drop table error";
    case kSetPartitionInfoFailed:
      return "set partition info failed";
    case kCreateTableFailedOnTablet:
      return "create table failed on tablet";
    case kSrcEndpointIsNotHealthy:
      return no("src_endpoint") + " or not healthy";
    case kDesEndpointIsNotHealthy:
      return no("des_endpoint") + " or not healthy";
    case kNoPidHasUpdate:
      return "no pid has update";
    case kDatabaseNotFound:
      return "database not found";
    default:
      return "ok";
  }
}

template <class Req, class Res, class Method>
void Nameserver::add(const char* name, Entry entry, Method method) {
  dispatcher_.add<Req, Res>(name, [this, entry, method](P<Req, Res> call) {
    if (!memory_.serves) return refuse(call, kNameserverIsNotLeader);
    if (entry == Entry::kManual && memory_.auto_failover) {
      return refuse(call, kAutoFailoverIsEnabled);
    }
    using Result = decltype((this->*method)(call));
    if constexpr (std::is_void_v<Result>) {
      (this->*method)(call);
    } else {
      spawn((this->*method)(call));
    }
  });
}

void Nameserver::add_methods() {
  using R = fedb::NameServerResponse;
  const auto always = Entry::kAlways;
  const auto manual = Entry::kManual;
  using N = Nameserver;
  add<fedb::ShowTabletRequest, fedb::ShowTabletResponse>("ShowTablet", always, &N::show_tablet);
  add<fedb::ShowTableRequest, ShowTableResponse>("ShowTable", always, &N::show_table);
  add<fedb::ShowOPStatusRequest, fedb::ShowOPStatusResponse>("ShowOPStatus", always, &N::show_ops);
  add<fedb::ConfGetRequest, fedb::ConfGetResponse>("ConfGet", always, &N::conf_get);
  add<fedb::GetTablePartitionRequest, fedb::GetTablePartitionResponse>("GetTablePartition", always,
                                                                       &N::get_partition);
  add<fedb::ConfSetRequest, R>("ConfSet", always, &N::conf_set);
  add<fedb::SetTablePartitionRequest, R>("SetTablePartition", manual, &N::set_partition);
  add<fedb::UpdateTableAliveStatusRequest, R>("UpdateTableAliveStatus", manual, &N::update_alive);
  add<fedb::ChangeLeaderRequest, R>("ChangeLeader", manual, &N::change_leader);
  add<fedb::OfflineEndpointRequest, R>("OfflineEndpoint", manual, &N::offline_endpoint);
  add<fedb::RecoverEndpointRequest, R>("RecoverEndpoint", manual, &N::recover_endpoint);
  add<fedb::RecoverTableRequest, R>("RecoverTable", manual, &N::recover_table);
  add<fedb::CancelOPRequest, R>("CancelOP", manual, &N::cancel_op);
  add<fedb::MigrateRequest, R>("Migrate", manual, &N::migrate);
  add<fedb::AddReplicaNSRequest, R>("AddReplicaNS", always, &N::add_replica);
  add<fedb::DelReplicaNSRequest, R>("DelReplicaNS", always, &N::del_replica);
  add<fedb::MakeSnapshotNSRequest, R>("MakeSnapshotNS", always, &N::make_snapshot);
  add<CreateTableRequest, R>("CreateTable", always, &N::create_table);
  add<DropTableRequest, R>("DropTable", always, &N::drop_table);
  if (kind().has_databases) {
    add<CreateDatabaseRequest, R>("CreateDatabase", always, &N::create_database);
  }
}

void Nameserver::show_tablet(P<fedb::ShowTabletRequest, fedb::ShowTabletResponse> call) {
  const auto now = std::chrono::steady_clock::now();
  for (const auto& [endpoint, state] : memory_.tablets) {
    fedb::TabletStatus& tablet = *call->response.add_tablets();
    tablet.set_endpoint(endpoint);
    tablet.set_state(state.healthy ? kind().healthy : kind().offline);
    const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(now - state.since);
    tablet.set_age(static_cast<std::uint64_t>(age.count()));
  }
  call->ok();
}

void Nameserver::show_table(P<fedb::ShowTableRequest, ShowTableResponse> call) {
  const fedb::ShowTableRequest& request = call->request;
  for (const auto& [key, table] : memory_.tables) {
    if (!request.show_all() && key.first != request.db()) continue;
    if (request.has_name() && key.second != request.name()) continue;
    call->response.add_table_info(table.bytes());
  }
  call->ok();
}

void Nameserver::show_ops(P<fedb::ShowOPStatusRequest, fedb::ShowOPStatusResponse> call) {
  const fedb::ShowOPStatusRequest& request = call->request;
  for (const auto& [id, op] : memory_.ops) {
    const fedb::OPInfo& info = op->info;
    if (request.has_name() && request.name() != info.name()) continue;
    if (request.has_pid() && request.pid() != info.pid()) continue;
    if (request.has_db() && request.db() != info.db()) continue;
    if (request.has_op_id() && request.op_id() != id) continue;
    fedb::OPStatus& status = *call->response.add_op_status();
    status.set_op_id(id);
    status.set_op_type(fedb::OPType_Name(info.op_type()));
    status.set_status(fedb::TaskStatus_Name(info.task_status()));
    status.set_start_time(info.start_time());
    status.set_end_time(info.end_time());
    status.set_task_type(op->task);
    status.set_name(info.name());
    status.set_pid(info.pid());
    if (!kind().has_databases) continue;
    status.set_db(info.db());
    status.GetReflection()->MutableUnknownFields(&status)->AddVarint(kForReplicaCluster, 0);
  }
  call->ok();
}

void Nameserver::conf_get(P<fedb::ConfGetRequest, fedb::ConfGetResponse> call) {
  fedb::Pair& pair = *call->response.add_conf();
  pair.set_key("auto_failover");
  pair.set_value(memory_.auto_failover ? "true" : "false");
  call->ok();
}

// An unknown pid is no failure: the answer has no partition.
void Nameserver::get_partition(
    P<fedb::GetTablePartitionRequest, fedb::GetTablePartitionResponse> call) {
  Table* table = memory_.table(key_of(call->request));
  if (!table) return refuse(call, kTableIsNotExist);
  const fedb::TablePartition* partition = table->partition(call->request.pid());
  if (partition) *call->response.mutable_table_partition() = *partition;
  call->ok();
}

// Of tablets that were gone before it was switched on nothing follows.
asio::awaitable<void> Nameserver::conf_set(P<fedb::ConfSetRequest> call) {
  const std::string value = lower(call->request.conf().value());
  const bool known = call->request.conf().key() == "auto_failover";
  if (!known || (value != "true" && value != "false")) co_return refuse(call, kInvalidParameter);
  const Code code = co_await keeper_.put(znodes::kAutoFailover, value);
  if (code != Code::kOk) co_return refuse(call, kSetZkFailed);
  memory_.auto_failover = value == "true";
  call->ok();
}

asio::awaitable<void> Nameserver::set_partition(P<fedb::SetTablePartitionRequest> call) {
  const TableKey key = key_of(call->request);
  Table* table = memory_.table(key);
  if (!table) co_return refuse(call, kTableIsNotExist);
  fedb::TablePartition* partition = table->partition(call->request.table_partition().pid());
  if (partition) {
    *partition = call->request.table_partition();
    const bool published = co_await ops_.publish(key);
    if (!published) co_return refuse(call, kSetZkFailed);
  }
  call->ok();
}

asio::awaitable<void> Nameserver::update_alive(P<fedb::UpdateTableAliveStatusRequest> call) {
  const fedb::UpdateTableAliveStatusRequest& request = call->request;
  if (!memory_.tablets.contains(request.endpoint())) co_return refuse(call, kEndpointIsNotExist);
  const TableKey key = key_of(request);
  Table* table = memory_.table(key);
  if (!table) co_return refuse(call, kTableIsNotExist);
  bool any = false;
  for (fedb::TablePartition& partition : table->partitions()) {
    if (request.has_pid() && request.pid() != partition.pid()) continue;
    fedb::PartitionMeta* row = row_of(partition, request.endpoint());
    if (!row) continue;
    row->set_is_alive(request.is_alive());
    any = true;
  }
  if (!any) co_return refuse(call, kNoPidHasUpdate);
  const bool published = co_await ops_.publish(key);
  if (!published) co_return refuse(call, kSetZkFailed);
  call->ok();
}

}  // namespace failoverd::mininameserver
