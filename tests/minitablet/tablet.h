// The small real tablet: every TabletServer method that failoverd or an operator's client needs,
// behaving as those of its generation do, warts included, with a binlog and snapshots on disk. It
// registers nowhere (registration.h does) and decides nothing. One thread: whatever the original
// does under its mutex happens at once here, or inside the Gate when it waits.
//
// Owned by main or a test through the shared_ptr; stop() before letting it go.
#pragma once

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/result.h"
#include "lib/rpc/server.h"
#include "proto/tablet.pb.h"
#include "tests/minitablet/call.h"
#include "tests/minitablet/control.pb.h"
#include "tests/minitablet/disk.h"
#include "tests/minitablet/faults.h"
#include "tests/minitablet/gate.h"
#include "tests/minitablet/options.h"
#include "tests/minitablet/partition.h"
#include "tests/minitablet/table_meta.pb.h"
#include "tests/minitablet/task_pool.h"
#include "tests/minitablet/task_registry.h"

namespace failoverd::minitablet {

class FollowerLink;
class RecordReader;

// The codes that a tablet answers with (FEDB.md 3.2), by what they say.
enum TabletCode : int {
  kOkCode = 0,
  kFailedCode = -1,
  kTableIsNotExist = 100,
  kTableAlreadyExists = 101,
  kTableIsLeader = 102,
  kTableIsFollower = 103,
  kTableIsLoading = 104,
  kStateIsNotNormal = 105,
  kStateIsMakingSnapshot = 106,
  kStateIsNotPaused = 107,
  kKeyNotFound = 109,
  kSnapshotIsNotExist = 111,
  kStartBelowEnd = 117,
  kReplicaAlreadyExists = 119,
  kAddReplicaFailed = 120,
  kReplicatorIsNotLeader = 121,
  kAppendEntriesFailed = 122,
  kFileReceiverInitFailed = 123,
  kCannotFindReceiver = 124,
  kBlockIdMismatch = 125,
  kReceiveDataError = 126,
  kWriteDataFailed = 127,
  kSnapshotIsSending = 128,
  kTableMetaIsInvalid = 129,
  kTablePathIsNotExist = 130,
  kCreateTableFailed = 131,
  kNoRootPath = 138,
  kNameIsNotFound = 155,
};

inline constexpr const char* kNameIsNotFoundWords = "name not found in real_ep_map";

class Tablet : public std::enable_shared_from_this<Tablet> {
 public:
  Tablet(boost::asio::io_context& io, Options options);
  ~Tablet();
  Tablet(const Tablet&) = delete;
  Tablet& operator=(const Tablet&) = delete;

  // Opens the port of options().endpoint; with port 0 that endpoint then says which it was.
  Result<void> listen();
  // Closes everything and lets every coroutine end; answers that are due are not sent.
  void stop();

  const Options& options() const { return options_; }

  // What LoseSession and RestoreSession call; whoever registers us sets them.
  std::function<void(bool stay_lost)> on_lose_session;
  std::function<void()> on_restore_session;

 private:
  template <class Req, class Res>
  using P = CallPtr<Req, Res>;
  using GeneralCall = CallPtr<fedb::GeneralRequest, fedb::GeneralResponse>;

  struct Method {
    // Parses the request, lets it through faults and gate, and answers.
    std::function<void(rpc::Request, rpc::Server::Reply)> serve;
    std::uint32_t limit = 0;  // Calls at once; 0: any number.
    std::uint32_t running = 0;
    std::uint64_t calls = 0;
  };
  enum class Entry { kThroughGate, kPastGate };

  // tablet.cc: the way of a call.
  void serve(rpc::Request request, rpc::Server::Reply reply);
  template <class Req, class Res>
  void add(const char* name, void (Tablet::*method)(CallPtr<Req, Res>),
           Entry entry = Entry::kThroughGate, std::uint32_t limit = 0);
  template <class Req, class Res>
  void add_control(const char* name, void (Tablet::*method)(CallPtr<Req, Res>));
  template <class Req, class Res>
  void begin(const char* name, void (Tablet::*method)(CallPtr<Req, Res>), Entry entry,
             rpc::Request request, rpc::Server::Reply reply);
  // Without a task_info: true and no task. False, answered -1 "add task failed": the key is taken
  // or the type is not the method's.
  template <class CallType>
  bool begin_task(CallType& call, fedb::TaskType type, TaskPtr& task);
  PartitionPtr find(std::uint32_t tid, std::uint32_t pid) const;
  const Generation& generation() const { return *options_.generation; }
  void add_all_methods();

