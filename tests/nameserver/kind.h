// What differs between the generations of nameservers, all in one place: RTIDB 1.4.1 and OpenMLDB
// 0.9.3 as they were seen (docs/wire.md, tests/golden). Their numbers and their tablets' ways stand
// in tests/minitablet/generation.h. Everything that is in neither is the same in both.
#pragma once

#include "tests/minitablet/generation.h"

namespace failoverd::mininameserver {

struct Kind {
  const minitablet::Generation* wire;
  const char* service;  // Its full name.
  const char* healthy;  // The state words of ShowTablet.
  const char* offline;
  const char* absent;      // "table is not exist": how it says that there is none.
  const char* op_index;    // Of a new cluster: one below its first op's id.
  bool has_databases;      // CreateDatabase; a table in an unknown one is refused with 802.
  bool has_system_tables;  // Made by the first nameserver that leads.
  bool tells_diskused;     // In rows and partitions.
};

// Of the same name as the tablets' generation.
const Kind& kind_of(const minitablet::Generation& generation);

}  // namespace failoverd::mininameserver
