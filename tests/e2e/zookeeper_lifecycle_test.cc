// How a session begins and ends: servers that are not there yet, names, closing, being destroyed in
// the middle of something, an ensemble that changes its leader; and that none of it leaks or spins.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "lib/base/boot_clock.h"
#include "lib/base/name_lookup.h"
#include "tests/harness/ports.h"
#include "tests/harness/tcp_proxy.h"
#include "tests/harness/wait_until.h"
#include "tests/harness/zookeeper_client.h"
#include "tests/harness/zookeeper_server.h"

namespace failoverd::zookeeper {
namespace {

using harness::ZooKeeperClient;
using harness::ZooKeeperEnsemble;
using harness::ZooKeeperServer;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace std::chrono_literals;

Session::Options options(const std::string& hosts, Duration timeout = 10s) {
  return {.hosts = hosts, .timeout = timeout, .digest_auth = {}};
}

int open_descriptors() {
  int count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) {
    ++count;
  }
  return count;
}

TEST(SessionStart, ConnectsWhenTheServerComes) {
  ZooKeeperServer server;
  server.stop();
  ZooKeeperClient client{options(server.hosts())};
  std::vector<Code> answers;
  for (int i = 0; i < 3; ++i) {
    client.session().get("/", [&](Code code, auto, Stat) { answers.push_back(code); });
  }
  EXPECT_THAT(answers, IsEmpty());  // Never from inside the call.
  ASSERT_TRUE(client.wait_until([&] { return answers.size() == 3; }, 10s, "answered nevertheless"));
  EXPECT_THAT(answers, ElementsAre(Code::kUnknown, Code::kUnknown, Code::kUnknown));
  EXPECT_EQ(client.session().session_id(), 0);
  EXPECT_EQ(client.session().negotiated_timeout(), 0s);
  server.start();
  client.connect();
  EXPECT_TRUE(client.exists("/").ok());
  EXPECT_THAT(client.states(), ElementsAre("connected (new)"));
}

TEST(SessionStart, NamesAreLookedUp) {
  ZooKeeperServer server;
  const std::string port = std::to_string(server.port());
  ZooKeeperClient by_name{options("localhost:" + port)};
  EXPECT_TRUE(by_name.exists("/").ok());
  // One that is found is enough.
  ZooKeeperClient some{options("does-not-exist.invalid:2181,localhost:" + port)};
  EXPECT_TRUE(some.exists("/").ok());
  server.restart();
  EXPECT_TRUE(by_name.exists("/").ok());
}

TEST(SessionStart, NamesThatAreNotFoundAreTriedAgainAndNothingThrows) {
  for (const char* hosts : {"does-not-exist.invalid:2181", "no-port", ""}) {
    ZooKeeperClient client{options(hosts)};
    std::vector<Code> answers;
    client.session().get("/", [&](Code code, auto, Stat) { answers.push_back(code); });
    client.session().multi({Op::check("/", -1)}, [&](Code code, auto results) {
      answers.push_back(code);
      EXPECT_EQ(results.size(), 1u);
    });
    ASSERT_TRUE(client.wait_until([&] { return answers.size() == 2; }, 10s, "answered"));
    EXPECT_THAT(answers, ElementsAre(Code::kUnknown, Code::kUnknown));
    ASSERT_TRUE(client.wait_until([&] { return !client.notes().empty(); }, 30s, "it says why"));
    EXPECT_EQ(client.session().state(), SessionState::kConnecting);
  }
}

// While names cannot be looked up, the addresses that were found last will do.
TEST(SessionStart, NamesThatWereFoundBefore) {
  ZooKeeperServer server;
  const Session::Options by_name = options("zookeeper.invalid:" + std::to_string(server.port()));
  boost::asio::io_context io;
  NameLookup& names = NameLookup::of(io);
  names.set({}, [](const std::string&) {
    return NameLookup::Addresses{boost::asio::ip::make_address("127.0.0.1")};
  });
  ZooKeeperClient first{by_name, &io};
  first.connect();
  names.set({}, [](const std::string&) { return Failure{"nobody answers"}; });
  ZooKeeperClient second{by_name, &io};
  second.connect();
  EXPECT_TRUE(second.exists("/").ok());
}

TEST(SessionEnd, CloseEndsItAtTheServerAndAnswersEverythingOnce) {
  ZooKeeperServer server;
  ZooKeeperClient watcher{server.hosts()};
  ZooKeeperClient client{server.hosts()};
  ASSERT_TRUE(client.create("/mine", "", true).ok());
  bool gone = false;
  ASSERT_TRUE(watcher.exists("/mine", [&] { gone = true; }).ok());

  std::vector<Code> answers;
  for (int i = 0; i < 500; ++i) {
    client.session().get("/mine", [&](Code code, auto, Stat) { answers.push_back(code); });
    client.session().set("/mine", "x", -1, [&](Code code, Stat) { answers.push_back(code); });
  }
  client.session().multi({Op::create("/m", "")}, [&](Code code, auto) { answers.push_back(code); });
  client.close();
  client.session().get("/mine", [&](Code code, auto, Stat) { answers.push_back(code); });
  EXPECT_THAT(answers, IsEmpty());
  ASSERT_TRUE(client.wait_until([&] { return answers.size() == 1'002; }, 10s, "all are answered"));
  EXPECT_EQ(answers.back(), Code::kExpired);
  EXPECT_EQ(std::ranges::count(answers, Code::kUnknown), 1'001);
  EXPECT_EQ(client.session().state(), SessionState::kExpired);
  EXPECT_TRUE(watcher.wait_until([&] { return gone; }, 10s, "the ephemeral znode goes at once"));
  EXPECT_THAT(client.states(), ElementsAre("connected (new)"));
}

TEST(SessionEnd, DestroyedWithRequestsUnderWayAndInItsOwnCallbacks) {
  ZooKeeperServer server;
  boost::asio::io_context io{1};
  const auto run_until = [&](const bool& done) {
    return harness::wait_until(
        io, [&] { return done; }, 10s, "it happened");
  };
  int answered = 0;
  {
    Session session{io, options(server.hosts())};
    session.start();
    session.get("/", [&](Code, auto, Stat) { ++answered; });
    session.multi({Op::check("/", -1)}, [&](Code, auto) { ++answered; });
  }
  EXPECT_TRUE(harness::wait_until(
      io, [&] { return answered == 2; }, 10s, "answered"));

  bool done = false;
  auto session = std::make_unique<Session>(io, options(server.hosts()));
  session->on_state = [&](SessionState, bool) {
    session.reset();
    done = true;
  };
  session->start();
  ASSERT_TRUE(run_until(done));

  done = false;
  session = std::make_unique<Session>(io, options(server.hosts()));
  session->on_state = [&](SessionState, bool) {
    session->get(
        "/",
        [&](Code, auto, Stat) {
          session->create("/x", "", false, false, nullptr);  // Fires the watch on the children.
        },
        nullptr);
    session->children("/", nullptr, [&] {
      session.reset();
      done = true;
    });
  };
  session->start();
  ASSERT_TRUE(run_until(done));

  // A loop that never runs again takes its unanswered requests with it.
  Session last{io, options(server.hosts())};
  last.start();
  last.get("/", [](Code, auto, Stat) { FAIL(); });
}

TEST(SessionEnd, ServerHangs) {
  ZooKeeperServer server;
  ZooKeeperClient client{server.hosts()};
  client.connect();
  server.pause();
  std::vector<Code> answers;
  client.session().get("/", [&](Code code, auto, Stat) { answers.push_back(code); });
  const Instant start = boot_now();
  client.close();
  std::printf("close() with a server that hangs: %.0f ms\n", milliseconds(boot_now() - start));
  ASSERT_TRUE(client.wait_until([&] { return !answers.empty(); }, 10s, "answered"));
  EXPECT_EQ(answers.front(), Code::kUnknown);
}

TEST(SessionCost, DescriptorsAreGivenBack) {
  ZooKeeperServer server;
  const int before = open_descriptors();
  {
    ZooKeeperClient client{server.hosts()};
    harness::TcpProxy proxy{client.io(), server.port()};
    ZooKeeperClient behind{options(proxy.endpoint()), &client.io()};
    behind.connect();
    client.connect();
    const int connected = open_descriptors();
    for (int i = 0; i < 30; ++i) {
      const std::size_t changes = behind.states().size();
      proxy.cut();
      ASSERT_TRUE(
          client.wait_until([&] { return behind.states().size() == changes + 2; }, 10s, "back"));
      ASSERT_EQ(behind.states().back(), "connected");
    }
    EXPECT_EQ(open_descriptors(), connected);
  }
  EXPECT_EQ(open_descriptors(), before);
}

// What runs on the loop in a while in which nothing happens: pings and attempts, not a busy wait.
TEST(SessionCost, AnIdleLoopIsIdle) {
  ZooKeeperServer server;
  ZooKeeperClient client{options(server.hosts(), 2s)};
  client.connect();
  const auto handlers_in = [&](Duration time) {
    const Instant until = boot_now() + time;
    std::size_t count = 0;
    while (boot_now() < until) {
      client.io().restart();
      count += client.io().run_one_for(20ms);
    }
    return count;
  };
  handlers_in(100ms);
  EXPECT_LT(handlers_in(1s), 20u);
  server.kill();
  EXPECT_LT(handlers_in(1s), 300u);  // An attempt about every 33 ms, a few handlers each.
  server.start();
  server.pause();
  EXPECT_LT(handlers_in(1s), 300u);
}

TEST(SessionWithEnsemble, SurvivesTheLeader) {
  ZooKeeperEnsemble ensemble;
  ZooKeeperClient client{options(ensemble.hosts())};
  ASSERT_TRUE(client.create("/a", "0").ok());
  ASSERT_TRUE(client.create("/mine", "", true).ok());
  const std::int64_t id = client.session().session_id();
  bool fired = false;
  ASSERT_TRUE(client.get("/a", [&] { fired = true; }).ok());
  ASSERT_TRUE(client.wait_until([&] { return ensemble.leader().has_value(); }, 30s, "one leads"));
  ensemble.server(*ensemble.leader()).kill();

  ZooKeeperClient other{options(ensemble.hosts())};
  ASSERT_TRUE(harness::wait_until(
      other.io(),
      [&] {
        client.io().restart();
        client.io().poll();
        return other.set("/a", "1").ok();
      },
      60s, "written through the new leader"));
  EXPECT_TRUE(client.wait_until([&] { return fired; }, 30s, "the watch fires"));
  EXPECT_EQ(client.get("/a").value, "1");
  EXPECT_EQ(client.session().session_id(), id);
  EXPECT_EQ(client.exists("/mine").stat.ephemeral_owner, id);
  EXPECT_THAT(client.notes(), Contains(HasSubstr("new session")).Times(1));
}

}  // namespace
}  // namespace failoverd::zookeeper
