// What operators and their programs see of a failover: failoverctl's tables and JSON, HTTP,
// metrics, exit statuses; on a real cluster with a real failover.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>
#include <memory>
#include <sstream>

#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"
#include "tests/e2e/programs.h"
#include "tests/e2e/soundness.h"
#include "tests/harness/ports.h"

namespace failoverd::e2e {
namespace {

namespace json = boost::json;
using std::chrono::seconds;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;

// A printed table: its lines split into words. Cells have no blanks.
std::vector<std::vector<std::string>> rows_of(const std::string& printed) {
  std::vector<std::vector<std::string>> rows;
  std::istringstream in(printed);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::vector<std::string> row;
    for (std::string word; words >> word;) row.push_back(word);
    rows.push_back(row);
  }
  return rows;
}

using Row = std::vector<std::string>;

// The judge of a live page is Prometheus' own linter.
void expect_promtool_finds_nothing(Cluster& cluster, const std::string& page) {
  const auto file = cluster.directory() / "metrics.txt";
  std::ofstream(file) << page;
  harness::Process::Options options;
  options.arguments = {"/bin/sh", "-c", "promtool check metrics < " + file.string()};
  options.log_file = cluster.directory() / "promtool.log";
  harness::Process promtool(options);
  EXPECT_EQ(promtool.wait(seconds{20}), 0) << promtool.log() << page;
  EXPECT_EQ(promtool.log(), "");
}

// One cluster for all tests that only look: a tablet has died and was replaced.
class AfterFailover : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    cluster_ = new Cluster;
    cluster().create_table("flow", 2, 3);
    cluster().create_table("single", 1, 1, {0});
    daemon_ = &cluster().start_active_daemon();
    cluster().start_writer();
    cluster().kill_tablet(0);
    cluster().is_led_without(0);
    cluster().wait_until([] { return cluster().rows("single", 0) == "A=L-"; }, "single is dead");
    cluster().wait_until(
        [] { return daemon().metric("failoverd_tablets{state=\"crashed\"}") == 1; }, "crashed");
    EXPECT_THAT(wait_until_sound(cluster()), IsEmpty());
    // Offsets stand still: showtable asks for them itself.
    cluster().writer().stop();
    cluster().wait_until([] { return cluster().writer().idle(); }, "the writer is idle");
  }
  static void TearDownTestSuite() {
    delete cluster_;
    cluster_ = nullptr;
  }
  static Cluster& cluster() { return *cluster_; }
  static Daemon& daemon() { return *daemon_; }
  static std::string print(const std::vector<std::string>& words) {
    const auto output = daemon().ctl(words);
    EXPECT_EQ(output.status, 0) << output.err;
    EXPECT_EQ(output.err, "");
    return output.out;
  }
  static json::array print_json(std::vector<std::string> words) {
    words.insert(words.begin(), "--json");
    return json::parse(print(words)).as_array();
  }
  static std::string offset(int tablet, std::uint32_t pid) {
    return std::to_string(word(cluster(), tablet, "flow", pid).offset);
  }

  // What is looked at; a cluster takes longer than all of it, so it is three tests, not nine.
  static void show_tablet();
  static void show_table();
  static void show_op_status();
  static void conf();
  static void status();
  static void events();
  static void http();
  static void metrics();
  static void exit_status();

 private:
  static inline Cluster* cluster_ = nullptr;
  static inline Daemon* daemon_ = nullptr;
};

void AfterFailover::show_tablet() {
  const auto rows = rows_of(print({"showtablet"}));
  ASSERT_EQ(rows.size(), 5u);
  EXPECT_EQ(rows[0], (Row{"endpoint", "state", "age"}));
  for (std::size_t i = 0; i < 3; ++i) {
    const Row& row = rows[2 + i];
    EXPECT_EQ(row[0], cluster().tablet(static_cast<int>(i)));
    EXPECT_EQ(row[1], i == 0 ? "kTabletOffline" : "kTabletHealthy");
    EXPECT_THAT(row[2], MatchesRegex("[0-9]+[smh]"));
  }
  const json::array all = print_json({"showtablet"});
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].at("state"), "kTabletOffline");
  EXPECT_TRUE(all[0].at("age").is_number());
}

