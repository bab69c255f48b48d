// The floor of recovery: what is left when nothing has to be found out, decided, recorded or
// waited for but the tablets themselves.
#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <stdexcept>

#include "proto/tablet.pb.h"
#include "tests/bench/measure.h"
#include "tests/bench/returning.h"
#include "tests/minitablet/await.h"

namespace failoverd::bench {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kCopiesAtOnce = 2;  // recovery.max_copies_per_tablet.
constexpr std::chrono::seconds kPatience{60};

class Bare {
 public:
  explicit Bare(const RecoveryCase& what) : what_{what}, returning_{what} {
    if (returning_.daemon().stop() != 0) throw std::runtime_error("failoverd did not stop");
    returning_.start_again();
    for (int i = 0; i < cluster().tablets(); ++i) {  // Connected beforehand, as failoverd is.
      (void)cluster().client(i).ask<fedb::GetTableStatusResponse>("GetTableStatus",
                                                                  fedb::GetTableStatusRequest{});
    }
    info_ = returning_.table();
    znode_ = cluster().znodes().get(std::string{"table/table_data/"} + kReturningTable).value();
    notify_ = cluster().znodes().get("table/notify").value();
    cluster().znodes().create("floor", "");
  }

  double measure() {
    const auto began = Clock::now();
    const std::size_t workers = what_.copies ? kCopiesAtOnce : what_.partitions;
    for (std::size_t i = 0; i < workers; ++i) {
      ++open_;
      asio::co_spawn(cluster().io(), work(), [this](const std::exception_ptr& failure) {
        --open_;
        if (failure) failure_ = failure;
      });
    }
    const bool ended = cluster().wait_until([&] { return open_ == 0; }, "all is brought back",
                                            std::chrono::minutes{5});
    if (failure_) std::rethrow_exception(failure_);
    if (!ended) throw std::runtime_error("the tablets do not bring it back");
    write();
    const double took = milliseconds(Clock::now() - began);
    returning_.expect_all_rows();
    return took;
  }

 private:
  e2e::Cluster& cluster() { return returning_.cluster(); }

  asio::awaitable<void> work() {
    while (next_ < info_.table_partition_size())
      co_await bring_back(info_.table_partition(next_++));
  }

  // The tasks of kReAddReplicaOP and kReAddReplicaNoSendOP.
  asio::awaitable<void> bring_back(const fedb::TablePartition& partition) {
    const std::uint32_t pid = partition.pid();
    const int leader = leader_of(partition);
    if (what_.copies && !what_.wiped) co_await general(0, "DeleteBinlog", pid);
    co_await general(leader, "PauseSnapshot", pid);
    if (what_.copies) co_await copy(leader, pid);
    co_await load(pid);
    fedb::ReplicaRequest add;
    add.set_tid(info_.tid());
    add.set_pid(pid);
    add.set_endpoint(cluster().tablet(0));
    (void)co_await ask<fedb::GeneralResponse>(leader, "AddReplica", add.SerializeAsString());
    co_await general(leader, "RecoverSnapshot", pid);
    while (!co_await has_caught_up(leader, pid)) co_await pause();
  }

  static asio::awaitable<void> pause() {
    // A tablet tells nothing by itself: how far it is it has to be asked, again and again. Asked
    // without a pause, one that works is asked more than it works; at failoverd's own first
    // interval the floor waits no longer than failoverd would.
    return minitablet::sleep_for(std::chrono::milliseconds{5});
  }

  int leader_of(const fedb::TablePartition& partition) {
    for (int i = 1; i < cluster().tablets(); ++i) {
      for (const fedb::PartitionMeta& row : partition.partition_meta()) {
        if (row.endpoint() == cluster().tablet(i) && row.is_leader() && row.is_alive()) return i;
      }
    }
    throw std::runtime_error("no leader");
  }

  asio::awaitable<void> copy(int leader, std::uint32_t pid) {
    const std::uint64_t op = 2'000'000'001 + pid;
    fedb::SendSnapshotRequest send;
    send.set_tid(info_.tid());
    send.set_pid(pid);
    send.set_endpoint(cluster().tablet(0));
    send.set_remote_tid(info_.tid());
    send.mutable_task_info()->set_op_id(op);
    send.mutable_task_info()->set_op_type(fedb::kReAddReplicaOP);
    send.mutable_task_info()->set_task_type(fedb::kSendSnapshot);
    send.mutable_task_info()->set_status(fedb::kInited);
    (void)co_await ask<fedb::GeneralResponse>(leader, "SendSnapshot", send.SerializeAsString());
    while (!co_await is_sent(leader, op)) co_await pause();
    fedb::DeleteOPTaskRequest forget;
    forget.add_op_id(op);
    (void)co_await ask<fedb::GeneralResponse>(leader, "DeleteOPTask", forget.SerializeAsString());
  }

