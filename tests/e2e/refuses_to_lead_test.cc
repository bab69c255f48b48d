// A replica that is told to lead and refuses: whoever looks at `status` reads which one, and why.
#include <gtest/gtest.h>

#include <string>

#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"

namespace failoverd::e2e {
namespace {

bool says_that_it_waits_for(const std::string& status, const std::string& tablet) {
  const std::string words = "\"waits_for\":\"" + tablet + " would not lead: code 131";
  return status.find(words) != std::string::npos;
}

TEST(RefusesToLead, IsNamedInStatus) {
  Cluster cluster;
  cluster.create_table("flow", 1, 3);
  Daemon& daemon = cluster.start_active_daemon();
  for (const int follower : {1, 2}) cluster.fail(follower, "ChangeRole", 131, /*calls=*/0);
  cluster.kill_tablet(0);
  // In the partition's own row, not only in that of the op.
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        const std::string status = daemon.status();
        return says_that_it_waits_for(status, cluster.tablet(1)) ||
               says_that_it_waits_for(status, cluster.tablet(2));
      },
      "status names who would not lead"))
      << daemon.status();
  for (const int follower : {1, 2}) cluster.release(follower);
  EXPECT_TRUE(cluster.is_led_without(0)) << daemon.log();
}

}  // namespace
}  // namespace failoverd::e2e
