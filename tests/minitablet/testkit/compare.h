// Compares what the replicas of every partition hold, row by row with term and log index, because
// offsets can agree on logs that differ; and whether every acknowledged row is on every alive
// replica. Asks minitablet's own Dump, so it works with minitablets only.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/minitablet/testkit/writer.h"
#include "tests/minitablet/testkit/znodes.h"

namespace failoverd::testkit {

struct Comparison {
  std::size_t partitions = 0;
  std::size_t replicas = 0;              // Alive ones, which were compared.
  std::uint64_t rows = 0;                // On the first replica of each partition, summed up.
  std::uint64_t acked_rows = 0;          // That were looked for.
  std::uint64_t acked_missing = 0;       // Row by row and replica by replica.
  std::vector<std::string> differences;  // A line each; at most so many per replica as are of use.

  bool equal() const { return differences.empty(); }
  std::string to_text() const;
};

struct CompareWish {
  std::vector<std::string> tables;  // Empty: all.
  std::vector<AckedRow> acked;
  // Replication lags: compare again until all is equal, at most this long.
  std::chrono::milliseconds within{0};
};

// Replicas are those that the metadata calls alive. A partition without an alive leader, a replica
// that does not answer or is not what the metadata says it is, too, are differences.
Comparison compare_replicas(Znodes& znodes, const CompareWish& wish);

}  // namespace failoverd::testkit
