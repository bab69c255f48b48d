#include "tests/nameserver/rig.h"

#include <algorithm>

namespace failoverd::testkit {

void NameserverTest::begin(std::size_t tablets, std::vector<std::string> flags) {
  Cluster::Options options;
  options.tablets = tablets;
  options.session_timeout = 1s;
  options.tablet_flags = {"--generation=" + GetParam(), "--send_file_sleep_ms=0"};
  cluster_ = std::make_unique<Cluster>(options);
  znodes_ = std::make_unique<Znodes>(cluster_->io(), cluster_->zookeeper().hosts(), options.root,
                                     generation());
  NameserverOptions nameserver;
  nameserver.generation = &generation();
  nameserver.zookeeper = cluster_->zookeeper().hosts();
  nameserver.flags = std::move(flags);
  nameserver.logs = cluster_->path();
  nameservers_ = std::make_unique<Nameservers>(cluster_->io(), nameserver);
  nameservers_->add();
  nameservers_->wait_for_leader();
}

std::string NameserverTest::znode(const std::string& path) {
  const auto value = znodes().get(path);
  return value ? value->bytes : "-";
}

std::string NameserverTest::rows(std::optional<fedb::TableInfo> table, std::uint32_t pid) {
  std::string text;
  if (!table) return text;
  const auto endpoints = cluster().endpoints();
  for (const fedb::TablePartition& partition : table->table_partition()) {
    if (partition.pid() != pid) continue;
    for (const fedb::PartitionMeta& row : partition.partition_meta()) {
      const auto at = std::ranges::find(endpoints, row.endpoint());
      text += text.empty() ? "" : " ";
      text += static_cast<char>('A' + (at - endpoints.begin()));
      text += row.is_leader() ? "=L" : "=F";
      text += row.is_alive() ? "+" : "-";
    }
  }
  return text;
}

int NameserverTest::put(std::size_t tablet, std::uint32_t tid, std::uint32_t pid,
                        const std::string& key) {
  fedb::PutRequest request;
  request.set_tid(tid);
  request.set_pid(pid);
  request.set_pk(key);
  request.set_time(1);
  request.set_value(key);
  const auto response = cluster().client(tablet).ask<fedb::PutResponse>("Put", request);
  return response ? response->code() : -1000;
}

std::vector<fedb::TableStatus> NameserverTest::statuses(std::size_t tablet) {
  const auto response = cluster().client(tablet).ask<fedb::GetTableStatusResponse>(
      "GetTableStatus", fedb::GetTableStatusRequest{});
  if (!response) return {};
  return {response->all_table_status().begin(), response->all_table_status().end()};
}

}  // namespace failoverd::testkit
