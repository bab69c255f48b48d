// What failoverd.yaml may say, and the one line that names each mistake.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "lib/config/config.h"
#include "lib/config/keys.h"

namespace failoverd::config {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

std::string problem_of(const std::string& text) {
  const Result<Config> result = parse(text, "f.yaml");
  return result ? "" : result.error().text;
}

TEST(Parse, NothingIsTheDefaults) {
  for (const char* text : {"", "\n", "# only a comment\n", "---\n", "{}", "~", "cluster:\n",
                           "log:\n  # level: debug\n", "\xef\xbb\xbf"}) {
    const Result<Config> config = parse(text, "f.yaml");
    ASSERT_TRUE(config) << text << ": " << config.error().text;
    EXPECT_EQ(config->cluster.zookeeper, "127.0.0.1:2181");
    EXPECT_EQ(config->cluster.root, "/rtidb_cluster");
    EXPECT_EQ(config->auto_failover, std::nullopt);
    EXPECT_EQ(config->listen.http, "127.0.0.1:9650");
    EXPECT_EQ(config->policy, core::Policy{});
    EXPECT_EQ(config->state_dir, "/var/lib/failoverd");
  }
}

TEST(Parse, EveryKeyArrives) {
  const Result<Config> read = parse(R"(
cluster: {zookeeper: "a-1:2181,10.0.0.2:2182,[fe80::1]:2183", root: /x/y, session_timeout: 4s,
          numbering: openmldb, metadata: zookeeper, zookeeper_auth_file: /etc/z}
auto_failover: false
listen: {http: "0.0.0.0:1", rpc: "[::1]:65535", rpc_changes: any, socket: /run/failoverd.sock,
         token_file: /etc/t}
detection: {crash: false, refuses_again: 5ms, silence: 1500ms, zookeeper_lost: never,
            hung_leader: 1m}
election: {wait_for_better: 0s, wait_for_lost: never, unclean_after: 1h}
recovery: {max_copies_per_tablet: 3, catch_up_delta: 9, full_restart_wait: 7m, replace_after: 24h,
           reuse_binlog: false}
handover: {pause: 10ms}
guards: {max_lost_tablets: 4, window: 20s, flaps: 5, max_lost_entries: 100}
hooks: []
state_dir: /tmp/state
log: {level: debug, format: json}
)",
                                    "f.yaml");
  ASSERT_TRUE(read) << read.error().text;
  const Config& config = *read;
  EXPECT_EQ(config.cluster.zookeeper, "a-1:2181,10.0.0.2:2182,[fe80::1]:2183");
  EXPECT_EQ(config.cluster.root, "/x/y");
  EXPECT_EQ(config.cluster.session_timeout, seconds{4});
  EXPECT_EQ(config.cluster.numbering, Numbering::kOpenmldb);
  EXPECT_EQ(config.policy.metadata, core::Metadata::kZookeeper);
  EXPECT_EQ(config.cluster.zookeeper_auth_file, "/etc/z");
  EXPECT_EQ(config.auto_failover, false);
  EXPECT_EQ(config.listen.http, "0.0.0.0:1");
  EXPECT_EQ(config.listen.rpc, "[::1]:65535");
  EXPECT_TRUE(config.listen.rpc_changes_from_any);
  EXPECT_EQ(config.listen.socket, "/run/failoverd.sock");
  EXPECT_EQ(config.listen.token_file, "/etc/t");
  const core::Policy& policy = config.policy;
  EXPECT_EQ(policy.detection, (core::Detection{false, milliseconds{5}, milliseconds{1500},
                                               std::nullopt, minutes{1}}));
  EXPECT_EQ(policy.election,
            (core::ElectionPolicy{Duration{0}, std::nullopt, std::chrono::hours{1}}));
  EXPECT_EQ(policy.recovery, (core::Recovery{3, 9, minutes{7}, std::chrono::hours{24}, false}));
  EXPECT_EQ(policy.handover, (core::Handover{milliseconds{10}}));
  EXPECT_EQ(policy.guards, (core::Guards{4, seconds{20}, 5, 100}));
  EXPECT_EQ(config.state_dir, "/tmp/state");
  EXPECT_EQ(config.log.level, LogLevel::kDebug);
  EXPECT_EQ(config.log.format, LogFormat::kJson);
}

