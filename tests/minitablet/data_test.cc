// Puts and reads, as FEDB.md 3.2 says of them, and what a test asks minitablet to do wrong. What
// every tablet does is in tests/contract/.
#include <gmock/gmock.h>

#include "tests/minitablet/rig.h"

namespace failoverd::minitablet {
namespace {

using Data = Rig;

TEST_F(Data, LeaderTakesPutsAndFollowerRefusesThem) {
  const auto leader = begin();
  const auto follower = begin();
  ASSERT_EQ(create(follower, fedb::kTableFollower), 0);
  ASSERT_EQ(create(leader, fedb::kTableLeader, {follower}), 0);
  EXPECT_EQ(put(leader, "a", 1, "x"), 0);
  EXPECT_EQ(put(follower, "a"), kTableIsFollower);
  EXPECT_EQ(put(leader, "a", 1, "x", kPid + 1), kTableIsNotExist);
  EXPECT_EQ(offset(leader), 1u);
  EXPECT_TRUE(soon([&] { return offset(follower) == 1; }, "the row is on the follower"));
  EXPECT_EQ(get(leader, "a"), "x");
  EXPECT_EQ(get(follower, "a"), "x");
}

TEST_F(Data, PutAnswersNoMessageAndGetTheNewest) {
  const auto leader = begin();
  ASSERT_EQ(create(leader, fedb::kTableLeader), 0);
  fedb::PutRequest request;
  request.set_tid(kTid);
  request.set_pid(kPid);
  request.set_pk("k");
  for (const int time : {5, 9, 7}) {
    request.set_time(time);
    request.set_value("at " + std::to_string(time));
    const auto response = client(leader).ask<fedb::PutResponse>("Put", request);
    ASSERT_TRUE(response);
    EXPECT_EQ(response->SerializeAsString(), std::string("\x08\0", 2));
  }
  EXPECT_EQ(get(leader, "k"), "at 9");
  fedb::GetRequest one;
  one.set_tid(kTid);
  one.set_pid(kPid);
  one.set_key("k");
  one.set_ts(7);
  EXPECT_EQ(client(leader).ask<fedb::GetResponse>("Get", one)->value(), "at 7");
  one.set_ts(6);
  EXPECT_EQ(client(leader).ask<fedb::GetResponse>("Get", one)->code(), kKeyNotFound);
  one.set_key("other");
  EXPECT_EQ(client(leader).ask<fedb::GetResponse>("Get", one)->code(), kKeyNotFound);
}

TEST_F(Data, RowsWithDimensionsAreKeptForEveryIndex) {
  const auto leader = begin();
  const auto follower = begin();
  ASSERT_EQ(create(follower, fedb::kTableFollower), 0);
  ASSERT_EQ(create(leader, fedb::kTableLeader, {follower}), 0);
  fedb::PutRequest request;
  request.set_tid(kTid);
  request.set_pid(kPid);
  request.set_value("row");
  for (const std::uint32_t idx : {0u, 1u}) {
    fedb::Dimension& dimension = *request.add_dimensions();
    dimension.set_key("key" + std::to_string(idx));
    dimension.set_idx(idx);
  }
  ASSERT_EQ(client(leader).ask<fedb::PutResponse>("Put", request)->code(), 0);
  ASSERT_TRUE(soon([&] { return offset(follower) == 1; }, "it is replicated"));
  EXPECT_EQ(get(follower, "key0"), "row");
  const auto dumped = dump(follower);
  ASSERT_EQ(dumped.rows_size(), 2);
  EXPECT_EQ(dumped.rows(1).pk(), "key1");
  EXPECT_EQ(dumped.rows(1).idx(), 1u);
  EXPECT_EQ(dumped.digest(), dump(leader).digest());
  EXPECT_EQ(status(leader).record_cnt(), 1u);
}

TEST_F(Data, ScanGoesFromNewestToEndExclusive) {
  const auto leader = begin();
  ASSERT_EQ(create(leader, fedb::kTableLeader), 0);
  for (const std::uint64_t ts : {1, 2, 3, 4}) ASSERT_EQ(put(leader, "k", ts, "v"), 0);
  fedb::ScanRequest request;
  request.set_tid(kTid);
  request.set_pid(kPid);
  request.set_pk("k");
  const auto scan = [&](std::uint64_t st, std::uint64_t et, std::uint32_t limit) {
    request.set_st(st);
    request.set_et(et);
    request.set_limit(limit);
    return *client(leader).ask<fedb::ScanResponse>("Scan", request);
  };
  EXPECT_EQ(scan(3, 1, 0).count(), 2u);
  EXPECT_EQ(scan(3, 1, 0).pairs().substr(0, 13), std::string("\x09\0\0\0\x03\0\0\0\0\0\0\0v", 13));
  EXPECT_EQ(scan(4, 0, 3).count(), 3u);
  EXPECT_EQ(scan(1, 2, 0).code(), kStartBelowEnd);
  request.set_pk("none");
  EXPECT_EQ(scan(3, 1, 0).code(), kKeyNotFound);
}

TEST_F(Data, NinthPutAtOnceIsOverTheLimit) {
  const auto leader = begin();
  ASSERT_EQ(create(leader, fedb::kTableLeader), 0);
  hang(leader, "Put", control::kBefore);
  std::vector<std::shared_ptr<Pending<fedb::PutResponse>>> puts;
  fedb::PutRequest request;
  request.set_tid(kTid);
  request.set_pid(kPid);
  for (int i = 0; i < 8; ++i) {
    request.set_pk("k" + std::to_string(i));
    puts.push_back(begin_ask<fedb::PutResponse>(leader, "Put", request));
  }
  EXPECT_EQ(put(leader, "ninth"), -1000);
  EXPECT_EQ(client(leader).last_answer().outcome, rpc::Outcome::kServerError);
  EXPECT_EQ(client(leader).last_answer().error_code, 2004);
  release(leader);
  EXPECT_TRUE(soon(
      [&] {
        for (const auto& put : puts) {
          if (!put->response || put->response->code() != 0) return false;
        }
        return true;
      },
      "the eight are answered"));
  EXPECT_EQ(put(leader, "ninth"), 0);
}

TEST_F(Data, DiskFullLosesTheLogButNotTheAcknowledgement) {
  const auto leader = begin();
  const auto follower = begin();
  ASSERT_EQ(create(follower, fedb::kTableFollower), 0);
  ASSERT_EQ(create(leader, fedb::kTableLeader, {follower}), 0);
  ASSERT_EQ(put(leader, "a"), 0);
  set_disk_full(leader, true);
  EXPECT_EQ(put(leader, "b"), 0);
  EXPECT_EQ(get(leader, "b"), "v");
  EXPECT_EQ(offset(leader), 2u);
  set_disk_full(leader, false);
  EXPECT_EQ(put(leader, "c"), 0);
  ASSERT_TRUE(soon([&] { return followers(leader).follower_info(0).offset() == 1; },
                   "the follower has the first row"));
  // What is missing in the log never reaches anybody, nor does what follows it.
  EXPECT_EQ(offset(follower), 1u);
  EXPECT_EQ(dump(leader).row_count(), 3u);
  EXPECT_EQ(dump(leader, true).row_count(), 2u);
}

TEST_F(Data, FollowerWithAFullDiskRefuses) {
  const auto follower = begin();
  ASSERT_EQ(create(follower, fedb::kTableFollower), 0);
  set_disk_full(follower, true);
  EXPECT_EQ(append(follower, 1, 0, {1}), kAppendEntriesFailed);
  EXPECT_EQ(offset(follower), 0u);
  set_disk_full(follower, false);
  EXPECT_EQ(append(follower, 1, 0, {1}), 0);
}

TEST_F(Data, DumpPagesAndItsDigestDoesNotDependOnThem) {
  const auto leader = begin();
  ASSERT_EQ(create(leader, fedb::kTableLeader), 0);
  for (int i = 0; i < 25; ++i) ASSERT_EQ(put(leader, "k" + std::to_string(i % 7), 100 - i), 0);
  control::DumpRequest request;
  request.set_tid(kTid);
  request.set_pid(kPid);
  request.set_max_rows(10);
  const auto whole = dump(leader);
  std::vector<std::uint64_t> seen;
  for (bool more = true; more;) {
    const auto page = client(leader).dump(request);
    ASSERT_TRUE(page);
    EXPECT_EQ(page->digest(), whole.digest());
    EXPECT_EQ(page->row_count(), 25u);
    for (const auto& row : page->rows()) seen.push_back(row.index());
    more = page->more();
    request.set_after_index(seen.back());
  }
  ASSERT_EQ(seen.size(), 25u);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_EQ(dump(leader, true).digest(), whole.digest());
}

TEST_F(Data, FailAndDropAsAskedFor) {
  const auto leader = begin();
  ASSERT_EQ(create(leader, fedb::kTableLeader), 0);
  control::FailRequest fail;
  fail.mutable_match()->set_method("Put");
  fail.set_calls(2);
  fail.set_code(104);
  ASSERT_TRUE(client(leader).control("Fail", fail));
  EXPECT_EQ(put(leader, "a"), 104);
  EXPECT_EQ(put(leader, "a"), 104);
  EXPECT_EQ(put(leader, "a"), 0);
  fail.clear_code();
  fail.set_calls(1);
  fail.set_error_code(2001);
  ASSERT_TRUE(client(leader).control("Fail", fail));
  EXPECT_EQ(put(leader, "a"), -1000);
  EXPECT_EQ(client(leader).last_answer().error_code, 2001);
  fail.clear_error_code();
  fail.set_drop(true);
  fail.mutable_match()->set_pid(kPid);
  ASSERT_TRUE(client(leader).control("Fail", fail));
  fedb::PutRequest request;
  request.set_tid(kTid);
  request.set_pid(kPid);
  EXPECT_FALSE(client(leader).ask<fedb::PutResponse>("Put", request, {}, 50ms));
  EXPECT_EQ(client(leader).last_answer().outcome, rpc::Outcome::kTimeout);
  EXPECT_EQ(put(leader, "a"), 0);
}

TEST_F(Data, CallsThatHangAreToldAndSomeMayGoOnFirst) {
  const auto leader = begin();
  ASSERT_EQ(create(leader, fedb::kTableLeader), 0);
  control::HangRequest hang;
  hang.mutable_match()->set_method("Put");
  hang.set_skip(1);
  hang.set_calls(1);
  ASSERT_TRUE(client(leader).control("Hang", hang));
  EXPECT_EQ(put(leader, "a"), 0);
  fedb::PutRequest request;
  request.set_tid(kTid);
  request.set_pid(kPid);
  request.set_pk("b");
  request.set_time(1000);
  const auto hangs = begin_ask<fedb::PutResponse>(leader, "Put", request);
  const auto held = [&] {
    control::CountersResponse counters;
    counters.ParseFromString(client(leader).call("MiniTablet", "Counters", "").payload);
    return counters.held();
  };
  ASSERT_TRUE(soon([&] { return held().size() == 1; }, "it hangs"));
  EXPECT_EQ(held().Get(0).method(), "Put");
  EXPECT_EQ(held().Get(0).tid(), kTid);
  EXPECT_EQ(held().Get(0).pid(), kPid);
  EXPECT_EQ(held().Get(0).stage(), control::kBefore);
  EXPECT_EQ(put(leader, "c"), 0);
  EXPECT_FALSE(hangs->ended);
  release(leader);
  ASSERT_TRUE(soon([&] { return hangs->ended; }, "it is answered"));
  EXPECT_EQ(held().size(), 0);
}

TEST_F(Data, ServiceNames) {
  const auto tablet = begin();
  const std::string request = fedb::GetTaskStatusRequest{}.SerializeAsString();
  const auto ask = [&](const char* service, const char* method) {
    return client(tablet).call(service, method, request).error_code;
  };
  EXPECT_EQ(ask("TabletServer", "GetTaskStatus"), 0);
  EXPECT_EQ(ask("rtidb.api.TabletServer", "GetTaskStatus"), 0);
  EXPECT_EQ(ask("openmldb.api.TabletServer", "GetTaskStatus"), 1002);
  EXPECT_EQ(ask("TabletServer", "NoSuch"), 1002);
  EXPECT_EQ(ask("NameServer", "ShowTable"), 1001);
  EXPECT_EQ(client(tablet).call("TabletServer", "MakeSnapshot", "").error_code, 1003);
}

}  // namespace
}  // namespace failoverd::minitablet
