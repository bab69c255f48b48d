#include "lib/fedb/wire/tablet_calls.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <optional>

#include "lib/base/overload.h"
#include "lib/base/utf8.h"
#include "proto/openmldb.pb.h"
#include "proto/tablet.pb.h"

namespace failoverd::fedb {
namespace {

namespace wire = ::failoverd::fedb;

template <class Message>
Message for_partition(core::PartitionKey at) {
  Message m;
  m.set_tid(at.tid);
  m.set_pid(at.pid);
  return m;
}

WireCall change_role(core::PartitionKey at, wire::TableMode mode, core::Term term,
                     const std::vector<core::Endpoint>& replicas) {
  auto m = for_partition<wire::ChangeRoleRequest>(at);
  m.set_mode(mode);
  if (mode == wire::kTableLeader) m.set_term(term);
  for (const core::Endpoint& replica : replicas) m.add_replicas(replica);
  return {"ChangeRole", m.SerializeAsString()};
}

template <class Message>
Message for_signed_partition(core::PartitionKey at) {
  Message m;
  m.set_tid(static_cast<std::int32_t>(at.tid));
  m.set_pid(static_cast<std::int32_t>(at.pid));
  return m;
}

WireCall for_replica(const char* method, core::PartitionKey at, const core::Endpoint& replica) {
  auto m = for_partition<wire::ReplicaRequest>(at);
  m.set_endpoint(replica);
  return {method, m.SerializeAsString()};
}

// Not said where it is what every tablet takes for granted: not every generation knows the field.
template <class Message>
void set_storage(core::Storage storage, Message& m) {
  if (storage != core::Storage::kMemory) {
    m.set_storage_mode(static_cast<wire::StorageMode>(storage));
  }
}

WireCall general(const char* method, core::PartitionKey at, core::Storage storage) {
  auto m = for_signed_partition<wire::GeneralRequest>(at);
  set_storage(storage, m);
  return {method, m.SerializeAsString()};
}

template <class Request>
WireCall about_storage(const char* method, core::PartitionKey at, core::Storage storage) {
  auto m = for_partition<Request>(at);
  set_storage(storage, m);
  return {method, m.SerializeAsString()};
}

// What only we call an op is an unknown value to a tablet, which takes no such message.
void fill_task(core::OpId op, core::OpType type, core::Task task, wire::TaskInfo& m) {
  m.set_op_id(op);
  const int known = static_cast<int>(type);
  m.set_op_type(wire::OPType_IsValid(known) ? static_cast<wire::OPType>(known)
                                            : wire::kReLoadTableOP);
  m.set_task_type(static_cast<wire::TaskType>(task));
  m.set_status(wire::kInited);
}

// Only openmldb's numbers have tables on disk.
void fill_in(const core::LoadTable&, core::Storage, wire::TableMeta&) {}
void fill_in(const core::LoadTable& c, core::Storage storage, openmldb::TableMeta& meta) {
  set_storage(storage, meta);
  if (c.base_tid != 0) meta.set_base_table_tid(c.base_tid);
}

template <class Request>
WireCall load_table(const core::LoadTable& c, core::Storage storage) {
  Request m;
  auto& meta = *m.mutable_table_meta();
  meta.set_tid(static_cast<std::int32_t>(c.at.tid));
  meta.set_pid(static_cast<std::int32_t>(c.at.pid));
  meta.set_name(c.name);
  if (!c.db.empty()) meta.set_db(c.db);
  meta.set_mode(wire::kTableFollower);
  fill_in(c, storage, meta);
  if (c.op != 0) {
    auto& task = *m.mutable_task_info();
    fill_task(c.op, c.type, core::Task::kLoadTable, task);
    task.set_tid(c.at.tid);
    task.set_pid(c.at.pid);
  }
  return {"LoadTable", m.SerializeAsString()};
}

// As long as a message for people gets.
constexpr std::size_t kTextBytes = 300;
// A table's name, or an endpoint; ZooKeeper's own limits allow no longer one that anybody would
// use.
constexpr std::size_t kNameBytes = 1'000;
// No entry of a list that says anything is shorter.
constexpr std::size_t kShortestEntry = 16;

// How often a field stands in a message, without making anything of it. None: it is no message.
std::optional<std::size_t> count_of(const std::string& payload, int field) {
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(payload.data()),
                                            static_cast<int>(payload.size()));
  std::size_t count = 0;
  using Format = google::protobuf::internal::WireFormatLite;
  while (const std::uint32_t tag = in.ReadTag()) {
    if (Format::GetTagFieldNumber(tag) == field) ++count;
    if (!Format::SkipField(&in, tag)) return std::nullopt;
  }
  return count;
}

// Whether a list is not longer than anything that could be meant.
bool may_be_taken(const std::string& payload, int field, std::size_t at_most, core::Answer& to) {
  const std::size_t most = at_most / kShortestEntry;
  const auto count = count_of(payload, field);
  if (!count || *count <= most) return true;  // What is no message is found out by parsing it.
  to.transport = core::Transport::kGarbled;
  to.text = "sent a list of " + std::to_string(*count) + " entries, at most " +
            std::to_string(most) + " can be";
  return false;
}

template <class Response>
bool parse(const std::string& payload, Response& m, core::Answer& to) {
  if (!m.ParseFromString(payload)) {
    to.transport = core::Transport::kGarbled;
    to.text = "sent an answer that does not parse";
    return false;
  }
  to.code = m.code();
  to.text = shortened(m.msg(), kTextBytes);
  return true;
}

void take_status(const std::string& payload, std::size_t at_most, core::Answer& to) {
  wire::GetTableStatusResponse m;
  const int field = wire::GetTableStatusResponse::kAllTableStatusFieldNumber;
  if (!may_be_taken(payload, field, at_most, to) || !parse(payload, m, to)) return;
  to.replicas.reserve(static_cast<std::size_t>(m.all_table_status_size()));
  for (const auto& s : m.all_table_status()) {
    core::ReplicaStatus& r = to.replicas.emplace_back();
    r.at = {s.tid(), s.pid()};
    r.offset = s.offset();
    r.mode = s.mode() == wire::kTableLeader ? core::Mode::kLeader : core::Mode::kFollower;
    r.state = static_cast<core::TableState>(s.state());
    r.record_cnt = s.record_cnt();
    r.record_bytes = s.record_byte_size();
    r.name = shortened(s.name(), kNameBytes);
  }
}

void take_term_pair(const std::string& payload, core::Answer& to) {
  wire::GetTermPairResponse m;
  if (!parse(payload, m, to)) return;
  to.term = m.term();
  to.offset = m.offset();
  to.has_table = m.has_table();
  to.is_leader = m.is_leader();
}

void take_probe(const std::string& payload, core::Answer& to) {
  wire::AppendEntriesResponse m;
  if (!parse(payload, m, to)) return;
  to.offset = m.log_offset();
  to.term = m.term();
}

void take_followers(const std::string& payload, std::size_t at_most, core::Answer& to) {
  wire::GetTableFollowerResponse m;
  const int field = wire::GetTableFollowerResponse::kFollowerInfoFieldNumber;
  if (!may_be_taken(payload, field, at_most, to) || !parse(payload, m, to)) return;
  to.offset = m.offset();
  for (const auto& f : m.follower_info()) {
    to.followers.push_back({shortened(f.endpoint(), kNameBytes), f.offset()});
  }
}

void take_manifest(const std::string& payload, core::Answer& to) {
  wire::GetManifestResponse m;
  if (!parse(payload, m, to)) return;
  to.offset = m.manifest().offset();
}

void take_tasks(const std::string& payload, std::size_t at_most, core::Answer& to) {
  wire::GetTaskStatusResponse m;
  const int field = wire::GetTaskStatusResponse::kTaskFieldNumber;
  if (!may_be_taken(payload, field, at_most, to) || !parse(payload, m, to)) return;
  to.tasks.reserve(static_cast<std::size_t>(m.task_size()));
  for (const auto& t : m.task()) {
    auto& task = to.tasks.emplace_back();
    task.op = t.op_id();
    task.task = static_cast<core::Task>(t.task_type());
    task.status = static_cast<core::OpStatus>(t.status());
    if (t.has_tid() && t.has_pid()) task.at = core::PartitionKey{t.tid(), t.pid()};
  }
}

void take_general(const std::string& payload, core::Answer& to) {
  wire::GeneralResponse m;
  parse(payload, m, to);
}

core::Transport transport_of(const rpc::Answer& answer) {
  switch (answer.outcome) {
    case rpc::Outcome::kAnswered:
    case rpc::Outcome::kServerError:
      return core::Transport::kAnswered;
    case rpc::Outcome::kRefused:
      return core::Transport::kRefused;
    case rpc::Outcome::kReset:
      return core::Transport::kBroken;
    case rpc::Outcome::kMalformed:
      return core::Transport::kGarbled;
    case rpc::Outcome::kUnreachable:
    case rpc::Outcome::kTimeout:
      return core::Transport::kSilent;
    case rpc::Outcome::kClosed:
      return answer.sent ? core::Transport::kBroken : core::Transport::kNotSent;
  }
  return core::Transport::kSilent;
}

}  // namespace

