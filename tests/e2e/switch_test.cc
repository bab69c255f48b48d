// The switch auto_failover, by file and by failoverctl, and the configuration's reload, on a real
// daemon.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <csignal>

#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"
#include "tests/harness/tcp_proxy.h"

namespace failoverd::e2e {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::StartsWith;

bool is_on(Daemon& daemon) { return daemon.metric("failoverd_auto_failover_enabled") == 1; }

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

std::size_t reloads(const Daemon& daemon) {
  return count(daemon.log(), "configuration read again");
}

// Whom the kernel shows at the other end of what this test's programs open.
std::string own_name() {
  const passwd* own = ::getpwuid(::getuid());
  return own ? own->pw_name : "uid " + std::to_string(::getuid());
}

class SwitchTest : public testing::Test {
 protected:
  bool becomes(bool on) {
    return cluster.wait_until([&] { return is_on(*daemon) == on; },
                              on ? "auto_failover is on" : "auto_failover is off");
  }
  bool one_more_reload(const std::function<void()>& cause) {
    const std::size_t before = reloads(*daemon);
    cause();
    return cluster.wait_until([&] { return reloads(*daemon) > before; }, "the file is read again");
  }
  std::string znode() { return cluster.znodes().get("failoverd/auto_failover").value().bytes; }
  std::string remembered(const Daemon& of) {
    const auto names = cluster.znodes().children("failoverd/daemons");
    const auto colon = of.http().rfind(':');
    for (const std::string& name : names) {
      if (!name.ends_with(of.http().substr(colon))) continue;
      const std::string value = cluster.znodes().get("failoverd/daemons/" + name).value().bytes;
      return value.substr(0, value.find('\n'));  // Below it, whose it is.
    }
    return "no znode";
  }
  // Restarts the daemon, which finds its old lock until the session ends.
  void restart(const std::vector<std::string>& lines) {
    EXPECT_EQ(daemon->stop(), 0);
    daemon->configure(lines);
    daemon->start();
    ASSERT_TRUE(cluster.wait_until([&] { return daemon->active(); }, "it acts again"));
    ASSERT_TRUE(cluster.wait_until(
        [&] { return daemon->metric("failoverd_config_last_reload_successful") == 1; },
        "it is there"));
  }

