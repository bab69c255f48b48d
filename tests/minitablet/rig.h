// What the tests of minitablet stand on: tablets in this process over real sockets, on one loop,
// each with a directory that survives it, so that a tablet can be ended and begun again.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proto/tablet.pb.h"
#include "tests/harness/temporary_directory.h"
#include "tests/harness/wait_until.h"
#include "tests/minitablet/tablet.h"
#include "tests/minitablet/testkit/client.h"

namespace failoverd::minitablet {

using namespace std::chrono_literals;

class Rig : public testing::Test {
 protected:
  static constexpr std::uint32_t kTid = 7;
  static constexpr std::uint32_t kPid = 3;

  ~Rig() override;

  struct Running {
    std::shared_ptr<Tablet> tablet;
    std::unique_ptr<testkit::Client> client;
    Options options;
    std::string endpoint;
  };
  // Begins a tablet with short pauses, in a directory of its own; `change` alters its options.
  std::size_t begin(const std::function<void(Options&)>& change = {});
  // Ends it as SIGKILL would (nothing is flushed), and begins it again on the same port.
  void end(std::size_t which);
  void begin_again(std::size_t which);

  Running& at(std::size_t which) { return tablets_.at(which); }
  testkit::Client& client(std::size_t which) { return *tablets_.at(which).client; }
  const std::string& endpoint(std::size_t which) { return tablets_.at(which).endpoint; }
  std::filesystem::path directory(std::size_t which) const;

  // Runs the loop until it holds, 10 s at most.
  testing::AssertionResult soon(const std::function<bool()>& holds, const char* what);
  // The answer of a call made with ask_async, which may come later.
  template <class Response>
  struct Pending {
    std::optional<Response> response;
    bool ended = false;
    std::chrono::steady_clock::time_point at;
  };
  template <class Response, class Request>
  std::shared_ptr<Pending<Response>> begin_ask(std::size_t which, const std::string& method,
                                               const Request& request) {
    auto pending = std::make_shared<Pending<Response>>();
    client(which).ask_async<Response>(method, request, [pending](std::optional<Response> answer) {
      pending->response = std::move(answer);
      pending->ended = true;
      pending->at = std::chrono::steady_clock::now();
    });
    return pending;
  }

  // The methods, each with the answer's code (-1000: not answered).
  int ask_numbered(std::size_t which, const std::string& method,
                   const google::protobuf::Message& request);
  int create(std::size_t which, fedb::TableMode mode, std::vector<std::size_t> followers = {},
             std::uint64_t term = 1, std::uint32_t pid = kPid);
  int put(std::size_t which, const std::string& key, std::uint64_t ts = 1000,
          const std::string& value = "v", std::uint32_t pid = kPid);
  std::string get(std::size_t which, const std::string& key);  // "" if there is none.
  int probe(std::size_t which, std::uint64_t term, std::uint64_t* offset = nullptr);
  int append(std::size_t which, std::uint64_t term, std::uint64_t pre_log_index,
             std::vector<std::uint64_t> indexes, fedb::AppendEntriesResponse* response = nullptr);
  int follow(std::size_t which);
  fedb::ChangeRoleRequest role_request(fedb::TableMode mode) const;
  // AddReplica or DelReplica at `leader`.
  int replica(const std::string& method, std::size_t leader, std::size_t follower,
              std::optional<fedb::TaskInfo> task = std::nullopt);
  fedb::ReplicaRequest replica_request(std::size_t follower);
  // MakeSnapshot, PauseSnapshot, RecoverSnapshot, DeleteBinlog.
  int general(const std::string& method, std::size_t which,
              std::optional<fedb::TaskInfo> task = std::nullopt);
  int load(std::size_t which, fedb::TableMode mode,
           std::optional<fedb::TaskInfo> task = std::nullopt, std::uint64_t term = 0);
  int drop(std::size_t which, std::optional<fedb::TaskInfo> task = std::nullopt);
  int send_snapshot(std::size_t from, std::size_t to,
                    std::optional<fedb::TaskInfo> task = std::nullopt);

  fedb::GetTermPairResponse term_pair(std::size_t which, std::uint32_t pid = kPid);
  fedb::TableStatus status(std::size_t which);  // state kTableUndefined and no tid if none.
  fedb::TableState state(std::size_t which) { return status(which).state(); }
  std::uint64_t offset(std::size_t which) { return status(which).offset(); }
  std::uint64_t manifest_offset(std::size_t which);
  fedb::GetTableFollowerResponse followers(std::size_t which);
  minitablet::control::DumpResponse dump(std::size_t which, bool from_disk = false);

  static fedb::TaskInfo task(std::uint64_t op_id, fedb::TaskType type);
  // Of that op's first task; nothing if there is none.
  std::optional<fedb::TaskStatus> task_status(std::size_t which, std::uint64_t op_id);
  void forget(std::size_t which, std::uint64_t op_id);

  void hang(std::size_t which, const std::string& method, control::Stage stage,
            std::uint32_t milliseconds = 0, std::uint32_t calls = 0);
  void release(std::size_t which);
  void set_disk_full(std::size_t which, bool full);

  boost::asio::io_context io_{1};
  harness::TemporaryDirectory root_;
  std::vector<Running> tablets_;
};

}  // namespace failoverd::minitablet