WireCall to_wire(const core::Call& call, Numbering numbering, core::Storage storage) {
  return std::visit(
      Overload{
          [](const core::GetTableStatus& c) {
            wire::GetTableStatusRequest m;
            if (c.at) m = for_partition<wire::GetTableStatusRequest>(*c.at);
            return WireCall{"GetTableStatus", m.SerializeAsString()};
          },
          [&](const core::GetTermPair& c) {
            return about_storage<wire::GetTermPairRequest>("GetTermPair", c.at, storage);
          },
          [](const core::Probe& c) {
            auto m = for_partition<wire::AppendEntriesRequest>(c.at);
            m.set_pre_log_index(0);
            m.set_term(c.term);
            return WireCall{"AppendEntries", m.SerializeAsString()};
          },
          [](const core::Promote& c) {
            return change_role(c.at, wire::kTableLeader, c.term, c.replicas);
          },
          [](const core::Demote& c) { return change_role(c.at, wire::kTableFollower, 0, {}); },
          [](const core::DelReplica& c) { return for_replica("DelReplica", c.at, c.replica); },
          [](const core::AddReplica& c) { return for_replica("AddReplica", c.at, c.replica); },
          [](const core::GetTableFollower& c) {
            return WireCall{"GetTableFollower",
                            for_partition<wire::GetTableFollowerRequest>(c.at).SerializeAsString()};
          },
          [&](const core::RecoverSnapshot& c) { return general("RecoverSnapshot", c.at, storage); },
          [&](const core::PauseSnapshot& c) { return general("PauseSnapshot", c.at, storage); },
          [&](const core::DeleteBinlog& c) { return general("DeleteBinlog", c.at, storage); },
          [&](const core::LoadTable& c) {
            return numbering == Numbering::kFedb
                       ? load_table<wire::LoadTableRequest>(c, storage)
                       : load_table<openmldb::LoadTableRequest>(c, storage);
          },
          [](const core::SendSnapshot& c) {
            auto m = for_partition<wire::SendSnapshotRequest>(c.at);
            m.set_endpoint(c.to);
            m.set_remote_tid(c.at.tid);
            fill_task(c.op, c.type, core::Task::kSendSnapshot, *m.mutable_task_info());
            return WireCall{"SendSnapshot", m.SerializeAsString()};
          },
          [](const core::DropTable& c) {
            auto m = for_signed_partition<wire::DropTableRequest>(c.at);
            fill_task(c.op, c.type, core::Task::kDropTable, *m.mutable_task_info());
            return WireCall{"DropTable", m.SerializeAsString()};
          },
          [&](const core::MakeSnapshot& c) {
            auto m = for_signed_partition<wire::GeneralRequest>(c.at);
            set_storage(storage, m);
            fill_task(c.op, c.type, core::Task::kMakeSnapshot, *m.mutable_task_info());
            return WireCall{"MakeSnapshot", m.SerializeAsString()};
          },
          [&](const core::GetManifest& c) {
            return about_storage<wire::GetManifestRequest>("GetManifest", c.at, storage);
          },
          [](const core::GetTaskStatus&) {
            return WireCall{"GetTaskStatus", wire::GetTaskStatusRequest{}.SerializeAsString()};
          },
          [](const core::DeleteOpTask& c) {
            wire::DeleteOPTaskRequest m;
            m.add_op_id(c.op);
            return WireCall{"DeleteOPTask", m.SerializeAsString()};
          },
      },
      call);
}

core::Answer from_wire(const core::Call& call, const rpc::Answer& answer, std::size_t at_most) {
  core::Answer to;
  to.transport = transport_of(answer);
  to.text = shortened(answer.error_text, kTextBytes);
  if (answer.outcome == rpc::Outcome::kServerError) {
    // The tablet lives, and did not run the method: no code of its own means ok then.
    to.code = answer.error_code == 0 ? -1 : answer.error_code;
    return to;
  }
  if (answer.outcome != rpc::Outcome::kAnswered) return to;
  const std::string& payload = answer.payload;
  std::visit(Overload{
                 [&](const core::GetTableStatus&) { take_status(payload, at_most, to); },
                 [&](const core::GetTermPair&) { take_term_pair(payload, to); },
                 [&](const core::Probe&) { take_probe(payload, to); },
                 [&](const core::GetTableFollower&) { take_followers(payload, at_most, to); },
                 [&](const core::GetManifest&) { take_manifest(payload, to); },
                 [&](const core::GetTaskStatus&) { take_tasks(payload, at_most, to); },
                 [&](const auto&) { take_general(payload, to); },
             },
             call);
  return to;
}

}  // namespace failoverd::fedb