void AfterFailover::show_table() {
  const auto rows = rows_of(print({"showtable", "flow"}));
  ASSERT_EQ(rows.size(), 8u);
  EXPECT_EQ(rows[0], (Row{"name", "tid", "pid", "endpoint", "role", "ttl", "is_alive",
                          "compress_type", "offset", "record_cnt", "memused"}));
  const std::string tid = std::to_string(cluster().znodes().table("flow")->tid());
  const int leader = cluster().leader("flow", 0);
  for (int i = 0; i < 3; ++i) {
    const Row& row = rows[2 + static_cast<std::size_t>(i)];
    EXPECT_EQ(Row(row.begin(), row.begin() + 4), (Row{"flow", tid, "0", cluster().tablet(i)}));
    // The dead one is shown as the leader that it was (FEDB.md 3.1).
    EXPECT_EQ(row[4], i == 0 || i == leader ? "leader" : "follower");
    EXPECT_EQ(row[5], "0min");
    EXPECT_EQ(row[6], i == 0 ? "no" : "yes");
    EXPECT_EQ(row[7], "kNoCompress");
    if (i == 0) continue;
    EXPECT_EQ(row[8], offset(i, 0));
    EXPECT_EQ(row[9], offset(i, 0));
  }
  // All tables; and as JSON, numbers as numbers.
  EXPECT_EQ(rows_of(print({"showtable"})).size(), 9u);
  const json::array all = print_json({"showtable", "single"});
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].at("role"), "leader");
  EXPECT_EQ(all[0].at("is_alive"), false);
  EXPECT_TRUE(all[0].at("offset").is_number());
}

void AfterFailover::show_op_status() {
  const auto rows = rows_of(print({"showopstatus"}));
  ASSERT_EQ(rows.size(), 5u);
  EXPECT_EQ(rows[0], (Row{"op_id", "op_type", "name", "pid", "status", "start_time", "execute_time",
                          "end_time", "cur_task"}));
  std::map<std::string, Row> by_type;
  for (std::size_t i = 2; i < rows.size(); ++i) {
    by_type[rows[i][1]] = rows[i];
    EXPECT_GT(std::stoull(rows[i][0]), 1'000'000'000u);
    EXPECT_EQ(rows[i][4], "kDone");
    EXPECT_THAT(rows[i][5], MatchesRegex("20[0-9]{12}"));
    EXPECT_THAT(rows[i][6], MatchesRegex("[0-9]+s"));
    EXPECT_THAT(rows[i][7], MatchesRegex("20[0-9]{12}"));
    EXPECT_EQ(rows[i][8], "-");
  }
  EXPECT_EQ(by_type["kChangeLeaderOP"][3], "0");
  EXPECT_EQ(by_type["kOfflineReplicaOP"][3], "1");
  EXPECT_EQ(by_type["kUpdatePartitionStatusOP"][2], "single");
  EXPECT_EQ(rows_of(print({"showopstatus", "flow"})).size(), 4u);
  const json::array one = print_json({"showopstatus", "flow", "0"});
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].at("op_type"), "kChangeLeaderOP");
  EXPECT_GT(one[0].at("start_time").to_number<std::int64_t>(), 1'500'000'000'000);
  EXPECT_GE(one[0].at("end_time").to_number<std::int64_t>(),
            one[0].at("start_time").to_number<std::int64_t>());
  EXPECT_TRUE(one[0].at("cur_task").is_null());
  EXPECT_FALSE(one[0].at("loss_is_exact").as_bool()) << "the one that died cannot tell";
  // Whose replica it is about; an election is about all of them.
  EXPECT_TRUE(one[0].at("endpoint").is_null());
  for (const char* about_one : {"kOfflineReplicaOP", "kUpdatePartitionStatusOP"}) {
    const Row& row = by_type[about_one];
    const json::array ops = print_json({"showopstatus", row[2], row[3]});
    EXPECT_EQ(ops[0].at("endpoint"), cluster().tablet(0).c_str()) << about_one;
  }
}

void AfterFailover::conf() {
  EXPECT_EQ(rows_of(print({"confget"}))[0], (Row{"key", "value"}));
  EXPECT_EQ(rows_of(print({"confget"}))[2], (Row{"auto_failover", "true"}));
  EXPECT_EQ(print_json({"confget"})[0].at("value"), "true");
}

