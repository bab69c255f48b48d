#include "tests/minitablet/testkit/create_table.h"

#include <functional>
#include <map>
#include <memory>
#include <stdexcept>

#include "lib/rpc/channel.h"
#include "proto/openmldb.pb.h"
#include "tests/harness/wait_until.h"
#include "tests/minitablet/table_meta.pb.h"
#include "tests/minitablet/testkit/client.h"

namespace failoverd::testkit {

using minitablet::Generation;
using zookeeper::Code;
using zookeeper::Op;

namespace {

fedb::TableInfo plan(const TableWish& wish, std::uint32_t tid, std::uint64_t term) {
  fedb::TableInfo info;
  info.set_name(wish.name);
  info.set_ttl(0);
  for (std::uint32_t pid = 0; pid < wish.partitions; ++pid) {
    fedb::TablePartition& partition = *info.add_table_partition();
    partition.set_pid(pid);
    for (std::uint32_t replica = 0; replica < wish.replicas; ++replica) {
      fedb::PartitionMeta& meta = *partition.add_partition_meta();
      const std::uint32_t first = wish.spread ? pid : 0;
      meta.set_endpoint(wish.endpoints[(first + replica) % wish.endpoints.size()]);
      meta.set_is_leader(replica == 0);
    }
    fedb::TermPair& first = *partition.add_term_offset();
    first.set_term(term);
    first.set_offset(0);
  }
  info.set_tid(tid);
  if (!wish.db.empty()) info.set_db(wish.db);
  info.set_ttl_type("kAbsoluteTime");
  info.set_partition_num(wish.partitions);
  info.set_replica_num(wish.replicas);
  return info;
}

std::string request_for(const fedb::TableInfo& info, const fedb::TablePartition& partition,
                        fedb::StorageMode storage, bool leader, std::uint64_t term,
                        const Generation& generation) {
  minitablet::CreateTableRequest request;
  minitablet::TableMeta& meta = *request.mutable_table_meta();
  meta.set_tid(static_cast<std::int32_t>(info.tid()));
  meta.set_name(info.name());
  meta.set_pid(static_cast<std::int32_t>(partition.pid()));
  meta.set_ttl(info.ttl());
  meta.set_seg_cnt(8);
  meta.set_ttl_type(fedb::kAbsoluteTime);
  meta.set_mode(leader ? fedb::kTableLeader : fedb::kTableFollower);
  meta.set_schema("");
  meta.set_compress_type(fedb::kNoCompress);
  if (info.has_db()) meta.set_db(info.db());
  if (storage != fedb::kMemory) meta.set_storage_mode(storage);
  for (const std::string& column : generation.column_desc) meta.add_column_desc(column);
  for (const std::string& key : generation.column_key) meta.add_column_key(key);
  if (leader) {
    meta.set_term(term);
    for (const fedb::PartitionMeta& row : partition.partition_meta()) {
      if (!row.is_leader()) meta.add_replicas(row.endpoint());
    }
  }
  return serialize(request, generation);
}

// With use_name: a leader has to know where its followers are.
void tell_addresses(Znodes& znodes, const std::vector<std::string>& tablets) {
  fedb::UpdateRealEndpointMapRequest request;
  for (const auto& [name, address] : znodes.addresses()) {
    auto& one = *request.add_real_endpoint_map();
    one.set_name(name);
    one.set_real_endpoint(address);
  }
  if (request.real_endpoint_map().empty()) return;
  for (const std::string& tablet : tablets) {
    Client client{znodes.io(), znodes.address_of(tablet)};
    const auto told = client.ask<fedb::GeneralResponse>("UpdateRealEndpointMap", request);
    if (!told || told->code() != 0) throw std::runtime_error(tablet + " takes no names");
  }
}

// All CreateTable calls of one role at once; throws when one is refused.
void create_on_tablets(Znodes& znodes,
                       std::map<std::string, std::unique_ptr<rpc::Channel>>& channels,
                       const fedb::TableInfo& info, fedb::StorageMode storage, bool leaders,
                       std::uint64_t term) {
  std::size_t open = 0;
  std::string refused;
  for (const fedb::TablePartition& partition : info.table_partition()) {
    for (const fedb::PartitionMeta& row : partition.partition_meta()) {
      if (row.is_leader() != leaders) continue;
      auto& channel = channels[row.endpoint()];
      if (!channel) {
        channel = std::make_unique<rpc::Channel>(znodes.io(), znodes.address_of(row.endpoint()),
                                                 rpc::Channel::Options{});
      }
      ++open;
      channel->call("TabletServer", "CreateTable",
                    request_for(info, partition, storage, leaders, term, znodes.generation()),
                    std::chrono::seconds{30}, [&, endpoint = row.endpoint()](rpc::Answer answer) {
                      --open;
                      fedb::GeneralResponse response;
                      if (answer.outcome == rpc::Outcome::kAnswered &&
                          response.ParseFromString(answer.payload) && response.code() == 0) {
                        return;
                      }
                      refused = endpoint + ": " + answer.error_text + response.msg();
                    });
    }
  }
  harness::wait_until(
      znodes.io(), [&] { return open == 0; }, std::chrono::hours{1}, "the tablets answer");
  if (!refused.empty()) throw std::runtime_error("CreateTable on " + refused);
}

}  // namespace

void create_cluster_znodes(Znodes& znodes) {
  znodes.create("config/auto_failover", "true");
  for (const char* parent : {"leader", "nodes", "op/op_data", "table/table_data"}) {
    znodes.create(parent, "");
  }
  for (const auto& [path, value] : znodes.generation().more_znodes) znodes.create(path, value);
  znodes.create("op/op_index", "1");
  znodes.create("table/notify", "1");
  znodes.create("table/table_index", "1");
  znodes.create("table/term", "1");
}

fedb::TableInfo create_table(Znodes& znodes, const TableWish& wanted) {
  TableWish wish = wanted;
  create_cluster_znodes(znodes);
  if (znodes.get("table/table_data/" + wish.name)) {
    throw std::runtime_error("table " + wish.name + " exists already");
  }
  const Generation& generation = znodes.generation();
  if (wish.endpoints.empty()) wish.endpoints = znodes.tablets();
  if (wish.replicas == 0 || wish.partitions == 0 || wish.replicas > wish.endpoints.size()) {
    throw std::runtime_error(std::to_string(wish.replicas) + " replicas need as many tablets, " +
                             std::to_string(wish.endpoints.size()) + " are there");
  }
  const auto index = znodes.get("table/table_index");
  const auto term = znodes.get("table/term");
  const auto tid = static_cast<std::uint32_t>(std::stoul(index->bytes) + 1);
  znodes.set("table/table_index", std::to_string(tid), index->version);
  const std::uint64_t first_term = std::stoull(term->bytes);
  const fedb::TableInfo info = plan(wish, tid, first_term);

  tell_addresses(znodes, wish.endpoints);
  std::map<std::string, std::unique_ptr<rpc::Channel>> channels;
  create_on_tablets(znodes, channels, info, wish.storage, false, first_term);
  create_on_tablets(znodes, channels, info, wish.storage, true, first_term);

  const auto notify = znodes.get("table/notify");
  const std::string next = std::to_string(std::stoull(notify->bytes) + 1);
  const std::string path = wish.db.empty() ? "table/table_data/" + wish.name
                                           : "table/db_table_data/" + std::to_string(tid);
  // What TableInfo of the `fedb` numbers has no field for is put behind it.
  openmldb::TableInfo more;
  if (wish.storage != fedb::kMemory) more.set_storage_mode(wish.storage);
  const Code code = znodes.multi({
      Op::create(znodes.path(path), serialize(info, generation) + generation.columns_of_table_info +
                                        more.SerializeAsString()),
      Op::set(znodes.path("table/notify"), next, notify->version),
  });
  if (code != Code::kOk) {
    throw std::runtime_error("cannot write the table's znode: " + std::string{to_text(code)});
  }
  return info;
}

}  // namespace failoverd::testkit