  Cluster cluster{{.tablets = 1}};
  Daemon* daemon = nullptr;
};

// No znode: the first active daemon writes its file's value, and remembers that.
TEST_F(SwitchTest, FirstDaemonWritesItsFilesValue) {
  daemon = &cluster.start_active_daemon({.config = {"auto_failover: false"}});
  ASSERT_TRUE(cluster.wait_until(
      [&] { return cluster.znodes().get("failoverd/auto_failover").has_value(); }, "it is there"));
  EXPECT_THAT(znode(), StartsWith("false\n"));
  ASSERT_TRUE(cluster.wait_until([&] { return remembered(*daemon) == "false"; }, "remembered"));
  // Another daemon's file has its own memory: that it says something else is no news.
  Daemon& other = cluster.start_daemon({.config = {"auto_failover: true"}});
  ASSERT_TRUE(cluster.wait_until([&] { return remembered(other) == "true"; }, "remembered"));
  EXPECT_THAT(znode(), StartsWith("false\n"));
  // Also a standby's file changes the switch when it is changed.
  other.configure({"auto_failover: false"});
  ASSERT_TRUE(cluster.wait_until([&] { return remembered(other) == "false"; }, "remembered"));
  other.configure({"auto_failover: true"});
  ASSERT_TRUE(becomes(true));
}

// A file without the key has no first value: on, as its page says. And it changes nothing.
TEST_F(SwitchTest, FileWithoutTheKey) {
  daemon = &cluster.start_active_daemon();
  ASSERT_TRUE(becomes(true));
  EXPECT_THAT(znode(), StartsWith("true\n"));
  ASSERT_EQ(daemon->ctl({"confset", "auto_failover", "false"}).status, 0);
  ASSERT_TRUE(becomes(false));
  EXPECT_THAT(daemon->status(),
              ContainsRegex(R"("who":"[^" ]+","from":"127\.0\.0\.1:[0-9]+","at":[0-9]{13}[}])"));
  ASSERT_TRUE(one_more_reload([&] { daemon->configure({"log: {level: info}"}); }));
  cluster.let_pass(milliseconds{300});
  EXPECT_FALSE(is_on(*daemon));
}

// A key that is added to a file is something that the file did not say before.
TEST_F(SwitchTest, KeyAddedToTheFile) {
  daemon = &cluster.start_active_daemon();
  ASSERT_TRUE(becomes(true));
  ASSERT_TRUE(cluster.wait_until([&] { return remembered(*daemon) == "none"; }, "remembered"));
  daemon->configure({"auto_failover: false"});
  ASSERT_TRUE(becomes(false));
  // It goes and comes again: what the file said last is the same.
  ASSERT_TRUE(cluster.wait_until([&] { return remembered(*daemon) == "false"; }, "remembered"));
  ASSERT_EQ(daemon->ctl({"confset", "auto_failover", "true"}).status, 0);
  ASSERT_TRUE(one_more_reload([&] { daemon->configure({"log: {level: info}"}); }));
  ASSERT_TRUE(one_more_reload([&] { daemon->configure({"auto_failover: false"}); }));
  cluster.let_pass(milliseconds{300});
  EXPECT_TRUE(is_on(*daemon));
}

TEST_F(SwitchTest, KeyAddedBeforeAStart) {
  daemon = &cluster.start_active_daemon();
  ASSERT_TRUE(cluster.wait_until([&] { return remembered(*daemon) == "none"; }, "remembered"));
  restart({"auto_failover: false"});
  ASSERT_TRUE(becomes(false));
}

// Somebody tidied up: the switch stands where it stood, whatever the file says.
TEST_F(SwitchTest, RemovedZnodeComesBackAsItWas) {
  daemon = &cluster.start_active_daemon({.config = {"auto_failover: true"}});
  ASSERT_TRUE(becomes(true));
  ASSERT_TRUE(cluster.wait_until([&] { return remembered(*daemon) == "true"; }, "remembered"));
  ASSERT_EQ(daemon->ctl({"confset", "auto_failover", "false"}).status, 0);
  const std::string before = znode();
  cluster.znodes().remove("failoverd/auto_failover");
  ASSERT_TRUE(cluster.wait_until(
      [&] { return cluster.znodes().get("failoverd/auto_failover").has_value(); }, "it is back"));
  EXPECT_EQ(znode(), before);
  cluster.let_pass(milliseconds{300});
  EXPECT_FALSE(is_on(*daemon));
}

// Who asks after the answer hears what was set.
TEST_F(SwitchTest, ConfgetAfterConfset) {
  daemon = &cluster.start_active_daemon();
  ASSERT_TRUE(becomes(true));
  for (int i = 0; i < 20; ++i) {
    const char* const value = i % 2 == 0 ? "false" : "true";
    const auto set =
        daemon->post("/api/v1/commands/confset",
                     std::string{R"({"key":"auto_failover","value":")"} + value + "\"}");
    ASSERT_EQ(set.status, 200) << set.body;
    EXPECT_THAT(daemon->get("/api/v1/conf").body, HasSubstr(value));
  }
}

// SAFETY 17: the answer to confset's write is lost with the connection; it is read back.
TEST_F(SwitchTest, LostAnswerOfConfset) {
  harness::TcpProxy proxy(cluster.io(), cluster.zookeeper().port());
  DaemonOptions options;
  options.zookeeper = proxy.endpoint();
  options.cluster = "session_timeout: 10s";
  daemon = &cluster.start_active_daemon(options);
  ASSERT_TRUE(becomes(true));
  boost::asio::steady_timer cut(cluster.io());
  bool seen = false;
  proxy.on_request = [&](std::string_view request) {
    if (seen || request.find("false\nby ") == std::string_view::npos) return;
    seen = true;
    proxy.swallow_answers(true);
    cut.expires_after(milliseconds{200});
    cut.async_wait([&](const boost::system::error_code&) {
      proxy.swallow_answers(false);
      proxy.cut();
    });
  };
  const auto set = daemon->ctl({"confset", "auto_failover", "false"});
  EXPECT_TRUE(seen);
  EXPECT_EQ(set.status, 0) << set.err;
  EXPECT_FALSE(is_on(*daemon));
  EXPECT_THAT(znode(), StartsWith("false\n"));
}

TEST_F(SwitchTest, WrittenInPlaceOrReplaced) {
  daemon = &cluster.start_active_daemon({.config = {"auto_failover: true"}});
  ASSERT_TRUE(becomes(true));
  std::string text = daemon->read_file();
  text.replace(text.find("auto_failover: true"), 19, "auto_failover: false");
  daemon->write_file(text, Daemon::How::kInPlace);
  ASSERT_TRUE(becomes(false));
  daemon->configure({"auto_failover: true"});
  ASSERT_TRUE(becomes(true));
  // Every change is an event: old, new, who, from where.
  const std::string events = daemon->get("/api/v1/events").body;
  EXPECT_THAT(events,
              HasSubstr("\"fields\":{\"old\":\"true\",\"new\":\"false\",\"by\":\"the file of "));
  EXPECT_THAT(events,
              HasSubstr("\"fields\":{\"old\":\"false\",\"new\":\"true\",\"by\":\"the file of "));
}

TEST_F(SwitchTest, SameValueInTheFileDoesNotUndoConfset) {
  daemon = &cluster.start_active_daemon({.config = {"auto_failover: true"}});
  ASSERT_TRUE(becomes(true));
  ASSERT_TRUE(cluster.wait_until([&] { return remembered(*daemon) == "true"; }, "remembered"));
  const auto set = daemon->ctl({"confset", "auto_failover", "false"});
  EXPECT_EQ(set.out, "set auto_failover ok\n") << set.err;
  ASSERT_TRUE(becomes(false));
  EXPECT_THAT(znode(), ContainsRegex("^false\nby " + own_name() + " from 127.0.0.1"));
  // The same value, in a file that was changed elsewhere; and SIGHUP on an unchanged one.
  ASSERT_TRUE(one_more_reload([&] {
    daemon->configure({"auto_failover: true", "detection: {silence: 2s}"});
  }));
  ASSERT_TRUE(one_more_reload([&] { daemon->process().kill(SIGHUP); }));
  EXPECT_THAT(daemon->log(), HasSubstr("configuration read again (SIGHUP): nothing changed"));
  EXPECT_THAT(daemon->log(), HasSubstr("detection.silence 1s -> 2s"));
  cluster.let_pass(milliseconds{300});
  EXPECT_FALSE(is_on(*daemon));
  // Nor does a restart.
  restart({"auto_failover: true"});
  cluster.let_pass(milliseconds{300});
  EXPECT_FALSE(is_on(*daemon));
  EXPECT_THAT(znode(), StartsWith("false\n"));
  // A file that says something else than before, read at a start, changes it.
  restart({"auto_failover: false"});
  ASSERT_TRUE(cluster.wait_until([&] { return remembered(*daemon) == "false"; }, "remembered"));
  restart({"auto_failover: true"});
  ASSERT_TRUE(becomes(true));
}

// Off: what is the cluster's stays as it is, its counters too.
TEST_F(SwitchTest, OffChangesNothingOfTheClusters) {
  cluster.create_table("flow", 2, 1);
  cluster.znodes().remove("table/notify");
  const std::string term = cluster.znodes().get("table/term")->bytes;
  daemon = &cluster.start_active_daemon({.config = {"auto_failover: false"}});
  cluster.let_pass(milliseconds{500});
  EXPECT_EQ(cluster.znodes().get("table/term")->bytes, term);
  EXPECT_FALSE(cluster.znodes().get("table/notify").has_value());
  ASSERT_EQ(daemon->ctl({"confset", "auto_failover", "true"}).status, 0);
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.znodes().get("table/term")->bytes != term; },
                                 "terms are reserved"));
  ASSERT_TRUE(cluster.wait_until([&] { return cluster.znodes().get("table/notify").has_value(); },
                                 "notify is made"));
  EXPECT_EQ(cluster.znodes().get("table/notify")->bytes, "0");
}

