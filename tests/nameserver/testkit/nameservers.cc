#include "tests/nameserver/testkit/nameservers.h"

#include <csignal>
#include <stdexcept>
#include <utility>

#include "tests/harness/ports.h"
#include "tests/harness/wait_until.h"
#include "tests/minitablet/testkit/cluster.h"

namespace failoverd::testkit {

namespace control = minitablet::control;

namespace {
constexpr std::chrono::seconds kPatience{30};
}

Nameservers::Nameservers(boost::asio::io_context& io, NameserverOptions options)
    : io_{io}, options_{std::move(options)} {}

std::size_t Nameservers::add(const std::vector<std::string>& more_flags) {
  const std::size_t which = all_.size();
  One& one = all_.emplace_back();
  one.endpoint = "127.0.0.1:" + std::to_string(harness::free_port());
  one.flags = more_flags;
  start(which);
  return which;
}

void Nameservers::launch(std::size_t which) {
  One& one = all_.at(which);
  harness::Process::Options process;
  process.arguments = {program("mininameserver"),
                       std::string{"--generation="} + options_.generation->name,
                       "--endpoint=" + one.endpoint,
                       "--zk_cluster=" + options_.zookeeper,
                       "--zk_root_path=" + options_.root,
                       "--zk_session_timeout=" + std::to_string(options_.session.count()),
                       "--tablet_heartbeat_timeout=0",
                       "--tablet_offline_check_interval=50",
                       "--get_task_status_interval=50",
                       "--get_table_status_interval=100",
                       "--system_table_replica_num=0"};
  auto& arguments = process.arguments;
  arguments.insert(arguments.end(), options_.flags.begin(), options_.flags.end());
  arguments.insert(arguments.end(), one.flags.begin(), one.flags.end());
  if (options_.use_name) {
    arguments.insert(arguments.end(),
                     {"--use_name=true", "--name=nameserver" + std::to_string(which)});
  }
  process.log_file = options_.logs / ("nameserver" + std::to_string(which) + ".log");
  one.client.reset();
  one.process.emplace(std::move(process));
}

void Nameservers::start(std::size_t which) {
  launch(which);
  One& one = all_.at(which);
  const auto answers = [&] {
    return client(which).call("MiniNameserver", "State", "").outcome == rpc::Outcome::kAnswered ||
           !one.process->running();
  };
  if (!harness::wait_until(io_, answers, kPatience, one.endpoint + " answers") ||
      !one.process->running()) {
    throw std::runtime_error("mininameserver does not start: " + one.process->log());
  }
}

Client& Nameservers::client(std::size_t which) {
  One& one = all_.at(which);
  if (!one.client) one.client = std::make_unique<Client>(io_, one.endpoint);
  return *one.client;
}

void Nameservers::kill(std::size_t which) {
  process(which).kill(SIGKILL);
  process(which).wait(kPatience);
  all_.at(which).paused = false;
}

void Nameservers::end(std::size_t which) { process(which).stop(); }

void Nameservers::pause(std::size_t which) {
  process(which).pause();
  all_.at(which).paused = true;
}

void Nameservers::resume(std::size_t which) {
  process(which).resume();
  all_.at(which).paused = false;
}

std::optional<std::size_t> Nameservers::leader() {
  std::optional<std::size_t> leader;
  for (std::size_t which = 0; which < count(); ++which) {
    if (!process(which).running() || all_.at(which).paused || !state(which).serves()) continue;
    if (leader) return std::nullopt;
    leader = which;
  }
  return leader;
}

std::size_t Nameservers::wait_for_leader() {
  std::optional<std::size_t> found;
  const auto there = [&] {
    found = leader();
    return found.has_value();
  };
  if (!harness::wait_until(io_, there, kPatience, "a nameserver leads")) {
    throw std::runtime_error("no nameserver leads");
  }
  return *found;
}

int Nameservers::create_table(std::size_t which, const NameserverTable& wish) {
  fedb::TableInfo info;
  info.set_name(wish.name);
  if (!wish.db.empty()) info.set_db(wish.db);
  info.set_ttl(0);
  info.set_ttl_type("kAbsoluteTime");
  info.set_partition_num(wish.partitions);
  info.set_replica_num(wish.replicas);
  for (std::uint32_t pid = 0; pid < wish.rows.size(); ++pid) {
    fedb::TablePartition& partition = *info.add_table_partition();
    partition.set_pid(pid);
    for (const std::string& endpoint : wish.rows[pid]) {
      fedb::PartitionMeta& row = *partition.add_partition_meta();
      row.set_endpoint(endpoint);
      row.set_is_leader(partition.partition_meta_size() == 1);
    }
  }
  mininameserver::CreateTableRequest request;
  request.set_table_info(serialize(info, *options_.generation) +
                         options_.generation->columns_of_table_info);
  return code(which, "CreateTable", request);
}

int Nameservers::create_as_wished(std::size_t which, const TableWish& wish) {
  NameserverTable table{.name = wish.name, .partitions = wish.partitions, .db = wish.db};
  table.replicas = wish.replicas;
  for (std::uint32_t pid = 0; pid < wish.partitions; ++pid) {
    auto& row = table.rows.emplace_back();
    for (std::uint32_t i = 0; i < wish.replicas; ++i) {
      row.push_back(wish.endpoints[((wish.spread ? pid : 0) + i) % wish.endpoints.size()]);
    }
  }
  if (!wish.db.empty()) {
    mininameserver::CreateDatabaseRequest request;
    request.set_db(wish.db);
    if (const int code = this->code(which, "CreateDatabase", request); code != 0) return code;
  }
  return create_table(which, table);
}

int Nameservers::drop_table(std::size_t which, const std::string& name, const std::string& db) {
  mininameserver::DropTableRequest request;
  request.set_name(name);
  if (!db.empty()) request.set_db(db);
  return code(which, "DropTable", request);
}

int Nameservers::set_auto_failover(std::size_t which, bool on) {
  fedb::ConfSetRequest request;
  request.mutable_conf()->set_key("auto_failover");
  request.mutable_conf()->set_value(on ? "true" : "false");
  return code(which, "ConfSet", request);
}

int Nameservers::change_leader(std::size_t which, const std::string& table, std::uint32_t pid,
                               const std::string& candidate) {
  fedb::ChangeLeaderRequest request;
  request.set_name(table);
  request.set_pid(pid);
  if (!candidate.empty()) request.set_candidate_leader(candidate);
  return code(which, "ChangeLeader", request);
}

int Nameservers::set_partition(std::size_t which, const std::string& table,
                               const fedb::TablePartition& partition, const std::string& db) {
  fedb::SetTablePartitionRequest request;
  request.set_name(table);
  if (!db.empty()) request.set_db(db);
  *request.mutable_table_partition() = partition;
  return code(which, "SetTablePartition", request);
}

std::optional<fedb::TablePartition> Nameservers::partition(std::size_t which,
                                                           const std::string& table,
                                                           std::uint32_t pid,
                                                           const std::string& db) {
  fedb::GetTablePartitionRequest request;
  request.set_name(table);
  request.set_pid(pid);
  if (!db.empty()) request.set_db(db);
  const auto response = ask<fedb::GetTablePartitionResponse>(which, "GetTablePartition", request);
  if (!response || !response->has_table_partition()) return std::nullopt;
  return response->table_partition();
}

std::optional<fedb::TableInfo> Nameservers::table(std::size_t which, const std::string& name,
                                                  const std::string& db) {
  fedb::ShowTableRequest request;
  request.set_name(name);
  if (!db.empty()) request.set_db(db);
  const auto response = ask<mininameserver::ShowTableResponse>(which, "ShowTable", request);
  fedb::TableInfo info;
  if (!response || response->table_info_size() != 1 ||
      !parse_partial(response->table_info(0), *options_.generation, info)) {
    return std::nullopt;
  }
  return info;
}

mininameserver::StateResponse Nameservers::state(std::size_t which) {
  return parse<mininameserver::StateResponse>(client(which).call("MiniNameserver", "State", ""))
      .value_or(mininameserver::StateResponse{});
}

std::vector<std::string> Nameservers::ops(std::size_t which) {
  std::vector<std::string> lines;
  const auto response =
      ask<fedb::ShowOPStatusResponse>(which, "ShowOPStatus", fedb::ShowOPStatusRequest{});
  if (!response) return lines;
  for (const fedb::OPStatus& op : response->op_status()) {
    lines.push_back(op.op_type() + " " + op.name() + "/" + std::to_string(op.pid()) + " " +
                    op.status());
  }
  return lines;
}

template <class Request>
void Nameservers::control(std::size_t which, const std::string& method, const Request& request) {
  const auto answer = parse<control::Answer>(
      client(which).call("MiniNameserver", method, request.SerializeAsString()));
  if (!answer || answer->code() != 0) throw std::runtime_error(method + " was refused");
}

void Nameservers::hang(std::size_t which, const std::string& method, control::Stage stage) {
  control::HangRequest request;
  request.mutable_match()->set_method(method);
  request.set_stage(stage);
  control(which, "Hang", request);
}

void Nameservers::fail(std::size_t which, const std::string& method, int code,
                       std::uint32_t calls) {
  control::FailRequest request;
  request.mutable_match()->set_method(method);
  request.set_code(code);
  request.set_calls(calls);
  control(which, "Fail", request);
}

void Nameservers::release(std::size_t which, const std::string& method) {
  control::ReleaseRequest request;
  request.set_method(method);
  control(which, "Release", request);
}

void Nameservers::lose_session(std::size_t which, bool stay_lost) {
  control::LoseSessionRequest request;
  request.set_stay_lost(stay_lost);
  control(which, "LoseSession", request);
}

void Nameservers::restore_session(std::size_t which) {
  control(which, "RestoreSession", control::RestoreSessionRequest{});
}

bool Nameservers::hangs(std::size_t which, const std::string& method) {
  const auto counters =
      parse<control::CountersResponse>(client(which).call("MiniNameserver", "Counters", ""));
  if (!counters) return false;
  for (const control::HeldCall& held : counters->held()) {
    if (held.method() == method) return true;
  }
  return false;
}

}  // namespace failoverd::testkit
