// What failoverd makes of its file and its flags before and when it starts: exit statuses, the line
// that names what is wrong, and keys that do nothing yet. Reloads that change the switch:
// switch_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"

namespace failoverd::e2e {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

// Started, or asked beforehand: it ends with one line about this place of its file.
void expect_refused(Daemon& daemon, const std::string& place) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{}, std::vector<std::string>{"--check-config"}}) {
    const auto bad = daemon.run(arguments);
    EXPECT_EQ(bad.status, 78);
    EXPECT_EQ(bad.out, "");
    EXPECT_THAT(bad.err, MatchesRegex(".*failoverd0.yaml:" + place + "[^\n]+\n"));
  }
}

TEST(Configuration, ExitStatusOfFailoverd) {
  Cluster cluster({.tablets = 0});
  Daemon& daemon = cluster.start_daemon();
  ASSERT_TRUE(cluster.wait_until([&] { return daemon.active(); }, "it acts"));
  const auto ok = daemon.run({"--check-config"});
  EXPECT_EQ(ok.status, 0);
  EXPECT_EQ(ok.out, daemon.file().string() + ": ok\n");
  EXPECT_EQ(daemon.run({}).status, 1);  // Its address is taken.
  EXPECT_THAT(daemon.run({}).err, HasSubstr(daemon.http()));
  EXPECT_EQ(daemon.stop(), 0);
  daemon.write_file("log: {level: loud}\n");
  expect_refused(daemon, "1:14: log.level: \"loud\" ");
  const auto token = cluster.directory() / "token";
  ASSERT_EQ(::mkfifo(token.c_str(), 0600), 0);  // Nobody ever writes into it.
  daemon.write_file("listen: {token_file: " + token.string() + "}\n");
  expect_refused(daemon, "1:22: listen.token_file: ");
  EXPECT_EQ(daemon.run({"--explode"}).status, 1);
  EXPECT_EQ(daemon.run({"--version"}).status, 0);
  std::filesystem::remove(daemon.file());
  EXPECT_EQ(daemon.run({}).status, 78);
}

// A key that does nothing says so: beforehand, at the start, and at a reload.
TEST(Configuration, SeeWhichKeysAreNotUsed) {
  Cluster cluster({.tablets = 0});
  const std::string line = ": guards.flaps: \"5\": this version does not use it\n";
  Daemon& daemon = cluster.start_daemon({.config = {"guards: {flaps: 5}"}});
  const auto warnings = [&] {
    const std::string log = daemon.log();
    int n = 0;
    for (auto at = log.find(line); at != std::string::npos; at = log.find(line, at + 1)) ++n;
    return n;
  };
  ASSERT_TRUE(cluster.wait_until([&] { return daemon.active(); }, "it acts"));
  EXPECT_EQ(warnings(), 1) << daemon.log();
  const auto checked = daemon.run({"--check-config"});
  EXPECT_EQ(checked.status, 0);
  EXPECT_THAT(checked.err, MatchesRegex(".*failoverd0.yaml:[0-9]+:17" + line));
  daemon.process().kill(SIGHUP);
  EXPECT_TRUE(cluster.wait_until([&] { return warnings() == 2; }, "a reload warns again"));
  daemon.configure({"guards: {flaps: 3}"});
  ASSERT_TRUE(cluster.wait_until([&] { return daemon.log().find("5 -> 3") != std::string::npos; },
                                 "another reload"));
  EXPECT_EQ(warnings(), 2);
}

// The file of a daemon that runs is emptied, by an editor or a full disk: what holds goes on.
TEST(Configuration, AnEmptiedFileChangesNothing) {
  Cluster cluster({.tablets = 0});
  Daemon& daemon = cluster.start_daemon({.config = {"guards: {max_lost_tablets: 7}"}});
  ASSERT_TRUE(cluster.wait_until([&] { return daemon.active(); }, "it acts"));
  const std::string before = daemon.read_file();
  daemon.write_file("", Daemon::How::kInPlace);
  daemon.process().kill(SIGHUP);
  ASSERT_TRUE(cluster.wait_until(
      [&] { return daemon.metric("failoverd_config_last_reload_successful") == 0; },
      "it is refused"));
  EXPECT_THAT(daemon.status(), HasSubstr("holds no key at all"));
  EXPECT_THAT(daemon.log(), HasSubstr("the configuration stays as it was"));
  daemon.write_file(before, Daemon::How::kInPlace);
  ASSERT_TRUE(
      cluster.wait_until([&] { return daemon.log().find("nothing changed") != std::string::npos; },
                         "what holds is what was written"));
  EXPECT_EQ(daemon.metric("failoverd_config_last_reload_successful"), 1);
}

// However many come, they say one thing: that the file may be another one.
TEST(Configuration, ManySighupsAreFewReloads) {
  Cluster cluster({.tablets = 0});
  Daemon& daemon = cluster.start_daemon();
  ASSERT_TRUE(cluster.wait_until([&] { return daemon.active(); }, "it acts"));
  const auto reloads = [&] {
    const std::string log = daemon.log();
    int n = 0;
    for (auto at = log.find("(SIGHUP)"); at != std::string::npos; at = log.find("(SIGHUP)", at + 1))
      ++n;
    return n;
  };
  for (int i = 0; i < 300; ++i) {
    daemon.process().kill(SIGHUP);
    cluster.let_pass(std::chrono::milliseconds{1});
  }
  // The last one counts as well.
  daemon.configure({"detection: {silence: 4321ms}"});
  daemon.process().kill(SIGHUP);
  ASSERT_TRUE(cluster.wait_until([&] { return daemon.log().find("4321ms") != std::string::npos; },
                                 "it is read"));
  EXPECT_GE(reloads(), 1);
  EXPECT_LT(reloads(), 50);
}

// A token that is known to too many is replaced without a restart.
TEST(Configuration, AnotherTokenTakesEffect) {
  Cluster cluster({.tablets = 0});
  Daemon& daemon = cluster.start_daemon();
  ASSERT_TRUE(cluster.wait_until([&] { return daemon.active(); }, "it acts"));
  ASSERT_EQ(daemon.stop(), 0);
  const auto token = cluster.directory() / "token";
  const auto write_token = [&](const std::string& word) {
    std::ofstream{token} << word;
    std::filesystem::permissions(token, std::filesystem::perms{0600});
  };
  write_token("first-secret");
  daemon.configure(
      {"listen: {http: \"" + daemon.http() + "\", token_file: \"" + token.string() + "\"}"});
  daemon.start();
  ASSERT_TRUE(cluster.wait_until([&] { return daemon.active(); }, "it acts"));
  const auto confset = [&] {
    return daemon.ctl({"confset", "auto_failover", "true", "--token-file", token.string()}).status;
  };
  EXPECT_EQ(confset(), 0);
  write_token("second-secret");
  EXPECT_EQ(confset(), 1);
  daemon.process().kill(SIGHUP);
  ASSERT_TRUE(cluster.wait_until([&] { return confset() == 0; }, "the new one is taken"));
  EXPECT_THAT(daemon.log(), HasSubstr("listen.token_file's token the old one -> another"));
  EXPECT_THAT(daemon.log(), Not(HasSubstr("second-secret")));
  std::filesystem::permissions(token, std::filesystem::perms{0666});
  daemon.process().kill(SIGHUP);
  ASSERT_TRUE(cluster.wait_until(
      [&] { return daemon.status().find("may be read or written by others") != std::string::npos; },
      "such a file is refused"));
  EXPECT_EQ(confset(), 0) << "the old token holds";
}

}  // namespace
}  // namespace failoverd::e2e