  asio::awaitable<bool> is_sent(int leader, std::uint64_t op) {
    const auto tasks = co_await ask<fedb::GetTaskStatusResponse>(leader, "GetTaskStatus", "");
    for (const fedb::TaskInfo& task : tasks.task()) {
      if (task.op_id() != op) continue;
      if (task.status() == fedb::kFailed) throw std::runtime_error("SendSnapshot failed");
      co_return task.status() == fedb::kDone;
    }
    co_return false;
  }

  asio::awaitable<void> load(std::uint32_t pid) {
    fedb::LoadTableRequest request;
    fedb::TableMeta& meta = *request.mutable_table_meta();
    meta.set_tid(static_cast<std::int32_t>(info_.tid()));
    meta.set_pid(static_cast<std::int32_t>(pid));
    meta.set_name(info_.name());
    meta.set_mode(fedb::kTableFollower);
    (void)co_await ask<fedb::GeneralResponse>(0, "LoadTable", request.SerializeAsString());
    while (!co_await is_loaded(pid)) co_await pause();
  }

  asio::awaitable<bool> is_loaded(std::uint32_t pid) {
    fedb::GetTableStatusRequest look;
    look.set_tid(info_.tid());
    look.set_pid(pid);
    const auto status =
        co_await ask<fedb::GetTableStatusResponse>(0, "GetTableStatus", look.SerializeAsString());
    co_return status.all_table_status_size() == 1 &&
        status.all_table_status(0).state() == fedb::kTableNormal;
  }

  asio::awaitable<bool> has_caught_up(int leader, std::uint32_t pid) {
    const std::uint64_t wanted = co_await offset_of(leader, pid);
    const std::uint64_t has = co_await offset_of(0, pid);
    co_return has >= wanted;
  }

  asio::awaitable<std::uint64_t> offset_of(int tablet, std::uint32_t pid) {
    fedb::GetTermPairRequest request;
    request.set_tid(info_.tid());
    request.set_pid(pid);
    const auto word =
        co_await ask<fedb::GetTermPairResponse>(tablet, "GetTermPair", request.SerializeAsString());
    co_return word.offset();
  }

  asio::awaitable<void> general(int tablet, const char* method, std::uint32_t pid) {
    fedb::GeneralRequest request;
    request.set_tid(static_cast<std::int32_t>(info_.tid()));
    request.set_pid(static_cast<std::int32_t>(pid));
    (void)co_await ask<fedb::GeneralResponse>(tablet, method, request.SerializeAsString());
  }

  template <class Response>
  asio::awaitable<Response> ask(int tablet, const char* method, std::string request) {
    const rpc::Answer answer =
        co_await minitablet::call(cluster().client(tablet).channel(), "TabletServer", method,
                                  std::move(request), std::string{}, kPatience);
    Response response;
    if (answer.outcome != rpc::Outcome::kAnswered || !response.ParseFromString(answer.payload) ||
        response.code() != 0) {
      throw std::runtime_error(std::string{method} + " is refused: " + response.msg());
    }
    co_return response;
  }

  void write() {
    for (fedb::TablePartition& partition : *info_.mutable_table_partition()) {
      for (fedb::PartitionMeta& row : *partition.mutable_partition_meta()) {
        if (row.endpoint() == cluster().tablet(0)) row.set_is_leader(false);
        row.set_is_alive(true);
      }
    }
    testkit::Znodes& znodes = cluster().znodes();
    const auto code = znodes.multi({
        zookeeper::Op::check(znodes.path("floor"), 0),
        zookeeper::Op::set(znodes.path(std::string{"table/table_data/"} + kReturningTable),
                           info_.SerializeAsString(), znode_.version),
        zookeeper::Op::set(znodes.path("table/notify"),
                           std::to_string(std::stoull(notify_.bytes) + 1), -1),
    });
    if (code != zookeeper::Code::kOk) throw std::runtime_error("the multi failed");
  }

  const RecoveryCase what_;
  Returning returning_;
  fedb::TableInfo info_;
  testkit::Znodes::Value znode_;
  testkit::Znodes::Value notify_;
  int next_ = 0;
  std::size_t open_ = 0;
  std::exception_ptr failure_;
};

}  // namespace

double measure_recovery_floor(const RecoveryCase& what) { return Bare{what}.measure(); }

}  // namespace failoverd::bench
