// What a nameserver of the made-up world answers, from memory or with one write.
#include <utility>

#include "lib/fedb/wire/table_info.h"
#include "proto/nameserver.pb.h"
#include "tests/simulation/nameserver.h"
#include "tests/simulation/table_bytes.h"
#include "tests/simulation/world.h"

namespace failoverd::simulation {

namespace {

constexpr int kTableIsNotExist = 100;
constexpr int kNotLeader = 300;
constexpr int kAutoFailoverIsOn = 301;
constexpr int kNotWritten = 304;

template <class Response = fedb::NameServerResponse>
std::string code_of(int code) {
  Response response;
  response.set_code(code);
  return response.SerializeAsString();
}

// The answer of that method that says no more than this.
std::string only_code(const std::string& method, int code) {
  if (method == "ShowTable") return code_of<fedb::ShownTables>(code);
  if (method == "ShowOPStatus") return code_of<fedb::ShowOPStatusResponse>(code);
  if (method == "ConfGet") return code_of<fedb::ConfGetResponse>(code);
  if (method == "GetTablePartition") return code_of<fedb::GetTablePartitionResponse>(code);
  return code_of<>(code);
}

}  // namespace

void Nameserver::take(const NameserverCall& call, Reply reply) {
  run(process_, [this, call, reply = std::move(reply)] {
    const auto go_on = [this, call, reply] {
      world_.tell(&Observer::nameserver_did, call);
      answer(call, reply);
    };
    if (call.method == "ConfGet") return go_on();
    blocked_.push_back(go_on);
    unblock();
  });
}

// One mutex is held while a table is written: whatever looks at memory meanwhile waits for it.
void Nameserver::unblock() {
  while (writes_.empty() && !blocked_.empty()) {
    const auto next = std::move(blocked_.front());
    blocked_.pop_front();
    next();
  }
}

void Nameserver::answer(const NameserverCall& call, const Reply& reply) {
  if (!serves_) return reply(only_code(call.method, kNotLeader));
  if (call.method == "ConfGet") return conf_get(reply);
  if (call.method == "ConfSet") return conf_set(call.request, reply);
  if (call.method == "ShowTable") return show_tables(reply);
  if (call.method == "ShowOPStatus") return show_ops(call.request, reply);
  if (call.method == "GetTablePartition") return get_partition(call.request, reply);
  if (call.method == "SetTablePartition") return set_partition(call, reply);
  world_.violate("nameserver", call.method + " is nothing that it is asked");
}

void Nameserver::show_tables(const Reply& reply) {
  fedb::ShownTables shown;
  shown.set_code(0);
  for (const auto& [znode, value] : tables_) shown.add_table_info(value);
  reply(shown.SerializeAsString());
}

void Nameserver::show_ops(const std::string& request, const Reply& reply) {
  fedb::ShowOPStatusRequest asked;
  asked.ParseFromString(request);
  fedb::ShowOPStatusResponse response;
  response.set_code(0);
  for (const auto& [id, info] : ops_) {
    if (asked.has_name() && asked.name() != info.name()) continue;
    fedb::OPStatus& op = *response.add_op_status();
    op.set_op_id(id);
    op.set_op_type(fedb::OPType_Name(info.op_type()));
    op.set_status(fedb::TaskStatus_Name(info.task_status()));
    op.set_start_time(info.start_time());
    op.set_end_time(0);
    op.set_task_type("-");
    op.set_name(info.name());
    op.set_pid(info.pid());
  }
  reply(response.SerializeAsString());
}

void Nameserver::conf_get(const Reply& reply) {
  fedb::ConfGetResponse response;
  response.set_code(0);
  fedb::Pair& pair = *response.add_conf();
  pair.set_key("auto_failover");
  pair.set_value(auto_failover_ ? "true" : "false");
  reply(response.SerializeAsString());
}

// Written before it is heeded.
void Nameserver::conf_set(const std::string& request, const Reply& reply) {
  fedb::ConfSetRequest asked;
  asked.ParseFromString(request);
  const std::string& value = asked.conf().value();
  client_->set(path("config/auto_failover"), value, -1,
               [this, value, reply](Code code, const zookeeper::Stat&) {
                 if (code == Code::kOk) auto_failover_ = value == "true";
                 reply(code_of<>(code == Code::kOk ? 0 : kNotWritten));
               });
}

std::string Nameserver::znode_of(const std::string& table) const {
  const std::string znode = "table/table_data/" + table;
  return tables_.contains(znode) ? znode : "";
}

// An unknown pid is no failure: the answer has no partition.
void Nameserver::get_partition(const std::string& request, const Reply& reply) {
  fedb::GetTablePartitionRequest asked;
  asked.ParseFromString(request);
  const std::string znode = znode_of(asked.name());
  if (znode.empty()) return reply(code_of<fedb::GetTablePartitionResponse>(kTableIsNotExist));
  fedb::GetTablePartitionResponse response;
  response.set_code(0);
  const auto messages = fedb::partition_messages(tables_[znode], world_.fake_zookeeper.numbering);
  const auto found = messages.find(asked.pid());
  if (found != messages.end()) {
    response.mutable_table_partition()->ParseFromString(found->second);
  }
  reply(response.SerializeAsString());
}

void Nameserver::set_partition(const NameserverCall& call, const Reply& reply) {
  if (auto_failover_) return reply(code_of<>(kAutoFailoverIsOn));
  fedb::SetTablePartitionRequest asked;
  asked.ParseFromString(call.request);
  const std::string znode = znode_of(asked.name());
  if (znode.empty()) return reply(code_of<>(kTableIsNotExist));
  const fedb::TablePartition& wanted = asked.table_partition();
  tables_[znode] = with_partition(tables_[znode], wanted.pid(), world_.fake_zookeeper.numbering,
                                  [&](fedb::TablePartition& p) { p = wanted; });
  write(znode, For{call.daemon, call.epoch, wanted.pid()},
        [reply](bool ok) { reply(code_of<>(ok ? 0 : kNotWritten)); });
}

}  // namespace failoverd::simulation
