// What stands in the way in ZooKeeper, in the words that the operator reads.
#include "lib/fedb/leadership/obstacles.h"

#include <gtest/gtest.h>

#include <string>
#include <variant>

namespace failoverd::fedb {
namespace {

using zookeeper::Code;

// What is told when a path answers so.
std::string told_of(Code code, bool authenticates) {
  std::string text;
  Obstacles obstacles{
      [&](const core::Event& event) { text = std::get<core::Obstacle>(event).text; },
      authenticates};
  obstacles.answered("/c/nodes", code);
  return text;
}

// The ACL may be wrong, or we are.
TEST(Obstacles, WhoIsNotLetInIsToldOfTheIdentity) {
  const std::string begin =
      "ZooKeeper does not let failoverd use /c/nodes (no auth); waits until it does: ";
  EXPECT_EQ(told_of(Code::kNoAuth, false),
            begin + "mend its ACL, or set cluster.zookeeper_auth_file");
  EXPECT_EQ(told_of(Code::kNoAuth, true),
            begin + "mend its ACL, or the identity in cluster.zookeeper_auth_file");
  EXPECT_EQ(told_of(Code::kOther, true).find("zookeeper_auth_file"), std::string::npos);
  EXPECT_EQ(told_of(Code::kNoNode, false), "");
}

TEST(Obstacles, TheOldestOfAReasonIsToldUntilItAnswers) {
  std::string text;
  Obstacles obstacles{
      [&](const core::Event& event) { text = std::get<core::Obstacle>(event).text; }};
  obstacles.answered("/c/nodes", Code::kNoAuth);
  obstacles.answered("/c/leader", Code::kNoAuth);
  EXPECT_NE(text.find("/c/nodes "), std::string::npos);
  obstacles.answered("/c/nodes", Code::kOk);
  EXPECT_NE(text.find("/c/leader "), std::string::npos);
  obstacles.answered("/c/leader", Code::kUnknown);
  EXPECT_NE(text, "") << "it was not answered";
  obstacles.forget("/c");
  EXPECT_EQ(text, "");
}

}  // namespace
}  // namespace failoverd::fedb
