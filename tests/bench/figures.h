// The numbers of a benchmark: runs, their middle and their ends. Owned by whoever measures.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace failoverd::bench {

using Clock = std::chrono::steady_clock;

inline double milliseconds(Clock::duration d) {
  return std::chrono::duration<double, std::milli>(d).count();
}

// One number of every run.
class Series {
 public:
  void add(double value) { values_.push_back(value); }
  bool empty() const { return values_.empty(); }
  double min() const;
  double median() const;
  double max() const;
  double quantile(double share) const;  // 0.99: so many of them are no larger.
  const std::vector<double>& values() const { return values_; }

 private:
  std::vector<double> values_;
};

// Where the time of a failover went; milliseconds.
struct Phases {
  double total = 0;    // From the signal until a client that watches has read the last new leader.
  double sign = 0;     // What is left: to the daemon's first sign, and from its publish to us.
  double detect = 0;   // First sign to verdict.
  double elect = 0;    // To ChangeRole answered.
  double publish = 0;  // To the multi answered.
};

// What nobody can do without, once it is known that the tablet is dead; milliseconds.
struct Limit {
  double probes = 0;  // AppendEntries to every follower, all at once.
  double roles = 0;   // ChangeRole to every new leader, all at once.
  double multi = 0;   // One multi with the same bytes.
  double total() const { return probes + roles + multi; }
};

}  // namespace failoverd::bench
