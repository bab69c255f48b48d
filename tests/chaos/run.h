// One chaos run: a whole cluster of real processes, faults from a seed, a writer on every
// partition, a calm end, and the judgement.
#pragma once

#include <cstdint>
#include <string>

#include "lib/base/time.h"
#include "tests/minitablet/generation.h"

namespace failoverd::chaos {

struct RunOptions {
  std::uint64_t seed = 1;
  Duration length = std::chrono::seconds{90};  // Of the faults; the calm comes on top.
  const minitablet::Generation* generation = &minitablet::rtidb();
  int nameservers = 0;  // Beside it, their own auto_failover off; and faults that hit them.
  bool keep = false;    // Keeps logs and data of a run in which all holds, too.

  // The command that repeats it.
  std::string command() const;
};

// Prints a line per fault and the figures at the end. Whether all holds; false also when SIGTERM
// or SIGINT came. Throws std::runtime_error when the cluster cannot be set up.
bool run(const RunOptions& options);

}  // namespace failoverd::chaos