// Others count in table/notify too: it never goes back.
TEST_F(SwitchTest, NotifyGoesUpWhoeverElseCounts) {
  cluster.create_table("flow", 2, 1);
  daemon = &cluster.start_active_daemon();
  cluster.znodes().set("table/notify", "5000");
  cluster.kill_tablet(0);
  ASSERT_TRUE(cluster.wait_until(
      [&] { return cluster.znodes().get("table/table_data/flow")->version > 0; }, "a publish"))
      << daemon->log();
  EXPECT_GT(std::stoull(cluster.znodes().get("table/notify")->bytes), 5000u);
}

// Whoever writes the znode, all see it; garbage in it changes nothing.
TEST_F(SwitchTest, ZnodeWrittenByHand) {
  daemon = &cluster.start_active_daemon();
  ASSERT_TRUE(becomes(true));
  cluster.znodes().set("failoverd/auto_failover", "false");
  ASSERT_TRUE(becomes(false));
  cluster.znodes().set("failoverd/auto_failover", "maybe");
  ASSERT_TRUE(cluster.wait_until(
      [&] { return daemon->log().find("neither true nor false") != std::string::npos; },
      "garbage is named"));
  EXPECT_THAT(daemon->log(), HasSubstr("; what was read before holds: write true or false"));
  EXPECT_FALSE(is_on(*daemon));
  cluster.znodes().set("failoverd/auto_failover", "true\n");
  ASSERT_TRUE(becomes(true));
}

