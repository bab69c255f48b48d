// The made-up ZooKeeper and its client behave as the real ones do: what the simulation proves of
// the lock, the epoch and publishing is worth no more than this.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/daemon.h"
#include "tests/simulation/fake_cluster.h"
#include "tests/simulation/fake_zookeeper_client.h"

namespace failoverd::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using zookeeper::Code;
using zookeeper::Op;
using zookeeper::OpResult;
using zookeeper::SessionState;
using zookeeper::Stat;

// A process that has a client, and can be stopped.
class Process {
 public:
  Process(World& world, const std::string& name)
      : client(world, name, [this](const Work& work) {
          if (stopped_) {
            waiting_.push_back(work);
          } else {
            work();
          }
        }) {
    client.on_state = [this](SessionState state, bool is_new) {
      states.push_back(std::string{zookeeper::to_text(state)} + (is_new ? " new" : ""));
    };
    client.start();
  }
  void stop() { stopped_ = true; }
  void go_on() {
    stopped_ = false;
    for (const Work& work : std::exchange(waiting_, {})) work();
  }

  std::vector<std::string> states;
  FakeClient client;

 private:
  bool stopped_ = false;
  std::vector<Work> waiting_;
};

class FakeZooKeeperTest : public testing::Test {
 protected:
  static constexpr const char* kPath = "/cluster/x";

  FakeZooKeeperTest() { run(); }

  void run(Duration how_long = milliseconds{100}) { world_.run_for(how_long); }

  // What a request is told, once it is.
  FakeClient::Get read(const std::string& name = "") {
    return [this, name](Code code, const std::string& value, const Stat&) {
      said_.push_back(name + (code == Code::kOk ? value : zookeeper::to_text(code)));
    };
  }
  FakeClient::Created created() {
    return [this](Code code, const std::string& path) {
      said_.push_back(code == Code::kOk ? path : zookeeper::to_text(code));
    };
  }
  FakeClient::SetDone set(const std::string& name = "") {
    return [this, name](Code code, const Stat& stat) {
      said_.push_back(name + zookeeper::to_text(code) + " " + std::to_string(stat.version));
    };
  }
  FakeClient::Done done() {
    return [this](Code code) { said_.emplace_back(zookeeper::to_text(code)); };
  }
  std::vector<std::string> said(Duration within = milliseconds{100}) {
    run(within);
    return std::exchange(said_, {});
  }
  std::string value() {
    const Znode* znode = world_.fake_zookeeper.znodes().find(kPath);
    return znode ? *znode->value : "none";
  }

  World world_{1, fixed_timing()};
  Process a_{world_, "a"};
  Process b_{world_, "b"};
  std::vector<std::string> said_;
};

TEST_F(FakeZooKeeperTest, ZnodesHaveVersions) {
  a_.client.create(kPath, "one", false, false, created());
  a_.client.create(kPath, "two", false, false, created());
  a_.client.set(kPath, "two", 0, set());
  a_.client.set(kPath, "three", 0, set());
  a_.client.set("/cluster/none", "", -1, set());
  EXPECT_THAT(said(), ElementsAre(kPath, "node exists", "ok 1", "bad version 0", "no node 0"));
  const Stat& stat = world_.fake_zookeeper.znodes().find(kPath)->stat;
  EXPECT_GT(stat.mzxid, stat.czxid);
  EXPECT_EQ(stat.data_length, 3);

  a_.client.create("/cluster/x/y", "", false, false, created());
  a_.client.create("/cluster/none/y", "", false, false, created());
  a_.client.remove(kPath, -1, done());
  a_.client.remove("/cluster/x/y", 7, done());
  a_.client.remove("/cluster/x/y", 0, done());
  a_.client.remove(kPath, 1, done());
  EXPECT_THAT(said(),
              ElementsAre("/cluster/x/y", "no node", "not empty", "bad version", "ok", "ok"));
  EXPECT_EQ(value(), "none");
}

