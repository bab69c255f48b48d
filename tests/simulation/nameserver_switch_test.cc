// Who steers (SAFETY 13): takeover and release step by step, and what is told of the terms that a
// nameserver knows. ZooKeeper and the nameservers are made up.
#include "lib/fedb/nameserver_switch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>

#include "tests/simulation/daemon_parts.h"
#include "tests/simulation/fake_cluster.h"
#include "tests/simulation/nameserver.h"

namespace failoverd::simulation {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::StartsWith;

class NameserverSwitchTest : public MadeUp {
 protected:
  NameserverSwitchTest() {
    Nameserver::make_znodes(world_, true);
    one_.start();
    world_.run_for(seconds{1});
    parts_.start();
    world_.run_for(seconds{2});
  }

  using Done = fedb::NameserverSwitch::Done;
  // Its text where it went well.
  std::string ask(const std::function<void(const Done&)>& step) {
    std::optional<std::string> answer;
    step([&](bool ok, const std::string& text) { answer = (ok ? "" : "refused: ") + text; });
    world_.run_until([&] { return answer.has_value(); }, seconds{20});
    return answer.value_or("not answered");
  }
  std::string take_over() {
    std::string answer = ask([&](const Done& done) { steering_.take_over("ann", done); });
    world_.run_for(seconds{1});  // It is asked again, and says that it steers no more.
    return answer;
  }
  std::string prepare() {
    return ask([&](const Done& done) { steering_.prepare_release("ann", done); });
  }
  std::string release() {
    return ask([&](const Done& done) { steering_.release(done); });
  }
  std::string raise(core::Term held) {
    return ask([&](const Done& done) { steering_.raise_terms(held, done); });
  }
  std::string why_not(core::Term held) {
    return ask([&](const Done& done) {
      steering_.why_not_to_release(held, [done](const std::string& why) { done(true, why); });
    });
  }
  void reserve() {
    parts_.side.metadata.reserve_terms({1, 0, 100});
    world_.run_for(seconds{1});
  }
  std::string value(const std::string& path) const {
    const auto* znode = world_.fake_zookeeper.znodes().find(path);
    return znode == nullptr ? "not there" : *znode->value;
  }
  std::string ours() const { return value(paths_.auto_failover()); }

  const fedb::Paths& paths_ = world_.fake_zookeeper.paths();
  Nameserver& one_ = world_.add_nameserver("ns1:1", 1);
  DaemonParts parts_{world_, "a", [](const Work& work) { work(); },
                     [this](const core::Event& event) {
                       parts_.side.before_brain(event);
                       parts_.side.after_brain(event);
                     }};
  fedb::NameserverSwitch& steering_ = parts_.side.nameserver_switch;
};

// A block is reserved at once, but nobody holds any term of it.
TEST_F(NameserverSwitchTest, ReleasesRightBehindATakeover) {
  const core::Term before = world_.fake_zookeeper.term();
  EXPECT_THAT(take_over(), HasSubstr("is off"));
  reserve();
  EXPECT_EQ(why_not(before), "");
  EXPECT_THAT(why_not(before + 3), HasSubstr("Restart it first"));
  EXPECT_THAT(prepare(), HasSubstr("is off"));
  EXPECT_THAT(release(), HasSubstr("is on again"));
  world_.run_for(seconds{1});
  EXPECT_TRUE(one_.auto_failover());
  EXPECT_EQ(value(paths_.nameserver_switch()), "not there");
  EXPECT_EQ(ours(), "false\nby ann\n");
}

// It registered before the terms were written, and reads them when it begins to lead.
TEST_F(NameserverSwitchTest, AStandbyThatLeadsNowKnowsAllTerms) {
  Nameserver& two = world_.add_nameserver("ns2:1", 2);
  two.start();
  world_.run_for(seconds{1});
  take_over();
  reserve();
  const core::Term highest = world_.fake_zookeeper.term();
  EXPECT_THAT(why_not(highest), HasSubstr("Restart it first"));
  one_.kill();
  world_.run_until([&] { return two.serves(); }, seconds{20});
  world_.run_for(seconds{2});
  ASSERT_TRUE(parts_.side.nameserver.leads());
  ASSERT_EQ(parts_.side.nameserver.endpoint(), "ns2:1");
  EXPECT_EQ(why_not(highest), "");
}

// Nobody steers between the two steps, and whoever looks is told so.
TEST_F(NameserverSwitchTest, HalfAReleaseIsKeptUntilTheSwitchIsWritten) {
  take_over();
  EXPECT_EQ(steering_.half_released(), "");
  prepare();
  EXPECT_THAT(ours(), StartsWith("false\nby ann\nreleasing, was true"));
  EXPECT_THAT(steering_.half_released(), HasSubstr("nobody steers"));
  ask([&](const Done& done) { parts_.side.switched.set(true, "bob", done); });
  EXPECT_EQ(steering_.half_released(), "");
  EXPECT_EQ(ours(), "true\nby bob\n");
}

// Its answer was lost, or somebody has switched it on by hand.
TEST_F(NameserverSwitchTest, HalfAReleaseEndsWhenItSteers) {
  take_over();
  prepare();
  one_.switch_auto_failover(true);
  world_.run_for(seconds{3});
  EXPECT_EQ(steering_.half_released(), "");
  EXPECT_EQ(ours(), "false\nby ann\n");
  EXPECT_EQ(value(paths_.nameserver_switch()), "not there");
}

// While it steers its znodes are its own.
TEST_F(NameserverSwitchTest, TermsAreRaisedOnlyWhereItDoesNotSteer) {
  const core::Term before = world_.fake_zookeeper.term();
  EXPECT_EQ(raise(before + 500), "");
  EXPECT_EQ(world_.fake_zookeeper.term(), before);
  take_over();
  EXPECT_EQ(raise(before + 500), "");
  EXPECT_EQ(world_.fake_zookeeper.term(), before + 500);
  EXPECT_EQ(raise(before), "");
  EXPECT_EQ(world_.fake_zookeeper.term(), before + 500);
}

// One that hangs is there all the same.
TEST_F(NameserverSwitchTest, SaysWhatIsSoWhereNoneLeads) {
  world_.cut("a", "ns1:1");
  world_.run_until([&] { return !parts_.side.nameserver.leads(); }, seconds{20});
  EXPECT_THAT(take_over(), HasSubstr("ns1:1 does not answer"));
  one_.kill();
  world_.run_until([&] { return !parts_.side.nameserver.is_there(); }, seconds{20});
  EXPECT_THAT(take_over(), HasSubstr("no nameserver is there"));
}

}  // namespace
}  // namespace failoverd::simulation
