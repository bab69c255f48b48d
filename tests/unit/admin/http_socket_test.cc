// The HTTP interface at a unix socket: its file, who may ask there, what bounds hold, and
// failoverctl as a caller.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <vector>

#include "lib/admin/unix_socket.h"
#include "tests/harness/temporary_directory.h"
#include "tests/harness/wait_until.h"
#include "tests/unit/admin/fake_source.h"
#include "tests/unit/admin/raw_http.h"
#include "tests/unit/admin/run_program.h"

namespace failoverd::admin {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

class HttpSocketTest : public testing::Test {
 protected:
  void serve(HttpOptions options = {}) {
    served_.start(std::move(options));
    ASSERT_EQ(served_.listen_socket(path_), "");
  }
  static mode_t mode_of(const std::string& path) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0 ? status.st_mode : 0;
  }
  static std::string own_name() {
    const passwd* own = ::getpwuid(::getuid());
    return own ? own->pw_name : "uid " + std::to_string(::getuid());
  }
  std::vector<CommandRequest> commands() {
    return served_.on_loop([&] { return std::exchange(source_.commands, {}); });
  }

  const harness::TemporaryDirectory directory_;
  const std::string path_ = (directory_.path() / "s").string();
  ServedSource served_;
  FakeSource& source_ = served_.source;
};

TEST_F(HttpSocketTest, ServesWhatTheAddressServes) {
  serve();
  EXPECT_EQ(ask(path_, get("/healthz")).body, "ok\n");
  EXPECT_EQ(ask(path_, get("/api/v1/tablets")).body, "[]\n");
  EXPECT_EQ(ask(served_.port, get("/healthz")).status, 200);
  RawConnection stream(path_);
  stream.send(get("/api/v1/events/stream"));
  EXPECT_THAT(stream.read_until("\r\n\r\n"), HasSubstr("text/event-stream"));
}

// Whatever the umask is, its group may use it and nobody else.
TEST_F(HttpSocketTest, ItsFileIsItsGroupsAndGoesWithIt) {
  boost::asio::io_context io;
  for (const mode_t mask : {0077, 0000, 0022}) {
    const mode_t before = ::umask(mask);
    const auto socket = UnixSocket::listen(io, path_);
    ::umask(before);
    ASSERT_TRUE(socket) << socket.error().text;
    EXPECT_TRUE(S_ISSOCK(mode_of(path_)));
    EXPECT_EQ(mode_of(path_) & 07777, 0660U) << mask;
    (*socket)->close();
    EXPECT_EQ(mode_of(path_), 0U);
  }
  serve();
  EXPECT_TRUE(S_ISSOCK(mode_of(path_)));
  served_.stop();
  EXPECT_EQ(mode_of(path_), 0U);
}

TEST_F(HttpSocketTest, WhatADeadProcessLeftIsReplaced) {
  const int dead = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  path_.copy(to.sun_path, sizeof to.sun_path - 1);
  ASSERT_EQ(::bind(dead, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  ::close(dead);
  ASSERT_TRUE(S_ISSOCK(mode_of(path_)));
  serve();
  EXPECT_EQ(ask(path_, get("/healthz")).status, 200);
}

TEST_F(HttpSocketTest, ALivingOneIsNot) {
  serve();
  boost::asio::io_context io;
  const auto second = UnixSocket::listen(io, path_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().text, "cannot listen on " + path_ + ": another process listens there");
  EXPECT_EQ(ask(path_, get("/healthz")).status, 200);
  EXPECT_EQ(served_.listen_socket(path_), second.error().text);
  EXPECT_EQ(ask(served_.port, get("/healthz")).status, 200);
}

// What is no socket is nobody's leftover.
TEST_F(HttpSocketTest, SomethingElseStaysAsItIs) {
  boost::asio::io_context io;
  const auto refused = [&](const std::string& path) {
    const auto socket = UnixSocket::listen(io, path);
    return socket ? "" : socket.error().text;
  };
  std::ofstream{path_} << "precious";
  EXPECT_EQ(refused(path_),
            "cannot listen on " + path_ + ": something else than a socket is there");
  std::string kept;
  std::ifstream{path_} >> kept;
  EXPECT_EQ(kept, "precious");
  const std::string link = path_ + "l";
  std::filesystem::create_symlink(path_ + "nowhere", link);
  EXPECT_THAT(refused(link), HasSubstr("something else than a socket"));
  EXPECT_EQ(refused("/nosuch/s"), "cannot listen on /nosuch/s: No such file or directory");
  EXPECT_THAT(refused("/" + std::string(200, 'x')), HasSubstr("too long"));
}

// Another one's file under its name is not removed at its end.
TEST_F(HttpSocketTest, AtItsEndOnlyItsOwnFileGoes) {
  boost::asio::io_context io;
  const auto first = UnixSocket::listen(io, path_);
  ASSERT_TRUE(first);
  std::filesystem::rename(path_, path_ + "moved");
  const auto second = UnixSocket::listen(io, path_);
  ASSERT_TRUE(second) << second.error().text;
  (*first)->close();
  EXPECT_TRUE(S_ISSOCK(mode_of(path_)));
}

TEST_F(HttpSocketTest, TheKernelSaysWhoAsks) {
  serve();
  const std::string claims = "Host: localhost\r\nX-User: root\r\nUser-Agent: root\r\n";
  EXPECT_EQ(ask(path_, post("/api/v1/commands/confset", "{}", claims)).status, 200);
  const auto seen = commands();
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].who, own_name());
  EXPECT_EQ(seen[0].from, "socket");
}

