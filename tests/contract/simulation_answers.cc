#include "tests/contract/simulation_answers.h"

#include <stdexcept>

#include "proto/tablet.pb.h"
#include "tests/minitablet/partition.h"
#include "tests/minitablet/table_meta.pb.h"

namespace failoverd::contract {
namespace {

// Tasks that a script asks without an op of their own are not listed.
constexpr core::OpId kNobodysOps = core::OpId{1} << 40;

template <class Request>
const Request* as(const Question& question) {
  return dynamic_cast<const Request*>(&*question.request);
}

template <class Request>
core::OpId op_of(const Request& r) {
  static core::OpId last = kNobodysOps;
  return r.has_task_info() ? r.task_info().op_id() : ++last;
}

core::Call general_call(const std::string& method, const fedb::GeneralRequest& r) {
  const core::PartitionKey at = key_of(r);
  if (method == "MakeSnapshot") return core::MakeSnapshot{at, op_of(r), {}};
  if (method == "PauseSnapshot") return core::PauseSnapshot{at};
  if (method == "RecoverSnapshot") return core::RecoverSnapshot{at};
  if (method == "DeleteBinlog") return core::DeleteBinlog{at};
  throw std::invalid_argument("the simulation's tablet does not know " + method);
}

core::Call replica_call(const std::string& method, const fedb::ReplicaRequest& r) {
  if (method == "AddReplica") return core::AddReplica{key_of(r), r.endpoint()};
  return core::DelReplica{key_of(r), r.endpoint()};
}

core::Call role_call(const fedb::ChangeRoleRequest& r) {
  if (r.mode() != fedb::kTableLeader) return core::Demote{key_of(r)};
  return core::Promote{key_of(r), r.term(), {r.replicas().begin(), r.replicas().end()}};
}

void fill(const core::Answer& a, fedb::GetTermPairResponse& to) {
  to.set_term(a.term);
  to.set_offset(a.offset);
  to.set_has_table(a.has_table);
  if (a.has_table) to.set_is_leader(a.is_leader);
}

// What the tablet does not tell is 0.
void fill(const core::Answer& a, fedb::AppendEntriesResponse& to) {
  if (a.offset != 0) to.set_log_offset(a.offset);
  if (a.term != 0) to.set_term(a.term);
}

void fill(const core::Answer& a, fedb::GetManifestResponse& to) {
  to.mutable_manifest()->set_offset(a.offset);
  if (a.term != 0) to.mutable_manifest()->set_term(a.term);
}

void fill(const core::Answer& a, fedb::GetTableFollowerResponse& to) {
  if (a.code == core::kOk || a.offset != 0) to.set_offset(a.offset);
  for (const core::FollowerOffset& f : a.followers) {
    to.add_follower_info()->set_endpoint(f.endpoint);
    to.mutable_follower_info()->rbegin()->set_offset(f.offset);
  }
}

void fill(const core::Answer& a, fedb::GetTableStatusResponse& to) {
  for (const core::ReplicaStatus& s : a.replicas) {
    fedb::TableStatus& one = *to.add_all_table_status();
    one.set_tid(s.at.tid);
    one.set_pid(s.at.pid);
    one.set_offset(s.offset);
    one.set_mode(s.mode == core::Mode::kLeader ? fedb::kTableLeader : fedb::kTableFollower);
    one.set_state(static_cast<fedb::TableState>(s.state));
    one.set_name(s.name);
  }
}

void fill(const core::Answer& a, fedb::GetTaskStatusResponse& to) {
  for (const core::RegisteredTask& t : a.tasks) {
    if (t.op >= kNobodysOps) continue;
    fedb::TaskInfo& one = *to.add_task();
    one.set_op_id(t.op);
    one.set_task_type(static_cast<fedb::TaskType>(t.task));
    one.set_status(static_cast<fedb::TaskStatus>(t.status));
  }
}

// Fills the response, if it is of that type.
template <class Response>
bool filled(const core::Answer& answer, google::protobuf::Message& response) {
  auto* to = dynamic_cast<Response*>(&response);
  if (!to) return false;
  to->set_code(answer.code);
  if constexpr (requires { fill(answer, *to); }) fill(answer, *to);
  return true;
}

}  // namespace

core::Storage storage_of(const google::protobuf::Message& request) {
  const auto* meta = request.GetDescriptor()->FindFieldByName("table_meta");
  const google::protobuf::Reflection& fields = *request.GetReflection();
  if (meta) return storage_of(fields.GetMessage(request, meta));
  const auto* field = request.GetDescriptor()->FindFieldByName("storage_mode");
  const bool is_said = field && fields.HasField(request, field);
  return is_said ? static_cast<core::Storage>(fields.GetEnumValue(request, field))
                 : core::Storage::kMemory;
}

std::vector<core::Call> calls_of(const Question& q) {
  if (const auto* r = as<fedb::GetTableStatusRequest>(q)) {
    if (!r->has_tid()) return {core::GetTableStatus{}};
    return {core::GetTableStatus{key_of(*r)}};
  }
  if (const auto* r = as<fedb::GetTermPairRequest>(q)) return {core::GetTermPair{key_of(*r)}};
  if (const auto* r = as<fedb::GetManifestRequest>(q)) return {core::GetManifest{key_of(*r)}};
  if (const auto* r = as<fedb::GetTableFollowerRequest>(q)) {
    return {core::GetTableFollower{key_of(*r)}};
  }
  if (const auto* r = as<fedb::AppendEntriesRequest>(q)) {
    return {core::Probe{key_of(*r), r->term()}};
  }
  if (const auto* r = as<fedb::ChangeRoleRequest>(q)) return {role_call(*r)};
  if (const auto* r = as<fedb::ReplicaRequest>(q)) return {replica_call(q.method, *r)};
  if (const auto* r = as<fedb::GeneralRequest>(q)) return {general_call(q.method, *r)};
  if (const auto* r = as<fedb::SendSnapshotRequest>(q)) {
    return {core::SendSnapshot{key_of(*r), r->endpoint(), op_of(*r), {}}};
  }
  if (const auto* r = as<fedb::DropTableRequest>(q)) {
    return {core::DropTable{key_of(*r), op_of(*r), {}}};
  }
  if (const auto* r = as<minitablet::LoadTableRequest>(q)) {
    const core::OpId op = r->has_task_info() ? r->task_info().op_id() : 0;
    return {core::LoadTable{key_of(r->table_meta()), r->table_meta().name(), "", op, {}, 0}};
  }
  if (as<fedb::GetTaskStatusRequest>(q)) return {core::GetTaskStatus{}};
  std::vector<core::Call> calls;
  if (const auto* r = as<fedb::DeleteOPTaskRequest>(q)) {
    for (const std::uint64_t op : r->op_id()) calls.emplace_back(core::DeleteOpTask{op});
  }
  if (calls.empty()) {
    throw std::invalid_argument("the simulation's tablet does not know " + q.method);
  }
  return calls;
}

std::optional<simulation::Tablet::Append> entries_of(const Question& question) {
  const auto* r = as<fedb::AppendEntriesRequest>(question);
  if (!r || minitablet::is_probe(*r)) return std::nullopt;
  simulation::Tablet::Append append{key_of(*r), r->term(), false, false, r->pre_log_index(), {}};
  for (const fedb::LogEntry& entry : r->entries()) {
    append.entries.push_back({entry.term(), entry.log_index(), 0, 0});
  }
  return append;
}

core::Answer answer_of(const simulation::Tablet::Appended& appended) {
  core::Answer answer = simulation::answer(appended.code);
  answer.offset = appended.offset;
  return answer;
}

std::optional<LoadedAsLeader> loaded_as_leader(const Question& question) {
  const auto* r = as<minitablet::LoadTableRequest>(question);
  if (!r || r->table_meta().mode() != fedb::kTableLeader) return std::nullopt;
  const minitablet::TableMeta& meta = r->table_meta();
  const core::OpId op = r->has_task_info() ? r->task_info().op_id() : 0;
  return LoadedAsLeader{{key_of(meta), meta.name(), "", op, {}, 0},
                        meta.term(),
                        {meta.replicas().begin(), meta.replicas().end()}};
}

MessagePtr response_of(const Question& question, const core::Answer& answer) {
  MessagePtr response = response_of(question.method);
  const bool known = filled<fedb::GeneralResponse>(answer, *response) ||
                     filled<fedb::PutResponse>(answer, *response) ||
                     filled<fedb::ChangeRoleResponse>(answer, *response) ||
                     filled<fedb::GetTermPairResponse>(answer, *response) ||
                     filled<fedb::AppendEntriesResponse>(answer, *response) ||
                     filled<fedb::GetManifestResponse>(answer, *response) ||
                     filled<fedb::GetTableFollowerResponse>(answer, *response) ||
                     filled<fedb::GetTableStatusResponse>(answer, *response) ||
                     filled<fedb::GetTaskStatusResponse>(answer, *response);
  if (!known)
    throw std::invalid_argument("the simulation's tablet has no answer to " + question.method);
  // A probe's offset is told, also if it is 0.
  auto* appended = dynamic_cast<fedb::AppendEntriesResponse*>(&*response);
  if (appended && !entries_of(question) && answer.ok()) appended->set_log_offset(answer.offset);
  return response;
}

}  // namespace failoverd::contract