void AfterFailover::status() {
  const std::string text = print({"status"});
  EXPECT_THAT(text, HasSubstr("active: this daemon"));
  EXPECT_THAT(text, HasSubstr("auto_failover on"));
  EXPECT_THAT(text, HasSubstr("2 degraded, 1 leaderless"));
  EXPECT_THAT(text, HasSubstr("leaderless: single 0"));
  EXPECT_THAT(text, HasSubstr("not alive: " + cluster().tablet(0) + " (crashed)"));
  const json::value status = json::parse(print({"--json", "status"}));
  EXPECT_EQ(status.at("partitions").at("degraded").to_number<int>(), 2);
  EXPECT_EQ(status.at("tablets").at("healthy").to_number<int>(), 2);
  EXPECT_EQ(status.at("active"), true);
  const json::value& automatic = status.at("auto_failover");
  EXPECT_EQ(automatic.at("who"), "");
  const std::string file = "the file of " + json::value_to<std::string>(status.at("name"));
  EXPECT_EQ(automatic.at("from"), file.c_str());
  EXPECT_GT(automatic.at("at").to_number<std::int64_t>(), 1'500'000'000'000);
  EXPECT_LE(automatic.at("at").to_number<std::int64_t>(),
            status.at("now").to_number<std::int64_t>() + 1'000);
}

void AfterFailover::events() {
  const std::string text = print({"events"});
  EXPECT_THAT(text, HasSubstr("tablet " + cluster().tablet(0) + " is crashed"));
  EXPECT_THAT(text, HasSubstr("kChangeLeaderOP of flow/0"));
  std::uint64_t last = 0;
  for (const json::value& event : print_json({"events"})) {
    EXPECT_GT(event.at("id").to_number<std::uint64_t>(), last);
    last = event.at("id").to_number<std::uint64_t>();
    EXPECT_TRUE(event.at("fields").is_object());
  }
  EXPECT_GT(last, 3u);
}

void AfterFailover::http() {
  EXPECT_EQ(daemon().get("/healthz").status, 200);
  EXPECT_EQ(daemon().get("/readyz").body, "active\n");
  EXPECT_EQ(daemon().get("/api/v1/nothing").status, 404);
  for (const char* path : {"status", "tablets", "tables", "tables/flow", "ops", "conf", "events"}) {
    const auto answer = daemon().get(std::string{"/api/v1/"} + path);
    EXPECT_EQ(answer.status, 200) << path;
    boost::system::error_code error;
    json::parse(answer.body, error);
    EXPECT_FALSE(error) << path << answer.body;
  }
  for (const char* body : {"", "{", "{}", R"({"key": "auto_failover"})", R"({"value": "true"})",
                           R"({"key": "auto_failover", "value": "maybe"})"}) {
    const auto wrong = daemon().post("/api/v1/commands/confset", body);
    EXPECT_EQ(wrong.status, 400) << body;
    const json::value answer = json::parse(wrong.body);
    EXPECT_EQ(answer.at("code"), 307) << body;
    EXPECT_EQ(answer.at("error"), "invalid parameter") << body;
    EXPECT_NE(answer.at("hint"), "") << body;
  }
}

void AfterFailover::metrics() {
  const std::string text = daemon().get("/metrics").body;
  expect_promtool_finds_nothing(cluster(), text);
  EXPECT_EQ(daemon().metric("failoverd_active"), 1);
  EXPECT_EQ(daemon().metric("failoverd_zookeeper_connected"), 1);
  EXPECT_EQ(daemon().metric("failoverd_partitions{state=\"degraded\"}"), 2);
  EXPECT_EQ(daemon().metric("failoverd_partitions{state=\"leaderless\"}"), 1);
  EXPECT_EQ(daemon().metric("failoverd_ops_total{type=\"kChangeLeaderOP\",status=\"kDone\"}"), 1);
  EXPECT_EQ(daemon().metric("failoverd_op_duration_seconds_count{type=\"kChangeLeaderOP\"}"), 1);
  EXPECT_EQ(daemon().metric("failoverd_possible_loss_entries_count"), 1);
  EXPECT_EQ(daemon().metric("failoverd_lost_entries_total"), 0);
  EXPECT_EQ(daemon().metric("failoverd_series_dropped"), 0);
  for (const char* phase : {"detect", "elect", "publish", "total"}) {
    EXPECT_EQ(daemon().metric(std::string{"failoverd_failover_duration_seconds_count{phase=\""} +
                              phase + "\"}"),
              1);
  }
  EXPECT_THAT(text, HasSubstr("process_resident_memory_bytes"));
}

void AfterFailover::exit_status() {
  EXPECT_EQ(daemon().ctl({"confset", "auto_failover", "TRUE"}).status, 0);
  EXPECT_EQ(daemon().ctl({"confset", "auto_failover", "maybe"}).status, 1);
  EXPECT_THAT(daemon().ctl({"confset", "auto_failover", "maybe"}).err,
              HasSubstr("failed to set auto_failover. error msg: invalid parameter"));
  EXPECT_EQ(daemon().ctl({"showtable", "nothing"}).status, 1);
  EXPECT_EQ(daemon().ctl({"explode"}).status, 2);
  EXPECT_EQ(daemon().ctl({"confset"}).status, 2);
  EXPECT_EQ(daemon().ctl({"showtablet", "extra"}).status, 2);
  const auto nobody =
      daemon().ctl({"status"}, "http://127.0.0.1:" + std::to_string(harness::free_port()));
  EXPECT_EQ(nobody.status, 1);
  EXPECT_THAT(nobody.err, MatchesRegex("[^\n]+\n"));
}

TEST_F(AfterFailover, TablesOfFailoverctl) {
  show_tablet();
  show_table();
  show_op_status();
  conf();
}

TEST_F(AfterFailover, StatusAndEvents) {
  status();
  events();
  exit_status();
}

TEST_F(AfterFailover, HttpAndMetrics) {
  http();
  metrics();
}

// The series that stand for one op each.
std::string series_of_ops(Daemon& daemon) {
  std::istringstream page(daemon.get("/metrics").body);
  std::string series;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("failoverd_op_task{") || line.starts_with("failoverd_op_progress")) {
      series += line + "\n";
    }
  }
  return series;
}

