// What failoverd tells systemd, read off the socket that systemd would have opened: when it is
// ready, what it waits for, its beats, reloads, its end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/local/datagram_protocol.hpp>
#include <csignal>

#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"

namespace failoverd::e2e {
namespace {

using std::chrono::milliseconds;
using testing::ContainsRegex;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

// Hears what is sent to $NOTIFY_SOCKET. A sender waits when nobody reads, so it reads whenever the
// loop runs.
class NotifySocket {
 public:
  NotifySocket(boost::asio::io_context& io, const std::filesystem::path& path)
      : path_(path.string()), socket_(io, Protocol::endpoint(path_)) {
    receive();
  }

  const std::string& path() const { return path_; }
  // Every message so far: assignments, one a line.
  const std::vector<std::string>& heard() const { return heard_; }
  std::size_t count(std::string_view assignment) const {
    return static_cast<std::size_t>(std::count_if(heard_.begin(), heard_.end(), [&](auto& text) {
      return ("\n" + text + "\n").find("\n" + std::string{assignment} + "\n") != std::string::npos;
    }));
  }
  // Of those with a status, the last one's.
  std::string status() const {
    for (auto text = heard_.rbegin(); text != heard_.rend(); ++text) {
      const auto at = ("\n" + *text).find("\nSTATUS=");
      if (at == std::string::npos) continue;
      const std::string rest = text->substr(at + std::string_view{"STATUS="}.size());
      return rest.substr(0, rest.find('\n'));
    }
    return "";
  }

 private:
  using Protocol = boost::asio::local::datagram_protocol;

  void receive() {
    socket_.async_receive(boost::asio::buffer(buffer_),
                          [this](const boost::system::error_code& e, std::size_t size) {
                            if (e) return;
                            heard_.emplace_back(buffer_.data(), size);
                            receive();
                          });
  }

  const std::string path_;
  Protocol::socket socket_;
  std::array<char, 8192> buffer_{};
  std::vector<std::string> heard_;
};

class ServiceTest : public testing::Test {
 protected:
  DaemonOptions under_it(const std::string& watchdog_usec = "") {
    DaemonOptions options;
    options.environment = {{"NOTIFY_SOCKET", socket.path()}};
    if (!watchdog_usec.empty()) options.environment.emplace_back("WATCHDOG_USEC", watchdog_usec);
    return options;
  }
  bool hears(const std::string& assignment, std::size_t times = 1) {
    return cluster.wait_until([&] { return socket.count(assignment) >= times; },
                              assignment + " is heard");
  }
  bool says(const std::string& words) {
    return cluster.wait_until([&] { return socket.status().find(words) != std::string::npos; },
                              "the status says: " + words);
  }

