// Makes a table as a nameserver does: a tid and the term from their counters, the partitions on the
// tablets, followers first, then the TableInfo znode and a bump of table/notify. Makes the
// cluster's other znodes too where they are missing. For tests and tools only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/minitablet/testkit/znodes.h"

namespace failoverd::testkit {

struct TableWish {
  std::string name;
  std::uint32_t partitions = 8;
  std::uint32_t replicas = 3;
  // Partition p has its replicas on endpoints p, p+1, ... and leads on the first of them. Empty:
  // every registered tablet.
  std::vector<std::string> endpoints;
  // false: every partition leads on the first of them.
  bool spread = true;
  std::string db = {};  // Its database; empty: none.
  // Where its rows live; of OpenMLDB only.
  fedb::StorageMode storage = fedb::kMemory;
};

// The znodes that a cluster of that generation has before its first table, as its nameserver leaves
// them.
void create_cluster_znodes(Znodes& znodes);

// Throws std::runtime_error with the tablet's words if a tablet refuses.
fedb::TableInfo create_table(Znodes& znodes, const TableWish& wish);

}  // namespace failoverd::testkit
