// A real ZooKeeper (Debian's package `zookeeper`) on 127.0.0.1, alone or as an ensemble, with its
// data on a disk that is synced: killed, paused and started again by tests. Starting takes about
// half a second. Owned by the test.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/time.h"
#include "tests/harness/process.h"
#include "tests/harness/temporary_directory.h"

namespace failoverd::harness {

// Times that both kinds share. Sessions may be as short as two ticks, and expire in steps of one.
struct ZooKeeperOptions {
  Duration tick = std::chrono::milliseconds{200};
  Duration start_deadline = std::chrono::seconds{30};
  std::vector<std::string> properties = {};  // Java's: "jute.maxbuffer=200000".
};

class ZooKeeperServer {
 public:
  // Starts a server of its own and returns when it answers. Throws std::runtime_error with the end
  // of its log when it does not, or when the package is missing.
  explicit ZooKeeperServer(ZooKeeperOptions options = {});

  std::string hosts() const;  // "127.0.0.1:PORT"
  std::uint16_t port() const { return port_; }
  pid_t pid() const;

  void kill();    // SIGKILL: what was acknowledged is on the disk, sessions live on.
  void stop();    // SIGTERM.
  void pause();   // SIGSTOP: connections stay up, nothing answers.
  void resume();  // SIGCONT.
  // After kill() or stop(): the same data on the same port, and returns when it answers.
  void start();
  void start_without_waiting();  // Returns before it answers.
  void restart();                // kill() and start().

  // "standalone", "leader" or "follower"; empty while it does not serve.
  std::string mode() const;
  std::string log() const;
  // Runs one line of ZooKeeper's own shell against it, to its end ("setAcl /a world:anyone:r"), and
  // returns all that it printed. Takes a second.
  std::string shell(const std::vector<std::string>& line) const;

 private:
  friend class ZooKeeperEnsemble;
  struct Member {
    int id;
    std::string quorum;  // The lines server.N= of the configuration.
  };
  ZooKeeperServer(ZooKeeperOptions options, std::uint16_t port, std::optional<Member> member);
  void launch();
  void wait_until_it_serves();

  ZooKeeperOptions options_;
  std::uint16_t port_;
  std::unique_ptr<TemporaryDirectory> directory_;
  std::optional<Process> process_;
};

class ZooKeeperEnsemble {
 public:
  // Starts all members at once and returns when every one serves.
  explicit ZooKeeperEnsemble(int members = 3, ZooKeeperOptions options = {});

  std::string hosts() const;  // "127.0.0.1:P1,127.0.0.1:P2,127.0.0.1:P3"
  int size() const { return static_cast<int>(servers_.size()); }
  ZooKeeperServer& server(int index) { return *servers_.at(static_cast<std::size_t>(index)); }
  // Which one leads; nothing while they have not agreed.
  std::optional<int> leader() const;

 private:
  std::vector<std::unique_ptr<ZooKeeperServer>> servers_;
};

}  // namespace failoverd::harness
