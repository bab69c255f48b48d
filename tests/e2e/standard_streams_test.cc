// Descriptors 0 to 2 as others hand them over: nobody reads standard error, or they are closed.
// Neither stops a failover.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"
#include "tests/e2e/programs.h"

namespace failoverd::e2e {
namespace {

namespace fs = std::filesystem;

// A pipe in the place of the first daemon's log file, as small as pipes get.
class UnreadLog {
 public:
  explicit UnreadLog(const Cluster& cluster) {
    const fs::path file = cluster.directory() / "failoverd0.log";
    ::mkfifo(file.c_str(), 0600);
    fd_ = ::open(file.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    ::fcntl(fd_, F_SETPIPE_SZ, 4096);
  }
  ~UnreadLog() { ::close(fd_); }
  // All that is in it now.
  std::string read() {
    std::string text(64 * 1024, '\0');
    const ssize_t got = ::read(fd_, text.data(), text.size());
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
  }

 private:
  int fd_ = -1;
};

TEST(StandardStreams, NobodyReadsStandardError) {
  Cluster cluster({.tablets = 3});
  UnreadLog log{cluster};
  cluster.create_table("flow", 100, 3);
  Daemon& daemon = cluster.start_active_daemon();
  const auto is_dropping = [&] {
    daemon.post("/api/v1/commands/confset", R"({"key": "auto_failover", "value": "true"})");
    return daemon.metric("failoverd_log_lines_dropped_total").value_or(0) > 0;
  };
  ASSERT_TRUE(cluster.wait_until(is_dropping, "lines are dropped", std::chrono::seconds{60}));
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.is_led_without(0));
  // Somebody begins to read: what was kept comes, and then how much did not.
  std::string read;
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        read += log.read();
        return read.find("lines were dropped: nobody read standard error") != std::string::npos;
      },
      "the log says what is missing"));
}

TEST(StandardStreams, ClosedOnesAreOpenedOnNothing) {
  Cluster cluster({.tablets = 1});
  cluster.create_table("flow", 1, 1);
  Daemon& daemon = cluster.start_active_daemon();
  ASSERT_EQ(daemon.stop(), 0);
  harness::Process process(
      {.arguments = {"/bin/sh", "-c", "exec \"$0\" --config \"$1\" 0<&- 1>&- 2>&-",
                     program("failoverd"), daemon.file()}});
  ASSERT_TRUE(cluster.wait_until([&] { return daemon.active(); }, "it acts"));
  for (const char* fd : {"0", "1", "2"}) {
    const fs::path link = "/proc/" + std::to_string(process.pid()) + "/fd/" + fd;
    EXPECT_EQ(fs::read_symlink(link), "/dev/null") << fd;
  }
  EXPECT_EQ(process.stop(), 0);
}

}  // namespace
}  // namespace failoverd::e2e
