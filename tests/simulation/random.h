// The only source of chance in the made-up world: everything that could go one way or another is
// drawn here, from one seed, so that a run repeats itself exactly. Owned by the world.
#pragma once

#include <cstdint>
#include <random>

#include "lib/base/time.h"

namespace failoverd::simulation {

// A delay that is drawn between two ends; with equal ends nothing is drawn: scenarios use that.
struct Range {
  Duration from{};
  Duration to{};
};

class Random {
 public:
  explicit Random(std::uint64_t seed) : random_(seed) {}

  // 0 .. n-1. Not std::uniform_int_distribution, whose results differ between libraries.
  std::uint64_t below(std::uint64_t n) { return n < 2 ? 0 : random_() % n; }

  bool chance(double probability) {
    if (probability <= 0) return false;
    if (probability >= 1) return true;
    return static_cast<double>(random_() >> 11) * 0x1p-53 < probability;
  }

  Duration in(Range range) {
    if (range.to <= range.from) return range.from;
    const auto width = static_cast<std::uint64_t>((range.to - range.from).count());
    return range.from + Duration{static_cast<std::int64_t>(below(width + 1))};
  }

 private:
  std::mt19937_64 random_;
};

}  // namespace failoverd::simulation