TEST(Parse, AnchorsAndQuotesAreYaml) {
  const Result<Config> config = parse(
      "detection: {zookeeper_lost: &long 1m, hung_leader: *long, silence: '4s', \"crash\": "
      "\"false\"}\n",
      "f.yaml");
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_EQ(config->policy.detection.hung_leader, minutes{1});
  EXPECT_EQ(config->policy.detection.silence, seconds{4});
  EXPECT_FALSE(config->policy.detection.crash);
}

TEST(Parse, WhatThisVersionDoesNotUseIsNamed) {
  const Result<Config> config = parse(
      "guards: {max_lost_entries: 0, flaps: 5}\n"
      "detection:\n  hung_leader: 1s\n  zookeeper_lost: 30s\n  silence: 1s\n"
      "election: {unclean_after: 1h, wait_for_lost: never}\n"
      "listen: {rpc: \"\", socket: /run/s}\nstate_dir: /s\n",
      "f.yaml");
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_EQ(config->unused,
            (std::vector<std::string>{
                "f.yaml:1:38: guards.flaps: \"5\": this version does not use it",
                "f.yaml:3:16: detection.hung_leader: \"1s\": this version does not use it",
                "f.yaml:8:12: state_dir: \"/s\": this version does not use it"}));
}

struct Mistake {
  std::string text;
  std::string line;  // After "f.yaml:".
};

void expect_lines(const std::vector<Mistake>& mistakes) {
  for (const Mistake& mistake : mistakes) {
    EXPECT_EQ(problem_of(mistake.text), "f.yaml:" + mistake.line) << mistake.text;
  }
}

TEST(Parse, ValuesOfTheWrongKindAreNamed) {
  const std::string duration = " is not a duration: write N(ms|s|m|h), such as 3s";
  expect_lines({
      {"detection:\n  silence: 3\n", "2:12: detection.silence: \"3\"" + duration},
      {"detection: {hung_leader: 3}",
       "1:26: detection.hung_leader: \"3\"" + duration + ", or never"},
      {"detection: {silence: never}", "1:22: detection.silence: \"never\"" + duration},
      {"detection: {silence: 3 s}", "1:22: detection.silence: \"3 s\"" + duration},
      {"detection: {silence: \"\"}", "1:22: detection.silence: \"\"" + duration},
      {"detection: {silence: }", "1:13: detection.silence: has no value: write 100ms to 1h"},
      {"detection: {silence: null}", "1:13: detection.silence: has no value: write 100ms to 1h"},
      {"detection: {silence: [3s]}",
       "1:22: detection.silence: a list stands where a duration should: write 100ms to 1h"},
      {"detection: {silence: {a: 1}}",
       "1:22: detection.silence: a map stands where a duration should: write 100ms to 1h"},
      {"detection: {crash: yes}",
       "1:20: detection.crash: \"yes\" is not known here: write true or false"},
      {"auto_failover: on", "1:16: auto_failover: \"on\" is not known here: write true or false"},
      {"auto_failover:", "1:1: auto_failover: has no value: write true or false"},
      {"log: {level: loud}",
       "1:14: log.level: \"loud\" is not known here: write debug, info, warn or error"},
      {"cluster: {numbering: rtidb}",
       "1:22: cluster.numbering: \"rtidb\" is not known here: write auto, fedb or openmldb"},
      {"recovery: {catch_up_delta: many}",
       "1:28: recovery.catch_up_delta: \"many\" is not a whole number: write 0 to 1000000000"},
      {"recovery: {catch_up_delta: -1}",
       "1:28: recovery.catch_up_delta: \"-1\" is not a whole number: write 0 to 1000000000"},
      {"guards: {max_lost_tablets: half}",
       "1:28: guards.max_lost_tablets: \"half\" is not a whole number: write 1 to 100000, or auto"},
      {"hooks: [{run: x}]", "1:8: hooks: a list that is not empty: write []"},
      {"hooks: x", "1:8: hooks: \"x\" stands where a list should: write []"},
  });
}