// Two of one host name and port, such as cloned machines: whoever starts, nothing changes.
TEST_F(SwitchTest, TwoDaemonsOfOneName) {
  daemon = &cluster.start_active_daemon({.config = {"auto_failover: true"}});
  ASSERT_TRUE(becomes(true));
  ASSERT_TRUE(cluster.wait_until([&] { return remembered(*daemon) == "true"; }, "remembered"));
  const std::string port = daemon->http().substr(daemon->http().rfind(':'));
  Daemon& twin = cluster.start_daemon(
      {.config = {"auto_failover: false", "listen: {http: \"127.0.0.2" + port + "\"}"}});
  const std::string line = "another daemon lives that is called";
  ASSERT_TRUE(
      cluster.wait_until([&] { return twin.log().find(line) != std::string::npos; }, "it says so"));
  EXPECT_EQ(count(twin.log(), line), 1u) << twin.log();
  EXPECT_THAT(twin.ctl({"status"}, "http://127.0.0.2" + port).out,
              AllOf(HasSubstr("\n" + line), HasSubstr("this daemon's file says false")));
  daemon->kill();
  ASSERT_TRUE(cluster.wait_until(
      [&] { return twin.log().find("is this daemon's own now") != std::string::npos; },
      "the name is free"));
  daemon->start();
  ASSERT_TRUE(cluster.wait_until([&] { return count(daemon->log(), line) == 1; },
                                 "the first one says so, too"));
  EXPECT_THAT(znode(), StartsWith("true\n"));
  EXPECT_EQ(daemon->stop(), 0);
}

// A configuration that cannot work leaves the old one in force, and says where it is wrong.
TEST_F(SwitchTest, BadConfigurationIsRefused) {
  daemon = &cluster.start_active_daemon({.config = {"auto_failover: true"}});
  ASSERT_TRUE(becomes(true));
  const std::string good = daemon->read_file();
  const char* const metric = "failoverd_config_last_reload_successful";
  EXPECT_EQ(daemon->metric(metric), 1);
  daemon->write_file("auto_failover: false\n" + good.substr(good.find('\n') + 1) +
                     "election: {wait_for_better: 3}\n");
  ASSERT_TRUE(cluster.wait_until([&] { return daemon->metric(metric) == 0; }, "it is refused"))
      << daemon->read_file() << daemon->log();
  EXPECT_TRUE(is_on(*daemon));
  const auto lines = std::count(good.begin(), good.end(), '\n') + 1;
  const std::string complaint = daemon->file().string() + ":" + std::to_string(lines) +
                                ":29: election.wait_for_better: \"3\" is not a duration";
  EXPECT_EQ(count(daemon->log(), complaint), 1u) << daemon->log();
  const std::string status = daemon->ctl({"status"}).out;
  EXPECT_THAT(status, AllOf(HasSubstr("configuration refused"), HasSubstr("the old one holds"),
                            HasSubstr("election.wait_for_better")));
  daemon->write_file(good);
  ASSERT_TRUE(cluster.wait_until([&] { return daemon->metric(metric) == 1; }, "it is good again"));
  // Also what it names must be there.
  daemon->configure({"auto_failover: false",
                     "listen: {http: \"" + daemon->http() + "\", token_file: /nothing/there}"});
  ASSERT_TRUE(cluster.wait_until([&] { return daemon->metric(metric) == 0; }, "it is refused"));
  EXPECT_THAT(daemon->log(), HasSubstr("listen.token_file: \"/nothing/there\" cannot be read"));
  EXPECT_TRUE(is_on(*daemon));
}

}  // namespace
}  // namespace failoverd::e2e
