// Two daemons of one name, and names that nobody has any more: what becomes of the switch, and of
// the znodes below failoverd/daemons.
#include "lib/fedb/daemon_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/simulation/daemon_parts.h"
#include "tests/simulation/timing.h"
#include "tests/simulation/world.h"

namespace failoverd::simulation {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using zookeeper::Op;

// A process that is called x, on some machine, with a file that says so of auto_failover.
class Process {
 public:
  Process(World& world, const std::string& machine, std::optional<bool> file)
      : parts_(std::make_unique<DaemonParts>(
            world, "x", [](const Work& work) { work(); },
            [this](const core::Event& event) {
              parts_->side.before_brain(event);
              parts_->side.after_brain(event);
            },
            machine)) {
    auto& switched = parts_->side.switched;
    switched.on_warning = [this](const std::string& line) { warned.push_back(line); };
    switched.on_info = [this](const std::string& line) { said.push_back(line); };
    parts_->start(file);
  }
  ~Process() { kill(); }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void kill() {  // SIGKILL: its session goes on for a while.
    if (!parts_) return;
    parts_->client.die();
    parts_.reset();
  }
  fedb::Switch& switched() { return parts_->side.switched; }

  std::vector<std::string> warned;
  std::vector<std::string> said;

 private:
  std::unique_ptr<DaemonParts> parts_;
};

class DaemonNameTest : public testing::Test {
 protected:
  void let_pass(Duration time) { world_.run_for(time); }
  bool is_on() const { return world_.fake_zookeeper.auto_failover().auto_failover; }
  std::string set_by() const { return world_.fake_zookeeper.auto_failover().by; }
  std::string at(const std::string& name) const {
    return world_.fake_zookeeper.paths().daemons() + "/" + name;
  }
  std::vector<std::string> names() const {
    return world_.fake_zookeeper.znodes().children(world_.fake_zookeeper.paths().daemons());
  }
  void create(const std::string& path, std::int64_t owner = 0) {
    Op op = Op::create(path, "true");
    op.ephemeral = owner != 0;
    ASSERT_EQ(world_.fake_zookeeper.write({op}, owner, "somebody").code, zookeeper::Code::kOk);
  }