TEST(Parse, ValuesOutOfRangeAreNamed) {
  expect_lines({
      {"detection: {silence: 99ms}",
       "1:22: detection.silence: \"99ms\" is out of range: write 100ms to 1h"},
      {"detection: {silence: 61m}",
       "1:22: detection.silence: \"61m\" is out of range: write 100ms to 1h"},
      {"election: {unclean_after: 0s}",
       "1:27: election.unclean_after: \"0s\" is out of range: write 1s to 720h, or never"},
      {"cluster: {session_timeout: 10m}",
       "1:28: cluster.session_timeout: \"10m\" is out of range: write 100ms to 5m"},
      {"recovery: {max_copies_per_tablet: 0}",
       "1:35: recovery.max_copies_per_tablet: \"0\" is out of range: write 1 to 64"},
      {"guards: {max_lost_tablets: 0}",
       "1:28: guards.max_lost_tablets: \"0\" is out of range: write 1 to 100000, or auto"},
      {"election: {wait_for_lost: 0}",
       "1:27: election.wait_for_lost: \"0\" is not a duration: write N(ms|s|m|h), such as 3s, or "
       "never"},
      {"election: {wait_for_lost: 25h}",
       "1:27: election.wait_for_lost: \"25h\" is out of range: write 0s to 24h, or never"},
      {"guards: {max_lost_entries: 99999999999999999999}",
       "1:28: guards.max_lost_entries: \"99999999999999999999\" is not a whole number: write 0 to "
       "1000000000000000, or unlimited"},
  });
}

TEST(Parse, PlacesAreChecked) {
  const std::string path = ": write an absolute path, such as /rtidb_cluster";
  const std::string servers =
      ": write HOST:PORT[,HOST:PORT...], such as 10.0.0.1:2181,10.0.0.2:2181";
  const std::string listen = ": write IP:PORT or [IPV6]:PORT, such as 127.0.0.1:9650";
  const auto zookeeper = [](const std::string& value) {
    return Mistake{"cluster: {zookeeper: \"" + value + "\"}",
                   "1:22: cluster.zookeeper: \"" + value + "\" "};
  };
  const auto with = [](Mistake mistake, const std::string& rest) {
    mistake.line += rest;
    return mistake;
  };
  expect_lines({
      {"cluster: {root: rtidb}", "1:17: cluster.root: \"rtidb\" is not absolute" + path},
      {"cluster:\n  root: /a/\n", "2:9: cluster.root: \"/a/\" ends with a slash: write \"/a\""},
      {"cluster: {root: /}", "1:17: cluster.root: \"/\" is no place of its own" + path},
      {"cluster: {root: //}", "1:17: cluster.root: \"//\" is no place of its own" + path},
      {"cluster: {root: /a//b}", "1:17: cluster.root: \"/a//b\" has an empty part" + path},
      {"cluster: {root: /a/../b}", "1:17: cluster.root: \"/a/../b\" has a relative part" + path},
      {"cluster: {root: \"/a\\tb\"}",
       "1:17: cluster.root: \"/a\\tb\" has control characters" + path},
      with(zookeeper(""), "names no server" + servers),
      with(zookeeper("a:1,,b:2"), "has an empty part" + servers),
      with(zookeeper("a:1,"), "has an empty part" + servers),
      with(zookeeper("zoo"), "has the part \"zoo\", which has no port" + servers),
      with(zookeeper("a:1,zoo:0"),
           "has the part \"zoo:0\", whose port is not 1 to 65535" + servers),
      with(zookeeper("a:65536"),
           "has the part \"a:65536\", whose port is not 1 to 65535" + servers),
      with(zookeeper("10.0.0.256:1"),
           "has the part \"10.0.0.256:1\", whose host is neither a name nor an address" + servers),
      with(zookeeper("::1:2181"),
           "has the part \"::1:2181\", whose host is neither a name nor an address" + servers),
      with(zookeeper("a:1, b:2"),
           "has the part \" b:2\", whose host is neither a name nor an address" + servers),
      with(zookeeper("a:1/chroot"),
           "has the part \"a:1/chroot\", a path does not belong here: write it as cluster.root"),
      {"listen: {http: \"\"}", "1:16: listen.http: \"\" has no port" + listen},
      {"listen: {http: 9650}", "1:16: listen.http: \"9650\" has no port" + listen},
      {"listen: {http: \"localhost:9650\"}",
       "1:16: listen.http: \"localhost:9650\" does not begin with an IP address" + listen +
           ", or 0.0.0.0:9650 for every interface"},
      {"listen: {http: \":9650\"}",
       "1:16: listen.http: \":9650\" does not begin with an IP address" + listen +
           ", or 0.0.0.0:9650 for every interface"},
      {"listen: {http: \"127.0.0.1:99999\"}",
       "1:16: listen.http: \"127.0.0.1:99999\" has a port that is not 1 to 65535" + listen},
      {"listen: {rpc: \"127.0.0.1\"}",
       "1:15: listen.rpc: \"127.0.0.1\" has no port" + listen + ", or \"\" for none"},
      {"listen:\n  http: \"127.0.0.1:80\"\n  rpc: \"127.0.0.1:80\"\n",
       "3:8: listen.rpc: \"127.0.0.1:80\" is the address of listen.http too: write another port"},
      {"listen: {rpc: \"127.0.0.1:9650\"}",
       "1:15: listen.rpc: \"127.0.0.1:9650\" is the address of listen.http too: write another "
       "port"},
      {"listen: {token_file: token}",
       "1:22: listen.token_file: \"token\" is not absolute: write an absolute path, such as "
       "/var/lib/failoverd, or \"\" for none"},
      {"listen: {socket: /" + std::string(107, 's') + "}",
       "1:18: listen.socket: \"/" + std::string(59, 's') +
           "...\" is too long for a unix socket: write at most 107 bytes"},
      {"state_dir: \"\"",
       "1:12: state_dir: \"\" is not absolute: write an absolute path, such as /var/lib/failoverd"},
  });
}

