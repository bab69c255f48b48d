// The tables of a chaos run.
#pragma once

#include <cstdint>

namespace failoverd::chaos {

struct Table {
  const char* name;
  std::uint32_t partitions;
  std::uint32_t replicas;
  double rows_per_second;  // That are written to each partition.
};

// `hot` takes so many rows that a replica which was away for seconds lacks hundreds of them.
inline constexpr Table kTables[] = {
    {"three", 4, 3, 20}, {"hot", 2, 3, 150}, {"two", 4, 2, 20}, {"one", 8, 1, 20}};

}  // namespace failoverd::chaos
