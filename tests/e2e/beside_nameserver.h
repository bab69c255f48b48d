// What tests of failoverd beside a living nameserver share. Asks; owned by nobody.
#pragma once

#include <string>
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

}  // namespace failoverd::e2e
