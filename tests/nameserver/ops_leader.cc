// Who leads, and who is dead: kChangeLeaderOP, kOfflineReplicaOP, kUpdatePartitionStatusOP.
#include <algorithm>

#include "tests/nameserver/ops.h"

namespace failoverd::mininameserver {

using zookeeper::Code;

asio::awaitable<bool> Ops::change_leader(const OpPtr& op) {
  op->task = "kSelectLeader";
  Place place = place_of(*op);
  if (!place.partition) co_return false;
  std::vector<std::string> followers;
  for (const fedb::PartitionMeta& row : place.partition->partition_meta()) {
    if (!row.is_leader() && row.is_alive()) followers.push_back(row.endpoint());
  }
  // Memory and two more, whatever stands in the znode by now.
  memory_.term += 2;
  const std::uint64_t term = memory_.term;
  const std::string text = std::to_string(term);
  const Code code = co_await keeper_.set(znodes::kTerm, text);
  if (code != Code::kOk) co_return false;
  const auto answers = co_await probe(op, followers, term - 1);
  if (answers.empty()) co_return false;
  const std::string& wanted = op->data.candidate();
  auto winner = std::ranges::max_element(answers, {}, [](const auto& one) { return one.second; });
  if (!wanted.empty() && wanted != "auto") {  // It leads if nobody holds more, else the op fails.
    const auto most = winner->second;
    winner = std::ranges::find(answers, wanted, [](const auto& one) { return one.first; });
    if (winner == answers.end() || winner->second < most) co_return false;
  }

  op->task = "kChangeLeader";
  place = place_of(*op);
  if (!place.partition) co_return false;
  fedb::ChangeRoleRequest request;
  request.set_tid(place.table->tid());
  request.set_pid(op->info.pid());
  request.set_term(term);
  request.set_mode(fedb::kTableLeader);
  for (const auto& [endpoint, offset] : answers) {
    if (endpoint != winner->first) request.add_replicas(endpoint);
  }
  std::string payload = request.SerializeAsString();
  const int answer = co_await tablets_.code(winner->first, "ChangeRole", payload);
  if (answer != 0) co_return false;

  op->task = "kUpdateLeaderInfo";
  place = place_of(*op);
  if (!place.partition) co_return false;
  for (fedb::PartitionMeta& row : *place.partition->mutable_partition_meta()) {
    if (row.endpoint() == winner->first) {
      row.set_is_leader(true);
    } else if (row.is_leader()) {
      row.set_is_alive(false);
    }
  }
  fedb::TermPair& first = *place.partition->add_term_offset();
  first.set_term(term);
  first.set_offset(winner->second + 1);
  const TableKey key = key_of(*op);
  co_return co_await publish(key);
}

// Each with its offset; none at all if one does not answer as it should.
asio::awaitable<std::vector<std::pair<std::string, std::uint64_t>>> Ops::probe(
    const OpPtr& op, const std::vector<std::string>& followers, std::uint64_t term) {
  std::vector<std::pair<std::string, std::uint64_t>> answers;
  for (const std::string& follower : followers) {
    const Place place = place_of(*op);
    if (!place.partition) break;
    fedb::AppendEntriesRequest request;
    request.set_tid(place.table->tid());
    request.set_pid(op->info.pid());
    request.set_term(term);
    std::string payload = request.SerializeAsString();
    const auto response =
        co_await tablets_.ask<fedb::AppendEntriesResponse>(follower, "AppendEntries", payload);
    if (!response || response->code() != 0) break;
    answers.emplace_back(follower, response->log_offset());
  }
  if (answers.size() != followers.size()) answers.clear();
  co_return answers;
}

asio::awaitable<bool> Ops::offline_replica(const OpPtr& op) {
  const bool deleted = co_await task(op, fedb::kDelReplica, true);
  if (!deleted) co_return false;
  op->task = "kUpdatePartitionStatus";
  const Place place = place_of(*op);
  if (!place.row) co_return false;
  place.row->set_is_alive(false);
  const TableKey key = key_of(*op);
  co_return co_await publish(key);
}

asio::awaitable<bool> Ops::update_partition_status(const OpPtr& op) {
  op->task = "kUpdatePartitionStatus";
  const Place place = place_of(*op);
  if (!place.row) co_return false;
  place.row->set_is_leader(op->data.is_leader());
  place.row->set_is_alive(op->data.is_alive());
  const TableKey key = key_of(*op);
  co_return co_await publish(key);
}

}  // namespace failoverd::mininameserver
