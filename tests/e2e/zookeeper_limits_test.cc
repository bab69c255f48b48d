// What a real ZooKeeper refuses, and how: requests that are too long, znodes that we may only read,
// quotas; and that a multi which contradicts itself is looked at and changes nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "lib/zookeeper/session.h"
#include "tests/harness/zookeeper_client.h"
#include "tests/harness/zookeeper_server.h"

namespace failoverd::zookeeper {
namespace {

using harness::ZooKeeperClient;
using harness::ZooKeeperServer;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::chrono_literals;

std::vector<Code> codes(const ZooKeeperClient::Answer& answer) {
  std::vector<Code> all;
  for (const OpResult& result : answer.results) all.push_back(result.code);
  return all;
}

// A server closes the connection on a longer request, and the session lives on.
void expect_limit(std::size_t limit) {
  SCOPED_TRACE(limit);
  const ZooKeeperServer server{{.properties = {"jute.maxbuffer=" + std::to_string(limit)}}};
  Session::Options options;
  options.hosts = server.hosts();
  options.longest_request = 10u << 20;
  ZooKeeperClient client{options};
  ASSERT_TRUE(client.create("/a", "").ok());
  // Header, path, lengths, version.
  const std::string longest(limit - 8 - 6 - 4 - 4, 'x');
  EXPECT_TRUE(client.set("/a", longest).ok());
  EXPECT_EQ(client.get("/a").value, longest);
  EXPECT_EQ(client.set("/a", longest + "y").code, Code::kUnknown);
  EXPECT_EQ(client.get("/a").value, longest);
  EXPECT_THAT(client.states(), ElementsAre("connected (new)", "connecting", "connected"));
}

TEST(ZooKeeperLimits, ALongerRequestCostsTheConnection) {
  expect_limit(200'000);
  expect_limit(kLongestRequest);
  expect_limit(4u << 20);
}

TEST(ZooKeeperLimits, LongerRequestsAreSentOnceServersAreKnownToTakeThem) {
  const ZooKeeperServer server{{.properties = {"jute.maxbuffer=4194304"}}};
  ZooKeeperClient client{server.hosts()};
  const std::string large(2u << 20, 'x');
  EXPECT_EQ(client.create("/a", large).code, Code::kOther);
  client.session().send_up_to(3u << 20);
  EXPECT_TRUE(client.create("/a", large).ok());
  EXPECT_EQ(client.get("/a").value, large);
  client.session().send_up_to(1);  // It never falls.
  EXPECT_EQ(client.session().longest_request(), 3u << 20);
}

// A reconnect names all watched paths in one request, and each connection that is closed for that
// renews the session. It is given up, and fewer are to be watched from then on.
TEST(ZooKeeperLimits, MoreWatchesThanARequestTakes) {
  ZooKeeperServer server{{.properties = {"jute.maxbuffer=20000"}}};
  ZooKeeperClient client{server.hosts()};
  EXPECT_EQ(client.session().most_watched_bytes(), kMostWatched);
  int fired = 0;
  const std::string path = "/" + std::string(100, 'x');
  for (int i = 0; i < 300; ++i) {
    client.exists(path + std::to_string(i), [&] { ++fired; });
  }
  const std::int64_t first = client.session().session_id();
  server.restart();
  ASSERT_TRUE(client.wait_until(
      [&] {
        return client.states().back() == "connected (new)" &&
               client.session().session_id() != first;
      },
      30s, "another session"));
  EXPECT_THAT(client.states(), Contains("expired"));
  EXPECT_THAT(client.notes(), Contains(HasSubstr("is given up: 5 connections in a row")));
  EXPECT_LT(client.session().most_watched_bytes(), 20'000u);
  EXPECT_GT(client.session().most_watched_bytes(), 10'000u);
  // With as many as that a session outlives its server.
  for (int i = 0; i < 100; ++i) {
    client.exists(path + std::to_string(i), [&] { ++fired; });
  }
  const std::int64_t second = client.session().session_id();
  server.restart();
  ASSERT_TRUE(client.exists("/").ok());
  EXPECT_TRUE(client.create(path + "7", "").ok());
  ASSERT_TRUE(client.wait_until([&] { return fired > 0; }, 30s, "a watch that still holds"));
  EXPECT_EQ(client.session().session_id(), second);
}

// Of each op that is refused ZooKeeper says why, in its own words.
TEST(ZooKeeperLimits, ItsOwnWords) {
  const ZooKeeperServer server{{.properties = {"zookeeper.enforceQuota=true"}}};
  ZooKeeperClient client{server.hosts()};
  for (const char* path : {"/mine", "/readable", "/small"}) {
    ASSERT_TRUE(client.create(path, "old").ok());
  }
  server.shell({"setAcl", "/readable", "world:anyone:r"});
  server.shell({"setquota", "-B", "10", "/small"});
  std::vector<Acl> acls;
  client.session().acl("/readable", [&](Code, std::vector<Acl> list) { acls = std::move(list); });
  ASSERT_TRUE(client.wait_until([&] { return !acls.empty(); }, 10s, "its ACL"));
  EXPECT_EQ(to_text(acls.at(0)), "world:anyone:r");
  EXPECT_FALSE(acls.at(0).write);
  client.session().acl("/mine", [&](Code, std::vector<Acl> list) { acls = std::move(list); });
  ASSERT_TRUE(client.wait_until([&] { return acls.at(0).write; }, 10s, "its ACL"));
  EXPECT_EQ(to_text(acls.at(0)), "world:anyone:cdrwa");

  const auto no_auth = client.multi({Op::set("/mine", "new", -1), Op::set("/readable", "new", -1)});
  EXPECT_THAT(codes(no_auth), ElementsAre(Code::kNotApplied, Code::kNoAuth));
  EXPECT_EQ(no_auth.results[1].word, "no auth");
  const auto quota =
      client.multi({Op::set("/mine", "new", -1), Op::set("/small", std::string(50, 'x'), -1)});
  EXPECT_THAT(codes(quota), ElementsAre(Code::kNotApplied, Code::kOther));
  EXPECT_EQ(quota.results[1].word, "quota exceeded");
  EXPECT_EQ(client.get("/mine").value, "old");
}

// The rights are looked at before the version, and what failed last before it was rolled back.
TEST(ZooKeeperLimits, AMultiThatContradictsItselfIsOnlyATrial) {
  const ZooKeeperServer server;
  ZooKeeperClient client{server.hosts()};
  for (const char* path : {"/epoch", "/table", "/readable"}) {
    ASSERT_TRUE(client.create(path, "old").ok());
  }
  server.shell({"setAcl", "/readable", "world:anyone:r"});
  const auto trial = [&](const std::string& path, std::int32_t version) {
    return codes(client.multi(
        {Op::check("/epoch", 0), Op::set(path, "new", version), Op::check("/epoch", 1)}));
  };
  using enum Code;
  EXPECT_THAT(trial("/table", 0), ElementsAre(kNotApplied, kNotApplied, kBadVersion));
  EXPECT_THAT(trial("/table", 7), ElementsAre(kNotApplied, kBadVersion, kNotApplied));
  EXPECT_THAT(trial("/readable", 0), ElementsAre(kNotApplied, kNoAuth, kNotApplied));
  EXPECT_THAT(trial("/readable", 7), ElementsAre(kNotApplied, kNoAuth, kNotApplied));
  const auto table = client.get("/table");
  EXPECT_EQ(table.value, "old");
  EXPECT_EQ(table.stat.version, 0);
}

}  // namespace
}  // namespace failoverd::zookeeper