TEST_F(FakeZooKeeperTest, AMultiIsAllOrNothing) {
  a_.client.create(kPath, "one", false, false, created());
  run();
  std::optional<Code> whole;
  std::vector<OpResult> results;
  const auto told = [&](Code code, const std::vector<OpResult>& r) {
    whole = code;
    results = r;
  };
  a_.client.multi({Op::check(kPath, 0), Op::set(kPath, "two", 0), Op::create("/cluster/y", ""),
                   Op::check(kPath, 0), Op::set(kPath, "three", -1)},
                  told);
  run();
  EXPECT_EQ(whole, Code::kBadVersion);
  ASSERT_EQ(results.size(), 5u);
  EXPECT_EQ(results[1].code, Code::kNotApplied);
  EXPECT_EQ(results[3].code, Code::kBadVersion);
  EXPECT_EQ(results[3].word, "bad version");
  EXPECT_EQ(results[4].code, Code::kNotApplied);
  EXPECT_EQ(value(), "one");
  EXPECT_EQ(world_.fake_zookeeper.znodes().find("/cluster/y"), nullptr);
  EXPECT_EQ(world_.fake_zookeeper.znodes().find(kPath)->stat.version, 0);

  a_.client.multi({Op::check(kPath, 0), Op::set(kPath, "two", 0), Op::create("/cluster/y", "")},
                  told);
  run();
  EXPECT_EQ(whole, Code::kOk);
  EXPECT_EQ(results[1].stat.version, 1);
  EXPECT_EQ(results[2].created_path, "/cluster/y");
  EXPECT_EQ(value(), "two");
}

TEST_F(FakeZooKeeperTest, SequentialZnodesRiseAndEphemeralOnesGo) {
  a_.client.create("/cluster/x-", "", true, true, created());
  b_.client.create("/cluster/x-", "", true, true, created());
  const std::vector<std::string> paths = said();
  ASSERT_EQ(paths.size(), 2u);
  EXPECT_LT(paths[0], paths[1]);
  EXPECT_EQ(paths[0].size(), std::string{"/cluster/x-"}.size() + 10);
  a_.client.close();
  EXPECT_EQ(world_.fake_zookeeper.znodes().find(paths[0]), nullptr);
  EXPECT_NE(world_.fake_zookeeper.znodes().find(paths[1]), nullptr);
  a_.client.get(kPath, read(), nullptr);
  EXPECT_THAT(said(), ElementsAre("expired"));
}

TEST_F(FakeZooKeeperTest, WatchesFireOnce) {
  int fired = 0;
  const auto watch = [&] { ++fired; };
  b_.client.exists(
      kPath, [](Code, const Stat&) {}, watch);
  run();
  a_.client.create(kPath, "one", false, false, created());
  run();
  EXPECT_EQ(fired, 1) << "made";
  b_.client.get(kPath, read(), watch);
  run();
  a_.client.set(kPath, "two", -1, set());
  a_.client.set(kPath, "three", -1, set());
  run();
  EXPECT_EQ(fired, 2) << "set";
  b_.client.children(
      kPath, [](Code, const auto&, const Stat&) {}, watch);
  run();
  a_.client.set(kPath, "four", -1, set());
  run();
  EXPECT_EQ(fired, 2) << "children are not the value";
  a_.client.create("/cluster/x/y", "", false, false, created());
  run();
  EXPECT_EQ(fired, 3) << "a child";
}

// With delays that are drawn.
TEST_F(FakeZooKeeperTest, AnswersComeInOrder) {
  world_.timing = Timing{};
  std::vector<std::string> expected;
  a_.client.create(kPath, "-", false, false, created());
  run();
  said_.clear();
  for (int i = 0; i < 20; ++i) {
    const std::string n = std::to_string(i);
    a_.client.set(kPath, n, -1, set(n + " "));
    a_.client.get(kPath, read(n + " is "), nullptr);
    expected.push_back(n + " ok " + std::to_string(i + 1));
    expected.push_back(n + " is " + n);
  }
  EXPECT_EQ(said(seconds{1}), expected);
}

