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
  EXPECT_EQ(judged({}, kHere, {"127.0.0.1:9650", "", ""}), 0U);
  EXPECT_EQ(judged({}, kElsewhere, {"10.1.2.4:9650", "", ""}), 403U);
  EXPECT_EQ(judged({}, kElsewhere, {"10.1.2.4:9650", "", "Bearer x"}), 403U);
}

TEST(Access, WithATokenEverybodyNeedsIt) {
  const AccessPolicy policy{"secret", {}};
  for (const Peer& peer : {kHere, kElsewhere}) {
    EXPECT_EQ(judged(policy, peer, {"127.0.0.1", "", "Bearer secret"}), 0U);
    EXPECT_EQ(judged(policy, peer, {"127.0.0.1", "", "bearer secret"}), 0U);
    EXPECT_EQ(judged(policy, peer, {"db7.example", "", "Bearer secret"}), 0U);
    EXPECT_EQ(judged(policy, peer, {"127.0.0.1", "", ""}), 401U);
    EXPECT_EQ(judged(policy, peer, {"127.0.0.1", "", "Bearer secreT"}), 401U);
    EXPECT_EQ(judged(policy, peer, {"127.0.0.1", "", "Bearer secret2"}), 401U);
    EXPECT_EQ(judged(policy, peer, {"127.0.0.1", "", "Bearer "}), 401U);
    EXPECT_EQ(judged(policy, peer, {"127.0.0.1", "", "Basic secret"}), 401U);
  }
}

TEST(Access, AReboundNameIsRefused) {
  const AccessPolicy policy{"", {"Db7"}};
  for (const char* host : {"127.0.0.1:9650", "127.0.0.1", "localhost:9650", "LOCALHOST",
                           "[::1]:9650", "[::1]", "db7:9650", "10.1.2.4:9650"}) {
    EXPECT_EQ(judged(policy, kHere, {host, "", ""}), 0U) << host;
  }
  for (const char* host : {"evil.example:9650", "127.0.0.1.evil.example", "", ":9650", "[evil]"}) {
    EXPECT_EQ(judged(policy, kHere, {host, "", ""}), 403U) << host;
  }
}

TEST(Access, AnotherSitesPageIsRefused) {
  const auto from = [](const char* origin, const char* authorization) {
    return judged({*authorization != '\0' ? "secret" : "", {}}, kHere,
                  {"127.0.0.1:9650", origin, authorization});
  };
  EXPECT_EQ(from("http://127.0.0.1:9650", ""), 0U);
  EXPECT_EQ(from("HTTP://127.0.0.1:9650", ""), 0U);
  EXPECT_EQ(from("http://127.0.0.1:9651", ""), 403U);
  EXPECT_EQ(from("http://evil.example", ""), 403U);
  EXPECT_EQ(from("null", ""), 403U);
  EXPECT_EQ(from("http://evil.example", "Bearer secret"), 403U);
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
