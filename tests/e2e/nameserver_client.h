// The cluster's own client, pointed at failoverd's listen.rpc. Owned by the test.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "proto/nameserver.pb.h"
#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"
#include "tests/harness/ports.h"

namespace failoverd::e2e {

inline std::string free_rpc_address() {
  return "127.0.0.1:" + std::to_string(harness::free_port());
}

inline DaemonOptions serving_rpc(const std::string& address, const std::string& more = {}) {
  DaemonOptions options;
  options.listen = "rpc: \"" + address + "\"" + more;
  return options;
}

// The client of a nameserver, speaking as a package or under the short name.
class NameserverClient {
 public:
  NameserverClient(Cluster& cluster, const std::string& address, std::string service = "NameServer")
      : service_(std::move(service)), client_(cluster.io(), address) {}

  // Nothing: it did not answer.
  template <class Response, class Request>
  std::optional<Response> ask(const std::string& method, const Request& request) {
    const rpc::Answer answer = client_.call(service_, method, request.SerializeAsString());
    Response response;
    if (answer.outcome != rpc::Outcome::kAnswered || !response.ParseFromString(answer.payload)) {
      return std::nullopt;
    }
    return response;
  }
  // "307 invalid parameter"; empty: it did not answer.
  template <class Request>
  std::string answer(const std::string& method, const Request& request) {
    const auto response = ask<fedb::NameServerResponse>(method, request);
    return response ? std::to_string(response->code()) + " " + response->msg() : "";
  }
  std::string set(const std::string& key, const std::string& value) {
    fedb::ConfSetRequest request;
    request.mutable_conf()->set_key(key);
    request.mutable_conf()->set_value(value);
    return answer("ConfSet", request);
  }
  // The switch; empty: there is none.
  std::string get() {
    const auto conf = ask<fedb::ConfGetResponse>("ConfGet", fedb::ConfGetRequest{});
    if (!conf || conf->conf_size() != 1 || conf->conf(0).key() != "auto_failover") return "";
    return conf->conf(0).value();
  }
  // Endpoint and state.
  std::map<std::string, std::string> tablets() {
    std::map<std::string, std::string> all;
    const auto shown = ask<fedb::ShowTabletResponse>("ShowTablet", fedb::ShowTabletRequest{});
    if (shown) {
      for (const auto& tablet : shown->tablets()) all[tablet.endpoint()] = tablet.state();
    }
    return all;
  }
  std::map<std::string, int> op_types() {
    std::map<std::string, int> all;
    const auto ops = ask<fedb::ShowOPStatusResponse>("ShowOPStatus", fedb::ShowOPStatusRequest{});
    if (ops) {
      for (const auto& op : ops->op_status()) ++all[op.op_type() + " " + op.status()];
    }
    return all;
  }

 private:
  const std::string service_;
  testkit::Client client_;
};

}  // namespace failoverd::e2e
