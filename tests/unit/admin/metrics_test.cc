#include "lib/admin/metrics.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

namespace failoverd::admin {
namespace {

OpRow running_op(std::uint64_t id) {
  OpRow op;
  op.op_id = id;
  op.op_type = "kReAddReplicaOP";
  op.status = "kDoing";
  op.name = "flow";
  op.pid = 7;
  op.cur_task = "kSendSnapshot";
  op.progress = 0.25;
  return op;
}

MetricsInput sample_input() {
  MetricsInput now;
  now.auto_failover_enabled = true;
  now.active = true;
  now.zookeeper_connected = true;
  now.tablets = {{"healthy", 2}, {"crashed", 1}};
  now.partitions = {{"healthy", 7}, {"leaderless", 2}};
  now.tables_left_alone = {{"unreadable", 3}, {"no_auth", 1}};
  now.running = {running_op(1'000'000'001), running_op(1'000'000'002)};
  now.running[1].cur_task = "";
  now.running[1].progress.reset();
  now.stands_back = {"nameserver"};
  now.holds = {{"known_loss", 2}};
  now.needless_verdicts = 2;
  now.log_lines_dropped = 3;
  now.config_success_ms = 1'700'000'000'000;
  return now;
}

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

// The value of a series without labels.
double value_of(const std::string& text, const std::string& name) {
  const auto at = ("\n" + text).find("\n" + name + " ");
  return at == std::string::npos ? -1 : std::strtod(text.c_str() + at + name.size(), nullptr);
}

TEST(Metrics, ASwitchThatHasNotBeenReadIsNeitherOnNorOff) {
  Metrics metrics("1.2.3", {});
  MetricsInput now = sample_input();
  now.auto_failover_enabled.reset();
  EXPECT_EQ(metrics.text(now).find("failoverd_auto_failover_enabled"), std::string::npos);
  now.auto_failover_enabled = false;
  EXPECT_TRUE(has_line(metrics.text(now), "failoverd_auto_failover_enabled 0"));
}

TEST(Metrics, SaysWhatIsTrueNow) {
  Metrics metrics("1.2.3", {"kChangeLeaderOP"});
  const std::string text = metrics.text(sample_input());
  for (const char* line : {"failoverd_auto_failover_enabled 1",
                           "failoverd_active 1",
                           "failoverd_zookeeper_connected 1",
                           "failoverd_tablets{state=\"healthy\"} 2",
                           "failoverd_tablets{state=\"crashed\"} 1",
                           "failoverd_tablets{state=\"suspect\"} 0",
                           "failoverd_tablets{state=\"lost\"} 0",
                           "failoverd_tablets{state=\"cut_off\"} 0",
                           "failoverd_tablets{state=\"restarted\"} 0",
                           "failoverd_tablets{state=\"hung\"} 0",
                           "failoverd_tablets{state=\"stranger\"} 0",
                           "failoverd_partitions{state=\"healthy\"} 7",
                           "failoverd_partitions{state=\"degraded\"} 0",
                           "failoverd_partitions{state=\"leaderless\"} 2",
                           "failoverd_partitions{state=\"recovering\"} 0",
                           "failoverd_partitions{state=\"held\"} 0",
                           "failoverd_tables_left_alone{reason=\"unreadable\"} 3",
                           "failoverd_tables_left_alone{reason=\"too_large\"} 0",
                           "failoverd_tables_left_alone{reason=\"no_auth\"} 1",
                           "failoverd_tables_left_alone{reason=\"refused\"} 0",
                           "failoverd_ops{type=\"kReAddReplicaOP\",status=\"kDoing\"} 2",
                           "failoverd_op_task{op_id=\"1000000001\",table=\"flow\",pid=\"7\","
                           "type=\"kReAddReplicaOP\",task=\"kSendSnapshot\"} 1",
                           "failoverd_op_task{op_id=\"1000000002\",table=\"flow\",pid=\"7\","
                           "type=\"kReAddReplicaOP\",task=\"-\"} 1",
                           "failoverd_op_progress_ratio{op_id=\"1000000001\",table=\"flow\","
                           "pid=\"7\"} 0.25",
                           "failoverd_series_dropped 0",
                           "failoverd_op_duration_seconds_count{type=\"kChangeLeaderOP\"} 0",
                           "failoverd_lost_entries_total 0",
                           "failoverd_given_up_entries_total 0",
                           "failoverd_holds{reason=\"known_loss\"} 2",
                           "failoverd_possible_loss_entries_count 0",
                           "failoverd_ops_total{type=\"kChangeLeaderOP\",status=\"kFailed\"} 0",
                           "failoverd_stands_back{reason=\"nameserver\"} 1",
                           "failoverd_needless_verdicts_total 2",
                           "failoverd_log_lines_dropped_total 3",
                           "failoverd_config_last_reload_successful 1",
                           "failoverd_config_last_reload_success_timestamp_seconds 1700000000",
                           "failoverd_build_info{version=\"1.2.3\"} 1"}) {
    EXPECT_TRUE(has_line(text, line)) << line << "\n" << text;
  }
}

TEST(Metrics, AddsUp) {
  Metrics metrics("1", {});
  metrics.op_finished("kChangeLeaderOP", "kDone", std::chrono::seconds(1));
  metrics.op_finished("kChangeLeaderOP", "kDone", std::chrono::seconds(1));
  metrics.op_finished("kOfflineReplicaOP", "kFailed", std::chrono::seconds(1));
  metrics.failover_took(FailoverPhase::kTotal, std::chrono::milliseconds(40));
  metrics.failover_took(FailoverPhase::kTotal, std::chrono::seconds(70));
  metrics.failover_took(FailoverPhase::kElect, std::chrono::microseconds(500));
  const std::string text = metrics.text({});
  for (const char* line :
       {"failoverd_ops_total{type=\"kChangeLeaderOP\",status=\"kDone\"} 2",
        "failoverd_ops_total{type=\"kOfflineReplicaOP\",status=\"kFailed\"} 1",
        "failoverd_failover_duration_seconds_count{phase=\"total\"} 2",
        "failoverd_failover_duration_seconds_count{phase=\"detect\"} 0",
        "failoverd_failover_duration_seconds_bucket{phase=\"elect\",le=\"0.001\"} 1",
        "failoverd_failover_duration_seconds_bucket{phase=\"total\",le=\"0.025\"} 0",
        "failoverd_failover_duration_seconds_bucket{phase=\"total\",le=\"0.05\"} 1",
        "failoverd_failover_duration_seconds_bucket{phase=\"total\",le=\"60\"} 1",
        "failoverd_failover_duration_seconds_bucket{phase=\"total\",le=\"+Inf\"} 2"}) {
    EXPECT_TRUE(has_line(text, line)) << line << "\n" << text;
  }
}

TEST(Metrics, OpsTakeTheirTime) {
  Metrics metrics("1", {});
  metrics.op_finished("kReAddReplicaOP", "kDone", std::chrono::milliseconds(700));
  metrics.op_finished("kReAddReplicaOP", "kFailed", std::chrono::hours(2));
  metrics.op_finished("kRecoverTableOP", "kDone", std::chrono::microseconds(900));
  const std::string text = metrics.text({});
  for (const char* line :
       {"failoverd_op_duration_seconds_bucket{type=\"kRecoverTableOP\",le=\"0.001\"} 1",
        "failoverd_op_duration_seconds_bucket{type=\"kReAddReplicaOP\",le=\"0.5\"} 0",
        "failoverd_op_duration_seconds_bucket{type=\"kReAddReplicaOP\",le=\"1\"} 1",
        "failoverd_op_duration_seconds_bucket{type=\"kReAddReplicaOP\",le=\"3600\"} 1",
        "failoverd_op_duration_seconds_bucket{type=\"kReAddReplicaOP\",le=\"+Inf\"} 2",
        "failoverd_op_duration_seconds_count{type=\"kReAddReplicaOP\"} 2"}) {
    EXPECT_TRUE(has_line(text, line)) << line << "\n" << text;
  }
}

TEST(Metrics, LossesAddUp) {
  Metrics metrics("1", {});
  metrics.entries_lost(3);
  metrics.entries_lost(39);
  metrics.entries_given_up(40);
  metrics.entries_given_up(3);
  metrics.possible_loss(0);
  metrics.possible_loss(12);
  metrics.possible_loss(20'000'000);
  const std::string text = metrics.text({});
  for (const char* line : {"failoverd_lost_entries_total 42", "failoverd_given_up_entries_total 43",
                           "failoverd_holds{reason=\"known_loss\"} 0",
                           "failoverd_possible_loss_entries_bucket{le=\"0\"} 1",
                           "failoverd_possible_loss_entries_bucket{le=\"10\"} 1",
                           "failoverd_possible_loss_entries_bucket{le=\"100\"} 2",
                           "failoverd_possible_loss_entries_bucket{le=\"10000000\"} 2",
                           "failoverd_possible_loss_entries_bucket{le=\"+Inf\"} 3",
                           "failoverd_possible_loss_entries_sum 20000012"}) {
    EXPECT_TRUE(has_line(text, line)) << line << "\n" << text;
  }
}

std::size_t count_of(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

// A thousand of a kind, of the oldest ops; what is left out is counted.
TEST(Metrics, SeriesOfOpsAreBounded) {
  Metrics metrics("1", {});
  MetricsInput now;
  for (std::uint64_t id = 1; id <= 1500; ++id) {
    now.running.push_back(running_op(id));
    if (id > 1200) now.running.back().progress.reset();
  }
  const std::string text = metrics.text(now);
  EXPECT_EQ(count_of(text, "\nfailoverd_op_task{"), 1000u);
  EXPECT_EQ(count_of(text, "\nfailoverd_op_progress_ratio{"), 1000u);
  EXPECT_EQ(count_of(text, "op_id=\"1000\""), 2u);
  EXPECT_EQ(count_of(text, "op_id=\"1001\""), 0u);
  EXPECT_TRUE(has_line(text, "failoverd_series_dropped 700"))
      << value_of(text, "failoverd_series_dropped");
  EXPECT_TRUE(has_line(text, "failoverd_ops{type=\"kReAddReplicaOP\",status=\"kDoing\"} 1500"));
  // Of the next page nothing is left out.
  EXPECT_TRUE(has_line(metrics.text(sample_input()), "failoverd_series_dropped 0"));
}

TEST(Metrics, AReasonThatWentStaysAsZero) {
  Metrics metrics("1", {});
  MetricsInput now;
  now.stands_back = {"nameserver"};
  metrics.text(now);
  EXPECT_TRUE(has_line(metrics.text({}), "failoverd_stands_back{reason=\"nameserver\"} 0"));
}

TEST(Metrics, KnowsItsProcess) {
  Metrics metrics("1", {});
  const std::string text = metrics.text({});
  const double now = static_cast<double>(std::time(nullptr));
  EXPECT_GT(value_of(text, "process_start_time_seconds"), now - 24 * 3600);
  EXPECT_LE(value_of(text, "process_start_time_seconds"), now + 2);
  EXPECT_GT(value_of(text, "process_resident_memory_bytes"), 1e6);
  EXPECT_LT(value_of(text, "process_resident_memory_bytes"), 1e10);
  EXPECT_GE(value_of(text, "process_cpu_seconds_total"), 0);
  EXPECT_GE(value_of(text, "process_open_fds"), 3);
  EXPECT_GE(value_of(text, "process_max_fds"), value_of(text, "process_open_fds"));
  EXPECT_GE(value_of(text, "process_threads"), 1);
}

TEST(Metrics, OpenFdsAreCounted) {
  Metrics metrics("1", {});
  const double before = value_of(metrics.text({}), "process_open_fds");
  const int fd = ::dup(1);
  EXPECT_EQ(value_of(metrics.text({}), "process_open_fds"), before + 1);
  ::close(fd);
}

// The judge is Prometheus' own linter.
TEST(Metrics, PromtoolFindsNothing) {
  Metrics metrics("1.2.3", {"kChangeLeaderOP"});
  metrics.op_finished("kChangeLeaderOP", "kDone", std::chrono::seconds(1));
  metrics.failover_took(FailoverPhase::kDetect, std::chrono::milliseconds(3));
  FILE* promtool = ::popen("promtool check metrics 2>&1", "w");
  ASSERT_NE(promtool, nullptr);
  metrics.entries_lost(1);
  metrics.possible_loss(1);
  MetricsInput now = sample_input();
  now.running[0].name = "a \"table\"\n of \\ all \xff bytes";
  const std::string text = metrics.text(now);
  std::fwrite(text.data(), 1, text.size(), promtool);
  const int status = ::pclose(promtool);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0) << text;
}

}  // namespace
}  // namespace failoverd::admin