// A replica that does not catch up: which task its op is at, how far it is, and what it waits for.
TEST(Operators, SeeWhatRuns) {
  Cluster cluster;
  cluster.create_table("flow", 1, 3, {1, 2, 0});
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  ASSERT_TRUE(cluster.wait_until([&] { return word(cluster, 0, "flow", 0).offset >= 5; }, "rows"));
  cluster.kill_tablet(0);
  ASSERT_TRUE(
      cluster.wait_until([&] { return cluster.rows("flow", 0).ends_with("A=F-"); }, "dead"));
  const auto acks = cluster.writer().summary().acks;
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.writer().summary().acks > acks + 20; },
                                 "rows that it lacks"));
  // After failoverd's own two: the fence.
  cluster.inject_at_start(0, {.method = "AppendEntries", .pid = 0, .skip = 2});
  cluster.start_tablet(0);
  const std::string of_op = "op_id=\"[0-9]+\",table=\"flow\",pid=\"0\"";
  std::string series;
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        series = series_of_ops(daemon);
        return series.find("failoverd_op_progress_ratio") != std::string::npos;
      },
      "its progress is shown"));
  EXPECT_THAT(series, MatchesRegex("failoverd_op_task[{]" + of_op +
                                   ",type=\"kReAddReplicaNoSendOP\","
                                   "task=\"kCheckBinlogSyncProgress\"[}] 1\n"
                                   "failoverd_op_progress_ratio[{]" +
                                   of_op + "[}] 0[.][0-9]+\n"));
  expect_promtool_finds_nothing(cluster, daemon.get("/metrics").body);
  EXPECT_THAT(daemon.ctl({"showopstatus"}).out,
              ContainsRegex("\n# [0-9]+ kReAddReplicaNoSendOP flow/0 kDoing [0-9]+ %: at offset "
                            "[0-9]+ of [0-9]+\n"));
  const auto ops = json::parse(daemon.ctl({"--json", "showopstatus", "flow", "0"}).out);
  const json::value& op = ops.as_array().back();
  EXPECT_EQ(op.at("status"), "kDoing");
  EXPECT_GT(op.at("progress").to_number<double>(), 0);
  EXPECT_LT(op.at("progress").to_number<double>(), 1);
  cluster.release(0);
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.everything_is_alive(); }, "all is alive"));
  ASSERT_TRUE(
      cluster.wait_until([&] { return series_of_ops(daemon).empty(); }, "nothing runs any more"));
  const char* const took = "failoverd_op_duration_seconds_count{type=\"kReAddReplicaNoSendOP\"}";
  EXPECT_EQ(daemon.metric(took), 1);
}

// failoverctl events --follow, as long as this object lives.
class Follow {
 public:
  Follow(Cluster& cluster, const std::string& servers) : cluster_(cluster) {
    harness::Process::Options options;
    options.arguments = {program("failoverctl"), "--server", servers, "events", "--follow"};
    options.log_file = cluster.directory() / "follow.log";
    process_ = std::make_unique<harness::Process>(options);
  }
  bool shows(const std::string& words) {
    return cluster_.wait_until([&] { return log().find(words) != std::string::npos; },
                               "it shows: " + words);
  }
  std::string log() const { return process_->log(); }

