// The table of keys, the default file made of it, and what a reload changes.
#include "lib/config/keys.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "lib/config/changes.h"

namespace failoverd::config {
namespace {

const std::string kDefaultFile = std::string{FAILOVERD_SOURCE_DIR} + "/config/failoverd.yaml";

TEST(Keys, AreDocumentedOnceAndReadTheirOwnText) {
  std::set<std::string> names;
  for (const Key& key : keys()) {
    EXPECT_TRUE(names.insert(key.name).second) << key.name;
    EXPECT_FALSE(key.doc.empty()) << key.name;
    EXPECT_FALSE(key.range.empty()) << key.name;
    EXPECT_FALSE(key.type.empty()) << key.name;
    EXPECT_FALSE(key.written.empty()) << key.name;
    Config config;
    const std::string text = key.get(config);
    if (text == "absent") continue;
    EXPECT_EQ(key.set(config, text), std::nullopt) << key.name;
    EXPECT_EQ(key.get(config), text) << key.name;
  }
}

TEST(Keys, TheDefaultFileIsWhatTheTableSays) {
  if (std::getenv("REWRITE") != nullptr) std::ofstream{kDefaultFile} << default_file();
  std::stringstream text;
  text << std::ifstream{kDefaultFile}.rdbuf();
  EXPECT_EQ(text.str(), default_file()) << "REWRITE=1 writes config/failoverd.yaml anew";
}

TEST(Keys, TheDefaultFileIsTheDefaults) {
  const Result<Config> loaded = load(kDefaultFile);
  ASSERT_TRUE(loaded) << loaded.error().text;
  EXPECT_EQ(loaded->auto_failover, kDefaultAutoFailover);
  for (const Change& change : changes(Config{}, *loaded)) {
    EXPECT_EQ(change.key, "auto_failover") << change.from << " -> " << change.to;
  }
}

TEST(Keys, TheNearestIsFoundOrNone) {
  EXPECT_EQ(nearest_key("detection.silense"), "detection.silence");
  EXPECT_EQ(nearest_key("full_restart_wait"), "recovery.full_restart_wait");
  EXPECT_EQ(nearest_key("guard"), "guards");
  EXPECT_EQ(nearest_key("statedir"), "state_dir");
  EXPECT_EQ(nearest_key("logs"), "log");
  EXPECT_EQ(nearest_key("detection.cash"), "detection.crash");
  EXPECT_EQ(nearest_key("log.levle"), "log.level");
  for (const char* other : {"foo", "bar", "zoo", "name", "port", "host", "servers", "kind"}) {
    EXPECT_EQ(nearest_key(other), "") << other;
  }
  EXPECT_EQ(nearest_key("x"), "");
  EXPECT_EQ(nearest_key(""), "");
  EXPECT_EQ(nearest_key("something.completely.different"), "");
}

TEST(Changes, NameEachKeyThatDiffers) {
  Config loaded;
  loaded.policy.detection.silence = std::chrono::seconds{5};
  loaded.policy.election.unclean_after = std::chrono::hours{1};
  loaded.auto_failover = false;
  const std::vector<Change> found = changes(Config{}, loaded);
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].key, "auto_failover");
  EXPECT_EQ(found[0].from, "absent");
  EXPECT_EQ(found[0].to, "false");
  EXPECT_EQ(found[1].key, "detection.silence");
  EXPECT_EQ(found[1].from, "3s");
  EXPECT_EQ(found[1].to, "5s");
  EXPECT_EQ(found[2].from, "never");
  EXPECT_EQ(restart_notice(found), "");
}

TEST(Changes, ThatNeedARestartAreToldInOneLine) {
  Config loaded;
  loaded.cluster.root = "/other";
  EXPECT_EQ(restart_notice(changes(Config{}, loaded)),
            "cluster.root changed: restart failoverd to apply");
  loaded.listen.http = "127.0.0.1:1";
  loaded.log.level = LogLevel::kDebug;
  EXPECT_EQ(restart_notice(changes(Config{}, loaded)),
            "cluster.root, listen.http changed: restart failoverd to apply");
}

// Every key in turn: after a reload those that are read once keep their values, all others change.
TEST(Changes, AReloadKeepsWhatIsReadOnce) {
  Config loaded = *parse(R"(
mode: shadow
cluster: {zookeeper: "z:1", root: /r, session_timeout: 1s, numbering: openmldb, metadata: zookeeper,
          zookeeper_auth_file: /z}
auto_failover: false
listen: {http: "127.0.0.1:1", rpc: "127.0.0.1:2", rpc_changes: any, socket: /s, token_file: /t}
detection: {crash: false, refuses_again: 1ms, silence: 1s, zookeeper_lost: 1s, hung_leader: 1s}
election: {wait_for_better: 1s, wait_for_lost: 1s, unclean_after: 1s}
recovery: {max_copies_per_tablet: 1, catch_up_delta: 1, full_restart_wait: 1s, replace_after: 1m,
           reuse_binlog: false}
handover: {pause: 1s}
guards: {max_lost_tablets: 1, window: 1s, flaps: 1, max_lost_entries: 1}
state_dir: /d
log: {level: warn, format: json}
)",
                         "f.yaml");
  const Config running;
  EXPECT_EQ(changes(running, loaded).size(), keys().size() - 1) << "all but hooks";
  const Config after = reloaded(running, loaded);
  for (const Change& change : changes(running, after)) EXPECT_FALSE(change.at_start) << change.key;
  for (const Change& change : changes(after, loaded)) EXPECT_TRUE(change.at_start) << change.key;
  for (const Key& key : keys()) {
    const bool is_place = key.name.starts_with("cluster.") || key.name.starts_with("listen.") ||
                          key.name == "state_dir" || key.name == "mode";
    EXPECT_EQ(key.at_start, is_place) << key.name;
  }
}

}  // namespace
}  // namespace failoverd::config
