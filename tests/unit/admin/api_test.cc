// What requests are answered, without sockets.
#include "lib/admin/api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/admin/fake_source.h"

namespace failoverd::admin {
namespace {

HttpResponse ask(FakeSource& source, const std::string& path) {
  HttpRequest request;
  request.method = "GET";
  request.target = path;
  const Api api(source, {});
  Action action = api.route(request);
  const auto* tables = std::get_if<ShowTables>(&action);
  if (!tables) return std::get<HttpResponse>(action);
  HttpResponse shown;
  source.tables(tables->asked,
                [&](const Source::ReadTables& read) { shown = api.to_response(*tables, read()); });
  return shown;
}

std::string header(const HttpResponse& response, const std::string& key) {
  for (const Field& field : response.headers) {
    if (field.key == key) return field.value;
  }
  return "";
}

// How many rows each page of a list has, from the first to the one that names no next.
std::vector<std::ptrdiff_t> pages(FakeSource& source, std::string path) {
  std::vector<std::ptrdiff_t> rows;
  while (!path.empty() && rows.size() < 10) {
    const HttpResponse answer = ask(source, path);
    EXPECT_EQ(answer.status, 200U) << path << answer.body;
    rows.push_back(std::count(answer.body.begin(), answer.body.end(), '{'));
    const std::string link = header(answer, "Link");
    path = link.empty() ? "" : link.substr(1, link.find('>') - 1);
    EXPECT_TRUE(link.empty() || link.ends_with(">; rel=\"next\"")) << link;
  }
  return rows;
}

// A list is as long as it is; an answer is not.
TEST(Api, ListsAreCutAndSayHowTheyGoOn) {
  using testing::ElementsAre;
  FakeSource source;
  for (std::uint32_t i = 0; i < 2100; ++i) {
    source.tablet_rows.emplace_back().endpoint = "10.0.0.1:" + std::to_string(1000000 + i);
    source.op_rows.emplace_back().op_id = 1'000'000'001ULL + i;
    ReplicaRow& row = source.replica_rows.emplace_back();
    row.name = "a b/c?&%";
    row.db = "d/1";
    row.pid = i / 3;
    row.endpoint = std::to_string(i % 3);
  }
  for (const char* list : {"tablets", "ops", "tables", "tables/a%20b%2fc%3f%26%25?db=d%2F1"}) {
    const std::string path = std::string("/api/v1/") + list;
    EXPECT_THAT(pages(source, path), ElementsAre(1000, 1000, 100)) << list;
    EXPECT_EQ(header(ask(source, path), "Failoverd-Total"), "2100") << list;
  }
  EXPECT_THAT(pages(source, "/api/v1/ops?limit=700"), ElementsAre(700, 700, 700));
  EXPECT_THAT(pages(source, "/api/v1/ops?limit=5000"), ElementsAre(1000, 1000, 100));
  for (const char* wrong : {"ops?limit=0", "ops?limit=x", "ops?after=x", "tables?after=x",
                            "tables?after=a/b/c/d", "tables?after=%25x/b/1/d"}) {
    EXPECT_EQ(ask(source, std::string("/api/v1/") + wrong).status, 400U) << wrong;
  }
}

TEST(Api, EventsArePagedByTheirIds) {
  FakeSource source;
  for (int i = 0; i < 5; ++i) source.log.add({0, 1, "info", "k", "text", {}});
  const HttpResponse first = ask(source, "/api/v1/events?limit=3");
  EXPECT_EQ(header(first, "Link"), "</api/v1/events?limit=3&since=3>; rel=\"next\"");
  EXPECT_EQ(header(ask(source, "/api/v1/events?limit=3&since=3"), "Link"), "");
  EXPECT_EQ(header(ask(source, "/api/v1/events?limit=5"), "Link"), "");
}

// What has not been read is not empty, and not off.
TEST(Api, WhatIsNotKnownYetIs503) {
  FakeSource source;
  source.status_view.ready = false;
  source.cluster_unread = "waits for ZooKeeper at zk:2181";
  source.switch_unread = "the switch has not been read";
  for (const char* list : {"tablets", "tables", "tables/flow", "ops", "ops?name=flow"}) {
    const HttpResponse answer = ask(source, std::string("/api/v1/") + list);
    EXPECT_EQ(answer.status, 503U) << list;
    EXPECT_EQ(answer.body, "{\"error\":\"waits for ZooKeeper at zk:2181\"}\n") << list;
    // failoverctl goes on from here to the active daemon.
    EXPECT_TRUE(std::any_of(answer.headers.begin(), answer.headers.end(), [](const Field& field) {
      return field.key == "Failoverd-Role";
    })) << list;
  }
  EXPECT_EQ(ask(source, "/api/v1/conf").status, 503U);
  EXPECT_EQ(ask(source, "/api/v1/conf").body, "{\"error\":\"the switch has not been read\"}\n");
  for (const char* open : {"/api/v1/status", "/api/v1/events", "/metrics", "/healthz"}) {
    EXPECT_EQ(ask(source, open).status, 200U) << open;
  }
  EXPECT_EQ(ask(source, "/api/v1/nosuch").status, 404U);
  source.cluster_unread.clear();
  EXPECT_EQ(ask(source, "/api/v1/tables").status, 200U);
  EXPECT_EQ(ask(source, "/api/v1/conf").status, 503U);
}

}  // namespace
}  // namespace failoverd::admin