TEST(Parse, ValuesAreUtf8) {
  expect_lines({
      {"cluster: {root: \"/a\xff\"}",
       "1:17: cluster.root: \"/a\\xff\" is not UTF-8: write an absolute path without a slash at "
       "the "
       "end"},
      {"state_dir: /var/\xc3",
       "1:12: state_dir: \"/var/\\xc3\" is not UTF-8: write an absolute path"},
  });
  EXPECT_EQ(problem_of("cluster: {root: /\xe4\xb8\xad}  # \xff in a comment is nobody's value"),
            "");
}

TEST(Parse, KeysThatAreNotKnownAreNamedWithTheNearest) {
  expect_lines({
      {"detection:\n  silense: 3s\n",
       "2:3: detection.silense: unknown key: did you mean detection.silence?"},
      {"silence: 3s", "1:1: silence: unknown key: did you mean detection.silence?"},
      {"election: {silence: 3s}",
       "1:12: election.silence: unknown key: did you mean detection.silence?"},
      {"foo: 1",
       "1:1: foo: unknown key: known here are mode, cluster, auto_failover, listen, detection, "
       "election, recovery, handover, guards, hooks, state_dir, log"},
      {"detektion: {silence: 3s}", "1:1: detektion: unknown key: did you mean detection?"},
      {"autofailover: true", "1:1: autofailover: unknown key: did you mean auto_failover?"},
      {"detection.silence: 3s",
       "1:1: detection.silence: is not written with a dot: write silence: below detection:"},
      {"log: {colour: red}", "1:7: log.colour: unknown key: known here are level, format"},
      {"wibble: 1",
       "1:1: wibble: unknown key: known here are mode, cluster, auto_failover, listen, detection, "
       "election, recovery, handover, guards, hooks, state_dir, log"},
      {"log: {level: info, level: debug}",
       "1:20: log.level: is there twice: write it once (the first is in line 1)"},
      {"log: {level: info}\n\nlog: {format: json}",
       "3:1: log: is there twice: write it once (the first is in line 1)"},
      {"auto_failover: true\nauto_failover: true\n",
       "2:1: auto_failover: is there twice: write it once (the first is in line 1)"},
      {"log: {[a]: 1}", "1:7: log: a list stands where a key should: write one of level, format"},
      {"\"\": 1",
       "1:1: \"\": unknown key: known here are mode, cluster, auto_failover, listen, detection, "
       "election, recovery, handover, guards, hooks, state_dir, log"},
      {"log: {\"level\\n\": info}", "1:7: \"log.level\\n\": unknown key: did you mean log.level?"},
  });
}

