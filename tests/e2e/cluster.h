// A whole cluster for one end-to-end test: a real ZooKeeper, minitablets, tables, a writer that
// puts rows all the time, and failoverd daemons, all on 127.0.0.1 and all ended with this object.
// The test's own loop runs the writer: wait with wait_until() here, never with a sleep. Owned by
// the test.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/harness/process.h"
#include "tests/harness/temporary_directory.h"
#include "tests/harness/zookeeper_server.h"
#include "tests/minitablet/control.pb.h"
#include "tests/minitablet/generation.h"
#include "tests/minitablet/testkit/client.h"
#include "tests/minitablet/testkit/compare.h"
#include "tests/minitablet/testkit/create_table.h"
#include "tests/minitablet/testkit/writer.h"
#include "tests/minitablet/testkit/znodes.h"
#include "tests/nameserver/testkit/nameservers.h"

namespace failoverd::e2e {

struct ClusterOptions {
  // What its tablets and its znodes are of; the daemons are configured for it.
  const minitablet::Generation* generation = &minitablet::rtidb();
  int tablets = 3;
  // Of the tablets' sessions. The server's tick is 200 ms, so it grants 400 ms and more.
  std::chrono::milliseconds tablet_session{1000};
  std::vector<std::string> tablet_flags = {};
  std::vector<std::string> zookeeper_properties = {};  // "jute.maxbuffer=200000".
  // Mininameservers beside it, whose own auto_failover is off: they make the cluster's znodes, and
  // tables are created through the one that leads. nameservers().add() adds more at any time; where
  // there was none from the beginning, the znode config/auto_failover says `true`.
  int nameservers = 0;
  std::chrono::milliseconds nameserver_session{1000};
  std::vector<std::string> nameserver_flags = {};
  // Tablets and nameservers have names (use_name): those stand in nodes/, leader/ and the rows.
  bool use_name = false;
  // user:password, which tablets, nameservers and this object show to ZooKeeper: all znodes are its
  // alone. Empty: they are everybody's. Daemons are told of it by their configuration.
  std::string identity = {};
  // Where the tablets' disks are; empty: below $TMPDIR. ZooKeeper's data are always there.
  std::filesystem::path disks_below = {};
};

struct DaemonOptions {
  // YAML lines that replace or add keys: {"auto_failover: false", "detection: {crash: false}"}.
  std::vector<std::string> config = {};
  std::string zookeeper = {};                   // Another address for it, such as a proxy's.
  std::string cluster = "session_timeout: 1s";  // What stands beside it in section cluster.
  std::string listen = {};                      // What stands beside http in section listen.
  std::vector<std::pair<std::string, std::string>> environment = {};  // Added to ours.
};

class Daemon;

class Cluster {
 public:
  explicit Cluster(ClusterOptions options = {});
  ~Cluster();

  // --- Tablets, 0, 1, 2, ...: what the rows call them.
  const std::string& tablet(int i) const { return endpoints_.at(static_cast<std::size_t>(i)); }
  int tablets() const { return static_cast<int>(endpoints_.size()); }
  harness::Process& process(int i) { return *tablets_.at(static_cast<std::size_t>(i)); }
  void kill_tablet(int i);                         // SIGKILL.
  void kill_tablets(const std::vector<int>& all);  // In the same moment.
  void start_tablet(int i);                        // Waits until its znode is there.
  // Starts its process, no more: where its last znode is there still, it will exit.
  void launch_tablet(int i);
  // With use_name: it listens on another port from its next start on.
  void move_tablet(int i);
  void pause_tablet(int i);  // SIGSTOP.
  void resume_tablet(int i);
  // It runs, and is not paused.
  bool lives(int i);
  testkit::Client& client(int i);
  using Stage = minitablet::control::Stage;
  // Calls of this method hang from now on, at this stage, until release() (or for so long).
  void hang(int i, const std::string& method, Stage stage = Stage::kBefore,
            std::chrono::milliseconds at_most = {});
  // The same for one partition's calls only.
  void hang_pid(int i, const std::string& method, std::uint32_t pid, Stage stage = Stage::kBefore);
  // The same for inject(), more precisely.
  struct Fault {
    std::string method;
    std::optional<std::uint32_t> pid = {};
    Stage stage = Stage::kBefore;
    std::uint32_t skip = 0;   // So many calls go on first.
    std::uint32_t calls = 0;  // So many hang; 0: all, until released.
    std::chrono::milliseconds at_most{};
  };
  void inject(int i, const Fault& fault);
  // From its next start on: nothing can be called before.
  void inject_at_start(int i, const Fault& fault);
  // A call of this method, of this partition if one is named, hangs now.
  bool hangs(int i, const std::string& method, std::optional<std::uint32_t> pid = {});
  // The next calls of this method answer this code; 0: all, until released.
  void fail(int i, const std::string& method, int code, std::uint32_t calls);
  void fail_pid(int i, const std::string& method, std::uint32_t pid, int code);
  void fill_disk(int i, bool full);
  // All faults end, or those of a method, and whoever hangs goes on.
  void release(int i, const std::string& method = "*");
  void lose_session(int i, bool stay_lost);
  // How often a TabletServer method was called since the tablet started.
  std::uint64_t calls(int i, const std::string& method);
  // Where it keeps its replica of a partition; what is dropped goes to `recycle` beside it.
  std::filesystem::path disk(int i) const;
  std::filesystem::path disk(int i, const std::string& table, std::uint32_t pid);