 private:
  Cluster& cluster_;
  std::unique_ptr<harness::Process> process_;
};

// Events come while one watches.
TEST(Operators, FollowEvents) {
  Cluster cluster;
  cluster.create_table("flow", 2, 3);
  Daemon& daemon = cluster.start_active_daemon();
  Follow follow(cluster, "http://" + daemon.http());
  ASSERT_TRUE(follow.shows("is active, epoch 1")) << "what was before";
  cluster.kill_tablet(0);
  EXPECT_TRUE(follow.shows(cluster.tablet(0) + " is crashed"));
  EXPECT_TRUE(follow.shows("kChangeLeaderOP of flow/0"));
}

// They go on with another daemon when the active one changes, and when all are away for long.
TEST(Operators, FollowEventsOfWhoeverIsActive) {
  Cluster cluster;
  cluster.create_table("flow", 2, 3);
  Daemon& first = cluster.start_active_daemon();
  Daemon& second = cluster.start_daemon();
  const auto ready = [&] { return second.get("/readyz").status == 200; };
  ASSERT_TRUE(cluster.wait_until(ready, "the standby is ready"));
  Follow follow(cluster, "http://" + first.http() + ",http://" + second.http());
  ASSERT_TRUE(follow.shows("is active, epoch 1"));
  EXPECT_EQ(first.stop(), 0);
  ASSERT_TRUE(follow.shows("is active, epoch 2")) << follow.log();
  first.start();
  cluster.kill_tablet(0);
  EXPECT_TRUE(follow.shows("kChangeLeaderOP of flow/0")) << follow.log();
  ASSERT_TRUE(cluster.wait_until([&] { return first.get("/readyz").status == 200; }, "it is back"));
  EXPECT_FALSE(first.active());
  // Killed, so that the first one's session has to end before another acts.
  second.kill();
  first.kill();
  ASSERT_TRUE(follow.shows("; goes on trying")) << follow.log();
  first.start();
  EXPECT_TRUE(follow.shows("is active, epoch 3")) << follow.log();
}

// Before ZooKeeper is there, and while it is away: alive, but not ready.
TEST(Operators, ReadyOnlyWithZooKeeper) {
  Cluster cluster({.tablets = 1});
  cluster.zookeeper().kill();
  Daemon& daemon = cluster.start_daemon();
  ASSERT_TRUE(
      cluster.wait_until([&] { return daemon.get("/healthz").status == 200; }, "it is alive"));
  EXPECT_EQ(daemon.get("/readyz").status, 503);
  EXPECT_THAT(daemon.get("/readyz").body, HasSubstr("waits for ZooKeeper at"));
  EXPECT_EQ(daemon.metric("failoverd_zookeeper_connected"), 0);
  // Nothing is known yet: nothing is shown as empty, or as off.
  EXPECT_EQ(daemon.metric("failoverd_auto_failover_enabled"), std::nullopt);
  for (const std::vector<std::string>& shows : {std::vector<std::string>{"confget"},
                                                {"showtable"},
                                                {"showtable", "x"},
                                                {"showtablet"},
                                                {"showopstatus"}}) {
    const auto unknown = daemon.ctl(shows);
    EXPECT_EQ(unknown.status, 1) << shows.front();
    EXPECT_EQ(unknown.out, "") << shows.front();
    EXPECT_THAT(unknown.err, MatchesRegex("[^\n]*waits for ZooKeeper at [^\n]*\n"));
  }
  EXPECT_THAT(daemon.ctl({"status"}).out, HasSubstr("auto_failover not known"));
  EXPECT_EQ(daemon.ctl({"events"}).status, 0);
  cluster.zookeeper().start();
  ASSERT_TRUE(cluster.wait_until(
      [&] { return daemon.get("/readyz").status == 200 && daemon.active(); }, "it is ready"));
  cluster.zookeeper().kill();
  ASSERT_TRUE(
      cluster.wait_until([&] { return daemon.get("/readyz").status == 503; }, "it is not ready"));
  EXPECT_THAT(daemon.get("/readyz").body, HasSubstr("has been away for"));
  EXPECT_EQ(daemon.get("/healthz").status, 200);
  EXPECT_EQ(daemon.stop(), 0);  // Also without ZooKeeper.
}

}  // namespace
}  // namespace failoverd::e2e
