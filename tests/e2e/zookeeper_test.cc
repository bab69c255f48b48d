// The session against a real ZooKeeper: what requests answer, what watches see, and what remains of
// both when the server is restarted, hangs, or forgets us.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "lib/base/boot_clock.h"
#include "tests/harness/tcp_proxy.h"
#include "tests/harness/zookeeper_client.h"
#include "tests/harness/zookeeper_server.h"

namespace failoverd::zookeeper {
namespace {

using harness::TcpProxy;
using harness::ZooKeeperClient;
using harness::ZooKeeperEnsemble;
using harness::ZooKeeperServer;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace std::chrono_literals;

Session::Options options(const std::string& hosts, Duration timeout = 10s) {
  return {.hosts = hosts, .timeout = timeout, .digest_auth = {}};
}

std::vector<Code> codes(const ZooKeeperClient::Answer& answer) {
  std::vector<Code> all;
  for (const OpResult& result : answer.results) all.push_back(result.code);
  return all;
}

class SessionTest : public testing::Test {
 protected:
  ZooKeeperServer server_;
  ZooKeeperClient client_{server_.hosts()};
};

TEST_F(SessionTest, CreateGetSetRemove) {
  EXPECT_EQ(client_.get("/a").code, Code::kNoNode);
  EXPECT_EQ(client_.create("/a", "one").path, "/a");
  EXPECT_EQ(client_.create("/a", "one").code, Code::kNodeExists);
  EXPECT_EQ(client_.create("/x/y", "").code, Code::kNoNode);
  EXPECT_EQ(client_.get("/a").value, "one");
  EXPECT_EQ(client_.get("/a").stat.version, 0);

  const auto set = client_.set("/a", std::string{"t\0wo", 4}, 0);
  EXPECT_EQ(set.stat.version, 1);
  EXPECT_EQ(set.stat.data_length, 4);
  EXPECT_GT(set.stat.mzxid, set.stat.czxid);
  EXPECT_EQ(client_.set("/a", "late", 0).code, Code::kBadVersion);
  EXPECT_EQ(client_.get("/a").value, (std::string{"t\0wo", 4}));
  EXPECT_TRUE(client_.set("/a", "", -1).ok());
  EXPECT_EQ(client_.get("/a").value, "");

  EXPECT_TRUE(client_.create("/a/b", "").ok());
  EXPECT_EQ(client_.remove("/a").code, Code::kNotEmpty);
  EXPECT_EQ(client_.remove("/a/b", 7).code, Code::kBadVersion);
  EXPECT_TRUE(client_.remove("/a/b", 0).ok());
  EXPECT_TRUE(client_.remove("/a").ok());
  EXPECT_EQ(client_.remove("/a").code, Code::kNoNode);
  EXPECT_EQ(client_.exists("/a").code, Code::kNoNode);
}

TEST_F(SessionTest, SequentialAndEphemeral) {
  ASSERT_TRUE(client_.create("/q", "").ok());
  const auto first = client_.create("/q/n-", "1", true, true);
  const auto second = client_.create("/q/n-", "2", false, true);
  EXPECT_EQ(first.path, "/q/n-0000000000");
  EXPECT_EQ(second.path, "/q/n-0000000001");
  EXPECT_EQ(client_.exists(first.path).stat.ephemeral_owner, client_.session().session_id());
  EXPECT_EQ(client_.exists(second.path).stat.ephemeral_owner, 0);
  const auto children = client_.children("/q");
  EXPECT_THAT(children.names, ElementsAre("n-0000000000", "n-0000000001"));
  EXPECT_EQ(children.stat.num_children, 2);
  EXPECT_EQ(children.stat.cversion, 2);
  EXPECT_EQ(client_.create(first.path + "/c", "").code, Code::kOther);  // Child of an ephemeral.

  client_.close();
  EXPECT_EQ(client_.get("/q").code, Code::kExpired);
  ZooKeeperClient other{server_.hosts()};
  EXPECT_THAT(other.children("/q").names, ElementsAre("n-0000000001"));
  EXPECT_EQ(other.children("/q").stat.cversion, 3) << "each that comes counts, and each that goes";
}

TEST_F(SessionTest, MultiAppliesAll) {
  ASSERT_TRUE(client_.create("/a", "old").ok());
  ASSERT_TRUE(client_.create("/gone", "").ok());
  Op sequential = Op::create("/s-", "s");
  sequential.sequential = true;
  Op ephemeral = Op::create("/e", "e");
  ephemeral.ephemeral = true;
  const auto answer = client_.multi({Op::check("/a", 0), Op::set("/a", "new", 0), sequential,
                                     ephemeral, Op::remove("/gone", -1)});
  EXPECT_EQ(answer.code, Code::kOk);
  EXPECT_EQ(codes(answer), std::vector<Code>(5, Code::kOk));
  EXPECT_EQ(answer.results[1].stat.version, 1);
  EXPECT_EQ(answer.results[2].created_path, "/s-0000000002");
  EXPECT_EQ(answer.results[3].created_path, "/e");
  EXPECT_EQ(client_.get("/a").value, "new");
  EXPECT_EQ(client_.exists("/e").stat.ephemeral_owner, client_.session().session_id());
  EXPECT_EQ(client_.exists("/gone").code, Code::kNoNode);
  EXPECT_EQ(client_.multi({}).code, Code::kOk);
}

TEST_F(SessionTest, MultiAppliesNothingWhenOneOpFails) {
  ASSERT_TRUE(client_.create("/a", "old").ok());
  const auto refused = client_.multi(
      {Op::set("/a", "new", 0), Op::create("/b", ""), Op::check("/a", 0), Op::create("/c", "")});
  EXPECT_EQ(refused.code, Code::kBadVersion);  // The set made it 1.
  EXPECT_THAT(codes(refused), ElementsAre(Code::kNotApplied, Code::kNotApplied, Code::kBadVersion,
                                          Code::kNotApplied));
  const auto missing = client_.multi({Op::set("/nowhere", "", -1), Op::set("/a", "new", 0)});
  EXPECT_EQ(missing.code, Code::kNoNode);
  EXPECT_THAT(codes(missing), ElementsAre(Code::kNoNode, Code::kNotApplied));
  const auto exists = client_.multi({Op::set("/a", "new", 0), Op::create("/a", "")});
  EXPECT_EQ(exists.code, Code::kNodeExists);
  EXPECT_THAT(codes(exists), ElementsAre(Code::kNotApplied, Code::kNodeExists));

  // What the C client would not survive is not even sent.
  const auto invalid = client_.multi({Op::create("bad", ""), Op::create("/d", "")});
  EXPECT_EQ(invalid.code, Code::kOther);
  EXPECT_THAT(codes(invalid), ElementsAre(Code::kNotApplied, Code::kNotApplied));

  EXPECT_EQ(client_.get("/a").value, "old");
  EXPECT_THAT(client_.children("/").names, ElementsAre("a", "zookeeper"));
}

TEST_F(SessionTest, EnsurePath) {
  EXPECT_TRUE(client_.ensure_path("/").ok());
  EXPECT_TRUE(client_.ensure_path("/a/b/c/d/e/f").ok());
  EXPECT_TRUE(client_.ensure_path("/a/b/c/d/e/f").ok());
  EXPECT_TRUE(client_.ensure_path("/a/b/x").ok());
  EXPECT_THAT(client_.children("/a/b").names, ElementsAre("c", "x"));
  EXPECT_EQ(client_.ensure_path("no/slash").code, Code::kOther);
  ASSERT_TRUE(client_.create("/eph", "", true).ok());
  EXPECT_FALSE(client_.ensure_path("/eph/child").ok());
  EXPECT_TRUE(client_.sync("/").ok());
}

TEST_F(SessionTest, InvalidPathsAndTooLongOnesAreRefusedWithoutHarm) {
  EXPECT_EQ(client_.get("").code, Code::kOther);
  EXPECT_EQ(client_.get(std::string{"/a\0b", 4}).code, Code::kOther);
  EXPECT_EQ(client_.create("/big", std::string(1'200'000, 'x')).code, Code::kOther);
  EXPECT_EQ(client_
                .multi({Op::create("/b1", std::string(600'000, 'x')),
                        Op::create("/b2", std::string(600'000, 'x'))})
                .code,
            Code::kOther);
  EXPECT_THAT(client_.notes(), testing::Contains(HasSubstr("longer than servers take")));
  EXPECT_THAT(client_.states(), ElementsAre("connected (new)"));

  const std::string large(900'000, 'y');
  EXPECT_TRUE(client_.create("/large", large).ok());
  EXPECT_EQ(client_.get("/large").value, large);
  // The longest that is sent is one that the server still takes.
  const std::string longest(1'048'575 - 96 - 4, 'z');
  EXPECT_TRUE(client_.set("/abc", longest, -1).code == Code::kNoNode);
  EXPECT_TRUE(client_.create("/abc", longest).ok());
  EXPECT_EQ(client_.get("/abc").value, longest);
  EXPECT_EQ(client_.set("/abc", longest + "z", -1).code, Code::kOther);
  EXPECT_EQ(codes(client_.multi({Op::set("/abc", std::string(900'000, 'm'), -1)})),
            std::vector<Code>{Code::kOk});
  EXPECT_THAT(client_.states(), ElementsAre("connected (new)"));
}

TEST_F(SessionTest, WatchesFireOnceAndOnlyIfTheyWereSet) {
  ZooKeeperClient other{server_.hosts()};
  ASSERT_TRUE(other.create("/a", "").ok());
  std::string fired;
  const auto mark = [&](char c) { return [&fired, c] { fired += c; }; };
  const auto expect = [&](const std::string& wanted) {
    EXPECT_TRUE(client_.wait_until([&] { return fired.size() >= wanted.size(); }, 10s, wanted));
    client_.sync("/");  // Whatever else was to come has come now.
    std::ranges::sort(fired);
    EXPECT_EQ(fired, wanted);
    fired.clear();
  };
  EXPECT_EQ(client_.get("/missing", mark('!')).code, Code::kNoNode);
  EXPECT_EQ(client_.children("/missing", mark('!')).code, Code::kNoNode);
  EXPECT_EQ(client_.exists("/missing", mark('x')).code, Code::kNoNode);
  EXPECT_TRUE(client_.get("/a", mark('g')).ok());
  EXPECT_TRUE(client_.get("/a", mark('h')).ok());
  EXPECT_TRUE(client_.exists("/a", mark('e')).ok());
  EXPECT_TRUE(client_.children("/a", mark('c')).ok());

  other.set("/a", "1");
  expect("egh");
  other.set("/a", "2");
  other.create("/a/child", "");
  expect("c");
  other.create("/missing", "");
  expect("x");

  EXPECT_TRUE(client_.get("/a/child", mark('g')).ok());
  EXPECT_TRUE(client_.children("/a/child", mark('c')).ok());
  other.remove("/a/child");
  expect("cg");
}

TEST_F(SessionTest, SameSessionAndWatchesAcrossARestart) {
  ASSERT_TRUE(client_.create("/quiet", "").ok());
  ASSERT_TRUE(client_.create("/before", "").ok());
  ASSERT_TRUE(client_.create("/after", "").ok());
  ASSERT_TRUE(client_.create("/mine", "", true).ok());
  const std::int64_t id = client_.session().session_id();
  std::string fired;
  ASSERT_TRUE(client_.get("/quiet", [&] { fired += 'q'; }).ok());
  ASSERT_TRUE(client_.get("/before", [&] { fired += 'b'; }).ok());
  ASSERT_TRUE(client_.children("/after", [&] { fired += 'a'; }).ok());

  server_.restart();
  ZooKeeperClient other{server_.hosts()};
  other.set("/before", "changed before we are back");
  ASSERT_TRUE(client_.wait_until([&] { return fired == "b"; }, 20s, "the change was noticed"));
  other.create("/after/child", "");
  ASSERT_TRUE(client_.wait_until([&] { return fired == "ba"; }, 20s, "the watch still holds"));

  EXPECT_EQ(client_.session().session_id(), id);
  EXPECT_THAT(client_.states(), ElementsAre("connected (new)", "connecting", "connected"));
  EXPECT_EQ(other.exists("/mine").stat.ephemeral_owner, id);
  client_.sync("/");
  EXPECT_EQ(fired, "ba");  // Losing a connection is not a change of a znode.
}

TEST_F(SessionTest, ExpiryAndTheSessionAfterIt) {
  ZooKeeperClient short_lived{options(server_.hosts(), 400ms)};
  ASSERT_TRUE(short_lived.create("/mine", "", true).ok());
  EXPECT_EQ(short_lived.session().negotiated_timeout(), 400ms);
  const std::int64_t id = short_lived.session().session_id();
  bool fired = false;
  ASSERT_TRUE(client_.create("/theirs", "").ok());
  ASSERT_TRUE(short_lived.get("/theirs", [&] { fired = true; }).ok());
  std::vector<Code> while_expired;
  short_lived.on_state = [&](SessionState state, bool) {
    if (state != SessionState::kExpired) return;
    short_lived.session().create("/late", "", true, false,
                                 [&](Code code, auto) { while_expired.push_back(code); });
    short_lived.session().multi({Op::create("/late", "")},
                                [&](Code code, auto) { while_expired.push_back(code); });
  };

  // Its loop stands still until the server has given it up.
  bool gone = false;
  ASSERT_TRUE(client_.exists("/mine", [&] { gone = true; }).ok());
  ASSERT_TRUE(client_.wait_until([&] { return gone; }, 20s, "the ephemeral znode is gone"));

  ASSERT_TRUE(short_lived.wait_until([&] { return short_lived.states().size() == 4; }, 20s,
                                     "another session"));
  EXPECT_THAT(short_lived.states(),
              ElementsAre("connected (new)", "connecting", "expired", "connected (new)"));
  EXPECT_NE(short_lived.session().session_id(), id);
  EXPECT_THAT(while_expired, ElementsAre(Code::kExpired, Code::kExpired));
  EXPECT_EQ(short_lived.exists("/late").code, Code::kNoNode);

  // The old session's watch is forgotten, and the new session is as good as the first.
  ASSERT_TRUE(client_.set("/theirs", "x").ok());
  ASSERT_TRUE(short_lived.create("/mine", "again", true).ok());
  short_lived.sync("/");
  EXPECT_FALSE(fired);
  bool changed = false;
  ASSERT_TRUE(short_lived.get("/mine", [&] { changed = true; }).ok());
  ASSERT_TRUE(client_.set("/mine", "x").ok());
  EXPECT_TRUE(short_lived.wait_until([&] { return changed; }, 10s, "a new watch fires"));
}

TEST_F(SessionTest, WritesInFlightWhenTheServerIsKilled) {
  ASSERT_TRUE(client_.create("/w", "").ok());
  constexpr int kWrites = 2'000;
  std::vector<int> answers(kWrites);
  std::vector<Code> last(kWrites, Code::kOther);
  int answered = 0;
  for (int i = 0; i < kWrites; ++i) {
    client_.session().create("/w/" + std::to_string(i), "", false, false, [&, i](Code code, auto) {
      ++answers[static_cast<std::size_t>(i)];
      last[static_cast<std::size_t>(i)] = code;
      ++answered;
    });
  }
  ASSERT_TRUE(client_.wait_until([&] { return answered > 50; }, 20s, "some are done"));
  server_.kill();
  ASSERT_TRUE(client_.wait_until([&] { return answered >= kWrites; }, 20s, "all are answered"));
  server_.start();
  const auto names = client_.children("/w").names;
  EXPECT_EQ(answers, std::vector<int>(kWrites, 1));
  int unknown = 0;
  int acknowledged_and_gone = 0;
  for (int i = 0; i < kWrites; ++i) {
    const Code code = last[static_cast<std::size_t>(i)];
    const bool there = std::ranges::count(names, std::to_string(i)) == 1;
    acknowledged_and_gone += code == Code::kOk && !there;
    unknown += code == Code::kUnknown;
    ASSERT_TRUE(code == Code::kOk || code == Code::kUnknown) << to_text(code);
  }
  EXPECT_EQ(acknowledged_and_gone, 0);
  EXPECT_GT(unknown, 0);
  RecordProperty("unknown", unknown);
}

// The C client finds out from a failing send, in the middle of our call.
TEST_F(SessionTest, WritesOntoAConnectionThatIsGone) {
  ASSERT_TRUE(client_.create("/a", "0").ok());
  bool fired = false;
  ASSERT_TRUE(client_.get("/a", [&] { fired = true; }).ok());
  for (int round = 1; round <= 3; ++round) {
    server_.kill();
    std::vector<Code> answers;
    for (int i = 0; i < 20; ++i) {
      client_.session().set("/a", std::string(100'000, 'x'), 0,
                            [&](Code code, Stat) { answers.push_back(code); });
    }
    client_.session().multi({Op::set("/a", "x", 0)},
                            [&](Code code, auto) { answers.push_back(code); });
    ASSERT_TRUE(client_.wait_until([&] { return answers.size() == 21; }, 20s, "all are answered"));
    EXPECT_THAT(answers, testing::Each(Code::kUnknown));
    server_.start();
    client_.connect();
    EXPECT_THAT(client_.states(), testing::SizeIs(1 + 2 * round));
    EXPECT_EQ(client_.states().back(), "connected");
    EXPECT_EQ(client_.get("/a").value, "0");  // Nor were they sent when the server was back.
  }
  EXPECT_FALSE(fired);
  ASSERT_TRUE(client_.set("/a", "1", 0).ok());
  EXPECT_TRUE(client_.wait_until([&] { return fired; }, 10s, "the watch still holds"));
}

// SAFETY 17: unknown means that it may have happened, and here it has, or has not.
TEST_F(SessionTest, ALostAnswerAndALostRequestLookTheSame) {
  TcpProxy proxy{client_.io(), server_.port()};
  ZooKeeperClient behind{options(proxy.endpoint()), &client_.io()};
  ASSERT_TRUE(behind.create("/a", "0").ok());
  std::vector<Code> answers;
  const auto set = [&](const char* value) {
    answers.clear();
    behind.session().set("/a", value, 0, [&](Code code, Stat) { answers.push_back(code); });
  };
  const auto cut = [&] {
    EXPECT_THAT(answers, IsEmpty());
    proxy.cut();
    proxy.swallow_requests(false);
    proxy.swallow_answers(false);
    EXPECT_TRUE(client_.wait_until([&] { return !answers.empty(); }, 10s, "answered"));
    EXPECT_THAT(answers, ElementsAre(Code::kUnknown));
  };
  bool seen = false;
  proxy.swallow_requests(true);
  proxy.on_request = [&](std::string_view) { seen = true; };
  set("lost");
  ASSERT_TRUE(client_.wait_until([&] { return seen; }, 10s, "the request is on its way"));
  cut();
  EXPECT_EQ(behind.get("/a").value, "0");

  proxy.swallow_answers(true);
  bool arrived = false;
  ASSERT_TRUE(client_.get("/a", [&] { arrived = true; }).ok());
  set("1");
  ASSERT_TRUE(client_.wait_until([&] { return arrived; }, 10s, "the write was applied"));
  cut();
  EXPECT_EQ(behind.get("/a").value, "1");
  EXPECT_EQ(behind.set("/a", "2", 0).code, Code::kBadVersion);  // Our own write came first.
}

TEST_F(SessionTest, AServerThatHangsIsNoticedWithinTheTimeout) {
  ZooKeeperClient client{options(server_.hosts(), 1s)};
  ASSERT_TRUE(client.create("/a", "").ok());
  server_.pause();
  std::vector<Code> answers;
  client.session().get("/a", [&](Code code, auto, Stat) { answers.push_back(code); });
  client.session().set("/a", "x", -1, [&](Code code, Stat) { answers.push_back(code); });
  ASSERT_TRUE(client.wait_until([&] { return answers.size() == 2; }, 10s, "both are answered"));
  EXPECT_THAT(answers, ElementsAre(Code::kUnknown, Code::kUnknown));
  EXPECT_EQ(client.session().state(), SessionState::kConnecting);
  client.session().get("/a", [&](Code code, auto, Stat) { answers.push_back(code); });
  ASSERT_TRUE(client.wait_until([&] { return answers.size() == 3; }, 10s, "answered as well"));
  EXPECT_EQ(answers.back(), Code::kUnknown);
  server_.resume();
  ASSERT_TRUE(client.wait_until(
      [&] { return client.session().state() == SessionState::kConnected; }, 20s, "back"));
}

TEST_F(SessionTest, TenThousandReadsAtOnce) {
  ASSERT_TRUE(client_.create("/a", std::string(200, 'v')).ok());
  constexpr int kReads = 10'000;
  int answered = 0;
  int good = 0;
  const Instant start = boot_now();
  for (int i = 0; i < kReads; ++i) {
    client_.session().get("/a", [&](Code code, const std::string& value, Stat) {
      ++answered;
      good += code == Code::kOk && value.size() == 200;
    });
  }
  const Instant sent = boot_now();
  ASSERT_TRUE(client_.wait_until([&] { return answered == kReads; }, 60s, "all are answered"));
  EXPECT_EQ(good, kReads);
  std::printf("10,000 reads: sent in %.0f ms, answered in %.0f ms\n", milliseconds(sent - start),
              milliseconds(boot_now() - start));
}

TEST_F(SessionTest, RoundTrips) {
  ASSERT_TRUE(client_.create("/a", "").ok());
  const auto median = [&](const char* what, const std::function<void()>& call) {
    std::vector<double> times;
    for (int i = 0; i < 201; ++i) {
      const Instant start = boot_now();
      call();
      times.push_back(milliseconds(boot_now() - start));
    }
    std::ranges::sort(times);
    std::printf("%s: median %.2f ms, 99th percentile %.2f ms\n", what, times[100], times[198]);
  };
  median("get", [&] { ASSERT_TRUE(client_.get("/a").ok()); });
  median("set", [&] { ASSERT_TRUE(client_.set("/a", std::string(200, 'v')).ok()); });
  std::vector<Op> ops;
  for (int i = 0; i < 100; ++i) ops.push_back(Op::set("/a", std::string(200, 'v'), -1));
  median("multi of 100 sets", [&] { ASSERT_TRUE(client_.multi(ops).ok()); });

  ZooKeeperClient other{options(server_.hosts()), &client_.io()};
  other.connect();
  std::vector<double> times;
  for (int i = 0; i < 201; ++i) {
    bool fired = false;
    ASSERT_TRUE(other.get("/a", [&] { fired = true; }).ok());
    const Instant start = boot_now();
    client_.session().set("/a", "x", -1, nullptr);
    ASSERT_TRUE(client_.wait_until([&] { return fired; }, 10s, "the watch fires"));
    times.push_back(milliseconds(boot_now() - start));
  }
  std::ranges::sort(times);
  std::printf("set to another's watch: median %.2f ms, 99th percentile %.2f ms\n", times[100],
              times[198]);
}

TEST_F(SessionTest, DigestAuthentication) {
  Session::Options with_auth = options(server_.hosts());
  with_auth.digest_auth = "user:secret";
  ZooKeeperClient owner{with_auth};
  ASSERT_TRUE(owner.create("/private", "p").ok());
  ASSERT_TRUE(owner.ensure_path("/private/deep/er").ok());
  EXPECT_EQ(client_.get("/private").code, Code::kNoAuth);
  EXPECT_EQ(client_.set("/private", "x").code, Code::kNoAuth);
  EXPECT_EQ(client_.multi({Op::create("/open", ""), Op::set("/private", "x", -1)}).code,
            Code::kNoAuth);
  server_.restart();  // It is sent again with every connection.
  ASSERT_TRUE(owner.wait_until([&] { return owner.states().size() == 3; }, 20s, "connected again"));
  EXPECT_EQ(owner.get("/private").value, "p");
  ZooKeeperClient same_user{with_auth};
  EXPECT_EQ(same_user.get("/private").value, "p");
}

}  // namespace
}  // namespace failoverd::zookeeper
