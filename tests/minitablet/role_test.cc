// Roles and replication: ChangeRole, AddReplica, DelReplica, and what a hung or restarted follower
// does to its leader.
#include <gmock/gmock.h>

#include "tests/minitablet/rig.h"

namespace failoverd::minitablet {
namespace {

class Role : public Rig {
 protected:
  // Waits until a follower holds as much as its leader.
  testing::AssertionResult caught_up(std::size_t follower, std::size_t leader) {
    return soon([&] { return term_pair(follower).offset() == term_pair(leader).offset(); },
                "the follower has caught up");
  }
  std::uint64_t calls(std::size_t which, const std::string& method) {
    const auto answer = client(which).call("MiniTablet", "Counters", "");
    control::CountersResponse response;
    response.ParseFromString(answer.payload);
    for (const auto& counter : response.counters()) {
      if (counter.method() == method) return counter.calls();
    }
    return 0;
  }
};

TEST_F(Role, NothingFlushesTheUnsentTail) {
  const auto leader = begin();
  const auto follower = begin([](Options& options) { options.request_timeout = 500ms; });
  ASSERT_EQ(create(follower, fedb::kTableFollower), 0);
  ASSERT_EQ(create(leader, fedb::kTableLeader, {follower}), 0);
  ASSERT_EQ(put(leader, "a"), 0);
  ASSERT_TRUE(caught_up(follower, leader));
  control::FailRequest fail;
  fail.mutable_match()->set_method("AppendEntries");
  fail.set_code(kAppendEntriesFailed);
  ASSERT_TRUE(client(follower).control("Fail", fail));
  ASSERT_EQ(put(leader, "b"), 0);
  ASSERT_EQ(follow(leader), 0);
  release(follower);
  const std::uint64_t before = calls(follower, "AppendEntries");
  EXPECT_EQ(offset(leader), 2u);
  EXPECT_EQ(offset(follower), 1u);
  EXPECT_EQ(calls(follower, "AppendEntries"), before);
}

TEST_F(Role, APutPastTheRoleCheckIsStillAppended) {
  const auto tablet = begin();
  ASSERT_EQ(create(tablet, fedb::kTableLeader), 0);
  hang(tablet, "Put", control::kInside);
  fedb::PutRequest request;
  request.set_tid(kTid);
  request.set_pid(kPid);
  request.set_pk("late");
  const auto late = begin_ask<fedb::PutResponse>(tablet, "Put", request);
  ASSERT_TRUE(soon([&] { return calls(tablet, "Put") == 1; }, "the put is in"));
  ASSERT_EQ(follow(tablet), 0);
  EXPECT_EQ(offset(tablet), 0u);
  release(tablet);
  ASSERT_TRUE(soon([&] { return late->ended; }, "the put is answered"));
  EXPECT_EQ(late->response->code(), 0);
  EXPECT_EQ(offset(tablet), 1u);
}

// The follower takes the connection and never answers.
class HungFollower : public Role {
 protected:
  void SetUp() override {
    leader_ = begin([](Options& options) { options.request_timeout = 600ms; });
    follower_ = begin();
    ASSERT_EQ(create(follower_, fedb::kTableFollower), 0);
    ASSERT_EQ(create(leader_, fedb::kTableLeader, {follower_}), 0);
    ASSERT_EQ(create(leader_, fedb::kTableLeader, {}, 1, kPid + 1), 0);
    ASSERT_TRUE(soon([&] { return calls(follower_, "AppendEntries") > 0; }, "it is matched"));
    hang(follower_, "AppendEntries", control::kBefore);
    const std::uint64_t before = calls(follower_, "AppendEntries");
    ASSERT_EQ(put(leader_, "a"), 0);
    ASSERT_TRUE(soon([&] { return calls(follower_, "AppendEntries") > before; }, "it hangs"));
  }
  std::size_t leader_ = 0;
  std::size_t follower_ = 0;
};

TEST_F(HungFollower, ChangeRoleMakesTheWholeTabletStandStill) {
  const auto demotion = begin_ask<fedb::ChangeRoleResponse>(leader_, "ChangeRole",
                                                            role_request(fedb::kTableFollower));
  ASSERT_TRUE(soon([&] { return calls(leader_, "ChangeRole") == 1; }, "it has arrived"));
  // Everything that needs the one mutex waits, other tables' puts too; files can be asked for.
  fedb::PutRequest request;
  request.set_tid(kTid);
  request.set_pid(kPid + 1);
  const auto other = begin_ask<fedb::PutResponse>(leader_, "Put", request);
  const auto status = begin_ask<fedb::GetTableStatusResponse>(leader_, "GetTableStatus",
                                                              fedb::GetTableStatusRequest{});
  EXPECT_EQ(manifest_offset(leader_), 0u);
  EXPECT_FALSE(demotion->ended);
  EXPECT_FALSE(other->ended);
  EXPECT_FALSE(status->ended);
  ASSERT_TRUE(soon([&] { return demotion->ended && other->ended && status->ended; },
                   "the request timeout ends it"));
  EXPECT_EQ(demotion->response->code(), 0);
  EXPECT_EQ(other->response->code(), 0);
  EXPECT_LE(demotion->at, other->at);
  EXPECT_EQ(put(leader_, "b"), kTableIsFollower);
}

TEST_F(HungFollower, DelReplicaBlocksNobodyElseAndChangeRoleThenAnswersAtOnce) {
  const auto removal =
      begin_ask<fedb::GeneralResponse>(leader_, "DelReplica", replica_request(follower_));
  ASSERT_TRUE(soon([&] { return calls(leader_, "DelReplica") == 1; }, "it has arrived"));
  EXPECT_EQ(put(leader_, "b"), 0);
  EXPECT_EQ(offset(leader_), 2u);
  EXPECT_EQ(follow(leader_), 0);
  EXPECT_FALSE(removal->ended);
  ASSERT_TRUE(soon([&] { return removal->ended; }, "the request timeout ends it"));
  EXPECT_EQ(removal->response->code(), 0);
}

TEST_F(HungFollower, PutsBeyondEightAreOverTheLimitWhileItStandsStill) {
  const auto demotion = begin_ask<fedb::ChangeRoleResponse>(leader_, "ChangeRole",
                                                            role_request(fedb::kTableFollower));
  ASSERT_TRUE(soon([&] { return calls(leader_, "ChangeRole") == 1; }, "it has arrived"));
  fedb::PutRequest request;
  request.set_tid(kTid);
  request.set_pid(kPid + 1);
  for (int i = 0; i < 8; ++i) (void)begin_ask<fedb::PutResponse>(leader_, "Put", request);
  EXPECT_EQ(put(leader_, "ninth", 1, "v", kPid + 1), -1000);
  EXPECT_EQ(client(leader_).last_answer().error_code, 2004);
  ASSERT_TRUE(soon([&] { return demotion->ended; }, "the request timeout ends it"));
}

TEST_F(Role, RestAfterAnErrorIsCutShortByDelReplica) {
  const auto leader = begin([](Options& options) {
    options.binlog_coffee_time = 1h;
    options.binlog_match_logoffset_interval = 1h;
  });
  const auto follower = begin();
  ASSERT_EQ(create(leader, fedb::kTableLeader, {follower}), 0);  // It has no such table.
  ASSERT_TRUE(soon([&] { return calls(follower, "AppendEntries") == 1; }, "it was refused"));
  EXPECT_EQ(replica("DelReplica", leader, follower), 0);
  ASSERT_EQ(create(follower, fedb::kTableFollower), 0);
  ASSERT_EQ(put(leader, "a"), 0);
  ASSERT_EQ(replica("AddReplica", leader, follower), 0);
  EXPECT_TRUE(caught_up(follower, leader));
}

TEST_F(Role, WithoutNotifyReplicationIsLateButComes) {
  const auto leader = begin([](Options& options) {
    options.binlog_notify_on_put = false;
    options.binlog_sync_wait_time = 50ms;
  });
  const auto follower = begin();
  ASSERT_EQ(create(follower, fedb::kTableFollower), 0);
  ASSERT_EQ(create(leader, fedb::kTableLeader, {follower}), 0);
  ASSERT_EQ(put(leader, "a"), 0);
  ASSERT_TRUE(caught_up(follower, leader));
  EXPECT_EQ(dump(follower).digest(), dump(leader).digest());
}

TEST_F(Role, WithoutNotifyAPutWakesNobody) {
  const auto leader = begin([](Options& options) {
    options.binlog_notify_on_put = false;
    options.binlog_sync_wait_time = 24h * 365;
  });
  const auto follower = begin();
  ASSERT_EQ(create(follower, fedb::kTableFollower), 0);
  ASSERT_EQ(create(leader, fedb::kTableLeader, {follower}), 0);
  ASSERT_TRUE(soon([&] { return calls(follower, "AppendEntries") == 1; }, "it is matched"));
  for (int i = 0; i < 100; ++i) ASSERT_EQ(put(leader, "k"), 0);
  EXPECT_EQ(offset(follower), 0u);
  EXPECT_EQ(calls(follower, "AppendEntries"), 1u);
  // Nor does that keep the demotion waiting.
  EXPECT_EQ(follow(leader), 0);
}

TEST_F(Role, ManyRowsConverge) {
  const auto leader = begin([](Options& options) { options.binlog_single_file_max_bytes = 2000; });
  const auto one = begin();
  const auto two = begin();
  ASSERT_EQ(create(one, fedb::kTableFollower), 0);
  ASSERT_EQ(create(leader, fedb::kTableLeader, {one}), 0);
  for (int i = 0; i < 500; ++i) {
    ASSERT_EQ(put(leader, "k" + std::to_string(i % 50), 1000u + i, std::string(i % 100, 'x')), 0);
  }
  // A late one reads the log from its beginning, over several files.
  ASSERT_EQ(create(two, fedb::kTableFollower), 0);
  ASSERT_EQ(replica("AddReplica", leader, two), 0);
  ASSERT_TRUE(caught_up(one, leader));
  ASSERT_TRUE(caught_up(two, leader));
  EXPECT_EQ(dump(one).digest(), dump(leader).digest());
  EXPECT_EQ(dump(two).digest(), dump(leader).digest());
  EXPECT_EQ(dump(two, true).digest(), dump(leader).digest());
}

// With use_name it has to be told where others are, and a restart forgets that (FEDB.md 8).
TEST_F(Role, ANameThatItWasNotToldIsNotFound) {
  const auto named = [](const char* name) {
    return [name](Options& options) {
      options.generation = &openmldb();
      options.use_name = true;
      options.name = name;
    };
  };
  const auto leader = begin(named("one"));
  const auto follower = begin(named("two"));
  ASSERT_EQ(create(leader, fedb::kTableFollower), 0);
  ASSERT_EQ(create(follower, fedb::kTableFollower), 0);
  fedb::ChangeRoleRequest lead;
  lead.set_tid(kTid);
  lead.set_pid(kPid);
  lead.set_mode(fedb::kTableLeader);
  lead.set_term(2);
  lead.add_replicas("two");
  const auto ask = [&](const char* method, const auto& request) {
    const auto response = client(leader).ask<fedb::GeneralResponse>(method, request);
    return response ? response->code() : -1000;
  };
  EXPECT_EQ(ask("ChangeRole", lead), 155);
  fedb::UpdateRealEndpointMapRequest names;
  names.add_real_endpoint_map()->set_name("two");
  names.mutable_real_endpoint_map(0)->set_real_endpoint(endpoint(follower));
  EXPECT_EQ(ask("UpdateRealEndpointMap", names), 0);
  EXPECT_EQ(ask("ChangeRole", lead), 0);
  ASSERT_EQ(put(leader, "a"), 0);
  EXPECT_TRUE(caught_up(follower, leader));
  fedb::GetTableFollowerRequest who;
  who.set_tid(kTid);
  who.set_pid(kPid);
  const auto followers =
      client(leader).ask<fedb::GetTableFollowerResponse>("GetTableFollower", who);
  ASSERT_TRUE(followers && followers->follower_info_size() == 1);
  EXPECT_EQ(followers->follower_info(0).endpoint(), "two");
  fedb::ReplicaRequest add;
  add.set_tid(kTid);
  add.set_pid(kPid);
  add.set_endpoint("three");
  EXPECT_EQ(ask("AddReplica", add), 155);
}

}  // namespace
}  // namespace failoverd::minitablet
