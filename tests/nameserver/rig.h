// For mininameserver's tests: a real ZooKeeper, minitablets, nameservers of either generation.
#pragma once

#include <gmock/gmock.h>

#include <memory>
#include <string>

#include "tests/harness/wait_until.h"
#include "tests/minitablet/testkit/cluster.h"
#include "tests/nameserver/testkit/nameservers.h"

namespace failoverd::testkit {

using namespace std::chrono_literals;

// The parameter is the generation's name.
class NameserverTest : public testing::TestWithParam<std::string> {
 protected:
  const minitablet::Generation& generation() const {
    return *minitablet::generation_named(GetParam());
  }
  bool is_openmldb() const { return GetParam() == "openmldb"; }

  // Begins everything: so many tablets, and one nameserver that leads.
  void begin(std::size_t tablets = 3, std::vector<std::string> flags = {});

  Cluster& cluster() { return *cluster_; }
  Nameservers& nameservers() { return *nameservers_; }
  Znodes& znodes() { return *znodes_; }
  std::string znode(const std::string& path);  // Its value, "-" if it is not there.
  // A table's znode, "" if there is none.
  std::string rows(std::optional<fedb::TableInfo> table, std::uint32_t pid);
  // The znode of a table outside a database.
  std::optional<fedb::TableInfo> stored(const std::string& table) { return znodes().table(table); }
  bool soon(const std::function<bool()>& holds, const char* what) {
    return harness::wait_until(cluster().io(), holds, 30s, what);
  }
  // Codes of what a tablet answers.
  int put(std::size_t tablet, std::uint32_t tid, std::uint32_t pid, const std::string& key);
  // What the tablet has in memory.
  std::vector<fedb::TableStatus> statuses(std::size_t tablet);

 private:
  std::unique_ptr<Cluster> cluster_;
  std::unique_ptr<Znodes> znodes_;  // Of this generation, where the cluster's own is RTIDB's.
  std::unique_ptr<Nameservers> nameservers_;
};

inline std::string generation_name(const testing::TestParamInfo<std::string>& one) {
  return one.param;
}

}  // namespace failoverd::testkit
