// The lock against a real ZooKeeper: one holds it, another takes over, and nothing that gets lost
// on the way makes it two or none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/asio_loop.h"
#include "lib/base/boot_clock.h"
#include "lib/zookeeper/lock.h"
#include "tests/harness/tcp_proxy.h"
#include "tests/harness/zookeeper_client.h"
#include "tests/harness/zookeeper_server.h"

namespace failoverd::zookeeper {
namespace {

using harness::TcpProxy;
using harness::ZooKeeperClient;
using harness::ZooKeeperServer;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using namespace std::chrono_literals;

constexpr const char* kDirectory = "/root/failoverd/leader";

// A daemon as far as the lock is concerned.
struct Daemon {
  Daemon(std::string its_name, const std::string& hosts, boost::asio::io_context* io,
         Duration timeout = 10s)
      : name(std::move(its_name)),
        client({.hosts = hosts, .timeout = timeout, .digest_auth = {}}, io),
        loop(client.io()),
        lock(loop, client.session(), kDirectory, name) {
    client.on_state = [this](SessionState state, bool is_new) {
      lock.session_changed(state, is_new);
    };
    lock.on_gained = [this] { log.emplace_back("gained"); };
    lock.on_lost = [this] { log.emplace_back("lost"); };
  }
  const std::string name;
  ZooKeeperClient client;
  AsioLoop loop;
  Lock lock;
  std::vector<std::string> log;
};

class LockTest : public testing::Test {
 protected:
  std::unique_ptr<Daemon> daemon(const std::string& name) {
    return std::make_unique<Daemon>(name, server_.hosts(), &eye_.io());
  }
  bool wait(const std::function<bool()>& predicate, std::string_view what) {
    return eye_.wait_until(predicate, 20s, what);
  }
  bool wait_for(const Daemon& holder) {
    return wait([&] { return holder.lock.held() && !holder.log.empty(); },
                holder.name + " holds the lock");
  }
  std::vector<std::string> queue() { return eye_.children(kDirectory).names; }
  std::string path_of(const Daemon& daemon) {
    for (const std::string& name : queue()) {
      const std::string path = std::string{kDirectory} + "/" + name;
      if (eye_.get(path).value == daemon.name) return path;
    }
    return {};
  }

