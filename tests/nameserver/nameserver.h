// The small real nameserver: it stands in the queue of leader/, reads everything when it leads, and
// from then on trusts its memory: it never looks at a table's znode again and writes with version
// -1. Owned by main; one thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <set>
#include <string>

#include "lib/base/result.h"
#include "lib/rpc/server.h"
#include "proto/nameserver.pb.h"
#include "tests/nameserver/dispatch.h"
#include "tests/nameserver/keeper.h"
#include "tests/nameserver/memory.h"
#include "tests/nameserver/messages.pb.h"
#include "tests/nameserver/ops.h"
#include "tests/nameserver/tablets.h"

namespace failoverd::mininameserver {

// The codes that a nameserver answers with, by what they say (docs/wire.md).
enum NameserverCode : int {
  kTableIsNotExist = 100,
  kTableAlreadyExists = 101,
  kIsLeader = 102,
  kNoFollower = 134,
  kNameserverIsNotLeader = 300,
  kAutoFailoverIsEnabled = 301,
  kEndpointIsNotExist = 302,
  kTabletIsNotHealthy = 303,
  kSetZkFailed = 304,
  kCreateOpFailed = 305,
  kInvalidParameter = 307,
  kPidIsNotExist = 308,
  kLeaderIsAlive = 309,
  kNoAliveFollower = 310,
  kPartitionIsAlive = 311,
  kOpStatusIsNotDoingOrInited = 312,
  kDropTableFailed = 313,
  kSetPartitionInfoFailed = 314,
  kCreateTableFailedOnTablet = 316,
  kPidAlreadyExists = 317,
  kSrcEndpointIsNotHealthy = 318,
  kDesEndpointIsNotHealthy = 319,
  kMigrateFailed = 320,
  kNoPidHasUpdate = 321,
  kDatabaseNotFound = 802,
};

class Nameserver {
 public:
  Nameserver(asio::io_context& io, const Options& options);
  Nameserver(const Nameserver&) = delete;
  Nameserver& operator=(const Nameserver&) = delete;

  // Opens the port, then queues up for the lead.
  Result<void> start();
  // Ends the session, so that the next one leads at once.
  void stop();

 private:
  template <class Req, class Res = fedb::NameServerResponse>
  using P = CallPtr<Req, Res>;
  enum class Entry { kAlways, kManual };  // kManual: 301 while auto_failover is on.

  // nameserver.cc: when it leads, and what it sees of the tablets.
  void add_control_methods();
  asio::awaitable<void> take_over(std::uint64_t reign);
  asio::awaitable<bool> make_znodes();
  asio::awaitable<bool> read_numbers();
  asio::awaitable<bool> read_tables();
  asio::awaitable<bool> read_ops(std::uint64_t reign);
  asio::awaitable<bool> read_names();
  asio::awaitable<void> tell_names(std::uint64_t reign);
  asio::awaitable<void> watch_tablets(std::uint64_t reign);
  asio::awaitable<void> tablet_came(std::string endpoint);
  asio::awaitable<void> watch_for_failovers(std::uint64_t reign);
  asio::awaitable<void> poll_tables(std::uint64_t reign);
  bool reigns(std::uint64_t reign) const { return memory_.reign == reign && memory_.serves; }
  void spawn(asio::awaitable<void> work);

  // nameserver_calls.cc: the methods that are answered from memory or with one write.
  template <class Req, class Res, class Method>
  void add(const char* name, Entry entry, Method method);
  void add_methods();
  void show_tablet(P<fedb::ShowTabletRequest, fedb::ShowTabletResponse> call);
  void show_table(P<fedb::ShowTableRequest, ShowTableResponse> call);
  void show_ops(P<fedb::ShowOPStatusRequest, fedb::ShowOPStatusResponse> call);
  void conf_get(P<fedb::ConfGetRequest, fedb::ConfGetResponse> call);
  void get_partition(P<fedb::GetTablePartitionRequest, fedb::GetTablePartitionResponse> call);
  asio::awaitable<void> conf_set(P<fedb::ConfSetRequest> call);
  asio::awaitable<void> set_partition(P<fedb::SetTablePartitionRequest> call);
  asio::awaitable<void> update_alive(P<fedb::UpdateTableAliveStatusRequest> call);

  // nameserver_commands.cc: the methods that lead to ops.
  asio::awaitable<void> change_leader(P<fedb::ChangeLeaderRequest> call);
  asio::awaitable<void> offline_endpoint(P<fedb::OfflineEndpointRequest> call);
  asio::awaitable<void> recover_endpoint(P<fedb::RecoverEndpointRequest> call);
  asio::awaitable<void> recover_table(P<fedb::RecoverTableRequest> call);
  void cancel_op(P<fedb::CancelOPRequest> call);

  // nameserver_replicas.cc: replicas come, go and move.
  // An op for each partition of the call's table, and its answer.
  template <class Call>
  asio::awaitable<void> begin_all(const Call& call, fedb::OPType type,
                                  const std::set<std::uint32_t>& pids, const OpData& data);
  asio::awaitable<void> migrate(P<fedb::MigrateRequest> call);
  asio::awaitable<void> add_replica(P<fedb::AddReplicaNSRequest> call);
  asio::awaitable<void> del_replica(P<fedb::DelReplicaNSRequest> call);
  asio::awaitable<void> make_snapshot(P<fedb::MakeSnapshotNSRequest> call);

  // nameserver_tables.cc: tables come and go.
  asio::awaitable<void> create_database(P<CreateDatabaseRequest> call);
  asio::awaitable<void> create_table(P<CreateTableRequest> call);
  asio::awaitable<void> drop_table(P<DropTableRequest> call);
  asio::awaitable<int> create(const Table& wanted);
  bool plan(Table& table);
  asio::awaitable<bool> create_on_tablets(const Table& table, bool leaders);
  asio::awaitable<bool> drop_on_tablets(const Table& table);
  asio::awaitable<void> make_system_tables(std::uint64_t reign);

  const Kind& kind() const { return *options_.kind; }
  // Ends a call with a code and its words in this generation.
  template <class CallType>
  void refuse(const CallType& call, int code) const;
  std::string words(int code) const;

  asio::io_context& io_;
  const Options options_;
  Memory memory_;
  Keeper keeper_;
  Tablets tablets_;
  Ops ops_;
  Dispatcher dispatcher_;
  std::set<TableKey> creating_;
  std::unique_ptr<rpc::Server> server_;
};

template <class CallType>
void Nameserver::refuse(const CallType& call, int code) const {
  call->end(code, words(code).c_str());
}

}  // namespace failoverd::mininameserver
