// Who leads, when, and what is answered meanwhile.
#include "tests/nameserver/rig.h"

namespace failoverd::testkit {
namespace {

class Lead : public NameserverTest {
 protected:
  int show(std::size_t which) {
    const auto response =
        nameservers().ask<fedb::ShowTabletResponse>(which, "ShowTablet", fedb::ShowTabletRequest{});
    return response ? response->code() : -1000;
  }
};
INSTANTIATE_TEST_SUITE_P(Generations, Lead, testing::Values("rtidb", "openmldb"), generation_name);

TEST_P(Lead, ItsZnodesAreThoseOfACluster) {
  begin(1);
  ASSERT_EQ(znodes().children("leader"), std::vector<std::string>{"lock_request0000000000"});
  const auto lock = znodes().get("leader/lock_request0000000000");
  ASSERT_TRUE(lock);
  EXPECT_EQ(lock->bytes, nameservers().endpoint(0));
  EXPECT_NE(lock->ephemeral_owner, 0);
  EXPECT_EQ(znode("config/auto_failover"), "false");
  EXPECT_EQ(znode("table/table_index"), "1");
  EXPECT_EQ(znode("table/notify"), "1");
  EXPECT_EQ(znode("table/term"), "1");
  EXPECT_EQ(znode("op/op_index"), is_openmldb() ? "0" : "1");
  EXPECT_EQ(znode("db"), is_openmldb() ? "" : "-");
}

TEST_P(Lead, AnotherPackagesNameIsNotServed) {
  begin(1);
  const std::string own = GetParam() + ".nameserver.NameServer";
  const std::string other =
      is_openmldb() ? "fedb.nameserver.NameServer" : "openmldb.nameserver.NameServer";
  EXPECT_EQ(nameservers().client(0).call(own, "ConfGet", "").error_code, 0);
  EXPECT_EQ(nameservers().client(0).call(other, "ConfGet", "").error_code, 1002);
  EXPECT_EQ(nameservers().client(0).call("NameServer", "Nonsense", "").error_code, 1002);
  EXPECT_EQ(nameservers().client(0).call("TabletServer", "Get", "").error_code, 1001);
}

TEST_P(Lead, AStandbyAnswers300AndTakesOverWhenTheSessionIsGone) {
  begin();
  nameservers().add();
  ASSERT_TRUE(soon([&] { return znodes().children("leader").size() == 2; }, "both queue up"));
  EXPECT_EQ(nameservers().create_table(0, {.name = "flow"}), 0);
  EXPECT_EQ(show(1), 300);
  EXPECT_EQ(nameservers().set_auto_failover(1, true), 300);
  EXPECT_FALSE(nameservers().table(1, "flow"));

  nameservers().kill(0);
  ASSERT_EQ(nameservers().wait_for_leader(), 1u);
  EXPECT_EQ(show(1), 0);
  EXPECT_EQ(rows(nameservers().table(1, "flow"), 0), rows(stored("flow"), 0));
}

TEST_P(Lead, OneThatEndsMakesWayAtOnce) {
  begin(1);
  nameservers().add();
  ASSERT_TRUE(soon([&] { return znodes().children("leader").size() == 2; }, "both queue up"));
  nameservers().end(0);
  EXPECT_EQ(znodes().children("leader").size(), 1u);
  EXPECT_EQ(nameservers().wait_for_leader(), 1u);
}

TEST_P(Lead, Answers300UntilItHasReadEverything) {
  begin();
  ASSERT_EQ(nameservers().create_table(0, {.name = "flow"}), 0);
  nameservers().end(0);
  const std::size_t second = nameservers().add({"--hang=TakeOver:before"});
  ASSERT_TRUE(soon([&] { return nameservers().state(second).leads(); }, "it leads"));
  EXPECT_EQ(show(second), 300);
  EXPECT_EQ(nameservers().change_leader(second, "nosuch", 0), 300);
  nameservers().release(second);
  EXPECT_EQ(nameservers().wait_for_leader(), second);
  EXPECT_TRUE(nameservers().table(second, "flow"));
}

TEST_P(Lead, OneThatWasStoppedStandsByAfterItsSession) {
  begin(1);
  nameservers().add();
  ASSERT_TRUE(soon([&] { return znodes().children("leader").size() == 2; }, "both queue up"));
  nameservers().pause(0);
  EXPECT_EQ(nameservers().wait_for_leader(), 1u);
  nameservers().resume(0);
  ASSERT_TRUE(soon([&] { return !nameservers().state(0).leads(); }, "it has noticed"));
  EXPECT_EQ(show(0), 300);
  ASSERT_TRUE(soon([&] { return znodes().children("leader").size() == 2; }, "it queues up again"));
  EXPECT_EQ(nameservers().leader(), 1u);
}

TEST_P(Lead, LosesTheLeadWithItsSessionAndGainsItAgain) {
  begin(1);
  nameservers().lose_session(0, true);
  EXPECT_FALSE(nameservers().state(0).leads());
  EXPECT_EQ(show(0), 300);
  ASSERT_TRUE(soon([&] { return znodes().children("leader").empty(); }, "its znode is gone"));
  nameservers().restore_session(0);
  EXPECT_EQ(nameservers().wait_for_leader(), 0u);
  EXPECT_EQ(show(0), 0);
}

// docs/wire.md: each reconnect within a session adds one.
TEST_P(Lead, EachConnectionAddsAZnodeAndTheLeadStays) {
  begin(1, {"--zk_session_timeout=4000"});
  cluster().zookeeper().restart();
  ASSERT_TRUE(soon([&] { return znodes().children("leader").size() == 2; }, "it adds another"));
  for (const std::string& child : znodes().children("leader")) {
    EXPECT_EQ(znode("leader/" + child), nameservers().endpoint(0));
  }
  EXPECT_EQ(nameservers().leader(), 0u)
      << nameservers().state(0).ShortDebugString() << nameservers().process(0).log();
}

TEST_P(Lead, AFaultIsForTheMethodThatItNames) {
  begin(1);
  nameservers().fail(0, "ConfSet", 304, 1);
  EXPECT_EQ(nameservers().set_auto_failover(0, true), 304);
  EXPECT_EQ(znode("config/auto_failover"), "false");
  EXPECT_EQ(nameservers().set_auto_failover(0, true), 0);
  EXPECT_EQ(znode("config/auto_failover"), "true");
  nameservers().hang(0, "ShowTablet");
  bool answered = false;
  nameservers().client(0).channel().call("NameServer", "ShowTablet", "", 30s,
                                         [&](const rpc::Answer&) { answered = true; });
  ASSERT_TRUE(soon([&] { return nameservers().hangs(0, "ShowTablet"); }, "it hangs"));
  EXPECT_FALSE(answered);
  nameservers().release(0);
  EXPECT_TRUE(soon([&] { return answered; }, "it is answered"));
}

}  // namespace
}  // namespace failoverd::testkit