  ZooKeeperServer server_;
  ZooKeeperClient eye_{server_.hosts()};  // Looks on from outside; its loop is everybody's.
};

TEST_F(LockTest, OneHoldsItAndItsNameIsKnown) {
  const auto a = daemon("a");
  EXPECT_FALSE(a->lock.held());
  EXPECT_EQ(a->lock.holder(), "");
  ASSERT_TRUE(wait_for(*a));
  const auto b = daemon("b");
  const auto c = daemon("c");
  ASSERT_TRUE(wait([&] { return queue().size() == 3; }, "all three queue"));
  ASSERT_TRUE(wait([&] { return b->lock.holder() == "a" && c->lock.holder() == "a"; }, "known"));
  EXPECT_EQ(a->lock.holder(), "a");
  EXPECT_TRUE(a->lock.held());
  EXPECT_FALSE(b->lock.held() || c->lock.held());
  for (const std::string& name : queue()) {
    EXPECT_THAT(name, testing::MatchesRegex("[0-9a-f]+-lock-[0-9]+"));
    EXPECT_THAT(name, SizeIs(32 + 6 + 10));
  }
}

TEST_F(LockTest, ReleaseHandsItToTheNext) {
  const auto a = daemon("a");
  ASSERT_TRUE(wait_for(*a));
  const auto b = daemon("b");
  ASSERT_TRUE(wait([&] { return queue().size() == 2; }, "b queues"));
  const auto c = daemon("c");
  ASSERT_TRUE(wait([&] { return queue().size() == 3; }, "c queues"));

  bool released = false;
  a->lock.release([&] { released = true; });
  EXPECT_FALSE(a->lock.held());
  EXPECT_FALSE(released);
  ASSERT_TRUE(wait_for(*b));
  ASSERT_TRUE(wait([&] { return released && c->lock.holder() == "b"; }, "c knows"));
  EXPECT_FALSE(c->lock.held());
  EXPECT_THAT(a->log, ElementsAre("gained"));  // Given up, not lost.
  server_.restart();                           // A released lock does not enter again.
  ASSERT_TRUE(wait([&] { return a->client.states().size() == 3; }, "a is connected again"));
  EXPECT_THAT(queue(), SizeIs(2));

  // One in the middle leaves: nobody gains, and the chain still holds.
  const auto d = daemon("d");
  ASSERT_TRUE(wait([&] { return queue().size() == 3; }, "d queues"));
  released = false;
  c->lock.release([&] { released = true; });
  ASSERT_TRUE(wait([&] { return released; }, "c has left"));
  EXPECT_TRUE(b->lock.held());
  EXPECT_FALSE(d->lock.held());
  b->client.close();
  ASSERT_TRUE(wait_for(*d));
  released = false;
  d->lock.release([&] { released = true; });
  ASSERT_TRUE(wait([&] { return released; }, "d has left"));
  EXPECT_THAT(queue(), IsEmpty());
}

TEST_F(LockTest, ExpiryHandsItToTheNext) {
  Daemon a{"a", server_.hosts(), nullptr, 400ms};  // A loop of its own, to stand still.
  ASSERT_TRUE(a.client.wait_until([&] { return !a.log.empty(); }, 20s, "a gains it"));
  const auto b = daemon("b");
  Instant noticed{};
  b->lock.on_gained = [&] { noticed = boot_now(); };
  ASSERT_TRUE(a.client.wait_until(
      [&] {
        eye_.io().restart();
        eye_.io().poll();
        return b->lock.holder() == "a";
      },
      20s, "b queues"));
  const Instant stopped = boot_now();
  ASSERT_TRUE(wait([&] { return noticed != Instant{}; }, "b gains it"));
  std::printf("session timeout %.0f ms: taken over after %.0f ms\n",
              milliseconds(a.client.session().negotiated_timeout()),
              milliseconds(noticed - stopped));
  EXPECT_TRUE(a.lock.held());  // It has not heard yet: its epoch is what fences it (SAFETY 14).

  ASSERT_TRUE(a.client.wait_until(
      [&] {
        eye_.io().restart();
        eye_.io().poll();
        return a.log.size() == 2 && a.lock.holder() == "b";
      },
      20s, "a has lost it and queues behind b"));
  EXPECT_THAT(a.log, ElementsAre("gained", "lost"));
  EXPECT_FALSE(a.lock.held());
  b->client.close();
  ASSERT_TRUE(a.client.wait_until([&] { return a.log.size() == 3; }, 20s, "a gains it again"));
}

TEST_F(LockTest, StaysHeldAcrossAReconnect) {
  const auto a = daemon("a");
  ASSERT_TRUE(wait_for(*a));
  const auto b = daemon("b");
  ASSERT_TRUE(wait([&] { return b->lock.holder() == "a"; }, "b queues"));
  const auto before = queue();
  server_.restart();
  ASSERT_TRUE(wait(
      [&] {
        return a->client.session().state() == SessionState::kConnected &&
               b->client.session().state() == SessionState::kConnected;
      },
      "both are back"));
  EXPECT_EQ(queue(), before);
  EXPECT_TRUE(a->lock.held());
  a->lock.release([] {});  // And the watches hold.
  ASSERT_TRUE(wait_for(*b));
  EXPECT_THAT(a->log, ElementsAre("gained"));
}

TEST_F(LockTest, ACreateWhoseAnswerWasLostIsFoundAgain) {
  TcpProxy proxy{eye_.io(), server_.port()};
  int creates = 0;
  proxy.on_request = [&](std::string_view bytes) {
    if (bytes.find("-lock-") == std::string_view::npos) return;
    ++creates;
    proxy.swallow_answers(true);
  };
  Daemon a{"a", proxy.endpoint(), &eye_.io()};
  ASSERT_TRUE(wait([&] { return creates == 1 && queue().size() == 1; }, "the znode was made"));
  const auto made = queue();
  EXPECT_FALSE(a.lock.held());
  proxy.on_request = nullptr;
  proxy.swallow_answers(false);
  proxy.cut();
  ASSERT_TRUE(wait_for(a));
  EXPECT_EQ(queue(), made);
}

TEST_F(LockTest, ACreateThatWasLostIsMadeAgain) {
  TcpProxy proxy{eye_.io(), server_.port()};
  bool lost = false;
  proxy.on_request = [&](std::string_view bytes) {
    if (lost || bytes.find("-lock-") == std::string_view::npos) return;
    lost = true;
    proxy.swallow_requests(true);
  };
  Daemon a{"a", proxy.endpoint(), &eye_.io()};
  ASSERT_TRUE(wait([&] { return lost; }, "the create got lost"));
  EXPECT_THAT(queue(), IsEmpty());
  proxy.swallow_requests(false);
  proxy.cut();
  ASSERT_TRUE(wait_for(a));
  EXPECT_THAT(queue(), SizeIs(1));
}

TEST_F(LockTest, ReleasedWhileItsCreateIsUnderWay) {
  TcpProxy proxy{eye_.io(), server_.port()};
  bool creating = false;
  proxy.on_request = [&](std::string_view bytes) {
    creating |= bytes.find("-lock-") != std::string_view::npos;
  };
  Daemon a{"a", proxy.endpoint(), &eye_.io()};
  ASSERT_TRUE(wait([&] { return creating; }, "the create is under way"));
  bool released = false;
  a.lock.release([&] { released = true; });
  ASSERT_TRUE(wait([&] { return released; }, "released"));
  EXPECT_THAT(queue(), IsEmpty());
  EXPECT_THAT(a.log, IsEmpty());
}

TEST_F(LockTest, DeletedByHand) {
  const auto a = daemon("a");
  ASSERT_TRUE(wait_for(*a));
  ASSERT_TRUE(eye_.remove(path_of(*a)).ok());
  ASSERT_TRUE(wait([&] { return a->log.size() == 3; }, "lost, and gained again"));
  EXPECT_THAT(a->log, ElementsAre("gained", "lost", "gained"));

  const auto b = daemon("b");
  ASSERT_TRUE(wait([&] { return b->lock.holder() == "a"; }, "b queues"));
  ASSERT_TRUE(eye_.remove(path_of(*a)).ok());
  ASSERT_TRUE(wait_for(*b));
  ASSERT_TRUE(wait([&] { return a->lock.holder() == "b"; }, "a queues behind b"));
  EXPECT_THAT(a->log, ElementsAre("gained", "lost", "gained", "lost"));

  // The one that waits is deleted: it queues up again and loses nothing.
  ASSERT_TRUE(eye_.remove(path_of(*a)).ok());
  ASSERT_TRUE(wait([&] { return queue().size() == 2 && a->lock.holder() == "b"; }, "a is back"));
  EXPECT_TRUE(b->lock.held());
  EXPECT_THAT(a->log, SizeIs(4));

  // Everything is deleted, the directory too.
  for (const std::string& name : queue()) eye_.remove(std::string{kDirectory} + "/" + name);
  eye_.remove(kDirectory);
  ASSERT_TRUE(wait(
      [&] {
        return queue().size() == 2 && a->lock.held() != b->lock.held() &&
               (a->lock.held() ? b : a)->lock.holder() == (a->lock.held() ? a : b)->name;
      },
      "one holds it, the other waits"));
}

TEST_F(LockTest, AWrittenZnodeIsStillOurs) {
  const auto a = daemon("a");
  ASSERT_TRUE(wait_for(*a));
  const std::string path = path_of(*a);
  ASSERT_TRUE(eye_.set(path, "scribble").ok());
  ASSERT_TRUE(eye_.remove(path).ok());  // The watch was set again.
  ASSERT_TRUE(wait([&] { return a->log.size() == 3; }, "lost, and gained again"));
}

TEST_F(LockTest, ManyRoundsNeverTwoAndNeverNone) {
  std::vector<std::unique_ptr<Daemon>> daemons;
  int holders = 0;
  int rounds = 0;
  const auto add = [&] {
    auto d = daemon("d" + std::to_string(rounds) + "." + std::to_string(daemons.size()));
    d->lock.on_gained = [&holders, raw = d.get()] {
      raw->log.emplace_back("gained");
      ++holders;
      EXPECT_EQ(holders, 1);
    };
    daemons.push_back(std::move(d));
  };
  for (int i = 0; i < 3; ++i) add();
  for (rounds = 1; rounds <= 15; ++rounds) {
    ASSERT_TRUE(wait([&] { return holders == 1; }, "one holds it"));
    const auto holder = std::ranges::find_if(daemons, [](auto& d) { return d->lock.held(); });
    ASSERT_NE(holder, daemons.end());
    --holders;
    if (rounds % 2 == 0) {
      (*holder)->client.close();
    } else {
      (*holder)->lock.release([] {});
      ASSERT_TRUE(wait([&] { return holders == 1; }, "the next one holds it"));
    }
    daemons.erase(holder);
    add();
  }
}

}  // namespace
}  // namespace failoverd::zookeeper
