// A cluster of its own for a test: one real ZooKeeper and minitablet processes with directories
// that outlive them. Throws std::runtime_error when something cannot be started. Ends everything it
// started. Owned by the test; used from one thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/harness/process.h"
#include "tests/harness/temporary_directory.h"
#include "tests/harness/zookeeper_server.h"
#include "tests/minitablet/testkit/client.h"
#include "tests/minitablet/testkit/znodes.h"

namespace failoverd::testkit {

class Cluster {
 public:
  struct Options {
    std::size_t tablets = 3;
    Duration session_timeout = std::chrono::seconds{2};  // Of the tablets.
    std::string root = "/rtidb_cluster";
    std::vector<std::string> tablet_flags;  // For each of them, behind those that we set.
    harness::ZooKeeperOptions zookeeper;
  };
  // Starts all and returns when every tablet is registered.
  explicit Cluster(Options options);
  Cluster() : Cluster{Options{}} {}

  const std::string& endpoint(std::size_t tablet) const { return tablets_.at(tablet).endpoint; }
  std::vector<std::string> endpoints() const;
  std::filesystem::path directory(std::size_t tablet) const;
  harness::Process& process(std::size_t tablet) { return *tablets_.at(tablet).process; }
  std::string log(std::size_t tablet) const;
  // Asks the tablet; a new connection after every start.
  Client& client(std::size_t tablet);

  void kill(std::size_t tablet);  // SIGKILL, and waits for its end.
  // Starts its process and does not wait. Where the znode of its last incarnation is there still it
  // will exit with 1, as the original does.
  void start_process(std::size_t tablet);
  // Starts it, again and again while its old znode is there, until it is registered.
  void start(std::size_t tablet);
  bool registered(std::size_t tablet);

  harness::ZooKeeperServer& zookeeper() { return zookeeper_; }
  Znodes& znodes() { return *znodes_; }
  boost::asio::io_context& io() { return io_; }
  const Options& options() const { return options_; }
  const std::filesystem::path& path() const { return directory_.path(); }

 private:
  struct Tablet {
    std::string endpoint;
    std::optional<harness::Process> process;
    std::int64_t old_owner = 0;  // Of the znode that was there when it was started.
    std::unique_ptr<Client> client;
  };

  const Options options_;
  boost::asio::io_context io_{1};
  harness::TemporaryDirectory directory_;
  harness::ZooKeeperServer zookeeper_;
  std::unique_ptr<Znodes> znodes_;
  std::vector<Tablet> tablets_;
};

// The directory of the built programs.
std::filesystem::path program(const std::string& name);

}  // namespace failoverd::testkit
