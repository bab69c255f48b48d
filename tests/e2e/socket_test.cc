// The HTTP interface at a unix socket, listen.socket: who asks there, and whose file it is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"

namespace failoverd::e2e {
namespace {

using testing::HasSubstr;

class Socket : public testing::Test {
 protected:
  void SetUp() override { cluster.create_table("flow", 1, 1, {0}); }
  Daemon& start() { return cluster.start_active_daemon({.listen = "socket: \"" + path + "\""}); }
  // What confget prints. On a machine with much to do the daemon may have lost its session
  // meanwhile, and say so instead.
  std::string confget(Daemon& daemon, const std::string& servers = {}) {
    Daemon::Output ran;
    const auto is_shown = [&] {
      ran = daemon.ctl({"confget"}, servers);
      return ran.status == 0;
    };
    EXPECT_TRUE(cluster.wait_until(is_shown, "confget")) << ran.err;
    return ran.out;
  }
  static std::string own_name() {
    const passwd* own = ::getpwuid(::getuid());
    return own ? own->pw_name : "uid " + std::to_string(::getuid());
  }

  Cluster cluster{{.tablets = 1}};
  const std::string path = (cluster.directory() / "socket").string();
};

TEST_F(Socket, ServesFailoverctlAndNamesWhoAsks) {
  Daemon& daemon = start();
  struct stat status {};
  ASSERT_EQ(::lstat(path.c_str(), &status), 0);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  EXPECT_EQ(status.st_mode & 07777, 0660U);
  const std::string socket = "unix:" + path;
  EXPECT_EQ(confget(daemon, socket), confget(daemon));
  const auto is_set = [&] {
    return daemon.ctl({"confset", "auto_failover", "false"}, socket).status == 0;
  };
  EXPECT_TRUE(cluster.wait_until(is_set, "the switch is set"));
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        return daemon.ctl({"events"}).out.find("set by " + own_name() + " from socket") !=
               std::string::npos;
      },
      "who has asked is an event"));
  const auto is_begun = [&] {
    return daemon.ctl({"makesnapshot", "flow", "0"}, socket).status == 0;
  };
  EXPECT_TRUE(cluster.wait_until(is_begun, "a snapshot"));
  EXPECT_THAT(daemon.get("/api/v1/events").body,
              HasSubstr("\"by\":\"" + own_name() + " from socket\""));
  EXPECT_EQ(daemon.stop(), 0);
  EXPECT_NE(::lstat(path.c_str(), &status), 0) << "it goes with its daemon";
}

TEST_F(Socket, ADeadOnesIsReplacedAndALivingOnesIsNot) {
  Daemon& first = start();
  first.kill();
  struct stat status {};
  ASSERT_EQ(::lstat(path.c_str(), &status), 0) << "a dead process leaves it";
  Daemon& second = start();
  EXPECT_THAT(confget(second, "unix:" + path), HasSubstr("auto_failover"));
  // Another daemon of the same machine, with the same path.
  Daemon& third = cluster.start_daemon({.listen = "socket: \"" + path + "\""});
  ASSERT_TRUE(cluster.wait_until([&] { return third.get("/readyz").status == 200; }, "ready"));
  EXPECT_THAT(third.log(), HasSubstr("listen.socket is not served: cannot listen on " + path +
                                     ": another process listens there"));
  EXPECT_THAT(third.get("/api/v1/events").body, HasSubstr("listen.socket is not served"));
  EXPECT_EQ(third.stop(), 0);
  EXPECT_THAT(confget(second, "unix:" + path), HasSubstr("auto_failover")) << "it stays";
}

}  // namespace
}  // namespace failoverd::e2e