  World world_{1, fixed_timing()};
};

// Their files say the opposite; whoever of them starts again, and in whatever order.
TEST_F(DaemonNameTest, TwoOfOneNameDoNotFlipTheSwitch) {
  for (const std::string other : {"m2", "m1", ""}) {
    world_.fake_zookeeper.set_auto_failover(true, "ann");
    auto a = std::make_unique<Process>(world_, other.empty() ? "" : "m1", true);
    let_pass(seconds{10});
    auto b = std::make_unique<Process>(world_, other, false);
    let_pass(seconds{10});
    EXPECT_FALSE(a->switched().name_is_taken());
    EXPECT_TRUE(b->switched().name_is_taken());
    EXPECT_THAT(a->warned, IsEmpty());
    ASSERT_THAT(b->warned, SizeIs(1));
    EXPECT_THAT(b->warned[0], HasSubstr("another daemon lives that is called x, too"));
    for (int i = 0; i < 3; ++i) {
      a = nullptr;
      let_pass(seconds{10});
      EXPECT_FALSE(b->switched().name_is_taken());
      a = std::make_unique<Process>(world_, other.empty() ? "" : "m1", true);
      let_pass(seconds{10});
      EXPECT_TRUE(a->switched().name_is_taken());
      b = nullptr;
      let_pass(seconds{10});
      b = std::make_unique<Process>(world_, other, false);
      let_pass(seconds{10});
      EXPECT_EQ(set_by(), "ann");
    }
    a = nullptr;
    b = nullptr;
    let_pass(seconds{10});
  }
}

// Of one machine only one is there at a time: the other's memory is not its own.
TEST_F(DaemonNameTest, AnotherMachineInItsPlaceRemembersForItself) {
  world_.fake_zookeeper.set_auto_failover(true, "ann");
  for (int i = 0; i < 4; ++i) {
    Process one(world_, i % 2 == 0 ? "m1" : "m2", i % 2 == 0);
    let_pass(seconds{10});
    EXPECT_THAT(one.warned, IsEmpty());
    EXPECT_EQ(set_by(), "ann");
    one.kill();
    let_pass(seconds{10});
  }
}

// What its own process before it has left ends with its session; its file counts then.
TEST_F(DaemonNameTest, ARestartIsNoOtherDaemon) {
  for (const std::string machine : {"m1", ""}) {
    world_.fake_zookeeper.set_auto_failover(true, "ann");
    auto x = std::make_unique<Process>(world_, machine, true);
    let_pass(seconds{10});
    x = nullptr;
    x = std::make_unique<Process>(world_, machine, false);
    let_pass(seconds{10});
    EXPECT_THAT(x->warned, IsEmpty());
    EXPECT_FALSE(is_on());
    EXPECT_EQ(set_by(), "the file of x");
    x->switched().file_says(true);
    let_pass(seconds{1});
    EXPECT_TRUE(is_on());
  }
}

TEST_F(DaemonNameTest, AReloadOfOneWhoseNameIsTakenSaysThatItChangesNothing) {
  world_.fake_zookeeper.set_auto_failover(true, "ann");
  Process a(world_, "m1", true);
  let_pass(seconds{10});
  Process b(world_, "m2", true);
  let_pass(seconds{10});
  b.switched().file_says(false);
  let_pass(seconds{10});
  EXPECT_EQ(set_by(), "ann");
  EXPECT_THAT(b.warned, Contains(HasSubstr("changes nothing")));
}

TEST_F(DaemonNameTest, AFileThatSaysSomethingElseIsNamedOnce) {
  world_.fake_zookeeper.set_auto_failover(true, "ann");
  Process x(world_, "m1", false);
  let_pass(seconds{10});
  ASSERT_THAT(x.said, SizeIs(1));
  EXPECT_EQ(x.said[0],
            "this daemon's file says auto_failover: false, and the cluster's switch is true, set "
            "by ann: the file changes it only when its own value is changed");
  world_.fake_zookeeper.set_auto_failover(false, "ann");
  let_pass(seconds{1});
  EXPECT_THAT(x.said, SizeIs(1));
}

// A backup that was restored has made it: no session's end removes it.
TEST_F(DaemonNameTest, AHolderThatIsNotEphemeralHoldsNothing) {
  world_.fake_zookeeper.set_auto_failover(true, "ann");
  create(world_.fake_zookeeper.paths().daemons());
  create(at("x"));
  create(at("x") + "/alive");
  Process x(world_, "m1", false);
  let_pass(seconds{10});
  EXPECT_THAT(x.warned, IsEmpty());
  EXPECT_EQ(set_by(), "the file of x");
}

TEST_F(DaemonNameTest, NamesThatNobodyHoldsAreBounded) {
  world_.fake_zookeeper.set_auto_failover(true, "ann");
  create(world_.fake_zookeeper.paths().daemons());
  create(at("lives"));
  create(at("lives") + "/alive", world_.fake_zookeeper.open("another", hours{1}));
  for (int i = 0; i < 150; ++i) {
    create(at("host" + std::to_string(i)));
    let_pass(std::chrono::milliseconds{10});
  }
  Process x(world_, "m1", true);
  let_pass(seconds{10});
  EXPECT_THAT(names(), SizeIs(100));
  for (const char* stays : {"x", "lives", "host149", "host52"}) {
    EXPECT_THAT(names(), Contains(stays));
  }
  EXPECT_THAT(names(), Not(Contains("host51")));
}

TEST_F(DaemonNameTest, OldNamesGo) {
  world_.fake_zookeeper.set_auto_failover(true, "ann");
  create(world_.fake_zookeeper.paths().daemons());
  create(at("old"));
  let_pass(hours{24} * 29);
  create(at("young"));
  let_pass(hours{24} * 2);
  Process x(world_, "m1", true);
  let_pass(seconds{10});
  EXPECT_THAT(names(), testing::ElementsAre("x", "young"));
}

}  // namespace
}  // namespace failoverd::simulation