  // tablet_data.cc: rows and entries.
  void put(P<fedb::PutRequest, fedb::PutResponse> call);
  void get(P<fedb::GetRequest, fedb::GetResponse> call);
  void scan(P<fedb::ScanRequest, fedb::ScanResponse> call);
  void append_entries(P<fedb::AppendEntriesRequest, fedb::AppendEntriesResponse> call);

  // tablet_role.cc: roles, followers, what the tablet says about itself.
  void change_role(P<fedb::ChangeRoleRequest, fedb::ChangeRoleResponse> call);
  void become_follower(P<fedb::ChangeRoleRequest, fedb::ChangeRoleResponse> call,
                       PartitionPtr partition);
  void add_replica(P<fedb::ReplicaRequest, fedb::GeneralResponse> call);
  void del_replica(P<fedb::ReplicaRequest, fedb::GeneralResponse> call);
  void get_table_follower(P<fedb::GetTableFollowerRequest, fedb::GetTableFollowerResponse> call);
  void get_table_status(P<fedb::GetTableStatusRequest, fedb::GetTableStatusResponse> call);
  void get_term_pair(P<fedb::GetTermPairRequest, fedb::GetTermPairResponse> call);
  void update_real_endpoint_map(P<fedb::UpdateRealEndpointMapRequest, fedb::GeneralResponse> call);
  void get_task_status(P<fedb::GetTaskStatusRequest, fedb::GetTaskStatusResponse> call);
  void delete_op_task(P<fedb::DeleteOPTaskRequest, fedb::GeneralResponse> call);
  std::shared_ptr<FollowerLink> make_link(const PartitionPtr& partition,
                                          const std::string& endpoint);
  // 0 added; 1 one was there already (those behind it were not looked at); -1 not the leader's.
  int add_links(const PartitionPtr& partition, const std::vector<std::string>& endpoints);
  // Stops one after the other, as the original joins its threads; then calls done.
  static void stop_links(std::vector<std::shared_ptr<FollowerLink>> links,
                         std::function<void()> done);
  static boost::asio::awaitable<void> join_links(std::vector<std::shared_ptr<FollowerLink>> links);

  // tablet_snapshot.cc: snapshots on the tablet that has the table.
  void make_snapshot(GeneralCall call);
  void pause_snapshot(GeneralCall call);
  void recover_snapshot(GeneralCall call);
  void change_pause(GeneralCall call, fedb::TaskType type, fedb::TableState to, TabletCode code,
                    const char* text);
  void get_manifest(P<fedb::GetManifestRequest, fedb::GetManifestResponse> call);
  boost::asio::awaitable<void> make_snapshot_task(PartitionPtr partition, TaskPtr task);
  boost::asio::awaitable<bool> write_snapshot(PartitionPtr partition);

  // tablet_send.cc: files from tablet to tablet.
  void send_snapshot(P<fedb::SendSnapshotRequest, fedb::GeneralResponse> call);
  void send_data(P<fedb::SendDataRequest, fedb::GeneralResponse> call);
  void check_file(P<fedb::CheckFileRequest, fedb::GeneralResponse> call);
  // Where files go: below another tid, where the request says so.
  struct Target {
    std::string endpoint;  // As it was named.
    std::string address;
    std::uint32_t tid = 0;
  };
  boost::asio::awaitable<void> send_snapshot_task(PartitionPtr partition, Target to, TaskPtr task);
  boost::asio::awaitable<bool> send_all(PartitionPtr partition, Target to);
  // Tries three times.
  boost::asio::awaitable<bool> send_file(PartitionPtr partition, Target to, std::string name);
  boost::asio::awaitable<bool> send_blocks(PartitionPtr partition, Target to, std::string name);