  Cluster cluster{{.tablets = 1}};
  NotifySocket socket{cluster.io(), cluster.directory() / "notify"};
};

// Ready is who has read the cluster. Until then it says what it waits for, and neither a reload nor
// time makes it ready.
TEST_F(ServiceTest, IsReadyOnceTheClusterHasBeenRead) {
  cluster.create_table("flow", 1, 1);
  cluster.zookeeper().kill();
  Daemon& daemon = cluster.start_daemon(under_it());
  ASSERT_TRUE(says("waits for ZooKeeper at " + cluster.zookeeper().hosts()));
  EXPECT_THAT(socket.heard()[0], StartsWith("STATUS=waits for "));
  daemon.process().kill(SIGHUP);
  ASSERT_TRUE(cluster.wait_until(
      [&] { return daemon.log().find("configuration read again") != std::string::npos; },
      "it is read again"));
  cluster.let_pass(milliseconds{500});
  EXPECT_EQ(socket.count("READY=1"), 0u);
  cluster.zookeeper().start();
  ASSERT_TRUE(hears("READY=1"));
  EXPECT_EQ(daemon.get("/readyz").status, 200);
  ASSERT_TRUE(says("active, epoch 1"));
  EXPECT_EQ(socket.count("READY=1"), 1u);
  // Without ZooKeeper again, it stays a service that runs, and says what is wrong.
  cluster.zookeeper().kill();
  ASSERT_TRUE(says("ZooKeeper at " + cluster.zookeeper().hosts() + " has been away for"));
  EXPECT_EQ(socket.count("READY=1"), 1u);
}

// A standby is ready too, and names the one that acts; whoever stands back says why.
TEST_F(ServiceTest, TheLineSaysWhatItIs) {
  Daemon& active = cluster.start_active_daemon();
  Daemon& daemon = cluster.start_daemon(under_it());
  ASSERT_TRUE(hears("READY=1"));
  ASSERT_TRUE(says("standby: "));
  EXPECT_THAT(
      socket.status(),
      MatchesRegex("standby: .*" + active.http().substr(active.http().rfind(':')) + " acts"));
  EXPECT_EQ(active.stop(), 0);
  ASSERT_TRUE(says("active, epoch 2"));
  ASSERT_EQ(daemon.ctl({"confset", "auto_failover", "false"}).status, 0);
  ASSERT_TRUE(says("auto_failover is off"));
  cluster.znodes().create("leader/lock_request0000000001", "127.0.0.1:6527");
  ASSERT_TRUE(says("the nameserver's auto_failover is on (127.0.0.1:6527"));
}

// The beats are the loop's: a process that stands still gives none, and goes on with them.
TEST_F(ServiceTest, TheWatchdogIsFedWhileTheLoopTurns) {
  Daemon& daemon = cluster.start_daemon(under_it("200000"));
  ASSERT_TRUE(hears("WATCHDOG=1", 5));
  daemon.pause();
  cluster.let_pass(milliseconds{100});  // What was sent before is heard.
  const std::size_t before = socket.count("WATCHDOG=1");
  cluster.let_pass(milliseconds{1000});
  EXPECT_EQ(socket.count("WATCHDOG=1"), before);
  daemon.resume();
  ASSERT_TRUE(hears("WATCHDOG=1", before + 3));
}

TEST_F(ServiceTest, WithoutAWatchdogThereAreNoBeats) {
  cluster.start_daemon(under_it());
  ASSERT_TRUE(hears("READY=1"));
  cluster.let_pass(milliseconds{500});
  EXPECT_EQ(socket.count("WATCHDOG=1"), 0u);
}

// A reload has a beginning and an end, also when the file is refused, and also when it is the file
// that was noticed.
TEST_F(ServiceTest, AReloadIsTold) {
  Daemon& daemon = cluster.start_daemon(under_it());
  ASSERT_TRUE(hears("READY=1"));
  ASSERT_TRUE(
      cluster.wait_until([&] { return socket.status() == "active, epoch 1"; }, "all is well"));
  const std::size_t before = socket.heard().size();
  daemon.process().kill(SIGHUP);
  ASSERT_TRUE(hears("READY=1", 2));
  const std::vector<std::string> said(socket.heard().begin() + static_cast<std::ptrdiff_t>(before),
                                      socket.heard().end());
  EXPECT_THAT(said, ElementsAre(MatchesRegex("RELOADING=1\nMONOTONIC_USEC=[0-9]+"),
                                StartsWith("READY=1\nSTATUS=active, epoch 1")));
  daemon.configure({"log: {level: loud}"});
  ASSERT_TRUE(hears("READY=1", 3));
  EXPECT_EQ(socket.count("RELOADING=1"), 2u);
  EXPECT_THAT(socket.status(), HasSubstr("the configuration file is refused, the old one holds"));
}

TEST_F(ServiceTest, ItsEndIsTold) {
  Daemon& daemon = cluster.start_daemon(under_it());
  ASSERT_TRUE(says("active, epoch 1"));
  EXPECT_EQ(daemon.stop(), 0);
  ASSERT_TRUE(hears("STOPPING=1"));
  EXPECT_THAT(socket.heard().back(), StartsWith("STOPPING=1\nSTATUS="));
}

}  // namespace
}  // namespace failoverd::e2e
