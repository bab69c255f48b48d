// SAFETY 22: what a real ZooKeeper does not take of one table holds up no other, is found before
// that table's first probe where it can be, and is named in ZooKeeper's own word.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/journal.pb.h"
#include "proto/table_info.pb.h"
#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"
#include "tests/e2e/soundness.h"

namespace failoverd::e2e {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr seconds kLongestPause{75};  // A minute, and a trial.

std::string left_alone(const std::string& reason) {
  return "failoverd_tables_left_alone{reason=\"" + reason + "\"}";
}

class LeftAlone : public testing::Test {
 protected:
  // Tables flow and odd, all leaders on the first tablet.
  void start(const std::vector<std::string>& zookeeper_properties = {}) {
    ClusterOptions options;
    options.zookeeper_properties = zookeeper_properties;
    cluster_.emplace(options);
    for (const char* table : {"flow", "odd"}) {
      cluster_->create_table(table, 2, 3, {0, 1, 2}, /*spread=*/false);
    }
  }
  Cluster& cluster() { return *cluster_; }
  std::string shell(const std::vector<std::string>& line) {
    return cluster().zookeeper().shell(line);
  }

  // Table odd as it is, with so much of what nobody knows that its znode has so many bytes.
  void fill_odd_up(std::size_t bytes) {
    fedb::TableInfo odd = cluster().znodes().table("odd").value();
    odd.mutable_unknown_fields()->Clear();
    const std::size_t own = odd.ByteSizeLong();
    if (bytes > own + 8) {
      odd.mutable_unknown_fields()->AddLengthDelimited(9000, std::string(bytes - own - 8, 'x'));
    }
    cluster().znodes().session().send_up_to(bytes + 1'000);
    cluster().znodes().set("table/table_data/odd", odd.SerializeAsString());
  }
  bool counts(Daemon& daemon, const std::string& reason, double count) {
    return cluster().wait_until([&] { return daemon.metric(left_alone(reason)) == count; },
                                "tables left alone: " + reason);
  }
  bool is_led(const std::string& table, seconds deadline = seconds{20}) {
    return cluster().wait_until(
        [&] {
          for (const std::uint32_t pid : {0u, 1u}) {
            const int leader = cluster().leader(table, pid);
            if (leader == -1 || !cluster().lives(leader)) return false;
          }
          return true;
        },
        table + " is led", deadline);
  }
  // Nobody has raised the term of its followers.
  void expect_no_probe_of_odd() {
    for (const int tablet : {1, 2}) {
      for (const std::uint32_t pid : {0u, 1u}) {
        EXPECT_EQ(word(cluster(), tablet, "odd", pid).term, 1u);
      }
    }
  }
  void expect_waiting(Daemon& daemon, const std::string& word) {
    const std::string status = daemon.ctl({"status"}).out;
    EXPECT_THAT(status, HasSubstr("left alone"));
    EXPECT_THAT(status, HasSubstr("waits for: ZooKeeper to take table/table_data/odd: " + word));
    EXPECT_THAT(daemon.log(), HasSubstr("table/table_data/odd: " + word));
  }

  // Of a table that is as long as a request of `limit` bytes can make it.
  void expect_named_before_its_first_probe(std::size_t limit) {
    start({"jute.maxbuffer=" + std::to_string(limit)});
    fill_odd_up(limit - 100);
    Daemon& daemon = cluster().start_active_daemon();
    ASSERT_TRUE(counts(daemon, "too_large", 1)) << daemon.log();
    cluster().kill_tablet(0);
    ASSERT_TRUE(is_led("flow")) << daemon.log();
    expect_no_probe_of_odd();
    expect_waiting(daemon, "its publish takes");
    // Neither what was tried nor anything else has cost it its own connection.
    EXPECT_THAT(daemon.log(), Not(HasSubstr("connection lost")));
    fill_odd_up(0);
    ASSERT_TRUE(is_led("odd")) << daemon.log();
    ASSERT_TRUE(counts(daemon, "too_large", 0));
    EXPECT_THAT(wait_until_sound(cluster()), IsEmpty());
  }

 private:
  std::optional<Cluster> cluster_;
};

TEST_F(LeftAlone, TooLongForARequest) { expect_named_before_its_first_probe(0xfffff); }
TEST_F(LeftAlone, TooLongForServersThatTakeLess) { expect_named_before_its_first_probe(200'000); }
TEST_F(LeftAlone, TooLongForServersThatTakeMore) { expect_named_before_its_first_probe(4u << 20); }

// Servers take what they are set to, not what is usual.
TEST_F(LeftAlone, ATableOfTwoMegabytesIsServedWhereServersTakeIt) {
  start({"jute.maxbuffer=4194304"});
  fill_odd_up(2u << 20);
  Daemon& daemon = cluster().start_active_daemon();
  cluster().kill_tablet(0);
  ASSERT_TRUE(is_led("odd")) << daemon.log();
  ASSERT_TRUE(is_led("flow")) << daemon.log();
  EXPECT_THAT(wait_until_sound(cluster()), IsEmpty());
}

// An ACL that lets us only read is seen when the table is read.
TEST_F(LeftAlone, AZnodeThatWeMayOnlyRead) {
  start();
  const std::string odd = "/rtidb_cluster/table/table_data/odd";
  shell({"setAcl", odd, "world:anyone:ra"});  // It can be mended, and not be written.
  Daemon& daemon = cluster().start_active_daemon();
  ASSERT_TRUE(counts(daemon, "no_auth", 1)) << daemon.log();
  cluster().kill_tablet(0);
  ASSERT_TRUE(is_led("flow")) << daemon.log();
  expect_no_probe_of_odd();
  expect_waiting(daemon, "no auth");
  shell({"setAcl", odd, "world:anyone:cdrwa"});
  ASSERT_TRUE(is_led("odd", kLongestPause)) << daemon.log();
  ASSERT_TRUE(counts(daemon, "no_auth", 0));
  EXPECT_THAT(wait_until_sound(cluster()), IsEmpty());
}

// No watch tells of an ACL: it is met by a publish, after the probes. Its leaders lead already.
TEST_F(LeftAlone, AnAclThatNobodyHadSeen) {
  start();
  const std::string odd = "/rtidb_cluster/table/table_data/odd";
  Daemon& daemon = cluster().start_active_daemon();
  shell({"setAcl", odd, "world:anyone:ra"});  // It can be mended, and not be written.
  cluster().kill_tablet(0);
  ASSERT_TRUE(is_led("flow")) << daemon.log();
  ASSERT_TRUE(counts(daemon, "no_auth", 1)) << daemon.log();
  const auto is_led_in_fact = [&](std::uint32_t pid) {
    return word(cluster(), 1, "odd", pid).is_leader || word(cluster(), 2, "odd", pid).is_leader;
  };
  EXPECT_TRUE(cluster().wait_until([&] { return is_led_in_fact(0) && is_led_in_fact(1); },
                                   "its leaders lead"));
  EXPECT_THAT(daemon.ctl({"showopstatus"}).out, HasSubstr("kUpdateLeaderInfo"));
  shell({"setAcl", odd, "world:anyone:cdrwa"});
  ASSERT_TRUE(is_led("odd", kLongestPause)) << daemon.log();
  EXPECT_THAT(wait_until_sound(cluster()), IsEmpty());
}

// What is kept of its replicas goes into the same multi.
TEST_F(LeftAlone, OurOwnZnodeThatWeMayOnlyRead) {
  start();
  journal::KeptTable empty;
  empty.set_version(1);
  const std::string kept =
      "failoverd/replicas/" + std::to_string(cluster().znodes().table("odd")->tid());
  cluster().znodes().create(kept, empty.SerializeAsString());
  shell({"setAcl", "/rtidb_cluster/" + kept,
         "world:anyone:ra"});  // It can be mended, and not be written.
  Daemon& daemon = cluster().start_active_daemon();
  cluster().kill_tablet(0);
  ASSERT_TRUE(is_led("flow")) << daemon.log();
  ASSERT_TRUE(counts(daemon, "no_auth", 1)) << daemon.log();
  EXPECT_THAT(daemon.status(), HasSubstr(kept + ": no auth"));
  shell({"setAcl", "/rtidb_cluster/" + kept, "world:anyone:cdrwa"});
  ASSERT_TRUE(is_led("odd", kLongestPause)) << daemon.log();
  EXPECT_THAT(wait_until_sound(cluster()), IsEmpty());
}

// Whatever else a server says of one table.
TEST_F(LeftAlone, AQuota) {
  start({"zookeeper.enforceQuota=true"});
  const std::string odd = "/rtidb_cluster/table/table_data/odd";
  const std::size_t bytes = cluster().znodes().get("table/table_data/odd")->bytes.size();
  shell({"setquota", "-B", std::to_string(bytes), odd});
  Daemon& daemon = cluster().start_active_daemon();
  cluster().kill_tablet(0);
  ASSERT_TRUE(is_led("flow")) << daemon.log();
  ASSERT_TRUE(counts(daemon, "refused", 1)) << daemon.log();
  EXPECT_THAT(daemon.status(), HasSubstr("quota exceeded"));
  shell({"delquota", "-B", odd});
  ASSERT_TRUE(is_led("odd", kLongestPause)) << daemon.log();
  EXPECT_THAT(wait_until_sound(cluster()), IsEmpty());
}

}  // namespace
}  // namespace failoverd::e2e