  // --- Tables and rows.
  // Leaders are spread over the tablets; else all of them are on the first.
  void create_table(const std::string& name, std::uint32_t partitions, std::uint32_t replicas,
                    std::vector<int> on = {}, bool spread = true, const std::string& db = {});
  // The same of any kind of table; where it names no tablets, all of them are meant.
  void create_table(testkit::TableWish wish);
  // "A=L+ B=F+ C=F-" of one partition: tablets are A, B, C, in the znode's order.
  std::string rows(const std::string& table, std::uint32_t pid);
  // Index of the tablet whose row is the alive leader; -1: none, or several.
  int leader(const std::string& table, std::uint32_t pid);
  bool everything_is_led_without(int tablet);
  // Waits for that.
  bool is_led_without(int tablet);
  // Every row of every partition is alive, and one of them leads.
  bool everything_is_alive();
  void start_writer(double rate = 50);
  testkit::Writer& writer() { return *writer_; }
  // Ends the writer and compares the rows of every alive replica. With `acked`, every acknowledged
  // row is looked for too.
  testkit::Comparison compare(bool acked);
  testkit::Comparison compare(const std::vector<testkit::AckedRow>& wanted);
  // Ends the writer, waits until every replica holds what it wrote, and returns those rows.
  // start_writer() begins a new one.
  std::vector<testkit::AckedRow> settle_writer();
  // The code of a Put or a Get to this tablet, which may be anything; -1: not answered.
  int put(int i, const std::string& table, std::uint32_t pid, const std::string& key);
  // It holds a row of this key; its value is the key itself, as put()'s are, or this one.
  bool holds(int i, const std::string& table, std::uint32_t pid, const std::string& key,
             const std::string& value = {});

  // --- Nameservers, 0, 1, ...: start, kill, pause, resume, leader and whatever they are asked.
  testkit::Nameservers& nameservers() { return *nameservers_; }

  // --- Daemons.
  Daemon& start_daemon(const DaemonOptions& options = {});
  // The same, and waits until it acts with all tablets known to be healthy.
  Daemon& start_active_daemon(const DaemonOptions& options = {});

  bool wait_until(const std::function<bool()>& predicate, std::string_view what,
                  std::chrono::milliseconds deadline = std::chrono::seconds{20});
  // Lets the loop run so long: for showing that something does not happen.
  void let_pass(std::chrono::milliseconds time);

  boost::asio::io_context& io() { return io_; }
  harness::ZooKeeperServer& zookeeper() { return zookeeper_; }
  testkit::Znodes& znodes() { return *znodes_; }
  const std::filesystem::path& directory() const { return directory_.path(); }
  const minitablet::Generation& generation() const { return *options_.generation; }

 private:
  void stop_writer();
  minitablet::control::CountersResponse counters(int i);
  harness::Process::Options tablet_process(int i);
  std::string address(int i) const { return options_.use_name ? addresses_.at(i) : tablet(i); }
  void start_nameservers();

  boost::asio::io_context io_;
  const ClusterOptions options_;
  harness::TemporaryDirectory directory_;
  harness::ZooKeeperServer zookeeper_;
  std::unique_ptr<testkit::Znodes> znodes_;
  std::unique_ptr<testkit::Nameservers> nameservers_;
  std::vector<std::string> endpoints_;    // Or names.
  std::map<int, std::string> addresses_;  // With use_name.
  std::set<int> paused_;
  std::map<int, std::string> hangs_at_start_;  // Values of the flag --hang.
  std::vector<std::unique_ptr<harness::Process>> tablets_;
  std::map<int, std::unique_ptr<testkit::Client>> clients_;
  std::unique_ptr<testkit::Writer> writer_;
  std::vector<std::unique_ptr<Daemon>> daemons_;
};

}  // namespace failoverd::e2e
