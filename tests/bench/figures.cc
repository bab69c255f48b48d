#include "tests/bench/figures.h"

#include <algorithm>
#include <cmath>

namespace failoverd::bench {

double Series::min() const {
  return values_.empty() ? 0 : *std::min_element(values_.begin(), values_.end());
}

double Series::max() const {
  return values_.empty() ? 0 : *std::max_element(values_.begin(), values_.end());
}

double Series::quantile(double share) const {
  if (values_.empty()) return 0;
  std::vector<double> sorted = values_;
  std::sort(sorted.begin(), sorted.end());
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return sorted[std::clamp<std::size_t>(rank, 1, sorted.size()) - 1];
}

double Series::median() const {
  if (values_.empty()) return 0;
  std::vector<double> sorted = values_;
  std::sort(sorted.begin(), sorted.end());
  const std::size_t half = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

}  // namespace failoverd::bench
