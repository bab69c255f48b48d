#include "tests/nameserver/nameserver.h"

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <utility>

#include "lib/fedb/wire/paths.h"
#include "tests/minitablet/await.h"

namespace failoverd::mininameserver {

namespace control = minitablet::control;
using fedb::Paths;
using minitablet::sleep_for;  // On the loop: everything else goes on meanwhile.
using zookeeper::Code;

namespace {

constexpr std::chrono::milliseconds kRetry{100};
constexpr std::chrono::milliseconds kGlance{20};

// A watch has fired. It is glanced at, not waited for: a session that ends takes its watches along.
struct Alarm {
  bool rang = false;
};

const std::string kTableParents[] = {Paths::kTables, Paths::kDbTables};

using Pairs = std::vector<std::pair<std::string, std::string>>;

Pairs znodes_of_a_cluster(const Options& options) {
  Pairs all = {{znodes::kNodes, ""},
               {Paths::kTables, ""},
               {znodes::kAutoFailover, options.auto_failover ? "true" : "false"},
               {znodes::kOpIndex, options.kind->op_index},
               {znodes::kNotify, "1"},
               {znodes::kTableIndex, "1"},
               {znodes::kTerm, "1"}};
  const auto& more = options.kind->wire->more_znodes;
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace

Nameserver::Nameserver(asio::io_context& io, const Options& options)
    : io_{io},
      options_{options},
      keeper_{io, options_},
      tablets_{io, options_},
      ops_{io, options_, memory_, keeper_, tablets_},
      dispatcher_{io, options_} {
  add_methods();
  add_control_methods();
  keeper_.on_gained = [this] {
    memory_.clear();
    ops_.begin_reign();
    // A test may hold it here: it leads, and answers 300.
    dispatcher_.faults().pass({"TakeOver"}, control::kBefore,
                              [this, reign = memory_.reign] { spawn(take_over(reign)); });
  };
  // Its memory stays as it is, and what is under way ends: nothing fences its late writes.
  keeper_.on_lost = [this] { memory_.serves = false; };
}

Result<void> Nameserver::start() {
  server_ =
      std::make_unique<rpc::Server>(io_, [this](rpc::Request request, rpc::Server::Reply reply) {
        dispatcher_.serve(request, std::move(reply));
      });
  if (!options_.skip_grant_tables) {
    server_->authenticate(
        [](const std::string& data) { return data == rpc::kServiceAuthentication; });
  }
  const auto port = server_->listen(options_.endpoint);
  if (!port) return port.error();
  keeper_.start();
  return {};
}

void Nameserver::stop() {
  keeper_.close();
  server_.reset();
}

void Nameserver::spawn(asio::awaitable<void> work) {
  asio::co_spawn(io_, std::move(work), asio::detached);
}

void Nameserver::add_control_methods() {
  dispatcher_.add_control<control::LoseSessionRequest, control::Answer>(
      "LoseSession", [this](auto call) {
        keeper_.lose_session(call->request.stay_lost());
        call->ok();
      });
  dispatcher_.add_control<control::RestoreSessionRequest, control::Answer>("RestoreSession",
                                                                           [this](auto call) {
                                                                             keeper_.restore();
                                                                             call->ok();
                                                                           });
  dispatcher_.add_control<StateRequest, StateResponse>("State", [this](auto call) {
    StateResponse& state = call->response;
    state.set_leads(keeper_.leads());
    state.set_serves(memory_.serves);
    state.set_term(memory_.term);
    state.set_op_index(memory_.op_index);
    state.set_table_index(memory_.table_index);
    state.set_auto_failover(memory_.auto_failover);
    std::uint32_t running = 0;
    for (const auto& [id, op] : memory_.ops) {
      if (op->info.task_status() <= fedb::kDoing) ++running;
    }
    state.set_running_ops(running);
    call->answer();
  });
}

asio::awaitable<void> Nameserver::take_over(std::uint64_t reign) {
  const auto still = [&] { return keeper_.leads() && memory_.reign == reign; };
  while (still()) {
    // Whatever was read before something could not be read is read again.
    bool read = co_await make_znodes();
    if (read) read = co_await read_numbers();
    if (read) read = co_await read_tables();
    if (read) read = co_await read_names();
    const auto nodes = co_await keeper_.children(znodes::kNodes);
    if (!still()) co_return;
    if (!read || !nodes) {
      co_await sleep_for(kRetry);  // ZooKeeper does not answer: asked at once it would spin.
      continue;
    }
    for (const std::string& name : *nodes) {
      if (!name.starts_with("NLTABLET_")) memory_.tablets[name] = TabletState{};
    }
    read = co_await read_ops(reign);
    if (!read || !reigns(reign)) {
      co_await sleep_for(kRetry);  // The same.
      continue;
    }
    spawn(tell_names(reign));
    spawn(watch_tablets(reign));
    spawn(watch_for_failovers(reign));
    spawn(poll_tables(reign));
    if (kind().has_system_tables) spawn(make_system_tables(reign));
    co_return;
  }
}

asio::awaitable<bool> Nameserver::make_znodes() {
  const Pairs all = znodes_of_a_cluster(options_);
  for (const auto& [path, value] : all) {
    const Code code = co_await keeper_.make(path, value);
    if (code != Code::kOk) co_return false;
  }
  co_return true;
}

asio::awaitable<bool> Nameserver::read_numbers() {
  const std::array<std::pair<const std::string*, std::uint64_t*>, 3> numbers{
      std::pair{&znodes::kTerm, &memory_.term},
      std::pair{&znodes::kTableIndex, &memory_.table_index},
      std::pair{&znodes::kOpIndex, &memory_.op_index}};
  for (const auto& [path, number] : numbers) {
    const auto value = co_await keeper_.get(*path);
    if (!value || !harness::parse_number(*value, *number)) co_return false;
  }
  const auto value = co_await keeper_.get(znodes::kAutoFailover);
  memory_.auto_failover = value == "true";
  co_return value.has_value();
}

asio::awaitable<bool> Nameserver::read_tables() {
  memory_.tables.clear();
  memory_.databases.clear();
  for (const std::string& parent : kTableParents) {
    const auto names = co_await keeper_.children(parent);
    if (!names) co_return false;
    for (const std::string& name : *names) {
      std::string path = parent + "/";
      path += name;
      const auto bytes = co_await keeper_.get(path);
      if (!bytes) co_return false;
      if (auto table = Table::parse(*bytes, kind())) {
        const TableKey key{table->db(), table->name()};
        memory_.tables.insert_or_assign(key, std::move(*table));
      }
    }
  }
  if (kind().has_databases) {
    const auto databases = co_await keeper_.children(znodes::kDatabases);
    if (!databases) co_return false;
    memory_.databases.insert(databases->begin(), databases->end());
  }
  co_return true;
}

// In order of their ids. Everything has been read then: it serves.
asio::awaitable<bool> Nameserver::read_ops(std::uint64_t reign) {
  const auto names = co_await keeper_.children(znodes::kOps);
  if (!names) co_return false;
  std::map<std::uint64_t, fedb::OPInfo> left;
  for (const std::string& name : *names) {
    std::string path = "op/op_data/";
    path += name;
    const auto bytes = co_await keeper_.get(path);
    fedb::OPInfo info;
    if (!bytes) co_return false;
    if (info.ParseFromString(*bytes)) left[info.op_id()] = info;
  }
  if (!keeper_.leads() || memory_.reign != reign) co_return false;
  memory_.serves = true;
  for (const auto& [id, info] : left) ops_.resume(info);
  co_return true;
}

// With use_name: who is where. A server writes that before it registers.
asio::awaitable<bool> Nameserver::read_names() {
  if (!options_.use_name) co_return true;
  const auto names = co_await keeper_.children(znodes::kNames);
  if (!names) co_return false;
  for (const std::string& name : *names) {
    std::string path = znodes::kNames;
    path += "/";
    path += name;
    const auto address = co_await keeper_.get(path);
    if (!address) co_return false;
    tablets_.names[name] = *address;
  }
  co_return true;
}

// All of it to all tablets: one that has started anew knows nothing.
asio::awaitable<void> Nameserver::tell_names(std::uint64_t reign) {
  if (!options_.use_name) co_return;
  fedb::UpdateRealEndpointMapRequest all;
  for (const auto& [name, address] : tablets_.names) {
    auto& one = *all.add_real_endpoint_map();
    one.set_name(name);
    one.set_real_endpoint(address);
  }
  const std::string request = all.SerializeAsString();
  std::vector<std::string> tablets;
  for (const auto& [endpoint, state] : memory_.tablets) tablets.push_back(endpoint);
  for (const std::string& endpoint : tablets) {
    if (!reigns(reign) || !memory_.is_healthy(endpoint)) continue;
    co_await tablets_.code(endpoint, "UpdateRealEndpointMap", request);
  }
}

asio::awaitable<void> Nameserver::watch_tablets(std::uint64_t reign) {
  while (reigns(reign)) {
    const auto alarm = std::make_shared<Alarm>();
    const zookeeper::Client::Watch watch = [alarm] { alarm->rang = true; };
    const auto names = co_await keeper_.children(znodes::kNodes, watch);
    const bool is_known = co_await read_names();
    if (!names || !is_known || !reigns(reign)) {
      co_await sleep_for(kRetry);  // The same.
      continue;
    }
    const std::set<std::string> there{names->begin(), names->end()};
    for (auto& [endpoint, state] : memory_.tablets) {
      if (!state.healthy || there.contains(endpoint)) continue;
      state = TabletState{.healthy = false, .failover_is_due = memory_.auto_failover};
    }
    for (const std::string& endpoint : there) {
      if (endpoint.starts_with("NLTABLET_") || memory_.is_healthy(endpoint)) continue;
      const bool is_new = !memory_.tablets.contains(endpoint);
      memory_.tablets[endpoint] = TabletState{};
      if (!is_new && memory_.auto_failover) spawn(tablet_came(endpoint));
    }
    spawn(tell_names(reign));
    // Its reign may end without the watch ever firing.
    while (!alarm->rang && reigns(reign)) co_await sleep_for(kGlance);
  }
}

// One that has only just started holds nothing, and is first taken out like one that died; it comes
// back when that is done.
asio::awaitable<void> Nameserver::tablet_came(std::string endpoint) {
  std::string path = "nodes/";
  path += endpoint;
  const auto value = co_await keeper_.get(path);
  if (value && value->starts_with("startup_")) co_await ops_.offline_endpoint(endpoint, true);
  const auto open = [&] {
    return std::ranges::any_of(memory_.ops, [&](const auto& one) {
      const Op& op = *one.second;
      return op.data.endpoint() == endpoint && op.info.task_status() <= fedb::kDoing;
    });
  };
  // Nobody is told when an op ends, here as in the original, whose threads look, too.
  while (memory_.serves && open()) co_await sleep_for(kGlance);
  co_await ops_.recover_endpoint(endpoint, false);
}

asio::awaitable<void> Nameserver::watch_for_failovers(std::uint64_t reign) {
  while (reigns(reign)) {
    co_await sleep_for(options_.tablet_offline_check_interval);  // As often as the flag says.
    std::vector<std::string> due;
    const auto before = std::chrono::steady_clock::now() - options_.tablet_heartbeat_timeout;
    for (auto& [endpoint, state] : memory_.tablets) {
      if (state.healthy || !state.failover_is_due || state.since > before) continue;
      state.failover_is_due = false;
      if (memory_.auto_failover) due.push_back(endpoint);
    }
    for (const std::string& endpoint : due) {
      if (reigns(reign)) co_await ops_.offline_endpoint(endpoint, true);
    }
  }
}

// What tablets tell of themselves gets into the rows in memory, and with the next write into the
// znodes.
asio::awaitable<void> Nameserver::poll_tables(std::uint64_t reign) {
  while (reigns(reign)) {
    using Told = std::map<std::pair<std::uint32_t, std::uint32_t>, fedb::TableStatus>;
    std::map<std::string, Told> told;
    std::vector<std::string> endpoints;
    for (const auto& [endpoint, state] : memory_.tablets) endpoints.push_back(endpoint);
    for (const std::string& endpoint : endpoints) {
      if (!memory_.is_healthy(endpoint)) continue;
      std::string request;
      const auto response =
          co_await tablets_.ask<fedb::GetTableStatusResponse>(endpoint, "GetTableStatus", request);
      if (!response) continue;
      for (const fedb::TableStatus& one : response->all_table_status()) {
        told[endpoint][{one.tid(), one.pid()}] = one;
      }
    }
    if (!reigns(reign)) co_return;
    for (auto& [key, table] : memory_.tables) {
      for (fedb::TablePartition& partition : table.partitions()) {
        for (fedb::PartitionMeta& row : *partition.mutable_partition_meta()) {
          Told& of_tablet = told[row.endpoint()];
          const auto one = of_tablet.find({table.tid(), partition.pid()});
          row.set_tablet_has_partition(one != of_tablet.end());
          if (one == of_tablet.end()) continue;
          row.set_offset(one->second.offset());
          row.set_record_cnt(one->second.record_cnt());
          row.set_record_byte_size(one->second.record_byte_size());
          if (kind().tells_diskused) row.set_diskused(one->second.diskused());
          if (!row.is_leader() || !row.is_alive()) continue;
          partition.set_record_cnt(one->second.record_cnt());
          partition.set_record_byte_size(one->second.record_byte_size());
          if (kind().tells_diskused) partition.set_diskused(one->second.diskused());
        }
      }
    }
    co_await sleep_for(options_.get_table_status_interval);  // As often as the flag says.
  }
}

}  // namespace failoverd::mininameserver