TEST_F(FakeZooKeeperTest, AServerIsBehindUntilItIsBroughtUpToDate) {
  a_.client.create(kPath, "old", false, false, created());
  run();
  said_.clear();
  b_.client.cut_off_server(true);
  a_.client.set(kPath, "new", -1, nullptr);
  run(milliseconds{10});
  b_.client.get(kPath, read("b "), nullptr);
  a_.client.get(kPath, read("a "), nullptr);
  EXPECT_THAT(said(milliseconds{10}), testing::UnorderedElementsAre("b old", "a new"));
  // What needs the leader waits, and all that is behind it.
  b_.client.sync(kPath, done());
  b_.client.get(kPath, read("b "), nullptr);
  EXPECT_THAT(said(), IsEmpty());
  b_.client.cut_off_server(false);
  EXPECT_THAT(said(), ElementsAre("ok", "b new"));
}

// What a client has seen it goes on seeing; what it was not told of may not be there yet.
TEST_F(FakeZooKeeperTest, AnotherServerIsBehind) {
  world_.timing.another_server = 1;
  world_.timing.notice = {seconds{10}, seconds{10}};
  a_.client.create(kPath, "one", false, false, created());
  EXPECT_THAT(said(), ElementsAre(kPath));
  a_.client.set(kPath, "two", -1, set());
  a_.client.lose_connection();
  a_.client.get(kPath, read(), nullptr);
  EXPECT_THAT(said(), ElementsAre("unknown 0", "one"));
  EXPECT_EQ(value(), "two");
  a_.client.sync(kPath, done());
  a_.client.get(kPath, read(), nullptr);
  EXPECT_THAT(said(), ElementsAre("ok", "two"));
}

// A server that is cut off goes on answering, longer than the session lives at the leader.
TEST_F(FakeZooKeeperTest, ASessionEndsBehindAServerThatIsCutOff) {
  a_.client.create(kPath, "", true, false, created());
  run();
  a_.client.cut_off_server(true);
  run(seconds{3});
  EXPECT_EQ(value(), "none");
  EXPECT_TRUE(a_.client.connected());
  said_.clear();
  a_.client.get(kPath, read(), nullptr);
  EXPECT_THAT(said(), ElementsAre(""));
  a_.client.cut_off_server(false);
  run(seconds{1});
  EXPECT_THAT(a_.states, ElementsAre("connected new", "connecting", "expired", "connected new"));
}

TEST_F(FakeZooKeeperTest, NobodyKnowsWhatWasUnderWayWhenTheConnectionBroke) {
  a_.client.create(kPath, "one", false, false, created());
  run();
  said_.clear();
  world_.timing.carried_out = 0;
  a_.client.set(kPath, "two", -1, set());
  a_.client.lose_connection();
  EXPECT_THAT(said(), ElementsAre("unknown 0"));
  EXPECT_EQ(value(), "one");
  world_.timing.carried_out = 1;
  a_.client.set(kPath, "two", -1, set());
  a_.client.lose_connection();
  EXPECT_THAT(said(), ElementsAre("unknown 0"));
  EXPECT_EQ(value(), "two");
  EXPECT_THAT(a_.states,
              ElementsAre("connected new", "connecting", "connected", "connecting", "connected"));
}

// Its process hears of the reset only later; its server takes nothing more over that connection.
TEST_F(FakeZooKeeperTest, NothingIsCarriedOutTwice) {
  a_.client.create(kPath, "one", false, false, created());
  run();
  said_.clear();
  a_.client.set(kPath, "two", -1, set());
  a_.stop();
  a_.client.lose_connection();
  run();
  EXPECT_EQ(world_.fake_zookeeper.znodes().find(kPath)->stat.version, 1);
  a_.go_on();
  EXPECT_THAT(said(), ElementsAre("unknown 0"));
}

