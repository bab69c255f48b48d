// The program of the simulation: without arguments, or with gtest's, the tests; with --seed=N one
// run from that seed, with --trace all that happens in it, with --operators their commands, too.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <string>

#include "tests/simulation/run.h"

namespace {

int run_one(std::uint64_t seed, bool trace, bool operators) {
  failoverd::simulation::RunOptions options;
  options.seed = seed;
  options.operators = operators;
  if (trace) options.trace = &std::cout;
  const auto result = failoverd::simulation::run(options);
  std::cout << "seed " << seed << ": " << result.steps << " events, ";
  if (!result.violation) {
    std::cout << "all rules hold\n";
    return 0;
  }
  std::cout << "BROKEN " << result.violation->rule << "\n  " << result.violation->what << '\n';
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  testing::InitGoogleTest(&argc, argv);
  std::uint64_t seed = 0;
  bool trace = false;
  bool operators = false;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg.starts_with("--seed=")) seed = std::strtoull(arg.c_str() + 7, nullptr, 10);
    if (arg == "--trace") trace = true;
    if (arg == "--operators") operators = true;
  }
  return seed > 0 ? run_one(seed, trace, operators) : RUN_ALL_TESTS();
}
