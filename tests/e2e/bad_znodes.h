// What tests of znodes that hold what they should not share.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "proto/table_info.pb.h"
#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"

namespace failoverd::e2e {

// Log lines with both words; those of level debug do not count.
inline int lines_with(const Daemon& daemon, const std::string& one, const std::string& other) {
  std::istringstream log(daemon.log());
  int n = 0;
  for (std::string line; std::getline(log, line);) {
    const bool is_debug = line.find(" debug ") != std::string::npos;
    n += !is_debug && line.find(one) != std::string::npos && line.find(other) != std::string::npos;
  }
  return n;
}

class BadZnodes : public testing::Test {
 protected:
  bool is_led_again(const std::vector<std::string>& tables) {
    return cluster.wait_until(
        [&] {
          for (const std::string& name : tables) {
            const auto table = cluster.znodes().table(name);
            for (int pid = 0; pid < table->table_partition_size(); ++pid) {
              const int leader = cluster.leader(name, static_cast<std::uint32_t>(pid));
              if (leader == -1 || !cluster.lives(leader)) return false;
            }
          }
          return true;
        },
        "every partition has a new leader");
  }
  bool status_says(Daemon& daemon, const std::string& what) {
    return cluster.wait_until([&] { return daemon.status().find(what) != std::string::npos; },
                              "status says " + what);
  }
  std::int32_t version(const std::string& znode) { return cluster.znodes().get(znode)->version; }
  void expect_replicas_agree(const std::vector<std::string>& tables) {
    testkit::CompareWish wish;
    wish.tables = tables;
    wish.within = std::chrono::seconds{15};
    cluster.writer().stop();
    cluster.wait_until([&] { return cluster.writer().idle(); }, "the writer is idle");
    const testkit::Comparison c = testkit::compare_replicas(cluster.znodes(), wish);
    EXPECT_TRUE(c.equal()) << c.to_text();
    EXPECT_GT(c.rows, 0u);
  }
  // The table as it is, changed by hand.
  void edit(const std::string& name, const std::function<void(fedb::TableInfo&)>& change) {
    auto table = cluster.znodes().table(name).value();
    change(table);
    cluster.znodes().set("table/table_data/" + name, table.SerializeAsString());
  }

  Cluster cluster;
};

}  // namespace failoverd::e2e
