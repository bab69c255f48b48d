#include "lib/rpc/quiet_protobuf.h"

#include <gtest/gtest.h>

#include "proto/tablet.pb.h"

namespace failoverd::rpc {
namespace {

std::string written_when_a_message_lacks_something() {
  testing::internal::CaptureStderr();
  fedb::TaskInfo message;
  EXPECT_FALSE(message.ParseFromString(""));
  return testing::internal::GetCapturedStderr();
}

TEST(QuietProtobuf, AnOddMessageIsNoLineOfTheLog) {
  EXPECT_NE(written_when_a_message_lacks_something(), "") << "it would write";
  quiet_protobuf();
  EXPECT_EQ(written_when_a_message_lacks_something(), "");
}

}  // namespace
}  // namespace failoverd::rpc
