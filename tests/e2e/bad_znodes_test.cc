// What a cluster's tables and tablets should not say, and what others change while failoverd acts:
// named once, left alone, and everybody else is served.
#include "tests/e2e/bad_znodes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <fstream>

#include "tests/e2e/soundness.h"
#include "tests/harness/ports.h"
#include "tests/harness/tcp_proxy.h"

namespace failoverd::e2e {
namespace {

using boost::asio::ip::tcp;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string golden(const std::string& name) {
  std::ifstream in(std::string{FAILOVERD_GOLDEN} + "/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Answers everybody alike, closes, and counts.
class WebServer {
 public:
  explicit WebServer(boost::asio::io_context& io)
      : acceptor_(io, {boost::asio::ip::address_v4::loopback(), harness::free_port()}) {
    accept();
  }
  std::string endpoint() const {
    return "127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
  }
  int asked = 0;

 private:
  void accept() {
    acceptor_.async_accept([this](boost::system::error_code error, tcp::socket socket) {
      if (error) return;
      ++asked;
      answer(std::make_shared<tcp::socket>(std::move(socket)));
      accept();
    });
  }
  void answer(const std::shared_ptr<tcp::socket>& to) {
    to->async_read_some(
        boost::asio::buffer(request_), [to](boost::system::error_code, std::size_t) {
          boost::system::error_code gone;
          boost::asio::write(*to, boost::asio::buffer("HTTP/1.1 400 Bad Request\r\n\r\n"), gone);
        });
  }
  tcp::acceptor acceptor_;
  std::array<char, 4096> request_{};
};

TEST_F(BadZnodes, TablesThatCannotBeRead) {
  cluster.create_table("flow", 2, 3);
  cluster.znodes().create("table/table_data/garbage", "\xff\xff\xff");
  cluster.znodes().create("table/table_data/newer", golden("openmldb-0.9/table_info.bin"));
  cluster.znodes().create("table/table_data/empty", "");
  cluster.znodes().create("table/db_table_data/77", "x");
  Daemon& daemon = cluster.start_active_daemon({.cluster = "session_timeout: 1s, numbering: fedb"});
  cluster.start_writer();
  for (const char* name :
       {"table_data/garbage", "table_data/newer", "table_data/empty", "db_table_data/77"}) {
    EXPECT_THAT(daemon.status(), HasSubstr(std::string{"/rtidb_cluster/table/"} + name));
  }
  EXPECT_EQ(daemon.metric("failoverd_tables_left_alone{reason=\"unreadable\"}"), 4);
  EXPECT_THAT(daemon.status(), HasSubstr("it looks like cluster.numbering: openmldb"));
  const auto shown = daemon.ctl({"showtable", "garbage"});
  EXPECT_EQ(shown.status, 1);
  EXPECT_THAT(shown.err, HasSubstr("table cannot be read"));
  cluster.kill_tablet(0);
  ASSERT_TRUE(is_led_again({"flow"})) << daemon.log();
  // One that is spoilt while it is watched, and mended.
  const auto good = cluster.znodes().get("table/table_data/flow")->bytes;
  cluster.znodes().set("table/table_data/flow", "spoilt");
  ASSERT_TRUE(status_says(daemon, "/rtidb_cluster/table/table_data/flow"));
  EXPECT_THAT(daemon.status(), HasSubstr("\"tables\":0"));
  cluster.znodes().set("table/table_data/flow", good);
  ASSERT_TRUE(status_says(daemon, "\"tables\":1"));
  EXPECT_THAT(daemon.status(), Not(HasSubstr("table_data/flow")));
  const int leader = cluster.leader("flow", 0);
  cluster.kill_tablet(leader);
  ASSERT_TRUE(is_led_again({"flow"})) << daemon.log();
  for (const char* name : {"garbage", "newer", "empty", "db_table_data/77", "flow"}) {
    EXPECT_EQ(lines_with(daemon, name, "is left alone"), 1) << name;
  }
  EXPECT_EQ(version("table/table_data/garbage"), 0);
  EXPECT_EQ(version("table/table_data/newer"), 0);
  expect_replicas_agree({"flow"});
}

// Two znodes claim one tid. The second is read when the first is gone; what the tablets hold under
// that tid is another table by their own word, and is left alone (SAFETY 21).
TEST_F(BadZnodes, TwoTablesWithOneTid) {
  cluster.create_table("flow", 2, 3);
  const auto flow = cluster.znodes().get("table/table_data/flow")->bytes;
  auto twin = cluster.znodes().table("flow").value();
  twin.set_name("twin");
  Daemon& daemon = cluster.start_active_daemon();
  cluster.znodes().create("table/table_data/twin", twin.SerializeAsString());
  ASSERT_TRUE(status_says(daemon, "belongs to table/table_data/flow already"));
  cluster.znodes().remove("table/table_data/flow");
  ASSERT_TRUE(cluster.wait_until(
      [&] { return daemon.status().find("already") == std::string::npos; }, "it is served"))
      << daemon.status();
  cluster.kill_tablet(0);
  ASSERT_TRUE(status_says(daemon, "holds table \\\"flow\\\" under its tid and is left alone"))
      << daemon.status();
  cluster.let_pass(seconds{1});
  EXPECT_EQ(cluster.calls(1, "ChangeRole") + cluster.calls(2, "ChangeRole"), 0u);
  EXPECT_EQ(version("table/table_data/twin"), 0);
}

// cluster.numbering is wrong for all there is: nothing is changed.
TEST_F(BadZnodes, NoTableFits) {
  cluster.create_table("flow", 2, 3);
  Daemon& daemon =
      cluster.start_active_daemon({.cluster = "session_timeout: 1s, numbering: openmldb"});
  ASSERT_TRUE(status_says(daemon, "not one table can be read: table/table_data/flow"));
  EXPECT_EQ(daemon.metric("failoverd_stands_back{reason=\"numbering\"}"), 1);
  EXPECT_THAT(daemon.ctl({"status"}).out, HasSubstr("it looks like cluster.numbering: fedb"));
  cluster.kill_tablet(0);
  cluster.let_pass(seconds{2});
  EXPECT_EQ(version("table/table_data/flow"), 0);
  EXPECT_EQ(cluster.znodes().get("table/term")->bytes, "1");
  EXPECT_EQ(cluster.calls(1, "ChangeRole") + cluster.calls(2, "ChangeRole"), 0u);
}

// Found out by the bytes: as long as tables contradict each other nothing is changed, whatever
// dies. Damage contradicts nothing.
TEST_F(BadZnodes, TablesOfTwoNumberings) {
  cluster.create_table("flow", 2, 3);
  cluster.znodes().create("table/table_data/garbage", "\xff\xff\xff");
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  cluster.znodes().create("table/db_table_data/31", golden("openmldb-0.9/table_info.bin"));
  ASSERT_TRUE(status_says(daemon, "table/db_table_data/31 has the numbers of openmldb (1 table)"))
      << daemon.status();
  EXPECT_EQ(daemon.metric("failoverd_stands_back{reason=\"numbering\"}"), 1);
  cluster.kill_tablet(0);
  cluster.let_pass(seconds{2});
  EXPECT_EQ(version("table/table_data/flow"), 0);
  EXPECT_EQ(cluster.calls(1, "ChangeRole") + cluster.calls(2, "ChangeRole"), 0u);
  cluster.znodes().remove("table/db_table_data/31");
  ASSERT_TRUE(is_led_again({"flow"})) << daemon.log();
  EXPECT_EQ(daemon.metric("failoverd_stands_back{reason=\"numbering\"}"), 0);
  expect_replicas_agree({"flow"});
}

// A table of a numbering that is not known makes the cluster one that is not known.
TEST_F(BadZnodes, ATableOfAnUnknownNumbering) {
  cluster.create_table("flow", 2, 3);
  // Field 2 is the partitions', 3 the tid.
  const std::string another{
      "\x0a\x06"
      "newest"
      "\x12\x02\x08\x00"
      "\x18\x07",
      14};
  cluster.znodes().create("table/table_data/newest", another);
  Daemon& daemon = cluster.start_active_daemon();
  ASSERT_TRUE(status_says(daemon, "table/table_data/newest is a table of a numbering that is not"))
      << daemon.status();
  cluster.kill_tablet(0);
  cluster.let_pass(seconds{2});
  EXPECT_EQ(version("table/table_data/flow"), 0);
  EXPECT_EQ(cluster.calls(1, "ChangeRole") + cluster.calls(2, "ChangeRole"), 0u);
  cluster.znodes().remove("table/table_data/newest");
  ASSERT_TRUE(is_led_again({"flow"})) << daemon.log();
}

// SAFETY 16: a term that no election has ever reached is damage: it stops its own partition, and
// neither raises nor wraps what the others count with.
TEST_F(BadZnodes, ATermThatNobodyReached) {
  cluster.create_table("flow", 2, 3);
  cluster.create_table("odd", 1, 3);
  edit("odd", [](fedb::TableInfo& table) {
    auto& pair = *table.mutable_table_partition(0)->add_term_offset();
    pair.set_term(~std::uint64_t{0});
    pair.set_offset(5);
  });
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  ASSERT_TRUE(status_says(daemon, "names term 18446744073709551615"));
  cluster.kill_tablet(0);
  ASSERT_TRUE(is_led_again({"flow"})) << daemon.log();
  EXPECT_LT(std::stoull(cluster.znodes().get("table/term")->bytes), 100'000u);
  EXPECT_EQ(version("table/table_data/odd"), 1);  // Ours.
}

// What is registered and is no tablet, and rows that name nobody.
TEST_F(BadZnodes, UnknownEndpoints) {
  cluster.create_table("flow", 2, 3);
  cluster.create_table("odd", 2, 3);
  const std::string endless(3'000, 'e');
  for (const std::string& name : {std::string{"nonsense"}, std::string{"1.2.3.4:99999"}, endless}) {
    cluster.znodes().create("nodes/" + name, name);
  }
  cluster.znodes().create("nodes/NLTABLET_127.0.0.1:1", "x");
  cluster.znodes().create("nodes/127.0.0.1:1", "whatever");
  edit("odd", [](fedb::TableInfo& table) {
    auto& row = *table.mutable_table_partition(0)->add_partition_meta();
    row.set_endpoint("nowhere");
    row.set_is_leader(false);
    row.set_is_alive(false);
    table.mutable_table_partition(1)->add_partition_meta()->CopyFrom(row);
    table.mutable_table_partition(1)->mutable_partition_meta(3)->set_endpoint("nonsense");
  });
  Daemon& daemon = cluster.start_daemon();
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        return daemon.active() && daemon.metric("failoverd_tablets{state=\"healthy\"}") == 3 &&
               daemon.metric("failoverd_tablets{state=\"suspect\"}") == 3;
      },
      "it knows its tablets"))
      << daemon.status();
  cluster.start_writer();
  cluster.kill_tablet(0);
  ASSERT_TRUE(is_led_again({"flow", "odd"})) << daemon.log();
  cluster.let_pass(seconds{1});
  EXPECT_THAT(daemon.ctl({"--json", "showtablet"}).out,
              HasSubstr("its name is no endpoint IP:PORT"));
  // Others come and go in nodes/: nothing is said twice, and what was no tablet is not lost.
  for (const std::string& name : {std::string{"nonsense"}, std::string{"1.2.3.4:99999"}, endless}) {
    EXPECT_EQ(lines_with(daemon, "nodes/" + name.substr(0, 50), "is no endpoint IP:PORT"), 1)
        << daemon.log();
    cluster.znodes().remove("nodes/" + name);
  }
  cluster.let_pass(seconds{1});
  EXPECT_EQ(lines_with(daemon, "tablet nonsense", ""), 0) << daemon.log();
  EXPECT_EQ(lines_with(daemon, "tablet nowhere", ""), 0) << daemon.log();
  EXPECT_EQ(lines_with(daemon, "tablet eeee", ""), 0) << daemon.log();
  EXPECT_EQ(lines_with(daemon, "nodes/127.0.0.1:1", "its value is neither"), 1) << daemon.log();
  EXPECT_LE(lines_with(daemon, "tablet 127.0.0.1:1 ", ""), 1) << daemon.log();
  EXPECT_THAT(daemon.status(), Not(HasSubstr("NLTABLET")));
  expect_replicas_agree({"flow", "odd"});
}

// A web server on the port of a former tablet: it is asked less and less often, for no row names
// it, and what it says is told; once nothing names it any more it is left in peace.
TEST_F(BadZnodes, SomethingElseListensOnATabletsPort) {
  cluster.create_table("flow", 2, 3);
  WebServer web(cluster.io());
  const std::string znode = "nodes/" + web.endpoint();
  cluster.znodes().create(znode, web.endpoint());
  Daemon& daemon = cluster.start_daemon();
  const std::string what = "sent no baidu_std frame: it begins with the bytes 48 54 54 50";
  const std::string there = "its znode is there, it does not answer: ";
  ASSERT_TRUE(cluster.wait_until(
      [&] {
        const std::string shown = daemon.ctl({"--json", "showtablet"}).out;
        return shown.find(there + what) != std::string::npos;
      },
      "showtablet says what it sends"))
      << daemon.log();
  web.asked = 0;
  cluster.let_pass(seconds{5});
  EXPECT_GE(web.asked, 1);
  EXPECT_LE(web.asked, 8);
  EXPECT_EQ(lines_with(daemon, "warning tablet: tablet " + web.endpoint(), what), 1)
      << daemon.log();
  cluster.znodes().remove(znode);
  ASSERT_TRUE(cluster.wait_until(
      [&] { return lines_with(daemon, "tablet " + web.endpoint(), "is gone") == 1; },
      "it is gone"));
  cluster.let_pass(seconds{2});
  web.asked = 0;
  cluster.let_pass(seconds{3});
  EXPECT_EQ(web.asked, 0);
  EXPECT_EQ(lines_with(daemon, "error tablet: ", ""), 0) << daemon.log();
}

// SAFETY 16: what contradicts itself is left alone, partition by partition.
TEST_F(BadZnodes, PartitionsThatContradictThemselves) {
  cluster.create_table("flow", 4, 3, {0, 1, 2});
  edit("flow", [](fedb::TableInfo& table) {
    table.mutable_table_partition(1)->mutable_partition_meta(1)->set_is_leader(true);
    auto& back = *table.mutable_table_partition(2)->add_term_offset();
    back.set_term(0);
    back.set_offset(5);
  });
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  EXPECT_EQ(daemon.metric("failoverd_partitions{state=\"held\"}"), 2);
  EXPECT_THAT(daemon.status(), HasSubstr("it has 2 alive leader rows"));
  EXPECT_THAT(daemon.status(), HasSubstr("its term history goes back from 1 to 0"));
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.wait_until(
      [&] { return cluster.leader("flow", 0) > 0 && cluster.leader("flow", 3) > 0; },
      "the others are led"))
      << daemon.log();
  cluster.let_pass(seconds{1});
  EXPECT_EQ(cluster.rows("flow", 1), "B=L+ C=L+ A=F+");
  EXPECT_EQ(cluster.rows("flow", 2), "C=L+ A=F+ B=F+");
}

// A table that goes while its election is under way, and comes again under the same name.
TEST_F(BadZnodes, TableDroppedAndMadeAnewDuringItsElection) {
  cluster.create_table("flow", 1, 3, {0, 1, 2});
  cluster.create_table("other", 1, 3, {0, 1, 2});
  Daemon& daemon = cluster.start_active_daemon();
  cluster.start_writer();
  for (const int i : {1, 2}) cluster.hang(i, "AppendEntries");
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.wait_until(
      [&] { return cluster.znodes().children("failoverd/elections").size() == 1; },
      "the elections are recorded"));
  cluster.znodes().remove("table/table_data/flow");
  ASSERT_TRUE(cluster.wait_until(
      [&] { return daemon.ctl({"showopstatus"}).out.find("kCanceled") != std::string::npos; },
      "its op is canceled"));
  cluster.create_table("flow", 2, 2, {1, 2});
  for (const int i : {1, 2}) cluster.release(i);
  ASSERT_TRUE(is_led_again({"flow", "other"})) << daemon.log();
  EXPECT_THAT(wait_until_sound(cluster), IsEmpty()) << daemon.log();
  EXPECT_EQ(version("table/table_data/flow"), 0);  // Nothing is wrong with it.
  EXPECT_TRUE(cluster.wait_until(
      [&] { return daemon.metric("failoverd_partitions{state=\"healthy\"}") == 2; }, "healthy"));
  expect_replicas_agree({"flow", "other"});
}

// Another writer changes one table at the very moment of the publish: that one is read and decided
// again, the other goes at once; and nothing of the other writer's is lost.
TEST_F(BadZnodes, ConflictOnOneTableDoesNotHoldTheOther) {
  cluster.create_table("flow", 1, 3, {0, 1, 2});
  cluster.create_table("other", 1, 3, {0, 1, 2});
  harness::TcpProxy proxy(cluster.io(), cluster.zookeeper().port());
  boost::asio::io_context io;
  testkit::Znodes writer(io, cluster.zookeeper().hosts(), "/rtidb_cluster");
  bool written = false;
  DaemonOptions options;
  options.zookeeper = proxy.endpoint();
  Daemon& daemon = cluster.start_active_daemon(options);
  cluster.start_writer();
  proxy.on_request = [&](std::string_view request) {
    if (written || !is_publish(request)) return;
    written = true;
    auto table = writer.table("flow").value();
    table.mutable_table_partition(0)->set_diskused(4711);
    writer.set("table/table_data/flow", table.SerializeAsString());
  };
  cluster.kill_tablet(0);
  ASSERT_TRUE(is_led_again({"flow", "other"})) << daemon.log();
  EXPECT_TRUE(written);
  EXPECT_THAT(wait_until_sound(cluster), IsEmpty()) << daemon.log();
  EXPECT_EQ(cluster.znodes().table("flow")->table_partition(0).diskused(), 4711u);
  EXPECT_EQ(terms(cluster, "flow", 0).size(), 2u);
  EXPECT_EQ(terms(cluster, "other", 0).size(), 2u);
  EXPECT_EQ(daemon.metric("failoverd_ops_total{type=\"kChangeLeaderOP\",status=\"kDone\"}"), 2);
  expect_replicas_agree({"flow", "other"});
}

}  // namespace
}  // namespace failoverd::e2e