TEST(Parse, ShapesAreChecked) {
  const std::string all =
      "mode, cluster, auto_failover, listen, detection, election, recovery, handover, guards, "
      "hooks, "
      "state_dir, log";
  expect_lines({
      {"[1, 2]", "1:1: a list stands where the configuration should: write a map with " + all},
      {"hello", "1:1: \"hello\" stands where the configuration should: write a map with " + all},
      {"log: [a, b]",
       "1:6: log: a list stands where a map should: write its keys below it (level, format)"},
      {"log: info",
       "1:6: log: \"info\" stands where a map should: write its keys below it (level, format)"},
      {"log: {level: info}\n---\nlog: {level: debug}\n",
       "2:1: a second document begins here: write one without \"---\" in it"},
  });
}

TEST(Parse, WhatIsNoYamlIsNamedWithItsPlace) {
  expect_lines({
      {"log: {level: info\n", "2:1: not YAML: end of map flow not found"},
      {"log:\n  level: info\n format: text\n", "3:2: not YAML: end of map not found"},
      {"log:\n\tlevel: info\n",
       "2:7: not YAML: illegal map value: indent with spaces, not with tabs"},
      {"log: {level: *nowhere}", "1:14: not YAML: the referenced anchor is not defined"},
      {",a: 1", "1:1: not YAML: nothing begins like this"},
      {"log: \"unfinished", "1:17: not YAML: illegal EOF in scalar"},
      {"log: " + std::string(1000, '['),
       "1:255: nested too deeply: write sections and their keys, two levels"},
  });
}

void expect_one_short_line(const std::string& problem) {
  EXPECT_LE(problem.size(), 400U) << problem.substr(0, 400);
  EXPECT_TRUE(std::all_of(problem.begin(), problem.end(), [](char c) {
    return c >= 0x20 && c < 0x7f;
  })) << problem;
}

TEST(Parse, ProblemsStayOnOneShortLine) {
  const std::vector<std::string> hostile{
      "log: {level: \"a\\nb\\tc\\x00d\\x7f\"}",
      "log: {level: \"" + std::string(100'000, 'x') + "\"}",
      std::string(100'000, 'k') + ": 1",
      "\"a\\nb\": 1",
      "cluster: {zookeeper: \"" + std::string(100'000, 'z') + "\"}",
      "cluster: {zookeeper: \"a\\nb:1\"}",
      "cluster: {root: \"/" + std::string(100'000, 'r') + "/\"}",
      "log: {level: \"\xe4\xb8\xad\"}",
      std::string{"log: \xff\xfe\x00", 8},
      std::string(1000, '['),
      std::string(100'000, '{'),
      "a: &a [*a, *a]\nb: &b [*a, *a]",
      "log: &l {level: *l}",
      std::string(1000, '\0'),
  };
  for (const std::string& text : hostile) {
    const std::string problem = problem_of(text);
    EXPECT_FALSE(problem.empty()) << text.substr(0, 60);
    expect_one_short_line(problem);
  }
}

// Bytes changed, dropped and doubled at random, always the same way: every outcome is a
// configuration or one line.
TEST(Parse, NoBytesMakeItFall) {
  const std::string good =
      "cluster: {zookeeper: \"a:1,b:2\", root: /r, session_timeout: 4s}\n"
      "detection:\n  silence: 3s\n  hung_leader: &n never\n  zookeeper_lost: *n\n"
      "guards: {max_lost_tablets: auto}\nhooks: []\nlog:\n  level: 'info'\n";
  ASSERT_EQ(problem_of(good), "");
  std::mt19937 random{1};
  const std::string_view spice = "{}[]:,&*!|>'\"%@`#-?\\\n\t \x00\xff~<0a";
  for (int round = 0; round < 5000; ++round) {
    std::string text = good;
    for (auto changes = random() % 4 + 1; changes > 0 && !text.empty(); --changes) {
      const std::size_t place = random() % text.size();
      switch (random() % 3) {
        case 0:
          text[place] = spice[random() % spice.size()];
          break;
        case 1:
          text.erase(place, random() % 8 + 1);
          break;
        default:
          text.insert(place, text.substr(random() % text.size(), random() % 30));
      }
    }
    expect_one_short_line(problem_of(text));
  }
}

TEST(Parse, AFileOfMoreThan64KibibytesIsRefused) {
  std::string text = "#";
  text.resize(kLargestFile, 'x');
  EXPECT_EQ(problem_of(text), "");
  EXPECT_EQ(problem_of(text + "x"), "f.yaml: larger than 64 KiB: write the configuration only");
}

}  // namespace
}  // namespace failoverd::config
