#include "lib/admin/access.h"

#include <gtest/gtest.h>

namespace failoverd::admin {
namespace {

const Peer kHere{"127.0.0.1:4000", true};
const Peer kElsewhere{"10.1.2.3:4000", false};

// The status of the denial, 0: allowed.
unsigned judged(const AccessPolicy& policy, const Peer& peer, const Credentials& credentials) {
  const auto denial = judge_change(policy, peer, credentials);
  return denial ? denial->status : 0;
}

TEST(Access, WithoutATokenOnlyThisMachineChanges) {
  EXPECT_EQ(judged({}, kHere, {"127.0.0.1:9650", "", "", "", ""}), 0U);
  EXPECT_EQ(judged({}, kElsewhere, {"10.1.2.4:9650", "", "", "", ""}), 403U);
  EXPECT_EQ(judged({}, kElsewhere, {"10.1.2.4:9650", "", "Bearer x", "", ""}), 403U);
}

TEST(Access, WithATokenEverybodyNeedsIt) {
  const AccessPolicy policy{"secret", {}};
  for (const Peer& peer : {kHere, kElsewhere}) {
    EXPECT_EQ(judged(policy, peer, {"127.0.0.1", "", "Bearer secret", "", ""}), 0U);
    EXPECT_EQ(judged(policy, peer, {"127.0.0.1", "", "bearer secret", "", ""}), 0U);
    EXPECT_EQ(judged(policy, peer, {"db7.example", "", "Bearer secret", "", ""}), 0U);
    EXPECT_EQ(judged(policy, peer, {"127.0.0.1", "", "", "", ""}), 401U);
    EXPECT_EQ(judged(policy, peer, {"127.0.0.1", "", "Bearer secreT", "", ""}), 401U);
    EXPECT_EQ(judged(policy, peer, {"127.0.0.1", "", "Bearer secret2", "", ""}), 401U);
    EXPECT_EQ(judged(policy, peer, {"127.0.0.1", "", "Bearer ", "", ""}), 401U);
    EXPECT_EQ(judged(policy, peer, {"127.0.0.1", "", "Basic secret", "", ""}), 401U);
  }
}

TEST(Access, AReboundNameIsRefused) {
  const AccessPolicy policy{"", {"Db7"}};
  for (const char* host : {"127.0.0.1:9650", "127.0.0.1", "localhost:9650", "LOCALHOST",
                           "[::1]:9650", "[::1]", "db7:9650", "10.1.2.4:9650"}) {
    EXPECT_EQ(judged(policy, kHere, {host, "", "", "", ""}), 0U) << host;
  }
  for (const char* host : {"evil.example:9650", "127.0.0.1.evil.example", "", ":9650", "[evil]"}) {
    EXPECT_EQ(judged(policy, kHere, {host, "", "", "", ""}), 403U) << host;
  }
}

TEST(Access, AnotherSitesPageIsRefused) {
  const auto from = [](const char* origin, const char* authorization) {
    return judged({*authorization != '\0' ? "secret" : "", {}}, kHere,
                  {"127.0.0.1:9650", origin, authorization, "", ""});
  };
  EXPECT_EQ(from("http://127.0.0.1:9650", ""), 0U);
  EXPECT_EQ(from("HTTP://127.0.0.1:9650", ""), 0U);
  EXPECT_EQ(from("http://127.0.0.1:9651", ""), 403U);
  EXPECT_EQ(from("http://evil.example", ""), 403U);
  EXPECT_EQ(from("null", ""), 403U);
  EXPECT_EQ(from("http://evil.example", "Bearer secret"), 403U);
}

// On this machine both are: whoever stands behind a proxy, and whatever page a browser shows.
TEST(Access, WithoutATokenNobodyElseActsThroughThisMachine) {
  const auto with = [](const char* fetch_site, const char* forwarded, const char* token = "") {
    return judged(
        {token, {}}, kHere,
        {"127.0.0.1:9650", "", *token != '\0' ? "Bearer secret" : "", fetch_site, forwarded});
  };
  for (const char* site : {"", "same-origin", "none"}) EXPECT_EQ(with(site, ""), 0U) << site;
  for (const char* site : {"cross-site", "Same-Site"}) EXPECT_EQ(with(site, ""), 403U) << site;
  EXPECT_EQ(with("", "Via"), 403U);
  EXPECT_EQ(with("", "Via", "secret"), 0U) << "the token vouches for the caller";
  for (const char* name :
       {"Forwarded", "X-Forwarded-For", "x-forwarded-host", "VIA", "X-Real-IP"}) {
    EXPECT_TRUE(tells_of_a_proxy(name)) << name;
  }
  for (const char* name : {"Host", "X-Forward", "Viable", ""}) {
    EXPECT_FALSE(tells_of_a_proxy(name)) << name;
  }
}

// A page of a site that has rebound its name must not read either.
TEST(Access, AReboundNameReadsNothing) {
  const auto reads = [](const AccessPolicy& policy, const Peer& peer, const Credentials& c) {
    return !judge_read(policy, peer, c);
  };
  const AccessPolicy open{"", {"db7"}};
  for (const char* host : {"127.0.0.1:9650", "localhost", "[::1]:9650", "db7:9650", ""}) {
    EXPECT_TRUE(reads(open, kHere, {host, "", "", "", ""})) << host;
  }
  EXPECT_FALSE(reads(open, kHere, {"evil.example:9650", "", "", "", ""}));
  EXPECT_TRUE(reads(open, kElsewhere, {"db7.example:9650", "", "", "", ""}))
      << "monitoring by name";
  const AccessPolicy closed{"secret", {}};
  EXPECT_FALSE(reads(closed, kHere, {"evil.example", "", "", "", ""}));
  EXPECT_TRUE(reads(closed, kHere, {"failover.example", "", "Bearer secret", "", ""}));
}

TEST(Access, SecretsAreComparedWhole) {
  EXPECT_TRUE(same_secret("", ""));
  EXPECT_TRUE(same_secret("abc", "abc"));
  EXPECT_FALSE(same_secret("abc", "abcabc"));
  EXPECT_FALSE(same_secret("abcabc", "abc"));
  EXPECT_FALSE(same_secret("a", ""));
  EXPECT_FALSE(same_secret("", "a"));
}

}  // namespace
}  // namespace failoverd::admin
