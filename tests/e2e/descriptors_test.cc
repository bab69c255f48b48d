// A daemon with few descriptors, and callers who hold connections and send next to nothing: neither
// keeps it from ZooKeeper, nor an operator from it.
#include <gtest/gtest.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <filesystem>
#include <vector>

#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"
#include "tests/e2e/programs.h"

namespace failoverd::e2e {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

// Connections that have sent one byte each, and hold.
class SlowCallers {
 public:
  SlowCallers(const std::string& address, int count) {
    const auto port = static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
    for (int i = 0; i < count; ++i) {
      sockets_.emplace_back(io_);
      boost::system::error_code ignored;
      sockets_.back().connect({asio::ip::address_v4::loopback(), port}, ignored);
      asio::write(sockets_.back(), asio::buffer("G", 1), ignored);
    }
  }

 private:
  asio::io_context io_;
  std::vector<tcp::socket> sockets_;
};

std::ptrdiff_t open_descriptors(pid_t pid) {
  const auto all = std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd");
  return std::distance(begin(all), end(all));
}

TEST(Descriptors, SlowCallersTakeNeitherZookeeperNorTheOperatorsPlace) {
  Cluster cluster;
  cluster.create_table("flow", 4, 3);
  Daemon& daemon = cluster.start_active_daemon();
  ASSERT_EQ(daemon.stop(), 0);
  // 44 of these 64 would be left for callers.
  harness::Process process(
      {.arguments = {"/bin/sh", "-c", "ulimit -n 64; exec \"$0\" --config \"$1\"",
                     program("failoverd"), daemon.file()},
       .log_file = cluster.directory() / "limited.log"});
  ASSERT_TRUE(cluster.wait_until([&] { return daemon.active(); }, "it acts"));
  const SlowCallers callers(daemon.http(), 300);
  cluster.let_pass(std::chrono::milliseconds{500});  // They are taken, or wait.
  EXPECT_LE(open_descriptors(process.pid()), 48) << "a quarter is HTTP's, the rest is not";
  cluster.zookeeper().kill();
  ASSERT_TRUE(cluster.wait_until(
      [&] { return daemon.metric("failoverd_zookeeper_connected") == 0; }, "ZooKeeper is away"));
  cluster.zookeeper().start();
  ASSERT_TRUE(cluster.wait_until([&] { return daemon.active(); }, "it acts again"));
  EXPECT_EQ(daemon.get("/healthz").status, 200);
  EXPECT_EQ(daemon.ctl({"status"}).status, 0);
  cluster.kill_tablet(0);
  EXPECT_TRUE(cluster.is_led_without(0)) << process.log();
}

}  // namespace
}  // namespace failoverd::e2e