  // tablet_load.cc: partitions come into memory and leave it.
  void create_table(P<CreateTableRequest, fedb::GeneralResponse> call);
  void load_table(P<LoadTableRequest, fedb::GeneralResponse> call);
  void drop_table(P<fedb::DropTableRequest, fedb::GeneralResponse> call);
  void delete_binlog(GeneralCall call);
  // make: opens it; then it is the tablet's.
  Result<PartitionPtr> make_partition(const TableMeta& meta);
  Result<PartitionPtr> add_partition(const TableMeta& meta);
  // A task of `method` waits for a task thread: as long as a fault at kQueued and task_queue say,
  // then for its turn.
  void queue_task(const Faults::Where& where, TaskPool::Work work);
  boost::asio::awaitable<void> load_table_task(PartitionPtr partition, TaskPtr task);
  // Of one on disk: it becomes the tablet's when it has been loaded.
  boost::asio::awaitable<void> load_from_disk_task(TableMeta meta, TaskPtr task);
  boost::asio::awaitable<bool> load(PartitionPtr partition);
  // The rows above `offset`, which then says how far they go; those up to `in_memory` are there.
  boost::asio::awaitable<bool> load_file(PartitionPtr partition, RecordReader& reader,
                                         std::uint64_t in_memory, std::uint64_t& offset);
  boost::asio::awaitable<void> drop_table_task(PartitionPtr partition, TaskPtr task);
  void delete_old_binlogs();
  void schedule_delete();
  void set_aside(const std::filesystem::path& from, const std::string& name);

  // tablet_control.cc: the MiniTablet service.
  void control_hang(P<control::HangRequest, control::Answer> call);
  void control_fail(P<control::FailRequest, control::Answer> call);
  void control_release(P<control::ReleaseRequest, control::Answer> call);
  void control_lose_session(P<control::LoseSessionRequest, control::Answer> call);
  void control_restore_session(P<control::RestoreSessionRequest, control::Answer> call);
  void control_set_disk_full(P<control::SetDiskFullRequest, control::Answer> call);
  void control_dump(P<control::DumpRequest, control::DumpResponse> call);
  void control_counters(P<control::CountersRequest, control::CountersResponse> call);

  // Waits where faults of this method are to take effect kInside.
  boost::asio::awaitable<void> pass_inside(const char* method, const PartitionPtr& partition);
  std::shared_ptr<rpc::Channel> channel_to(const std::string& endpoint);
  // With use_name only what UpdateRealEndpointMap has told leads anywhere. Empty: nowhere.
  std::string address_of(const std::string& server) const;
  template <class Servers>
  bool knows_all(const Servers& servers) const {
    return std::none_of(servers.begin(), servers.end(),
                        [&](const std::string& server) { return address_of(server).empty(); });
  }
  // Below the root of its storage; empty: there is none.
  std::filesystem::path path_of(std::uint32_t tid, std::uint32_t pid,
                                fedb::StorageMode storage) const;

  // Constant after construction, but for the port that listen() takes.
  boost::asio::io_context& io_;
  Options options_;
  const std::shared_ptr<const Options> link_options_;           // Links may end after us.
  std::map<std::string, Method, std::less<>> methods_;          // Of TabletServer.
  std::map<std::string, Method, std::less<>> control_methods_;  // Of MiniTablet.

  Disk disk_;
  Faults faults_;
  Gate gate_;
  TaskRegistry tasks_;
  const std::shared_ptr<TaskPool> task_pool_;
  const std::shared_ptr<TaskPool> snapshot_pool_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, PartitionPtr> partitions_;
  std::set<std::string> sending_;  // Endpoint and partition of each SendSnapshot under way.
  struct Receiver {
    std::uint64_t block_id = 0;
    Descriptor file;
  };
  std::map<std::string, Receiver> receivers_;     // By partition and file name.
  std::map<std::string, std::string> addresses_;  // By name. A restart forgets them.
  std::map<std::string, std::shared_ptr<rpc::Channel>> channels_;  // By address.
  std::unique_ptr<rpc::Server> server_;
  boost::asio::steady_timer delete_timer_;
  bool stopped_ = false;
};

template <class CallType>
bool Tablet::begin_task(CallType& call, fedb::TaskType type, TaskPtr& task) {
  if (!call.request.has_task_info()) return true;
  task = tasks_.begin(call.request.task_info(), type, generation().task_ids_count);
  if (!task) call.end(kFailedCode, "add task failed");
  return task != nullptr;
}

}  // namespace failoverd::minitablet
