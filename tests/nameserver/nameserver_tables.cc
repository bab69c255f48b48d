// Tables come and go.
#include <algorithm>
#include <utility>

#include "tests/minitablet/await.h"
#include "tests/nameserver/nameserver.h"

namespace failoverd::mininameserver {

using zookeeper::Code;

namespace {

// Database and name, in the order of their tids.
constexpr std::pair<const char*, const char*> kSystemTables[] = {
    {"__INTERNAL_DB", "USER"},
    {"__INTERNAL_DB", "JOB_INFO"},
    {"__PRE_AGG_DB", "PRE_AGG_META_INFO"},
    {"INFORMATION_SCHEMA", "GLOBAL_VARIABLES"},
    {"INFORMATION_SCHEMA", "DEPLOY_RESPONSE_TIME"},
};

const std::string kNothing;

}  // namespace

asio::awaitable<void> Nameserver::create_database(P<CreateDatabaseRequest> call) {
  const std::string db = call->request.db();
  if (db.empty()) co_return refuse(call, kInvalidParameter);
  const std::string path = "db/" + db;
  const Code code = co_await keeper_.make(path, kNothing);
  if (code != Code::kOk) co_return refuse(call, kSetZkFailed);
  memory_.databases.insert(db);
  call->ok();
}

asio::awaitable<void> Nameserver::create_table(P<CreateTableRequest> call) {
  auto table = Table::parse(call->request.table_info(), kind());
  if (!table) co_return refuse(call, kInvalidParameter);
  if (kind().has_databases && !table->db().empty() && !memory_.databases.contains(table->db())) {
    co_return refuse(call, kDatabaseNotFound);
  }
  const int code = co_await create(*table);
  refuse(call, code);  // Or says ok.
}

// 0, or the code that it is refused with.
asio::awaitable<int> Nameserver::create(const Table& wanted) {
  Table table = wanted;
  const TableKey key{table.db(), table.name()};
  if (memory_.table(key) || creating_.contains(key)) co_return kTableAlreadyExists;
  if (!plan(table)) co_return kSetPartitionInfoFailed;
  table.set_tid(static_cast<std::uint32_t>(++memory_.table_index));
  for (fedb::TablePartition& partition : table.partitions()) {
    partition.clear_term_offset();
    fedb::TermPair& first = *partition.add_term_offset();
    first.set_term(memory_.term);
    first.set_offset(0);
  }
  creating_.insert(key);
  const std::string index = std::to_string(table.tid());
  int code = kSetZkFailed;
  Code written = co_await keeper_.set(znodes::kTableIndex, index);
  if (written == Code::kOk) {
    // Followers first: a leader asks them for their offsets at once.
    bool made = co_await create_on_tablets(table, false);
    if (made) made = co_await create_on_tablets(table, true);
    code = made ? 0 : kCreateTableFailedOnTablet;
    if (made) {
      const std::string path = table.path();
      const std::string bytes = table.bytes();
      written = co_await keeper_.make(path, bytes);
      if (written != Code::kOk) code = kSetZkFailed;
    }
    if (code != 0) co_await drop_on_tablets(table);
  }
  creating_.erase(key);
  if (code != 0) co_return code;
  memory_.tables.insert_or_assign(key, std::move(table));
  co_await keeper_.bump(znodes::kNotify);
  co_return 0;
}

// Whose replicas are where. What the request says itself is taken as it is, if each partition has
// one leader and all its tablets are healthy. Else replicas go round the tablets, those with the
// fewest first, and the one that leads the fewest leads.
bool Nameserver::plan(Table& table) {
  for (const fedb::TablePartition& partition : table.partitions()) {
    int leaders = 0;
    for (const fedb::PartitionMeta& row : partition.partition_meta()) {
      if (!memory_.is_healthy(row.endpoint())) return false;
      leaders += row.is_leader() ? 1 : 0;
    }
    if (leaders != 1) return false;
  }
  const std::uint32_t replicas = table.replica_num(options_.replica_num);
  const std::uint32_t partitions = table.partition_num(options_.partition_num);
  if (table.partitions().size() > 0) return true;

  struct Load {
    std::string endpoint;
    std::size_t holds = 0;
    std::size_t leads = 0;
  };
  std::map<std::string, Load> loads;
  for (const auto& [endpoint, state] : memory_.tablets) {
    if (state.healthy) loads[endpoint].endpoint = endpoint;
  }
  for (const auto& [key, other] : memory_.tables) {
    for (const fedb::TablePartition& partition : other.partitions()) {
      for (const fedb::PartitionMeta& row : partition.partition_meta()) {
        const auto at = loads.find(row.endpoint());
        if (at == loads.end()) continue;
        ++at->second.holds;
        if (row.is_leader() && row.is_alive()) ++at->second.leads;
      }
    }
  }
  if (replicas == 0 || partitions == 0 || replicas > loads.size()) return false;
  std::vector<Load> round;
  for (const auto& [endpoint, load] : loads) round.push_back(load);
  std::ranges::stable_sort(round, {}, &Load::holds);
  std::size_t next = 0;
  for (std::uint32_t pid = 0; pid < partitions; ++pid) {
    fedb::TablePartition& partition = *table.partitions().Add();
    partition.set_pid(pid);
    std::vector<Load*> chosen;
    for (std::uint32_t i = 0; i < replicas; ++i) chosen.push_back(&round[next++ % round.size()]);
    Load* leader = *std::ranges::min_element(chosen, {}, &Load::leads);
    ++leader->leads;
    for (const Load* load : chosen) {
      fedb::PartitionMeta& row = *partition.add_partition_meta();
      row.set_endpoint(load->endpoint);
      row.set_is_leader(load == leader);
    }
  }
  return true;
}

asio::awaitable<bool> Nameserver::create_on_tablets(const Table& table, bool leaders) {
  for (const fedb::TablePartition& partition : table.partitions()) {
    for (const fedb::PartitionMeta& row : partition.partition_meta()) {
      if (row.is_leader() != leaders) continue;
      minitablet::CreateTableRequest request;
      minitablet::TableMeta& meta = *request.mutable_table_meta();
      meta = table.meta(partition.pid(), true);
      meta.set_mode(leaders ? fedb::kTableLeader : fedb::kTableFollower);
      if (leaders) {
        meta.set_term(partition.term_offset(0).term());
        for (const fedb::PartitionMeta& other : partition.partition_meta()) {
          if (!other.is_leader()) meta.add_replicas(other.endpoint());
        }
      }
      std::string payload = serialize(request, *kind().wire);
      const int code = co_await tablets_.code(row.endpoint(), "CreateTable", payload);
      if (code != 0) co_return false;
    }
  }
  co_return true;
}

// False: a tablet that is there refuses. Those that have no such table are content.
asio::awaitable<bool> Nameserver::drop_on_tablets(const Table& table) {
  bool all = true;
  for (const fedb::TablePartition& partition : table.partitions()) {
    for (const fedb::PartitionMeta& row : partition.partition_meta()) {
      if (!memory_.is_healthy(row.endpoint())) continue;
      fedb::DropTableRequest request;
      request.set_tid(static_cast<std::int32_t>(table.tid()));
      request.set_pid(static_cast<std::int32_t>(partition.pid()));
      std::string payload = request.SerializeAsString();
      const int code = co_await tablets_.code(row.endpoint(), "DropTable", payload);
      all &= code == 0 || code == kTableIsNotExist;
    }
  }
  co_return all;
}

asio::awaitable<void> Nameserver::drop_table(P<DropTableRequest> call) {
  const TableKey key{call->request.db(), call->request.name()};
  const Table* found = memory_.table(key);
  if (!found) co_return refuse(call, kTableIsNotExist);
  const Table table = *found;
  const bool dropped = co_await drop_on_tablets(table);
  if (!dropped) co_return refuse(call, kDropTableFailed);
  const std::string path = table.path();
  const Code code = co_await keeper_.remove(path);
  if (code != Code::kOk && code != Code::kNoNode) co_return refuse(call, kSetZkFailed);
  memory_.tables.erase(key);
  co_await keeper_.bump(znodes::kNotify);
  call->ok();
}

// The first nameserver makes them, as soon as there are tablets for them.
asio::awaitable<void> Nameserver::make_system_tables(std::uint64_t reign) {
  const std::uint32_t replicas = options_.system_table_replica_num;
  if (replicas == 0) co_return;
  for (const auto& [db, name] : kSystemTables) {
    while (reigns(reign) && !memory_.table({db, name})) {
      fedb::TableInfo wanted;
      wanted.set_name(name);
      wanted.set_db(db);
      wanted.set_partition_num(1);
      wanted.set_replica_num(replicas);
      std::string path = "db/";
      path += db;
      co_await keeper_.make(path, kNothing);
      memory_.databases.insert(db);
      auto table = Table::parse(
          serialize(wanted, *kind().wire) + kind().wire->columns_of_table_info, kind());
      const int code = co_await create(*table);
      if (code == 0) break;
      // Too few tablets are there yet, or none answers: tried again until they are.
      co_await minitablet::sleep_for(std::chrono::milliseconds{100});
    }
  }
}

}  // namespace failoverd::mininameserver