// What is asked while the connection is down goes out when it is back, or fails with the attempt.
TEST_F(FakeZooKeeperTest, RequestsWaitForTheConnection) {
  a_.client.lose_connection();
  a_.client.get("/cluster", read(), nullptr);
  EXPECT_THAT(said(milliseconds{10}), IsEmpty());
  EXPECT_THAT(said(), ElementsAre(""));
  world_.cut("a", World::kZookeeper);
  a_.client.lose_connection();
  a_.client.get("/cluster", read(), nullptr);
  EXPECT_THAT(said(), ElementsAre("unknown"));
}

TEST_F(FakeZooKeeperTest, AWatchThatWasMissedFiresWhenItIsConnectedAgain) {
  a_.client.create(kPath, "one", false, false, created());
  run();
  int fired = 0;
  int others = 0;
  b_.client.get(kPath, read(), [&] { ++fired; });
  b_.client.get("/cluster/term", read(), [&] { ++others; });
  run();
  b_.client.lose_connection();
  a_.client.set(kPath, "two", -1, set());
  run(milliseconds{20});
  EXPECT_EQ(fired, 0);
  run();
  EXPECT_EQ(fired, 1);
  EXPECT_EQ(others, 0);
}

TEST_F(FakeZooKeeperTest, AStoppedProcessLosesItsSession) {
  a_.client.create(kPath, "", true, false, created());
  run();
  a_.stop();
  run(seconds{1});
  EXPECT_EQ(value(), "") << "not before its time";
  run(seconds{2});
  EXPECT_EQ(value(), "none");
  EXPECT_THAT(a_.states, ElementsAre("connected new"));
  a_.go_on();
  run(seconds{1});
  EXPECT_THAT(a_.states, ElementsAre("connected new", "connecting", "expired", "connected new"));
}

TEST_F(FakeZooKeeperTest, TheNetworkIsCut) {
  world_.cut("a", World::kZookeeper);
  a_.client.set(kPath, "", -1, set());
  EXPECT_THAT(said(seconds{1}), IsEmpty());
  EXPECT_THAT(said(seconds{1}), ElementsAre("unknown 0"));
  EXPECT_THAT(a_.states, ElementsAre("connected new", "connecting"));
  world_.mend("a", World::kZookeeper);
  run(seconds{2});
  EXPECT_EQ(a_.states.back(), "connected new") << "more than a session has passed";
}

