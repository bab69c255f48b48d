#include "tests/minitablet/rig.h"

namespace failoverd::minitablet {

namespace {

template <class Response>
int code_of(const std::optional<Response>& response) {
  return response && response->has_code() ? response->code() : -1000;
}

}  // namespace

Rig::~Rig() {
  for (Running& running : tablets_) {
    if (running.tablet) running.tablet->stop();
    running.client.reset();
    running.tablet.reset();
  }
  // What was under way ends.
  if (io_.stopped()) io_.restart();
  io_.poll();
}

std::filesystem::path Rig::directory(std::size_t which) const {
  return root_.path() / ("tablet" + std::to_string(which));
}

std::size_t Rig::begin(const std::function<void(Options&)>& change) {
  const std::size_t which = tablets_.size();
  Running& running = tablets_.emplace_back();
  running.options.endpoint = "127.0.0.1:0";
  running.options.db_root_path = directory(which);
  running.options.binlog_coffee_time = 20ms;
  running.options.binlog_match_logoffset_interval = 20ms;
  running.options.send_file_sleep = 0ms;
  running.options.retry_send_file_wait = 5ms;
  running.options.make_snapshot_threshold_offset = 1;
  if (change) change(running.options);
  begin_again(which);
  return which;
}

void Rig::begin_again(std::size_t which) {
  Running& running = at(which);
  ASSERT_TRUE(running.options.settle());
  running.tablet = std::make_shared<Tablet>(io_, running.options);
  const auto listening = running.tablet->listen();
  ASSERT_TRUE(listening) << listening.error().text;
  running.endpoint = running.options.endpoint = running.tablet->options().endpoint;
  running.client = std::make_unique<testkit::Client>(io_, running.endpoint);
}

void Rig::end(std::size_t which) {
  at(which).tablet->stop();
  at(which).tablet.reset();
}

testing::AssertionResult Rig::soon(const std::function<bool()>& holds, const char* what) {
  if (harness::wait_until(io_, holds, 10s, what)) return testing::AssertionSuccess();
  return testing::AssertionFailure() << what;
}

int Rig::ask_numbered(std::size_t which, const std::string& method,
                      const google::protobuf::Message& request) {
  const rpc::Answer answer =
      client(which).call("TabletServer", method, serialize(request, *at(which).options.generation));
  fedb::GeneralResponse response;
  return response.ParseFromString(answer.payload) && response.has_code() ? response.code() : -1000;
}

int Rig::create(std::size_t which, fedb::TableMode mode, std::vector<std::size_t> followers,
                std::uint64_t term, std::uint32_t pid) {
  CreateTableRequest request;
  TableMeta& meta = *request.mutable_table_meta();
  const Generation& generation = *at(which).options.generation;
  for (const std::string& column : generation.column_desc) meta.add_column_desc(column);
  for (const std::string& key : generation.column_key) meta.add_column_key(key);
  meta.set_tid(kTid);
  meta.set_pid(static_cast<std::int32_t>(pid));
  meta.set_name("t");
  meta.set_seg_cnt(8);
  meta.set_mode(mode);
  if (mode == fedb::kTableLeader) meta.set_term(term);
  for (const std::size_t follower : followers) meta.add_replicas(endpoint(follower));
  return ask_numbered(which, "CreateTable", request);
}

int Rig::put(std::size_t which, const std::string& key, std::uint64_t ts, const std::string& value,
             std::uint32_t pid) {
  fedb::PutRequest request;
  request.set_tid(kTid);
  request.set_pid(pid);
  request.set_pk(key);
  request.set_time(static_cast<std::int64_t>(ts));
  request.set_value(value);
  return code_of(client(which).ask<fedb::PutResponse>("Put", request));
}

std::string Rig::get(std::size_t which, const std::string& key) {
  fedb::GetRequest request;
  request.set_tid(kTid);
  request.set_pid(kPid);
  request.set_key(key);
  const auto response = client(which).ask<fedb::GetResponse>("Get", request);
  return response && response->code() == 0 ? response->value() : "";
}

int Rig::probe(std::size_t which, std::uint64_t term, std::uint64_t* offset) {
  fedb::AppendEntriesResponse response;
  const int code = append(which, term, 0, {}, &response);
  if (offset) *offset = response.log_offset();
  return code;
}

int Rig::append(std::size_t which, std::uint64_t term, std::uint64_t pre_log_index,
                std::vector<std::uint64_t> indexes, fedb::AppendEntriesResponse* response) {
  fedb::AppendEntriesRequest request;
  request.set_tid(kTid);
  request.set_pid(kPid);
  request.set_term(term);
  request.set_pre_log_index(pre_log_index);
  for (const std::uint64_t index : indexes) {
    fedb::LogEntry& entry = *request.add_entries();
    entry.set_term(term);
    entry.set_log_index(index);
    entry.set_pk("appended" + std::to_string(index));
    entry.set_value("v");
    entry.set_ts(index);
  }
  const auto answer = client(which).ask<fedb::AppendEntriesResponse>("AppendEntries", request);
  if (answer && response) *response = *answer;
  return code_of(answer);
}

fedb::ChangeRoleRequest Rig::role_request(fedb::TableMode mode) const {
  fedb::ChangeRoleRequest request;
  request.set_tid(kTid);
  request.set_pid(kPid);
  request.set_mode(mode);
  return request;
}

int Rig::follow(std::size_t which) {
  return code_of(client(which).ask<fedb::ChangeRoleResponse>("ChangeRole",
                                                             role_request(fedb::kTableFollower)));
}

fedb::ReplicaRequest Rig::replica_request(std::size_t follower) {
  fedb::ReplicaRequest request;
  request.set_tid(kTid);
  request.set_pid(kPid);
  request.set_endpoint(endpoint(follower));
  return request;
}

int Rig::replica(const std::string& method, std::size_t leader, std::size_t follower,
                 std::optional<fedb::TaskInfo> task) {
  fedb::ReplicaRequest request = replica_request(follower);
  if (task) *request.mutable_task_info() = *task;
  return code_of(client(leader).ask<fedb::GeneralResponse>(method, request));
}

int Rig::general(const std::string& method, std::size_t which, std::optional<fedb::TaskInfo> task) {
  fedb::GeneralRequest request;
  request.set_tid(kTid);
  request.set_pid(kPid);
  if (task) *request.mutable_task_info() = *task;
  return code_of(client(which).ask<fedb::GeneralResponse>(method, request));
}

int Rig::load(std::size_t which, fedb::TableMode mode, std::optional<fedb::TaskInfo> task,
              std::uint64_t term) {
  LoadTableRequest request;
  TableMeta& meta = *request.mutable_table_meta();
  meta.set_tid(kTid);
  meta.set_pid(kPid);
  meta.set_name("t");
  meta.set_mode(mode);
  if (term != 0) meta.set_term(term);
  if (task) *request.mutable_task_info() = *task;
  return ask_numbered(which, "LoadTable", request);
}

int Rig::drop(std::size_t which, std::optional<fedb::TaskInfo> task) {
  fedb::DropTableRequest request;
  request.set_tid(kTid);
  request.set_pid(kPid);
  if (task) *request.mutable_task_info() = *task;
  return code_of(client(which).ask<fedb::GeneralResponse>("DropTable", request));
}

int Rig::send_snapshot(std::size_t from, std::size_t to, std::optional<fedb::TaskInfo> task) {
  fedb::SendSnapshotRequest request;
  request.set_tid(kTid);
  request.set_pid(kPid);
  request.set_endpoint(endpoint(to));
  if (task) *request.mutable_task_info() = *task;
  return code_of(client(from).ask<fedb::GeneralResponse>("SendSnapshot", request));
}

fedb::GetTermPairResponse Rig::term_pair(std::size_t which, std::uint32_t pid) {
  fedb::GetTermPairRequest request;
  request.set_tid(kTid);
  request.set_pid(pid);
  return client(which)
      .ask<fedb::GetTermPairResponse>("GetTermPair", request)
      .value_or(fedb::GetTermPairResponse{});
}

fedb::TableStatus Rig::status(std::size_t which) {
  fedb::GetTableStatusRequest request;
  request.set_tid(kTid);
  request.set_pid(kPid);
  const auto response = client(which).ask<fedb::GetTableStatusResponse>("GetTableStatus", request);
  if (!response || response->all_table_status_size() == 0) return {};
  return response->all_table_status(0);
}

std::uint64_t Rig::manifest_offset(std::size_t which) {
  fedb::GetManifestRequest request;
  request.set_tid(kTid);
  request.set_pid(kPid);
  const auto response = client(which).ask<fedb::GetManifestResponse>("GetManifest", request);
  return response ? response->manifest().offset() : 0;
}

fedb::GetTableFollowerResponse Rig::followers(std::size_t which) {
  fedb::GetTableFollowerRequest request;
  request.set_tid(kTid);
  request.set_pid(kPid);
  return client(which)
      .ask<fedb::GetTableFollowerResponse>("GetTableFollower", request)
      .value_or(fedb::GetTableFollowerResponse{});
}

control::DumpResponse Rig::dump(std::size_t which, bool from_disk) {
  control::DumpRequest request;
  request.set_tid(kTid);
  request.set_pid(kPid);
  request.set_from_disk(from_disk);
  return client(which).dump(request).value_or(control::DumpResponse{});
}

fedb::TaskInfo Rig::task(std::uint64_t op_id, fedb::TaskType type) {
  fedb::TaskInfo info;
  info.set_op_id(op_id);
  info.set_op_type(fedb::kReAddReplicaOP);
  info.set_task_type(type);
  info.set_status(fedb::kInited);
  return info;
}

std::optional<fedb::TaskStatus> Rig::task_status(std::size_t which, std::uint64_t op_id) {
  const auto response =
      client(which).ask<fedb::GetTaskStatusResponse>("GetTaskStatus", fedb::GetTaskStatusRequest{});
  if (!response) return std::nullopt;
  for (const fedb::TaskInfo& info : response->task()) {
    if (info.op_id() == op_id) return info.status();
  }
  return std::nullopt;
}

void Rig::forget(std::size_t which, std::uint64_t op_id) {
  fedb::DeleteOPTaskRequest request;
  request.add_op_id(op_id);
  EXPECT_EQ(code_of(client(which).ask<fedb::GeneralResponse>("DeleteOPTask", request)), 0);
}

void Rig::hang(std::size_t which, const std::string& method, control::Stage stage,
               std::uint32_t milliseconds, std::uint32_t calls) {
  control::HangRequest request;
  request.mutable_match()->set_method(method);
  request.set_stage(stage);
  request.set_milliseconds(milliseconds);
  request.set_calls(calls);
  EXPECT_TRUE(client(which).control("Hang", request));
}

void Rig::release(std::size_t which) {
  EXPECT_TRUE(client(which).control("Release", control::ReleaseRequest{}));
}

void Rig::set_disk_full(std::size_t which, bool full) {
  control::SetDiskFullRequest request;
  request.set_full(full);
  EXPECT_TRUE(client(which).control("SetDiskFull", request));
}

}  // namespace failoverd::minitablet
