// What tests of failoverd beside nameservers, or none, share.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/e2e/daemon.h"
#include "tests/e2e/recovery.h"
#include "tests/e2e/soundness.h"

namespace failoverd::e2e {

// So many children leader/ has.
inline std::size_t nameserver_znodes(Cluster& cluster) {
  return cluster.znodes().children("leader").size();
}

// Where the leading nameserver's memory says something else of a partition than its znode does: a
// line each. One line where none leads.
inline std::vector<std::string> disagreements(Cluster& cluster, const std::string& table = "flow") {
  const auto leading = cluster.nameservers().leader();
  if (!leading) return {"no nameserver leads"};
  std::vector<std::string> lines;
  const auto znode = cluster.znodes().table(table);
  for (const auto& kept : znode->table_partition()) {
    const auto held = cluster.nameservers().partition(*leading, table, kept.pid(), znode->db());
    const auto rows = [](const fedb::TablePartition& p) {
      std::string text;
      for (const auto& row : p.partition_meta()) {
        text +=
            " " + row.endpoint() + (row.is_leader() ? "=L" : "=F") + (row.is_alive() ? "+" : "-");
      }
      for (const auto& t : p.term_offset()) {
        text += " " + std::to_string(t.term()) + "@" + std::to_string(t.offset());
      }
      return text;
    };
    const std::string in_memory = held ? rows(*held) : " nothing";
    if (in_memory == rows(kept)) continue;
    lines.push_back(table + "/" + std::to_string(kept.pid()) + ": znode" + rows(kept) +
                    ", nameserver" + in_memory);
  }
  return lines;
}

// A cluster beside so many nameservers, which begin no failover of their own within a test's time.
// The tablets' znodes do not outlive them for long.
inline ClusterOptions beside(int nameservers, const char* generation = "rtidb") {
  ClusterOptions options;
  options.generation = minitablet::generation_named(generation);
  options.nameservers = nameservers;
  options.nameserver_flags = {"--tablet_heartbeat_timeout=60000", "--request_timeout=20000"};
  options.tablet_session = std::chrono::milliseconds{600};
  return options;
}

// It, with table flow that rows are put into.
struct WrittenCluster {
  explicit WrittenCluster(ClusterOptions options) : cluster{std::move(options)} {}

  testkit::Nameservers& nameservers() { return cluster.nameservers(); }
  // `rows` are on every replica, and more of them come all the time.
  void write() {
    cluster.start_writer();
    rows = cluster.settle_writer();
    cluster.start_writer();
  }
  Daemon& begin(std::uint32_t partitions) {
    cluster.create_table("flow", partitions, 3);
    Daemon& daemon = cluster.start_active_daemon();
    write();
    return daemon;
  }
  // And the nameserver that leads, if there is one, knows it as it is.
  void expect_all_is_well(Daemon& daemon) {
    e2e::expect_all_is_well(cluster, daemon, rows);
    if (nameservers().count() == 0) return;
    EXPECT_EQ(disagreements(cluster), std::vector<std::string>{}) << daemon.log();
  }

  Cluster cluster;
  std::vector<testkit::AckedRow> rows;
};

}  // namespace failoverd::e2e
