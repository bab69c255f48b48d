// Every route that docs/http.md names is answered by a running failoverd as the page says, and
// every command that the daemon says there is stands on the page.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"

namespace failoverd::e2e {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::StartsWith;

// What stands between `...` in the page, in its order: `GET /metrics`, `?since=ID`, ...
std::vector<std::string> quoted() {
  std::ifstream page{std::string{FAILOVERD_SOURCE_DIR} + "/docs/http.md"};
  std::vector<std::string> all;
  for (std::string line; std::getline(page, line);) {
    for (auto at = line.find('`'); at != std::string::npos; at = line.find('`', at)) {
      const auto end = line.find('`', at + 1);
      if (end == std::string::npos) break;
      all.push_back(line.substr(at + 1, end - at - 1));
      at = end + 1;
    }
  }
  return all;
}

// The paths of this method, with table flow for NAME.
std::vector<std::string> paths(const std::string& method) {
  std::vector<std::string> all;
  for (const std::string& text : quoted()) {
    if (!text.starts_with(method + " /")) continue;
    all.push_back(text.substr(method.size() + 1));
    if (all.back().ends_with("/NAME")) all.back().replace(all.back().size() - 4, 4, "flow");
  }
  return all;
}

// The page's words in a query, filled in. One that begins with & has others before it.
std::string query(std::string text) {
  for (const auto& [word, value] :
       {std::pair{"NAME", "flow"}, {"PID", "0"}, {"DB", "db"}, {"ID", "0"}, {"=N", "=1"}}) {
    const auto at = text.find(word);
    if (at != std::string::npos) text.replace(at, std::string_view{word}.size(), value);
  }
  return text.starts_with('&') ? "?name=flow" + text : text;
}

class HttpPage : public testing::Test {
 protected:
  HttpPage() {
    cluster.create_table("flow", 1, 1);
    daemon = &cluster.start_active_daemon();
  }
  // A stream has no end.
  static Daemon::Http get(Daemon& daemon, const std::string& path) {
    return path.find("/stream") == std::string::npos ? daemon.get(path) : daemon.get_head(path);
  }

  Cluster cluster{{.tablets = 1}};
  Daemon* daemon = nullptr;
};

TEST_F(HttpPage, EveryRouteIsAnswered) {
  const std::vector<std::string> routes = paths("GET");
  ASSERT_THAT(routes, Contains("/api/v1/tables/flow"));
  for (const std::string& path : routes) {
    EXPECT_EQ(get(*daemon, path).status, 200) << path;
    EXPECT_EQ(daemon->head(path).status, 200) << path;
    EXPECT_EQ(daemon->post(path, "{}").status, 405) << path;
  }
  EXPECT_EQ(daemon->get("/api/v1/nothing").status, 404);
}

// Each stands in the row of its route, or of one that begins as that does: all of them are taken.
TEST_F(HttpPage, EveryQueryIsTaken) {
  std::string route;
  int queries = 0;
  for (const std::string& text : quoted()) {
    if (text.starts_with("GET /")) route = text.substr(4);
    if (!text.starts_with('?') && !text.starts_with('&')) continue;
    if (route.ends_with("/NAME")) route.replace(route.size() - 4, 4, "flow");
    const auto answer = get(*daemon, route + query(text));
    // Of table flow there is no database db.
    const bool is_no_such_table = route.ends_with("/flow") && text == "?db=DB";
    EXPECT_EQ(answer.status, is_no_such_table ? 404 : 200) << route << query(text);
    ++queries;
    // It is read: what should be a number is refused where it is none.
    if (!text.ends_with("=ID") && !text.ends_with("=N") && !text.ends_with("=PID")) continue;
    std::string bad = query(text);
    bad.replace(bad.rfind('=') + 1, std::string::npos, "x");
    EXPECT_EQ(get(*daemon, route + bad).status, 400) << route << bad;
  }
  EXPECT_GT(queries, 4);
}

TEST_F(HttpPage, EveryCommandIsThere) {
  const std::string prefix = "/api/v1/commands/";
  // One that is not there is answered with those that are.
  const auto unknown = daemon->post(prefix + "nothing", "{}");
  EXPECT_EQ(unknown.status, 404);
  const std::string there_are = "\"hint\":\"there are ";
  const auto at = unknown.body.find(there_are);
  ASSERT_NE(at, std::string::npos) << unknown.body;
  const auto begin = at + there_are.size();
  const std::string named = unknown.body.substr(begin, unknown.body.find('"', begin) - begin);
  std::string on_the_page;
  for (const std::string& path : paths("POST")) {
    ASSERT_THAT(path, StartsWith(prefix));
    on_the_page += (on_the_page.empty() ? "" : ", ") + path.substr(prefix.size());
    // It is there, and says what is wrong. recoverdata takes nothing, and there is nothing to do;
    // no nameserver is there to take over from or to release to.
    const bool is_about_nameserver = path.ends_with("takeover") || path.ends_with("release");
    const int without_arguments = is_about_nameserver ? 409 : 400;
    const int wanted = path.ends_with("recoverdata") ? 200 : without_arguments;
    // A daemon that has just begun to act cannot change anything yet.
    EXPECT_TRUE(
        cluster.wait_until([&] { return daemon->post(path, "{}").status == wanted; }, path));
    EXPECT_EQ(daemon->get(path).status, 405) << path;
  }
  EXPECT_EQ(named, on_the_page);
  ASSERT_TRUE(cluster.wait_until([&] { return daemon->get("/api/v1/conf").status == 200; },
                                 "the switch is there"));
  const auto set =
      daemon->post(prefix + "confset", R"({"key": "auto_failover", "value": "false"})");
  EXPECT_EQ(set.status, 200) << set.body;
  EXPECT_THAT(daemon->get("/api/v1/conf").body, HasSubstr("false"));
}

// What the page says that answers carry.
TEST_F(HttpPage, AnswersSayWhoAnswers) {
  Daemon& standby = cluster.start_daemon();
  ASSERT_TRUE(cluster.wait_until(
      [&] { return standby.get("/readyz").head.find("Failoverd-Active: ") != std::string::npos; },
      "the standby knows who is active"));
  for (const std::string& path : paths("GET")) {
    if (path != "/readyz" && !path.starts_with("/api/v1/")) continue;
    EXPECT_THAT(daemon->head(path).head, HasSubstr("\r\nFailoverd-Role: active\r\n")) << path;
    const std::string active = get(*daemon, path).head;
    const std::string other = get(standby, path).head;
    EXPECT_THAT(active, HasSubstr("\r\nFailoverd-Role: active\r\n")) << path;
    EXPECT_THAT(active, HasSubstr("\r\nFailoverd-Process: ")) << path;
    EXPECT_THAT(other, HasSubstr("\r\nFailoverd-Role: standby\r\n")) << path;
    EXPECT_THAT(other, HasSubstr("\r\nFailoverd-Process: ")) << path;
    EXPECT_THAT(other, HasSubstr("\r\nFailoverd-Active-Name: ")) << path;
    EXPECT_THAT(other, HasSubstr("\r\nFailoverd-Active: " + daemon->http() + "\r\n")) << path;
  }
}

}  // namespace
}  // namespace failoverd::e2e
