// Memory first: a nameserver that leads never looks at znodes again, and overwrites whatever stands
// there. That is why metadata must be changed through it.
#include "tests/nameserver/rig.h"

namespace failoverd::testkit {
namespace {

class MemoryFirst : public NameserverTest {
 protected:
  void SetUp() override {
    begin();
    const auto e = cluster().endpoints();
    ASSERT_EQ(nameservers().create_table(
                  0, {.name = "flow", .rows = {{e[0], e[1], e[2]}, {e[1], e[0], e[2]}}}),
              0);
  }

  // Somebody writes the znode: a row of partition 0 is dead.
  void write_by_hand() {
    fedb::TableInfo info = *stored("flow");
    info.mutable_table_partition(0)->mutable_partition_meta(2)->set_is_alive(false);
    znodes().set("table/table_data/flow",
                 serialize(info, generation()) + generation().columns_of_table_info);
    ASSERT_EQ(rows(stored("flow"), 0), "A=L+ B=F+ C=F-");
  }
};
INSTANTIATE_TEST_SUITE_P(Generations, MemoryFirst, testing::Values("rtidb", "openmldb"),
                         generation_name);

TEST_P(MemoryFirst, AZnodeThatSomebodyWroteIsNotSeenAndIsOverwritten) {
  write_by_hand();
  znodes().set("table/notify", "100");
  EXPECT_EQ(rows(nameservers().table(0, "flow"), 0), "A=L+ B=F+ C=F+");
  // Another partition's change writes the whole table, with version -1.
  const auto other = nameservers().partition(0, "flow", 1);
  ASSERT_TRUE(other);
  EXPECT_EQ(nameservers().set_partition(0, "flow", *other), 0);
  EXPECT_EQ(rows(stored("flow"), 0), "A=L+ B=F+ C=F+");
  EXPECT_EQ(znode("table/notify"), "101") << "the counter is raised where it stands";
}

TEST_P(MemoryFirst, TheNextOneReadsWhatStandsThere) {
  write_by_hand();
  nameservers().kill(0);
  nameservers().start(0);
  ASSERT_EQ(nameservers().wait_for_leader(), 0u);
  EXPECT_EQ(rows(nameservers().table(0, "flow"), 0), "A=L+ B=F+ C=F-");
}

TEST_P(MemoryFirst, TermsComeFromMemoryAndLowerTheZnode) {
  znodes().set("table/term", "100");
  znodes().set("op/op_index", "50");
  EXPECT_EQ(nameservers().change_leader(0, "flow", 0), 0);
  ASSERT_TRUE(soon([&] { return nameservers().idle(0); }, "the op ends"));
  EXPECT_EQ(znode("table/term"), "3");
  EXPECT_EQ(znode("op/op_index"), is_openmldb() ? "1" : "2");
  EXPECT_EQ(nameservers().state(0).term(), 3u);
}

TEST_P(MemoryFirst, ItsElectionsFailWhileReplicasHoldHigherTerms) {
  fedb::AppendEntriesRequest probe;
  probe.set_tid(stored("flow")->tid());
  probe.set_pid(0);
  probe.set_term(9);
  for (const std::size_t follower : {1u, 2u}) {
    ASSERT_TRUE(
        cluster().client(follower).ask<fedb::AppendEntriesResponse>("AppendEntries", probe));
  }
  EXPECT_EQ(nameservers().change_leader(0, "flow", 0), 0);
  ASSERT_TRUE(soon([&] { return nameservers().idle(0); }, "the op ends"));
  EXPECT_EQ(nameservers().ops(0), std::vector<std::string>{"kChangeLeaderOP flow/0 kFailed"});
  EXPECT_EQ(rows(nameservers().table(0, "flow"), 0), "A=L+ B=F+ C=F+");
  // One that starts now has read the term that somebody raised, and succeeds.
  znodes().set("table/term", "9");
  nameservers().end(0);
  nameservers().start(0);
  ASSERT_EQ(nameservers().wait_for_leader(), 0u);
  EXPECT_EQ(nameservers().change_leader(0, "flow", 0), 0);
  ASSERT_TRUE(soon([&] { return nameservers().idle(0); }, "the op ends"));
  EXPECT_EQ(rows(nameservers().table(0, "flow"), 0), "A=L- B=L+ C=F+");
  EXPECT_EQ(znode("table/term"), "11");
}

TEST_P(MemoryFirst, OneThatWasReplacedReadsAnewWhenItLeadsAgain) {
  nameservers().add();
  ASSERT_TRUE(soon([&] { return znodes().children("leader").size() == 2; }, "both queue up"));
  nameservers().lose_session(0, false);
  ASSERT_EQ(nameservers().wait_for_leader(), 1u);
  auto changed = nameservers().partition(1, "flow", 0);
  ASSERT_TRUE(changed);
  changed->mutable_partition_meta(1)->set_is_alive(false);
  ASSERT_EQ(nameservers().set_partition(1, "flow", *changed), 0);
  nameservers().end(1);
  ASSERT_EQ(nameservers().wait_for_leader(), 0u);
  EXPECT_EQ(rows(nameservers().table(0, "flow"), 0), "A=L+ B=F- C=F+");
}

TEST_P(MemoryFirst, UnknownFieldsOfATableAreKept) {
  // Field 900, "x": nobody knows it.
  const std::string unknown = "\xa2\x38\x01x";
  nameservers().end(0);
  znodes().set("table/table_data/flow", znode("table/table_data/flow") + unknown);
  nameservers().start(0);
  ASSERT_EQ(nameservers().wait_for_leader(), 0u);
  const auto partition = nameservers().partition(0, "flow", 0);
  ASSERT_EQ(nameservers().set_partition(0, "flow", *partition), 0);
  const std::string bytes = znode("table/table_data/flow");
  EXPECT_TRUE(bytes.ends_with(unknown));
  EXPECT_NE(bytes.find(generation().columns_of_table_info), std::string::npos);
}

}  // namespace
}  // namespace failoverd::testkit