TEST_F(FakeZooKeeperTest, LongRequests) {
  world_.fake_zookeeper.set_longest(1'000);
  a_.client.get(kPath, read(), nullptr);
  a_.client.create(kPath, std::string(2'000, 'x'), false, false, created());
  EXPECT_THAT(said(), ElementsAre("no node", "unknown"));
  EXPECT_THAT(a_.states, ElementsAre("connected new", "connecting", "connected"));
  EXPECT_EQ(value(), "none");
  // What is longer than is sent is not sent.
  a_.client.create(kPath, std::string(zookeeper::kLongestRequest, 'x'), false, false, created());
  EXPECT_THAT(said(), ElementsAre("other"));
  EXPECT_TRUE(a_.client.connected());
}

TEST_F(MadeUp, ATableIsRefused) {
  const std::string znode = "table/table_data/flow";
  const std::string path = world_.fake_zookeeper.paths().at(znode);
  Process a{world_, "a"};
  world_.run_for(seconds{1});
  std::vector<std::string> said;
  const auto try_it = [&] {
    a.client.multi({Op::check(path, -1), Op::set(path, "", -1)},
                   [&](Code code, const std::vector<OpResult>& results) {
                     said.push_back(std::string{zookeeper::to_text(code)} + ": " + results[1].word);
                   });
    a.client.acl(path, [&](Code, const std::vector<zookeeper::Acl>& acl) {
      said.push_back(to_text(acl.at(0)));
    });
    world_.run_for(seconds{1});
  };
  world_.fake_zookeeper.refuse(
      znode, core::Refused{znode, core::RefusalReason::kNoAuth, "no auth", false}, true);
  try_it();
  world_.fake_zookeeper.refuse(
      znode, core::Refused{znode, core::RefusalReason::kOther, "quota exceeded", false});
  try_it();
  EXPECT_THAT(said, ElementsAre("no auth: no auth", "world:anyone:r", "other: quota exceeded",
                                "world:anyone:cdrwa"));
  EXPECT_EQ(world_.fake_zookeeper.table(kAt)->version, 0);
  EXPECT_TRUE(world_.fake_zookeeper.poisoned().empty());
}

// What tests look at is what daemons have written, as bytes.
TEST_F(MadeUp, TheValuesAreWhatStandsInTheZnodes) {
  Daemon& d = world_.start_daemon();
  world_.run_for(seconds{1});
  EXPECT_EQ(world_.fake_zookeeper.epoch(), 1);
  EXPECT_EQ(d.epoch(), 1);
  EXPECT_EQ(world_.fake_zookeeper.lock_holder(), d.session());
  EXPECT_GT(world_.fake_zookeeper.term(), 1u);
  world_.kill("A:1");
  EXPECT_TRUE(
      world_.run_until([&] { return !world_.fake_zookeeper.records().empty(); }, seconds{5}))
      << "an election is under way";
  world_.run_for(seconds{5});
  const core::PartitionShape* p = world_.fake_zookeeper.partition(kAt);
  EXPECT_FALSE(p->rows[0].is_alive);
  EXPECT_EQ(p->terms.size(), 2u);
  EXPECT_TRUE(world_.fake_zookeeper.records().empty());
  EXPECT_FALSE(world_.fake_zookeeper.finished().empty()) << "the op has ended";
}

TEST_F(MadeUp, ADaemonThatIsStoppedCleanlyHandsTheLockOn) {
  Daemon& d1 = world_.start_daemon();
  Daemon& d2 = world_.start_daemon();
  world_.run_for(seconds{1});
  ASSERT_TRUE(d1.holds_lock());
  d1.stop();
  EXPECT_TRUE(d1.alive()) << "not before the lock is given back";
  EXPECT_FALSE(d1.holds_lock());
  world_.run_for(milliseconds{200});
  EXPECT_FALSE(d1.alive());
  EXPECT_TRUE(d2.holds_lock());
  EXPECT_EQ(world_.fake_zookeeper.epoch(), 2);
}

TEST_F(MadeUp, TheSwitchIsWrittenAnewWhenItIsDeleted) {
  world_.start_daemon();
  world_.run_for(seconds{1});
  world_.fake_zookeeper.set_auto_failover(false, "somebody");
  world_.run_for(seconds{1});
  world_.fake_zookeeper.remove_auto_failover();
  EXPECT_EQ(world_.fake_zookeeper.auto_failover().by, "");
  world_.run_for(seconds{1});
  EXPECT_FALSE(world_.fake_zookeeper.auto_failover().auto_failover);
  EXPECT_EQ(world_.fake_zookeeper.auto_failover().by, "somebody");
}

TEST_F(MadeUp, AnUnreadableTableIsCured) {
  world_.fake_zookeeper.poison("table/table_data/flow");
  EXPECT_EQ(world_.fake_zookeeper.poisoned().size(), 1u);
  EXPECT_NE(world_.fake_zookeeper.partition(kAt), nullptr);
  world_.fake_zookeeper.cure("table/table_data/flow");
  EXPECT_TRUE(world_.fake_zookeeper.poisoned().empty());
  EXPECT_EQ(world_.fake_zookeeper.table(kAt)->version, 2);
}

}  // namespace
}  // namespace failoverd::simulation
