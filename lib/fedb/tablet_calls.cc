#include "lib/fedb/tablet_calls.h"

#include "lib/base/overload.h"
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

template <class Response>
bool parse(const std::string& payload, Response& m, core::Answer& to) {
  if (!m.ParseFromString(payload)) {
    to.transport = core::Transport::kSilent;
    to.text = "the answer does not parse";
    return false;
  }
  to.code = m.code();
  to.text = m.msg();
  return true;
}

void take_status(const std::string& payload, core::Answer& to) {
  wire::GetTableStatusResponse m;
  if (!parse(payload, m, to)) return;
  to.replicas.reserve(static_cast<std::size_t>(m.all_table_status_size()));
  for (const auto& s : m.all_table_status()) {
    core::ReplicaStatus& r = to.replicas.emplace_back();
    r.at = {s.tid(), s.pid()};
    r.offset = s.offset();
    r.mode = s.mode() == wire::kTableLeader ? core::Mode::kLeader : core::Mode::kFollower;
    r.state = static_cast<core::TableState>(s.state());
    r.record_cnt = s.record_cnt();
    r.record_bytes = s.record_byte_size();
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

void take_followers(const std::string& payload, core::Answer& to) {
  wire::GetTableFollowerResponse m;
  if (!parse(payload, m, to)) return;
  to.offset = m.offset();
  for (const auto& f : m.follower_info()) to.followers.push_back({f.endpoint(), f.offset()});
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
    case rpc::Outcome::kMalformed:
      return core::Transport::kBroken;
    case rpc::Outcome::kUnreachable:
    case rpc::Outcome::kTimeout:
      return core::Transport::kSilent;
    case rpc::Outcome::kClosed:
      return answer.sent ? core::Transport::kBroken : core::Transport::kNotSent;
  }
  return core::Transport::kSilent;
}

}  // namespace

WireCall to_wire(const core::Call& call) {
  return std::visit(
      Overload{
          [](const core::GetTableStatus&) {
            return WireCall{"GetTableStatus", wire::GetTableStatusRequest{}.SerializeAsString()};
          },
          [](const core::GetTermPair& c) {
            return WireCall{"GetTermPair",
                            for_partition<wire::GetTermPairRequest>(c.at).SerializeAsString()};
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
          [](const core::DelReplica& c) {
            auto m = for_partition<wire::ReplicaRequest>(c.at);
            m.set_endpoint(c.replica);
            return WireCall{"DelReplica", m.SerializeAsString()};
          },
          [](const core::GetTableFollower& c) {
            return WireCall{"GetTableFollower",
                            for_partition<wire::GetTableFollowerRequest>(c.at).SerializeAsString()};
          },
          [](const core::RecoverSnapshot& c) {
            wire::GeneralRequest m;
            m.set_tid(static_cast<std::int32_t>(c.at.tid));
            m.set_pid(static_cast<std::int32_t>(c.at.pid));
            return WireCall{"RecoverSnapshot", m.SerializeAsString()};
          },
      },
      call);
}

core::Answer from_wire(const core::Call& call, const rpc::Answer& answer) {
  core::Answer to;
  to.transport = transport_of(answer);
  to.text = answer.error_text;
  if (answer.outcome == rpc::Outcome::kServerError) {
    // The tablet lives, and did not run the method: no code of its own means ok then.
    to.code = answer.error_code == 0 ? -1 : answer.error_code;
    return to;
  }
  if (answer.outcome != rpc::Outcome::kAnswered) return to;
  const std::string& payload = answer.payload;
  std::visit(Overload{
                 [&](const core::GetTableStatus&) { take_status(payload, to); },
                 [&](const core::GetTermPair&) { take_term_pair(payload, to); },
                 [&](const core::Probe&) { take_probe(payload, to); },
                 [&](const core::GetTableFollower&) { take_followers(payload, to); },
                 [&](const auto&) { take_general(payload, to); },
             },
             call);
  return to;
}

}  // namespace failoverd::fedb
