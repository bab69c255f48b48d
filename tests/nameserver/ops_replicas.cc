// Replicas that come, go and move, and snapshots that are made.
#include "tests/nameserver/ops.h"

namespace failoverd::mininameserver {

asio::awaitable<bool> Ops::walk(const OpPtr& op, const std::vector<Step>& steps,
                                const std::string& about) {
  for (const Step& step : steps) {
    const Place place = place_of(*op);
    const std::string at = step.at_leader ? place.leader : about;
    const bool done = co_await tell(op, step.type, at, about);
    if (!done) co_return false;
  }
  co_return true;
}

asio::awaitable<bool> Ops::bring(const OpPtr& op, const std::vector<Step>& steps,
                                 const std::string& to) {
  const bool there = co_await walk(op, steps, to);
  if (!there) co_return false;
  const bool added = co_await add_row(op, to);
  if (!added) co_return false;
  co_return co_await check_binlog(op, to);
}

asio::awaitable<bool> Ops::make_snapshot(const OpPtr& op) {
  const std::string leader = place_of(*op).leader;
  co_return co_await tell(op, fedb::kMakeSnapshot, leader, leader);
}

asio::awaitable<bool> Ops::add_replica(const OpPtr& op) {
  const std::string to = op->data.endpoint();
  const std::vector<Step> steps = {{fedb::kPauseSnapshot, true},
                                   {fedb::kSendSnapshot, true},
                                   {fedb::kLoadTable, false},
                                   {fedb::kAddReplica, true},
                                   {fedb::kRecoverSnapshot, true}};
  const bool brought = co_await bring(op, steps, to);
  if (!brought) co_return false;
  op->data.set_is_leader(false);
  op->data.set_is_alive(true);
  co_return co_await update_partition_status(op);
}

asio::awaitable<bool> Ops::del_replica(const OpPtr& op) {
  const bool deleted = co_await task(op, fedb::kDelReplica, true);
  if (!deleted) co_return false;
  const std::string from = op->data.endpoint();
  op->task = "kDelTableInfo";
  const bool removed = co_await remove_row(op, from);
  if (!removed) co_return false;
  co_return co_await tell(op, fedb::kDropTable, from, from);
}

asio::awaitable<bool> Ops::migrate(const OpPtr& op) {
  const std::string from = op->data.endpoint();
  const std::string to = op->data.des_endpoint();
  const std::vector<Step> steps = {{fedb::kPauseSnapshot, true},
                                   {fedb::kSendSnapshot, true},
                                   {fedb::kRecoverSnapshot, true},
                                   {fedb::kLoadTable, false},
                                   {fedb::kAddReplica, true}};
  const bool brought = co_await bring(op, steps, to);
  if (!brought) co_return false;
  const bool deleted = co_await task(op, fedb::kDelReplica, true);
  if (!deleted) co_return false;
  op->task = "kUpdateTableInfo";
  Place place = place_of(*op);
  fedb::PartitionMeta* row = place.partition ? row_of(*place.partition, to) : nullptr;
  if (!row) co_return false;
  row->set_is_alive(true);
  const bool removed = co_await remove_row(op, from);
  if (!removed) co_return false;
  co_return co_await tell(op, fedb::kDropTable, from, from);
}

// Dead until it has caught up.
asio::awaitable<bool> Ops::add_row(const OpPtr& op, const std::string& endpoint) {
  op->task = "kAddTableInfo";
  const Place place = place_of(*op);
  if (!place.partition || row_of(*place.partition, endpoint)) co_return false;
  fedb::PartitionMeta& row = *place.partition->add_partition_meta();
  row.set_endpoint(endpoint);
  row.set_is_leader(false);
  row.set_is_alive(false);
  const TableKey key = key_of(*op);
  co_return co_await publish(key);
}

asio::awaitable<bool> Ops::remove_row(const OpPtr& op, const std::string& endpoint) {
  const Place place = place_of(*op);
  if (!place.partition) co_return false;
  auto& rows = *place.partition->mutable_partition_meta();
  for (int i = 0; i < rows.size(); ++i) {
    if (rows[i].endpoint() == endpoint) rows.DeleteSubrange(i--, 1);
  }
  const TableKey key = key_of(*op);
  co_return co_await publish(key);
}

}  // namespace failoverd::mininameserver
