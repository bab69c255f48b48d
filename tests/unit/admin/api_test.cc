// What requests are answered, without sockets.
#include "lib/admin/api.h"

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
  source.tables(tables->filter, [&](const std::vector<ReplicaRow>& rows) {
    shown = api.to_response(*tables, rows);
  });
  return shown;
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