// As from loopback: with a token only who has it.
TEST_F(HttpSocketTest, AccessIsJudgedAsOnLoopback) {
  const auto status = [&](const std::string& headers) {
    return ask(path_, post("/api/v1/commands/confset", "{}", headers)).status;
  };
  serve();
  EXPECT_EQ(status("Host: localhost\r\n"), 200);
  EXPECT_EQ(status("Host: evil.example\r\n"), 403);
  EXPECT_EQ(status("Host: localhost\r\nOrigin: http://evil.example\r\n"), 403);
  EXPECT_EQ(status("Host: localhost\r\nOrigin: null\r\n"), 403);
  EXPECT_EQ(status("Host: localhost\r\nX-Forwarded-For: 10.0.0.1\r\n"), 403);
  EXPECT_EQ(status("Host: localhost\r\nContent-Type: text/plain\r\n"), 415);
  EXPECT_EQ(ask(path_, "GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n").status, 403);
  served_.set_token("secret");
  EXPECT_EQ(status("Host: localhost\r\n"), 401);
  EXPECT_EQ(status("Host: localhost\r\nAuthorization: Bearer other\r\n"), 401);
  EXPECT_EQ(status("Host: localhost\r\nAuthorization: Bearer secret\r\n"), 200);
  EXPECT_EQ(ask(path_, get("/metrics")).status, 200);
}

TEST_F(HttpSocketTest, ItsBoundsAreTheAddresses) {
  HttpOptions options;
  options.max_header = 1024;
  options.max_body = 1024;
  options.request_timeout = 200ms;
  options.max_connections = 2;
  serve(std::move(options));
  EXPECT_EQ(ask(path_, get("/healthz", "X: " + std::string(2000, 'x') + "\r\n")).status, 431);
  EXPECT_EQ(ask(path_, post("/api/v1/commands/x", std::string(2000, ' '))).status, 413);
  RawConnection slow(path_);
  slow.send("GET /hea");
  EXPECT_TRUE(slow.read_to_end()) << "a request has to come in its time";
  // Both kinds of connections are counted together; who keeps us waiting makes room.
  RawConnection lazy(path_);
  RawConnection other(served_.port);
  EXPECT_TRUE(harness::wait_until([&] { return served_.connections() == 2; }, 10s, "both there"));
  EXPECT_EQ(ask(path_, get("/healthz")).status, 200);
  EXPECT_TRUE(lazy.read_to_end());
}

TEST_F(HttpSocketTest, FailoverctlTalksToIt) {
  source_.conf_rows = {{"auto_failover", "true"}};
  serve();
  const Ran by_tcp = failoverctl({"--server", served_.address(), "confget"});
  for (const Ran& ran :
       {failoverctl({"--socket", path_, "confget"}),
        failoverctl({"--server", "unix:" + path_, "confget"}),
        failoverctl({"confget"}, {{"FAILOVERD_SERVER", "unix:" + path_}}),
        failoverctl({"confget", "--server", "unix:" + path_ + ",unix:/nosuch/s"})}) {
    EXPECT_EQ(ran.status, 0) << ran.err;
    EXPECT_EQ(ran.out, by_tcp.out);
  }
  EXPECT_EQ(failoverctl({"--socket", path_, "confset", "auto_failover", "false"}).status, 0);
  const auto seen = commands();
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].who + " from " + seen[0].from, own_name() + " from socket");
  const Ran nobody = failoverctl({"--socket", "/nosuch/s", "confget"});
  EXPECT_EQ(nobody.status, 1);
  EXPECT_EQ(nobody.err, "cannot reach unix:/nosuch/s: No such file or directory\n");
  EXPECT_EQ(failoverctl({"--socket", "s", "confget"}).status, 2);
  EXPECT_EQ(failoverctl({"--server", "unix:s", "confget"}).status, 2);
}

}  // namespace
}  // namespace failoverd::admin
