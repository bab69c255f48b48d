// Many seeds, in chunks so that they run beside each other. SIM_SEEDS: how many in all (2,000);
// SIM_OPERATOR_SEEDS: those in which operators ask for things, too (900); SIM_FIRST: the first of
// them (1).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "tests/simulation/run.h"

namespace failoverd::simulation {
namespace {

constexpr std::uint64_t kChunks = 8;
constexpr std::uint64_t kSeeds = 2'000;
constexpr std::uint64_t kOperatorSeeds = 900;
constexpr std::uint64_t kLeastEvents = 2'000;  // Fewer would prove little.

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value ? std::strtoull(value, nullptr, 10) : otherwise;
}

class Seeds : public testing::TestWithParam<std::uint64_t> {};

TEST_P(Seeds, HoldAllRules) {
  const std::uint64_t seeds = from_environment("SIM_SEEDS", kSeeds);
  const std::uint64_t first = from_environment("SIM_FIRST", 1);
  int broken = 0;
  for (std::uint64_t i = GetParam(); i < seeds && broken < 5; i += kChunks) {
    RunOptions options;
    options.seed = first + i;
    const RunResult result = run(options);
    const std::string repeat =
        "  to see it: build/bin/simulation --seed=" + std::to_string(first + i) + " --trace";
    if (result.violation) {
      ++broken;
      ADD_FAILURE() << "seed " << first + i << " breaks " << result.violation->rule << "\n  "
                    << result.violation->what << '\n'
                    << repeat;
    } else {
      EXPECT_GE(result.steps, kLeastEvents) << "seed " << first + i << '\n' << repeat;
    }
  }
}

TEST_P(Seeds, HoldAllRulesUnderOperators) {
  const std::uint64_t seeds = from_environment("SIM_OPERATOR_SEEDS", kOperatorSeeds);
  const std::uint64_t first = from_environment("SIM_FIRST", 1);
  for (std::uint64_t i = GetParam(); i < seeds; i += kChunks) {
    RunOptions options;
    options.seed = first + i;
    options.operators = true;
    const RunResult result = run(options);
    if (!result.violation) continue;
    ADD_FAILURE() << "seed " << first + i << " breaks " << result.violation->rule << "\n  "
                  << result.violation->what
                  << "\n  to see it: build/bin/simulation --seed=" << first + i
                  << " --operators --trace";
  }
}

INSTANTIATE_TEST_SUITE_P(Chunk, Seeds, testing::Range(std::uint64_t{0}, kChunks));

}  // namespace
}  // namespace failoverd::simulation
