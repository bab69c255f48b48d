// The nameserver's protocol in front of a made-up daemon, and a caller of it, on one loop.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "lib/admin/nameserver_service.h"
#include "proto/nameserver.pb.h"
#include "tests/unit/admin/fake_source.h"
#include "tests/unit/rpc/sockets.h"

namespace failoverd::admin {

// The names under which it is served.
inline constexpr const char* kNames[] = {"NameServer", "rtidb.nameserver.NameServer",
                                         "fedb.nameserver.NameServer",
                                         "openmldb.nameserver.NameServer"};

class NameserverFixture : public testing::Test {
 protected:
  void serve(NameserverOptions options = {}, const std::string& address = "127.0.0.1:0") {
    service_.emplace(loop_.io, source_, std::move(options));
    const auto port = service_->listen(address);
    ASSERT_TRUE(port) << port.error().text;
    port_ = *port;
  }

  void send(const std::string& method, const std::string& payload,
            const std::string& service = "NameServer") {
    if (!caller_) caller_ = rpc::connect_raw(loop_.io, port_);
    rpc::Frame frame;
    frame.is_request = true;
    frame.service = service;
    frame.method = method;
    frame.correlation_id = ++last_id_;
    frame.payload = payload;
    caller_->send(frame);
  }
  rpc::Frame call(const std::string& method, const std::string& payload,
                  const std::string& service = "NameServer") {
    send(method, payload, service);
    const std::size_t wanted = caller_->frames.size() + 1;
    EXPECT_TRUE(loop_.until([&] { return caller_->frames.size() == wanted; })) << method;
    return caller_->frames.empty() ? rpc::Frame{} : caller_->frames.back();
  }
  // What it answers as a message; fails where it is none.
  template <class Response = fedb::NameServerResponse, class Request>
  Response ask(const std::string& method, const Request& request,
               const std::string& service = "NameServer") {
    const rpc::Frame frame = call(method, request.SerializeAsString(), service);
    EXPECT_EQ(frame.error_code, 0) << method << ": " << frame.error_text;
    Response response;
    EXPECT_TRUE(response.ParseFromString(frame.payload)) << method;
    return response;
  }

  FakeSource source_;
  rpc::Loop loop_;
  std::optional<NameserverService> service_;
  std::uint16_t port_ = 0;
  std::shared_ptr<rpc::RawSocket> caller_;
  std::int64_t last_id_ = 0;
};

// "changeleader candidate=auto name=flow pid=1".
inline std::string in_text(const CommandRequest& command) {
  std::string text = command.name;
  for (const auto& [key, value] : command.args) text += " " + key + "=" + value;
  return text;
}

// A table of so many partitions with a replica on each endpoint; the first leads.
inline fedb::TableInfo made_table(const std::string& name, std::uint32_t partitions,
                                  const std::vector<std::string>& endpoints) {
  fedb::TableInfo info;
  info.set_name(name);
  info.set_tid(7);
  for (std::uint32_t pid = 0; pid < partitions; ++pid) {
    auto& partition = *info.add_table_partition();
    partition.set_pid(pid);
    for (const std::string& endpoint : endpoints) {
      auto& meta = *partition.add_partition_meta();
      meta.set_endpoint(endpoint);
      meta.set_is_leader(endpoint == endpoints.front());
    }
  }
  return info;
}

// What tablets told of all its rows; nothing: none of them ever told.
inline std::vector<ReplicaRow> rows_of(const fedb::TableInfo& info,
                                       std::optional<std::uint64_t> offset) {
  std::vector<ReplicaRow> rows;
  for (const auto& partition : info.table_partition()) {
    for (const auto& meta : partition.partition_meta()) {
      ReplicaRow row;
      row.name = info.name();
      row.db = info.db();
      row.tid = info.tid();
      row.pid = partition.pid();
      row.endpoint = meta.endpoint();
      row.offset = row.record_cnt = row.memused = offset;
      rows.push_back(row);
    }
  }
  return rows;
}

}  // namespace failoverd::admin
