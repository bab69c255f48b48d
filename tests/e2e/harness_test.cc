// What the other end-to-end tests stand on: processes that end with their test, and a ZooKeeper
// that can be killed, paused and started again.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <set>

#include "tests/harness/ports.h"
#include "tests/harness/process.h"
#include "tests/harness/temporary_directory.h"
#include "tests/harness/wait_until.h"
#include "tests/harness/zookeeper_server.h"

namespace failoverd::harness {
namespace {

using namespace std::chrono_literals;

// Running: neither gone nor ended and not yet reaped.
bool runs(pid_t pid) {
  std::ifstream stat{"/proc/" + std::to_string(pid) + "/stat"};
  std::string ignored, name, state;
  return bool(stat >> ignored >> name >> state) && state != "Z";
}

TEST(Process, ExitStatusAndLog) {
  TemporaryDirectory directory;
  Process child{{.arguments = {"sh", "-c", "echo $WORD; pwd; echo oops >&2; exit 3"},
                 .environment = {{"WORD", "hello"}},
                 .log_file = directory.path() / "log",
                 .working_directory = directory.path()}};
  EXPECT_EQ(child.wait(10s), 3);
  EXPECT_FALSE(child.running());
  EXPECT_EQ(child.log(), "hello\n" + directory.path().string() + "\noops\n");
}

TEST(Process, WaitEndsAtItsDeadlineAndSignalsEndTheChild) {
  Process child{{.arguments = {"sleep", "1000"}}};
  EXPECT_EQ(child.wait(20ms), std::nullopt);
  child.kill(SIGTERM);
  EXPECT_EQ(child.wait(10s), 128 + SIGTERM);
}

TEST(Process, PausedChildIsStillEnded) {
  Process child{{.arguments = {"sleep", "1000"}}};
  child.pause();
  EXPECT_TRUE(child.running());
  EXPECT_EQ(child.stop(50ms), 128 + SIGKILL);
}

TEST(Process, DestructorEndsTheChild) {
  pid_t pid = 0;
  {
    Process child{{.arguments = {"sleep", "1000"}}};
    pid = child.pid();
    Process moved = std::move(child);
    EXPECT_TRUE(runs(pid));
  }
  EXPECT_FALSE(runs(pid));
}

TEST(Process, ChildrenDieWithTheirParent) {
  TemporaryDirectory directory;
  const std::filesystem::path pid_file = directory.path() / "pid";
  const pid_t parent = fork();
  if (parent == 0) {
    Process child{{.arguments = {"sleep", "1000"}}};
    std::ofstream{pid_file} << child.pid() << std::endl;
    raise(SIGKILL);
  }
  ASSERT_GT(parent, 0);
  pid_t child = 0;
  ASSERT_TRUE(wait_until([&] { return bool(std::ifstream{pid_file} >> child); }, 10s,
                         "the parent has written its child's pid"));
  waitpid(parent, nullptr, 0);
  EXPECT_TRUE(wait_until([&] { return !runs(child); }, 10s, "the grandchild has ended"));
}

TEST(Process, MissingProgramIsAnError) {
  EXPECT_THROW(Process({.arguments = {"/no/such/program"}}), std::runtime_error);
}

TEST(Ports, NoneIsGivenTwice) {
  std::set<int> ports;
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(ports.insert(free_port()).second);
}

TEST(ZooKeeperServer, ServesAgainAfterKillStopAndPause) {
  ZooKeeperServer server;
  EXPECT_EQ(server.mode(), "standalone");
  server.kill();
  EXPECT_EQ(server.mode(), "");
  server.start();
  EXPECT_EQ(server.mode(), "standalone");
  server.stop();
  server.start();
  server.pause();
  EXPECT_EQ(server.mode(), "");
  server.resume();
  EXPECT_TRUE(wait_until([&] { return server.mode() == "standalone"; }, 10s, "it answers again"));
}

TEST(ZooKeeperEnsemble, ElectsAnotherLeaderWhenItsLeaderIsKilled) {
  ZooKeeperEnsemble ensemble;
  ASSERT_TRUE(wait_until([&] { return ensemble.leader().has_value(); }, 30s, "a member leads"));
  const int first = *ensemble.leader();
  ensemble.server(first).kill();
  EXPECT_TRUE(wait_until([&] { return ensemble.leader().value_or(first) != first; }, 30s,
                         "another member leads"));
  ensemble.server(first).start();
  EXPECT_EQ(ensemble.server(first).mode(), "follower");
}

}  // namespace
}  // namespace failoverd::harness
