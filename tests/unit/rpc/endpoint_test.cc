// How endpoints are written: one address has many spellings, and only one is everybody's.
#include "lib/rpc/endpoint.h"

#include <gtest/gtest.h>

namespace failoverd::rpc {
namespace {

TEST(OneSpelling, OfOneAddress) {
  for (const char* other :
       {"127.0.0.1:21001", "localhost:21001", "127.1:21001", "127.0.0.1:021001", "127.0.1:21001",
        "2130706433:21001", "0x7f.0.0.1:21001", "127.0.0.01:21001"}) {
    EXPECT_EQ(one_spelling(other), "127.0.0.1:21001") << other;
  }
  for (const char* other : {"[::1]:80", "[0:0:0:0:0:0:0:1]:80", "[::0001]:080"}) {
    EXPECT_EQ(one_spelling(other), "[::1]:80") << other;
  }
}

// Nobody can say what a name means without asking; and what is no endpoint has no spelling.
TEST(OneSpelling, OthersStayAsTheyAre) {
  for (const char* same :
       {"10.0.0.1:9527", "[fe80::1]:1", "db1:9527", "DB1.lan:9527", "d0:9527", "localhost.lan:1",
        "1.2.3.256:1", "nothing", "", ":", "::1:80", "[[f[[f]]:1", "[[::1]]:1"}) {
    EXPECT_EQ(one_spelling(same), same);
  }
}

}  // namespace
}  // namespace failoverd::rpc
