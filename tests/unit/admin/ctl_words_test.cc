// failoverctl's parts that need no daemon: its line, its numbers, its tables.
#include <gtest/gtest.h>

#include "daemon/ctl/events.h"
#include "daemon/ctl/format.h"
#include "daemon/ctl/http_client.h"
#include "daemon/ctl/options.h"
#include "daemon/ctl/show.h"
#include "daemon/ctl/status_text.h"
#include "daemon/ctl/table.h"
#include "lib/admin/json.h"

namespace failoverd::ctl {
namespace {

using Words = std::vector<std::string>;

TEST(CtlFormat, Durations) {
  EXPECT_EQ(short_duration(-5), "0s");
  EXPECT_EQ(short_duration(999), "0s");
  EXPECT_EQ(short_duration(59'999), "59s");
  EXPECT_EQ(short_duration(60'000), "1m");
  EXPECT_EQ(short_duration(3'599'999), "59m");
  EXPECT_EQ(short_duration(3'600'000), "1h");
  EXPECT_EQ(short_duration(86'400'000LL * 400), "400d");
}

TEST(CtlFormat, Sizes) {
  EXPECT_EQ(short_size(0), "0.000");
  EXPECT_EQ(short_size(702), "702.000");
  EXPECT_EQ(short_size(1023), "1023.000");
  EXPECT_EQ(short_size(1024), "1.000 K");
  EXPECT_EQ(short_size(1162), "1.135 K");
  EXPECT_EQ(short_size(3ULL << 20), "3.000 M");
  EXPECT_EQ(short_size(5ULL << 30), "5.000 G");
  EXPECT_EQ(short_size(UINT64_MAX), "16.000 E");
}

TEST(CtlTable, EveryColumnIsAsWideAsItsWidestCell) {
  EXPECT_EQ(to_table({"key", "value"}, {{"auto_failover", "true"}}),
            "  key            value\n"
            "------------------------\n"
            "  auto_failover  true \n");
  EXPECT_EQ(to_table({"a", "b"}, {}), "  a  b\n--------\n");
  EXPECT_EQ(to_table({"a"}, {{"x\x1b[31m\n"}}), "  a      \n-----------\n  x?[31m?\n");
}

TEST(CtlOptions, StandAnywhere) {
  for (const Words& words : {Words{"--server", "a:1,b:2", "--json", "showtable", "flow"},
                             Words{"showtable", "--json", "flow", "--server=a:1,b:2"},
                             Words{"--json", "--server=a:1,b:2", "--", "showtable", "flow"}}) {
    const auto options = parse_options(words, {"c:3", ""});
    ASSERT_TRUE(options) << options.error().text;
    EXPECT_EQ(options->servers, (Words{"a:1", "b:2"}));
    EXPECT_TRUE(options->json);
    EXPECT_EQ(options->command, "showtable");
    EXPECT_EQ(options->arguments, Words{"flow"});
  }
}

TEST(CtlOptions, ServersComeFromTheEnvironmentThenByDefault) {
  EXPECT_EQ(parse_options({"status"}, {"c:3,d:4", ""})->servers, (Words{"c:3", "d:4"}));
  EXPECT_EQ(parse_options({"status"}, {})->servers, Words{"http://127.0.0.1:9650"});
  EXPECT_EQ(parse_options({"status"}, {"", "/token"})->token_file, "/token");
  EXPECT_EQ(parse_options({"status", "--token-file", "/t"}, {"", "/token"})->token_file, "/t");
}

TEST(CtlOptions, MistakesAreNamed) {
  const auto mistake = [](const Words& words) {
    const auto options = parse_options(words, {});
    return options ? "none" : options.error().text;
  };
  EXPECT_EQ(mistake({}), "a command is missing (see failoverctl --help)");
  EXPECT_EQ(mistake({"nosuch"}), "unknown command nosuch (see failoverctl --help)");
  EXPECT_EQ(mistake({"status", "--nosuch"}), "unknown option --nosuch (see failoverctl --help)");
  EXPECT_EQ(mistake({"status", "-x"}), "unknown option -x (see failoverctl --help)");
  EXPECT_EQ(mistake({"status", "--server"}), "--server needs a value");
  EXPECT_EQ(mistake({"status", "--server="}), "--server needs a URL");
  EXPECT_EQ(mistake({"status", "--json=1"}), "--json takes no value");
  EXPECT_EQ(mistake({"status", "x"}), "usage: failoverctl status");
  EXPECT_EQ(mistake({"showtable", "a", "b"}), "usage: failoverctl showtable [TABLE]");
  EXPECT_EQ(mistake({"confset", "auto_failover"}),
            "usage: failoverctl confset auto_failover true|false");
  EXPECT_EQ(mistake({"showopstatus", "flow", "x"}), "PID is a partition's number, not x");
  EXPECT_EQ(mistake({"showopstatus", "flow", "-1"}), "unknown option -1 (see failoverctl --help)");
  EXPECT_EQ(mistake({"events", "--since", "x"}), "--since needs an event's id, not x");
  EXPECT_EQ(mistake({"status", "--follow"}),
            "status takes no --follow (see failoverctl status --help)");
  EXPECT_EQ(mistake({"status", "--db"}), "--db needs a value");
  EXPECT_EQ(mistake({"offlineendpoint", "A", "--wait=1"}), "--wait takes no value");
  EXPECT_EQ(mistake({"confset", "auto_failover", "true", "--plan"}),
            "confset takes no --plan (see failoverctl confset --help)");
}

// Whoever writes a script need not know to which command they mean something.
TEST(CtlOptions, EveryCommandTakesTheCommonOnes) {
  for (const CommandInfo& command : commands()) {
    Words words;
    std::istringstream in(command.example);
    for (std::string word; in >> word;) words.push_back(word);
    words.erase(words.begin());
    words.insert(words.end(), {"--db", "shop", "--wait", "--yes", "--json"});
    const auto options = parse_options(words, {});
    ASSERT_TRUE(options) << command.name << ": " << options.error().text;
    EXPECT_EQ(options->db, "shop") << command.name;
    EXPECT_TRUE(options->wait && options->yes && options->json) << command.name;
  }
}

TEST(CtlOptions, HelpHasAnExampleForEveryCommand) {
  const std::string all = help_text("");
  for (const CommandInfo& command : commands()) {
    EXPECT_NE(all.find("\n  " + std::string(command.name)), std::string::npos) << command.name;
    EXPECT_NE(all.find("example: failoverctl " + std::string(command.name)), std::string::npos);
    EXPECT_NE(help_text(command.name).find(command.example), std::string::npos);
    // The example is one that this program accepts.
    Words words;
    std::istringstream in(command.example);
    for (std::string word; in >> word;) words.push_back(word);
    words.erase(words.begin());
    EXPECT_TRUE(parse_options(words, {})) << command.example;
  }
}

TEST(CtlUrl, IsHostAndPort) {
  EXPECT_EQ(parse_url("http://127.0.0.1:9650")->address(), "127.0.0.1:9650");
  EXPECT_EQ(parse_url("db7.example:1/")->address(), "db7.example:1");
  EXPECT_EQ(parse_url("db7.example")->address(), "db7.example:9650");
  EXPECT_EQ(parse_url("http://[::1]:9650")->address(), "[::1]:9650");
  EXPECT_EQ(parse_url("[::1]")->host, "::1");
  for (const char* wrong : {"https://a:1", "http://", "", ":9650", "a:x", "a:", "a:65536",
                            "a:999999", "http://a:1/path", "a b:1", "http://user@a:1"}) {
    EXPECT_FALSE(parse_url(wrong)) << wrong;
  }
}

TEST(CtlShow, WhatIsNotKnownIsADash) {
  admin::ReplicaRow row;
  row.name = "flow";
  row.ttl = 3;
  row.ttl_type = "kLatestTime";
  const auto table = replicas_table(to_json(std::vector{row}));
  ASSERT_TRUE(table);
  EXPECT_EQ(
      *table,
      "  name  tid  pid  endpoint  role      ttl  is_alive  compress_type  offset  record_cnt  "
      "memused\n"
      "---------------------------------------------------------------------------------------"
      "----------\n"
      "  flow  0    0              follower  3    no                       -       -           "
      "-      \n");
}

TEST(CtlShow, AnAnswerThatIsNotUnderstoodIsAFailure) {
  for (const char* answer : {"", "{}", "[{}]", "[1]", "[{\"endpoint\": 1}]", "<html>"}) {
    EXPECT_FALSE(tablets_table(answer)) << answer;
    EXPECT_FALSE(status_text(answer)) << answer;
    EXPECT_FALSE(event_line(answer)) << answer;
  }
}

}  // namespace
}  // namespace failoverd::ctl
