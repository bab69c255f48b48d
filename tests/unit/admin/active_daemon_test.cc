#include "lib/admin/active_daemon.h"

#include <gtest/gtest.h>

namespace failoverd::admin {
namespace {

TEST(Holder, AWildcardIsNobodysAddress) {
  EXPECT_EQ(lock_value("db1:15763", "0.0.0.0:15763"), "db1:15763 db1:15763");
  EXPECT_EQ(lock_value("db1:15763", "[::]:15763"), "db1:15763 db1:15763");
  EXPECT_EQ(lock_value("db1:15763", "[0:0::0]:15763"), "db1:15763 db1:15763");
  EXPECT_EQ(lock_value("db1:9650", "10.0.0.1:9650"), "db1:9650 10.0.0.1:9650");
  EXPECT_EQ(lock_value("db1:9650", "[fe80::1]:9650"), "db1:9650 [fe80::1]:9650");
}

std::string address_seen_from(const std::string& me, const std::string& value) {
  const HolderView holder = holder_from(value, me);
  EXPECT_EQ(holder.name, "db1:9650");
  return holder.address;
}

TEST(Holder, LoopbackIsAnAddressOnItsOwnHostOnly) {
  for (const char* loopback : {"127.0.0.1:9650", "127.0.0.2:9650", "[::1]:9650"}) {
    const std::string value = lock_value("db1:9650", loopback);
    EXPECT_EQ(address_seen_from("db1:9651", value), loopback);
    EXPECT_EQ(address_seen_from("db2:9650", value), "");
  }
  EXPECT_EQ(address_seen_from("db2:9650", "db1:9650 10.0.0.1:9650"), "10.0.0.1:9650");
  EXPECT_EQ(address_seen_from("db2:9650", "db1:9650 db1:9650"), "db1:9650");
}

TEST(Holder, NobodyAndWhatIsNoLockOfOurs) {
  EXPECT_EQ(holder_from("", "db1:9650").name, "");
  EXPECT_EQ(holder_from("somebody", "db1:9650").name, "somebody");
  EXPECT_EQ(holder_from("somebody", "db1:9650").address, "");
  EXPECT_EQ(holder_from("a b", "db1:9650").address, "b");
}

}  // namespace
}  // namespace failoverd::admin
