// mininameserver processes of a test, and questions to them. Each asks its own ZooKeeper session
// for the lead; the test may end, stop and continue them, and make their calls hang or fail. Throws
// std::runtime_error when one cannot be started. Ends everything it started. Owned by the test;
// used from one thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/rpc/channel.h"
#include "proto/nameserver.pb.h"
#include "proto/table_info.pb.h"
#include "tests/harness/process.h"
#include "tests/minitablet/control.pb.h"
#include "tests/minitablet/generation.h"
#include "tests/minitablet/testkit/client.h"
#include "tests/minitablet/testkit/create_table.h"
#include "tests/nameserver/messages.pb.h"

namespace failoverd::testkit {

struct NameserverOptions {
  const minitablet::Generation* generation = &minitablet::rtidb();
  std::string zookeeper;  // host:port,...
  std::string root = "/rtidb_cluster";
  std::chrono::milliseconds session{1000};
  // For each of them, behind those that we set: short intervals, no system tables.
  std::vector<std::string> flags = {};
  bool use_name = false;       // nameserver0, nameserver1, ...
  std::filesystem::path logs;  // A directory.
};

// A table as it is asked of NameServer.CreateTable. Rows of `rows` say who holds a replica and who
// leads; without any the nameserver chooses.
struct NameserverTable {
  std::string name;
  std::uint32_t partitions = 2;
  std::uint32_t replicas = 3;
  std::string db = {};
  // Of every partition: its leader, then its followers.
  std::vector<std::vector<std::string>> rows = {};
};

class Nameservers {
 public:
  Nameservers(boost::asio::io_context& io, NameserverOptions options);

  // Another one, which starts and does not lead yet as far as anybody knows: its number.
  std::size_t add(const std::vector<std::string>& more_flags = {});
  std::size_t count() const { return all_.size(); }
  const std::string& endpoint(std::size_t which) const { return all_.at(which).endpoint; }
  harness::Process& process(std::size_t which) { return *all_.at(which).process; }

  void kill(std::size_t which);    // SIGKILL: its znode stays until its session has run out.
  void end(std::size_t which);     // SIGTERM: its znode goes at once.
  void start(std::size_t which);   // After kill() or end(), on the same port.
  void launch(std::size_t which);  // The same, and does not wait until it answers.
  void pause(std::size_t which);   // SIGSTOP.
  void resume(std::size_t which);

  // Who says of itself that it has read everything and leads; nothing: nobody does, or two do.
  std::optional<std::size_t> leader();
  // Waits for one, 30 s at most; throws if there is none.
  std::size_t wait_for_leader();

  // A method of service NameServer; nothing if it was not answered.
  template <class Response, class Request>
  std::optional<Response> ask(std::size_t which, const std::string& method,
                              const Request& request) {
    return parse<Response>(client(which).call("NameServer", method, request.SerializeAsString()));
  }
  // Its code; -1000 where it was not answered.
  template <class Request>
  int code(std::size_t which, const std::string& method, const Request& request) {
    const auto response = ask<fedb::NameServerResponse>(which, method, request);
    return response ? response->code() : -1000;
  }
  // The codes of these methods.
  int create_table(std::size_t which, const NameserverTable& table);
  // The same of a table as create_table.h has it, which has to name its tablets. Its database is
  // created with it.
  int create_as_wished(std::size_t which, const TableWish& wish);
  int drop_table(std::size_t which, const std::string& name, const std::string& db = {});
  int set_auto_failover(std::size_t which, bool on);
  int change_leader(std::size_t which, const std::string& table, std::uint32_t pid,
                    const std::string& candidate = "auto");
  int set_partition(std::size_t which, const std::string& table,
                    const fedb::TablePartition& partition, const std::string& db = {});

  // What it holds in memory: a partition, a table, everything else.
  std::optional<fedb::TablePartition> partition(std::size_t which, const std::string& table,
                                                std::uint32_t pid, const std::string& db = {});
  std::optional<fedb::TableInfo> table(std::size_t which, const std::string& name,
                                       const std::string& db = {});
  mininameserver::StateResponse state(std::size_t which);
  // "kChangeLeaderOP flow/0 kDone", in order of their ids.
  std::vector<std::string> ops(std::size_t which);
  // No op is kInited or kDoing.
  bool idle(std::size_t which) { return state(which).running_ops() == 0; }

  // Faults, as a minitablet has them. "TakeOver" hangs between the lock and the first answer.
  void hang(std::size_t which, const std::string& method,
            minitablet::control::Stage stage = minitablet::control::kBefore);
  void fail(std::size_t which, const std::string& method, int code, std::uint32_t calls);
  void release(std::size_t which, const std::string& method = "*");
  void lose_session(std::size_t which, bool stay_lost);
  void restore_session(std::size_t which);  // After stay_lost.
  bool hangs(std::size_t which, const std::string& method);

  Client& client(std::size_t which);

 private:
  struct One {
    std::string endpoint;
    std::vector<std::string> flags;
    std::optional<harness::Process> process;
    std::unique_ptr<Client> client;
    bool paused = false;
  };

  template <class Response>
  static std::optional<Response> parse(const rpc::Answer& answer) {
    Response response;
    const bool answered = answer.outcome == rpc::Outcome::kAnswered;
    if (!answered || !response.ParseFromString(answer.payload)) return std::nullopt;
    return response;
  }
  template <class Request>
  void control(std::size_t which, const std::string& method, const Request& request);

  boost::asio::io_context& io_;
  const NameserverOptions options_;
  std::vector<One> all_;
};

}  // namespace failoverd::testkit
