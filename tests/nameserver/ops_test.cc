// The nameserver's own ops: by hand, by its auto_failover, and those that it left behind.
#include "tests/nameserver/rig.h"

namespace failoverd::testkit {
namespace {

using Lines = std::vector<std::string>;

class Ops : public NameserverTest {
 protected:
  // Three tablets A, B, C; flow/0 led by A, flow/1 by B, single/0 on A alone.
  void begin_tables(std::vector<std::string> flags = {}) {
    begin(3, std::move(flags));
    const auto e = cluster().endpoints();
    ASSERT_EQ(nameservers().create_table(
                  0, {.name = "flow", .rows = {{e[0], e[1], e[2]}, {e[1], e[0], e[2]}}}),
              0);
    ASSERT_EQ(nameservers().create_table(0, {.name = "single", .rows = {{e[0]}}}), 0);
    EXPECT_EQ(put(0, 2, 0, "a"), 0);
    EXPECT_EQ(put(1, 2, 1, "b"), 0);
    EXPECT_EQ(put(0, 3, 0, "c"), 0);
    ASSERT_TRUE(soon([&] { return holds(2, 2) && holds(1, 2); }, "rows are replicated"));
  }
  bool holds(std::size_t tablet, std::uint32_t tid) {
    for (const fedb::TableStatus& status : statuses(tablet)) {
      if (status.tid() == tid && status.offset() != 1) return false;
    }
    return true;
  }
  std::string rows_of(const std::string& table, std::uint32_t pid) {
    return rows(nameservers().table(0, table), pid);
  }
  template <class Request>
  int for_endpoint(const std::string& method, std::size_t tablet) {
    Request request;
    request.set_endpoint(cluster().endpoint(tablet));
    return nameservers().code(0, method, request);
  }
  int offline(std::size_t t) {
    return for_endpoint<fedb::OfflineEndpointRequest>("OfflineEndpoint", t);
  }
  int recover(std::size_t t) {
    return for_endpoint<fedb::RecoverEndpointRequest>("RecoverEndpoint", t);
  }
  bool idle() {
    return soon([&] { return nameservers().idle(0); }, "the ops end");
  }
  std::string tablet_state(std::size_t tablet) {
    const auto response =
        nameservers().ask<fedb::ShowTabletResponse>(0, "ShowTablet", fedb::ShowTabletRequest{});
    if (!response) return "";
    for (const fedb::TabletStatus& one : response->tablets()) {
      if (one.endpoint() == cluster().endpoint(tablet)) return one.state();
    }
    return "";
  }
  std::string offline_word() const { return is_openmldb() ? "kOffline" : "kTabletOffline"; }
  std::string healthy_word() const { return is_openmldb() ? "kHealthy" : "kTabletHealthy"; }
};
INSTANTIATE_TEST_SUITE_P(Generations, Ops, testing::Values("rtidb", "openmldb"), generation_name);

TEST_P(Ops, ChangeLeaderIsRefusedInTheOriginalsOrder) {
  begin_tables();
  EXPECT_EQ(nameservers().change_leader(0, "nosuch", 0), 100);
  EXPECT_EQ(nameservers().change_leader(0, "flow", 9), 308);
  EXPECT_EQ(nameservers().change_leader(0, "single", 0, ""), 134);
  EXPECT_EQ(nameservers().change_leader(0, "flow", 0, ""), 309);
  EXPECT_EQ(nameservers().change_leader(0, "flow", 0, cluster().endpoint(0)), 305);
  EXPECT_EQ(nameservers().change_leader(0, "flow", 0, "1.2.3.4:5"), 305);
  auto partition = nameservers().partition(0, "flow", 0);
  partition->mutable_partition_meta(1)->set_is_alive(false);
  partition->mutable_partition_meta(2)->set_is_alive(false);
  ASSERT_EQ(nameservers().set_partition(0, "flow", *partition), 0);
  EXPECT_EQ(nameservers().change_leader(0, "flow", 0, "1.2.3.4:5"), 310);
  EXPECT_TRUE(nameservers().ops(0).empty());
}

TEST_P(Ops, ALeaderIsChangedAndTheOldOneComesBack) {
  begin_tables();
  EXPECT_EQ(nameservers().change_leader(0, "flow", 0, cluster().endpoint(2)), 0);
  ASSERT_TRUE(idle());
  EXPECT_EQ(nameservers().ops(0), Lines{"kChangeLeaderOP flow/0 kDone"});
  EXPECT_EQ(rows_of("flow", 0), "A=L- B=F+ C=L+");
  EXPECT_EQ(rows(stored("flow"), 0), "A=L- B=F+ C=L+");
  const auto partition = nameservers().partition(0, "flow", 0);
  EXPECT_EQ(partition->term_offset(1).term(), 3u);
  EXPECT_EQ(partition->term_offset(1).offset(), 2u);
  EXPECT_EQ(put(2, 2, 0, "after"), 0);

  fedb::RecoverTableRequest request;
  request.set_name("flow");
  request.set_pid(0);
  request.set_endpoint(cluster().endpoint(1));
  EXPECT_EQ(nameservers().code(0, "RecoverTable", request), 311);
  request.set_endpoint(cluster().endpoint(0));
  EXPECT_EQ(nameservers().code(0, "RecoverTable", request), 0);
  ASSERT_TRUE(idle());
  EXPECT_EQ(nameservers().ops(0),
            (Lines{"kChangeLeaderOP flow/0 kDone", "kRecoverTableOP flow/0 kDone",
                   "kReAddReplicaSimplifyOP flow/0 kDone"}));
  EXPECT_EQ(rows_of("flow", 0), "A=F+ B=F+ C=L+");
  EXPECT_TRUE(znodes().children("op/op_data").empty());
}

TEST_P(Ops, ACandidateThatHoldsLessDoesNotLead) {
  begin_tables();
  fedb::ReplicaRequest left_out;
  left_out.set_tid(2);
  left_out.set_pid(0);
  left_out.set_endpoint(cluster().endpoint(2));
  ASSERT_TRUE(cluster().client(0).ask<fedb::GeneralResponse>("DelReplica", left_out));
  EXPECT_EQ(put(0, 2, 0, "only here and on B"), 0);
  ASSERT_TRUE(soon([&] { return !holds(1, 2); }, "B has it"));
  EXPECT_EQ(nameservers().change_leader(0, "flow", 0, cluster().endpoint(2)), 0);
  ASSERT_TRUE(idle());
  EXPECT_EQ(nameservers().ops(0), Lines{"kChangeLeaderOP flow/0 kFailed"});
  EXPECT_EQ(rows_of("flow", 0), "A=L+ B=F+ C=F+");
  EXPECT_EQ(put(0, 2, 0, "B was probed and refuses it"), 0);
  EXPECT_EQ(nameservers().change_leader(0, "flow", 0, cluster().endpoint(1)), 0);
  ASSERT_TRUE(idle());
  EXPECT_EQ(rows_of("flow", 0), "A=L- B=L+ C=F+");
  EXPECT_EQ(nameservers().partition(0, "flow", 0)->term_offset(1).offset(), 3u);
}

TEST_P(Ops, ATabletGoesAndComesByHand) {
  begin_tables();
  cluster().kill(0);
  ASSERT_TRUE(soon([&] { return tablet_state(0) == offline_word(); }, "its end is seen"));
  EXPECT_EQ(recover(0), 303);
  EXPECT_EQ(rows_of("flow", 0), "A=L+ B=F+ C=F+") << "nothing follows by itself";
  EXPECT_EQ(offline(0), 0);
  ASSERT_TRUE(idle());
  EXPECT_EQ(nameservers().ops(0),
            (Lines{"kChangeLeaderOP flow/0 kDone", "kOfflineReplicaOP flow/1 kDone",
                   "kUpdatePartitionStatusOP single/0 kDone"}));
  EXPECT_EQ(rows_of("flow", 0), "A=L- B=L+ C=F+");
  EXPECT_EQ(rows_of("flow", 1), "B=L+ A=F- C=F+");
  EXPECT_EQ(rows_of("single", 0), "A=L-");
  EXPECT_EQ(put(1, 2, 0, "while it is away"), 0);

  cluster().start(0);
  ASSERT_TRUE(soon([&] { return tablet_state(0) == healthy_word(); }, "its return is seen"));
  EXPECT_EQ(recover(0), 0);
  ASSERT_TRUE(idle());
  EXPECT_EQ(rows_of("flow", 0), "A=F+ B=L+ C=F+");
  EXPECT_EQ(rows_of("flow", 1), "B=L+ A=F+ C=F+");
  EXPECT_EQ(rows_of("single", 0), "A=L+");
  EXPECT_EQ(rows(stored("flow"), 0), "A=F+ B=L+ C=F+");
  EXPECT_TRUE(soon(
      [&] {
        for (const fedb::TableStatus& status : statuses(0)) {
          if (status.tid() == 2 && status.offset() != (status.pid() == 0 ? 2u : 1u)) return false;
        }
        return statuses(0).size() == 3;
      },
      "it has every row"));
}

TEST_P(Ops, NeedRestoreGivesTheLeadBack) {
  begin_tables();
  EXPECT_EQ(offline(0), 0);
  ASSERT_TRUE(idle());
  ASSERT_EQ(rows_of("flow", 0), "A=L- B=L+ C=F+");
  fedb::RecoverEndpointRequest request;
  request.set_endpoint(cluster().endpoint(0));
  request.set_need_restore(true);
  EXPECT_EQ(nameservers().code(0, "RecoverEndpoint", request), 0);
  ASSERT_TRUE(idle());
  EXPECT_EQ(rows_of("flow", 0), "A=L+ B=F+ C=F+");
  EXPECT_EQ(rows_of("single", 0), "A=L+");
}

TEST_P(Ops, ItsOwnFailoverAndItsReturn) {
  begin_tables({"--auto_failover=true"});
  cluster().kill(0);
  ASSERT_TRUE(soon([&] { return rows_of("flow", 0) == "A=L- B=L+ C=F+"; }, "a new leader"));
  ASSERT_TRUE(soon([&] { return rows_of("flow", 1) == "B=L+ A=F- C=F+"; }, "its follower"));
  ASSERT_TRUE(soon([&] { return rows_of("single", 0) == "A=L-"; }, "the single replica"));
  cluster().start(0);
  ASSERT_TRUE(soon(
      [&] {
        return rows_of("flow", 0) == "A=F+ B=L+ C=F+" && rows_of("flow", 1) == "B=L+ A=F+ C=F+" &&
               rows_of("single", 0) == "A=L+";
      },
      "it is back"));
  EXPECT_EQ(rows(stored("flow"), 0), "A=F+ B=L+ C=F+");
}

TEST_P(Ops, SwitchingOnDoesNothingAboutWhoWasGoneBefore) {
  begin_tables();
  cluster().kill(2);
  ASSERT_TRUE(soon([&] { return tablet_state(2) == offline_word(); }, "its end is seen"));
  ASSERT_EQ(nameservers().set_auto_failover(0, true), 0);
  cluster().kill(0);
  ASSERT_TRUE(soon([&] { return rows_of("single", 0) == "A=L-"; }, "the one that went now"));
  EXPECT_EQ(rows_of("flow", 1), "B=L+ A=F- C=F+");
}

TEST_P(Ops, ItsSlowFailoverWaits) {
  begin_tables({"--auto_failover=true", "--tablet_heartbeat_timeout=600000"});
  cluster().kill(0);
  ASSERT_TRUE(soon([&] { return tablet_state(0) == offline_word(); }, "its end is seen"));
  // It comes back before its turn came: then it is taken out, and brought back.
  EXPECT_EQ(rows_of("flow", 0), "A=L+ B=F+ C=F+");
  cluster().start(0);
  ASSERT_TRUE(soon([&] { return rows_of("flow", 0) == "A=F+ B=L+ C=F+"; }, "another leads"));
  ASSERT_TRUE(soon([&] { return rows_of("single", 0) == "A=L+"; }, "all is alive"));
}

TEST_P(Ops, AnOpIsCanceled) {
  begin_tables();
  minitablet::control::HangRequest hang;
  hang.mutable_match()->set_method("AppendEntries");
  ASSERT_TRUE(cluster().client(1).control("Hang", hang));
  EXPECT_EQ(nameservers().change_leader(0, "flow", 0), 0);
  EXPECT_EQ(nameservers().change_leader(0, "flow", 0), 0);
  ASSERT_TRUE(soon([&] { return nameservers().ops(0).front() == "kChangeLeaderOP flow/0 kDoing"; },
                   "the first is under way"));
  EXPECT_EQ(nameservers().ops(0).back(), "kChangeLeaderOP flow/0 kInited");
  EXPECT_EQ(nameservers().state(0).running_ops(), 2u);
  const std::uint64_t first = nameservers().state(0).op_index() - 1;
  for (const std::uint64_t id : {first, first + 1}) {
    fedb::CancelOPRequest cancel;
    cancel.set_op_id(id);
    EXPECT_EQ(nameservers().code(0, "CancelOP", cancel), 0);
  }
  ASSERT_TRUE(cluster().client(1).control("Release", minitablet::control::ReleaseRequest{}));
  ASSERT_TRUE(idle());
  EXPECT_EQ(nameservers().ops(0),
            (Lines{"kChangeLeaderOP flow/0 kCanceled", "kChangeLeaderOP flow/0 kCanceled"}));
  EXPECT_EQ(rows_of("flow", 0), "A=L+ B=F+ C=F+");
  fedb::CancelOPRequest cancel;
  cancel.set_op_id(first);
  EXPECT_EQ(nameservers().code(0, "CancelOP", cancel), 312);
}

TEST_P(Ops, OneFollowerThatDoesNotAnswerFailsTheElection) {
  begin_tables({"--request_timeout_ms=300"});
  minitablet::control::HangRequest hang;
  hang.mutable_match()->set_method("AppendEntries");
  ASSERT_TRUE(cluster().client(1).control("Hang", hang));
  EXPECT_EQ(nameservers().change_leader(0, "flow", 0), 0);
  ASSERT_TRUE(idle());
  EXPECT_EQ(nameservers().ops(0), Lines{"kChangeLeaderOP flow/0 kFailed"});
  EXPECT_EQ(znodes().children("op/op_data").size(), 1u) << "a failed op keeps its znode";
}

TEST_P(Ops, TheNextNameserverGoesOnWithWhatWasLeft) {
  begin_tables();
  nameservers().add();
  ASSERT_TRUE(soon([&] { return znodes().children("leader").size() == 2; }, "both queue up"));
  minitablet::control::HangRequest hang;
  hang.mutable_match()->set_method("AppendEntries");
  ASSERT_TRUE(cluster().client(1).control("Hang", hang));
  EXPECT_EQ(nameservers().change_leader(0, "flow", 0), 0);
  ASSERT_TRUE(soon([&] { return nameservers().ops(0) == Lines{"kChangeLeaderOP flow/0 kDoing"}; },
                   "it is under way"));
  nameservers().kill(0);
  ASSERT_EQ(nameservers().wait_for_leader(), 1u);
  ASSERT_TRUE(cluster().client(1).control("Release", minitablet::control::ReleaseRequest{}));
  ASSERT_TRUE(soon([&] { return nameservers().ops(1) == Lines{"kChangeLeaderOP flow/0 kDone"}; },
                   "it is done"));
  EXPECT_EQ(rows(nameservers().table(1, "flow"), 0), "A=L- B=L+ C=F+");
  EXPECT_TRUE(soon([&] { return znodes().children("op/op_data").empty(); }, "its znode goes"));
}

TEST_P(Ops, ADroppedTableEndsItsOps) {
  begin_tables();
  minitablet::control::HangRequest hang;
  hang.mutable_match()->set_method("AppendEntries");
  ASSERT_TRUE(cluster().client(1).control("Hang", hang));
  EXPECT_EQ(nameservers().change_leader(0, "flow", 0), 0);
  EXPECT_EQ(nameservers().drop_table(0, "flow"), 0);
  ASSERT_TRUE(cluster().client(1).control("Release", minitablet::control::ReleaseRequest{}));
  ASSERT_TRUE(idle());
  EXPECT_EQ(nameservers().ops(0), Lines{"kChangeLeaderOP flow/0 kFailed"});
  EXPECT_FALSE(stored("flow"));
}

}  // namespace
}  // namespace failoverd::testkit
