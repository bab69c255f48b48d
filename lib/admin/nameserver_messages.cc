#include "lib/admin/nameserver_messages.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <type_traits>
#include <utility>

#include "lib/base/utf8.h"
#include "proto/nameserver.pb.h"
#include "proto/openmldb.pb.h"
#include "proto/table_info.pb.h"

namespace failoverd::admin {
namespace {

namespace wire = ::failoverd::fedb;
using namespace nameserver_calls;

using Args = std::map<std::string, std::string>;

// False: it is not such a message. ParseFromString() would write a line of its own for each.
template <class Message>
bool read(Message& message, const std::string& bytes) {
  return message.ParsePartialFromString(bytes) && message.IsInitialized();
}

std::string in_words(bool value) { return value ? "true" : "false"; }

// "1,4,7".
template <class Numbers>
std::string listed(const Numbers& numbers) {
  std::string text;
  for (const std::uint32_t number : numbers) {
    text += (text.empty() ? "" : ",") + std::to_string(number);
  }
  return text;
}

// Texts from outside go into records and JSON.
CommandRequest command(std::string name, const Args& args) {
  CommandRequest request;
  request.name = std::move(name);
  for (auto& [key, value] : args) request.args[key] = valid_utf8(value);
  request.as_nameserver = true;
  return request;
}

template <class Request>
Args table_of(const Request& request) {
  Args args{{"name", request.name()}};
  if (!request.db().empty()) args["db"] = request.db();
  return args;
}

template <class Request>
Args partition_of(const Request& request) {
  Args args = table_of(request);
  args["pid"] = std::to_string(request.pid());
  return args;
}

// Several partitions are named in pid_group, and pid is then the first of them.
template <class Request>
Args replicas_of(const Request& request) {
  Args args = table_of(request);
  std::set<std::uint32_t> pids(request.pid_group().begin(), request.pid_group().end());
  if (pids.empty()) pids = {request.pid()};
  args["pids"] = listed(pids);
  args["endpoint"] = request.endpoint();
  return args;
}

NameserverCall call_of(const wire::ShowTabletRequest&) { return ShowTablets{""}; }
NameserverCall call_of(const wire::ConfGetRequest&) { return ShowConf{}; }

// Without a database those outside every database are meant.
NameserverCall call_of(const wire::ShowTableRequest& request) {
  TableFilter filter;
  if (!request.name().empty()) filter.name = request.name();
  if (!request.show_all()) filter.db = request.db();
  return ShowTables{filter};
}

NameserverCall call_of(const wire::ShowOPStatusRequest& request) {
  ShowOps ops;
  if (!request.name().empty()) ops.asked.name = request.name();
  if (!request.db().empty()) ops.asked.db = request.db();
  if (request.has_pid()) ops.asked.pid = request.pid();
  if (request.has_op_id()) {
    ops.op_id = request.op_id();
    ops.asked.after = std::max<std::uint64_t>(request.op_id(), 1) - 1;
    ops.asked.limit = 1;
  }
  return ops;
}

NameserverCall call_of(const wire::GetTablePartitionRequest& request) {
  return ShowPartition{request.name(), request.db(), request.pid()};
}

NameserverCall call_of(const wire::ConfSetRequest& request) {
  return command("confset", {{"key", request.conf().key()}, {"value", request.conf().value()}});
}

NameserverCall call_of(const wire::ChangeLeaderRequest& request) {
  Args args = partition_of(request);
  if (!request.candidate_leader().empty()) args["candidate"] = request.candidate_leader();
  return command("changeleader", args);
}

NameserverCall call_of(const wire::OfflineEndpointRequest& request) {
  Args args{{"endpoint", request.endpoint()}};
  if (request.has_concurrency()) args["concurrency"] = std::to_string(request.concurrency());
  return command("offlineendpoint", args);
}

NameserverCall call_of(const wire::RecoverEndpointRequest& request) {
  Args args{{"endpoint", request.endpoint()}};
  if (request.has_need_restore()) args["need_restore"] = in_words(request.need_restore());
  if (request.has_concurrency()) args["concurrency"] = std::to_string(request.concurrency());
  return command("recoverendpoint", args);
}

NameserverCall call_of(const wire::RecoverTableRequest& request) {
  Args args = partition_of(request);
  args["endpoint"] = request.endpoint();
  return command("recovertable", args);
}

NameserverCall call_of(const wire::MigrateRequest& request) {
  Args args = table_of(request);
  args["src"] = request.src_endpoint();
  args["pids"] = listed(request.pid());
  args["des"] = request.des_endpoint();
  return command("migrate", args);
}

NameserverCall call_of(const wire::AddReplicaNSRequest& request) {
  return command("addreplica", replicas_of(request));
}

NameserverCall call_of(const wire::DelReplicaNSRequest& request) {
  return command("delreplica", replicas_of(request));
}

NameserverCall call_of(const wire::MakeSnapshotNSRequest& request) {
  return command("makesnapshot", partition_of(request));
}

NameserverCall call_of(const wire::CancelOPRequest& request) {
  return command("cancelop", {{"op_id", std::to_string(request.op_id())}});
}

NameserverCall call_of(const wire::SetTablePartitionRequest& request) {
  Args args = table_of(request);
  if (!request.has_table_partition()) return command("settablepartition", args);
  args["pid"] = std::to_string(request.table_partition().pid());
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  const auto status = google::protobuf::util::MessageToJsonString(request.table_partition(),
                                                                  &args["partition"], options);
  if (!status.ok()) args["partition"].clear();  // Refused as no partition.
  return command("settablepartition", args);
}

NameserverCall call_of(const wire::UpdateTableAliveStatusRequest& request) {
  Args args = table_of(request);
  if (request.has_pid()) args["pid"] = std::to_string(request.pid());
  args["endpoint"] = request.endpoint();
  args["alive"] = in_words(request.is_alive());
  return command("updatetablealive", args);
}

template <class Request>
std::optional<NameserverCall> parse(const std::string& payload) {
  Request request;
  if (!read(request, payload)) return std::nullopt;
  return call_of(request);
}

enum class Kind {
  kLists,    // Long.
  kShows,    // Short.
  kChanges,  // Whether auto_failover is on or off.
  kManual,   // Changes, while auto_failover is off.
};

struct Method {
  Kind kind;
  std::optional<NameserverCall> (*parse)(const std::string& payload);
};

// Null: it is not served here.
const Method* find(const std::string& name) {
  static const std::map<std::string, Method> kMethods = {
      {"ShowTablet", {Kind::kLists, &parse<wire::ShowTabletRequest>}},
      {"ShowTable", {Kind::kLists, &parse<wire::ShowTableRequest>}},
      {"ShowOPStatus", {Kind::kLists, &parse<wire::ShowOPStatusRequest>}},
      {"GetTablePartition", {Kind::kLists, &parse<wire::GetTablePartitionRequest>}},
      {"ConfGet", {Kind::kShows, &parse<wire::ConfGetRequest>}},
      {"ConfSet", {Kind::kChanges, &parse<wire::ConfSetRequest>}},
      {"AddReplicaNS", {Kind::kChanges, &parse<wire::AddReplicaNSRequest>}},
      {"DelReplicaNS", {Kind::kChanges, &parse<wire::DelReplicaNSRequest>}},
      {"MakeSnapshotNS", {Kind::kChanges, &parse<wire::MakeSnapshotNSRequest>}},
      {"ChangeLeader", {Kind::kManual, &parse<wire::ChangeLeaderRequest>}},
      {"OfflineEndpoint", {Kind::kManual, &parse<wire::OfflineEndpointRequest>}},
      {"RecoverEndpoint", {Kind::kManual, &parse<wire::RecoverEndpointRequest>}},
      {"RecoverTable", {Kind::kManual, &parse<wire::RecoverTableRequest>}},
      {"Migrate", {Kind::kManual, &parse<wire::MigrateRequest>}},
      {"CancelOP", {Kind::kManual, &parse<wire::CancelOPRequest>}},
      {"SetTablePartition", {Kind::kManual, &parse<wire::SetTablePartitionRequest>}},
      {"UpdateTableAliveStatus", {Kind::kManual, &parse<wire::UpdateTableAliveStatusRequest>}},
  };
  const auto found = kMethods.find(name);
  return found == kMethods.end() ? nullptr : &found->second;
}

// Their lists stand in front of code and msg.
bool lists_first(const std::string& method) {
  return method == "ShowTablet" || method == "ShowTable";
}

// --- Tables --------------------------------------------------------------------------------------

using RowKey = std::tuple<std::uint32_t, std::string>;

template <class Info>
void fill_in(Info& info, const std::map<RowKey, const ReplicaRow*>& rows) {
  for (auto& partition : *info.mutable_table_partition()) {
    for (auto& meta : *partition.mutable_partition_meta()) {
      const auto found = rows.find({partition.pid(), meta.endpoint()});
      if (found == rows.end() || !found->second->offset) continue;  // It never told: shown as "-".
      const ReplicaRow& row = *found->second;
      const std::uint64_t count = row.record_cnt.value_or(0);
      const std::uint64_t bytes = row.memused.value_or(0);
      meta.set_offset(*row.offset);
      meta.set_record_cnt(count);
      meta.set_record_byte_size(bytes);
      meta.set_tablet_has_partition(true);
      if (!meta.is_leader() || !meta.is_alive()) continue;
      partition.set_record_cnt(count);
      partition.set_record_byte_size(bytes);
    }
  }
}

// All that both numberings name, from one to the other. What only one of them has stays behind.
template <class From, class To>
void copy(const From& from, To& to) {
  to.set_name(from.name());
  if (from.has_seg_cnt()) to.set_seg_cnt(from.seg_cnt());
  *to.mutable_table_partition() = from.table_partition();
  if (from.has_tid()) to.set_tid(from.tid());
  if (from.has_partition_num()) to.set_partition_num(from.partition_num());
  if (from.has_replica_num()) to.set_replica_num(from.replica_num());
  if (from.has_compress_type()) to.set_compress_type(from.compress_type());
  if (from.has_key_entry_max_height()) to.set_key_entry_max_height(from.key_entry_max_height());
  if (from.has_db()) to.set_db(from.db());
}

template <class Info>
std::string piece_of(const Info& info, bool openmldb_numbers) {
  wire::ShowTableResponse old_numbers;
  openmldb::ShowTableResponse new_numbers;
  if constexpr (std::is_same_v<Info, wire::TableInfo>) {
    if (!openmldb_numbers) *old_numbers.add_table_info() = info;
    if (openmldb_numbers) copy(info, *new_numbers.add_table_info());
  } else {
    if (openmldb_numbers) *new_numbers.add_table_info() = info;
    if (!openmldb_numbers) copy(info, *old_numbers.add_table_info());
  }
  return openmldb_numbers ? new_numbers.SerializePartialAsString()
                          : old_numbers.SerializePartialAsString();
}

template <class Info>
std::string show(const std::string& bytes, const std::map<RowKey, const ReplicaRow*>& rows,
                 bool openmldb_numbers) {
  Info info;
  if (!read(info, bytes)) return "";
  fill_in(info, rows);
  return piece_of(info, openmldb_numbers);
}

template <class Info>
std::string partition_piece(const std::string& bytes, std::uint32_t pid) {
  Info info;
  if (!read(info, bytes)) return "";
  wire::GetTablePartitionResponse response;
  for (const auto& partition : info.table_partition()) {
    if (partition.pid() == pid) *response.mutable_table_partition() = partition;
  }
  return response.SerializeAsString();
}

}  // namespace

std::optional<NameserverDialect> dialect_of(std::string_view service, bool cluster_is_openmldb) {
  if (service == "NameServer") return NameserverDialect{cluster_is_openmldb, cluster_is_openmldb};
  if (service == "rtidb.nameserver.NameServer") return NameserverDialect{false, false};
  if (service == "fedb.nameserver.NameServer") return NameserverDialect{cluster_is_openmldb, false};
  if (service == "openmldb.nameserver.NameServer") return NameserverDialect{true, true};
  return std::nullopt;
}

std::optional<NameserverCall> parse_nameserver_call(const std::string& method,
                                                    const std::string& payload) {
  const Method* known = find(method);
  return known ? known->parse(payload) : NotServed{};
}

bool nameserver_call_changes(const std::string& method) {
  const Method* known = find(method);
  return known && (known->kind == Kind::kChanges || known->kind == Kind::kManual);
}

bool nameserver_call_is_manual(const std::string& method) {
  const Method* known = find(method);
  return known && known->kind == Kind::kManual;
}

bool nameserver_call_lists(const std::string& method) {
  const Method* known = find(method);
  return known && known->kind == Kind::kLists;
}

std::string nameserver_answer(const std::string& method, int code, std::string_view msg) {
  if (lists_first(method)) {
    wire::ShowTabletResponse response;  // ShowTableResponse has them there, too.
    response.set_code(code);
    response.set_msg(std::string(msg));
    return response.SerializeAsString();
  }
  wire::NameServerResponse response;
  response.set_code(code);
  response.set_msg(std::string(msg));
  return response.SerializeAsString();
}

std::string nameserver_list(const std::string& method, const std::string& pieces) {
  const std::string ok = nameserver_answer(method, 0, "ok");
  return lists_first(method) ? pieces + ok : ok + pieces;
}

std::string nameserver_piece(const TabletRow& row, const NameserverDialect& dialect) {
  constexpr std::string_view kTablet = "kTablet";
  wire::ShowTabletResponse response;
  wire::TabletStatus& status = *response.add_tablets();
  status.set_endpoint(row.endpoint);
  status.set_state(dialect.is_openmldb && row.shown.starts_with(kTablet)
                       ? "k" + row.shown.substr(kTablet.size())
                       : row.shown);
  status.set_age(row.age_ms);
  return response.SerializeAsString();
}

std::string nameserver_piece(const OpRow& row, const NameserverDialect& dialect) {
  const auto in_seconds = [](std::int64_t ms) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(ms, 0) / 1000);
  };
  const bool is_queued = row.status == "kInited";
  wire::ShowOPStatusResponse response;
  wire::OPStatus& op = *response.add_op_status();
  op.set_op_id(row.op_id);
  op.set_op_type(row.op_type);
  op.set_status(row.status);
  op.set_start_time(is_queued ? 0 : in_seconds(row.start_ms));
  op.set_end_time(in_seconds(row.end_ms));
  const bool at_a_task = row.status == "kDoing" || row.status == "kFailed";
  op.set_task_type(at_a_task && !row.cur_task.empty() ? row.cur_task : "-");
  op.set_name(row.name);
  op.set_pid(row.pid);
  if (dialect.is_openmldb) op.set_for_replica_cluster(0);
  if (dialect.is_openmldb || !row.db.empty()) op.set_db(row.db);
  return response.SerializeAsString();
}

std::string nameserver_piece(const ConfRow& row) {
  wire::ConfGetResponse response;
  wire::Pair& pair = *response.add_conf();
  pair.set_key(row.key);
  pair.set_value(row.value);
  return response.SerializePartialAsString();
}

std::string nameserver_piece(const TableBytes& table, std::span<const ReplicaRow> rows,
                             const NameserverDialect& dialect) {
  std::map<RowKey, const ReplicaRow*> by_key;
  for (const ReplicaRow& row : rows) by_key[{row.pid, row.endpoint}] = &row;
  return table.openmldb_numbers
             ? show<openmldb::TableInfo>(table.bytes, by_key, dialect.openmldb_numbers)
             : show<wire::TableInfo>(table.bytes, by_key, dialect.openmldb_numbers);
}

std::string nameserver_partition(const TableBytes& table, std::uint32_t pid) {
  return table.openmldb_numbers ? partition_piece<openmldb::TableInfo>(table.bytes, pid)
                                : partition_piece<wire::TableInfo>(table.bytes, pid);
}

}  // namespace failoverd::admin
