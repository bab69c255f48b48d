// Numbers that must never be given out twice: terms (SAFETY 4) and op ids. They come from blocks
// that ZooKeeper has confirmed, reserved ahead of need so that no election waits for one.
#pragma once

#include <algorithm>
#include <optional>

#include "lib/base/check.h"
#include "lib/core/api/event.h"
#include "lib/core/api/outbox.h"

namespace failoverd::core {

class NumberBlock {
 public:
  // Above this nothing is given out, so that no sum of ours overflows.
  static constexpr std::uint64_t kHighest = kHighestTerm;

  explicit NumberBlock(std::uint64_t size) : size_(size) {}

  // How many to reserve at a time: as many as one failover may need at once.
  void want_size(std::uint64_t size) { size_ = std::max(size_, size); }

  // `count` numbers in a row above `above`; none: not reserved yet, ask again after an answer.
  std::optional<std::uint64_t> take(std::uint64_t count, std::uint64_t above = 0) {
    CHECK(count > 0);
    if (above >= kHighest) return std::nullopt;
    const std::uint64_t first = std::max(next_, above + 1);
    if (end_ < first + count) {
      wanted_above_ = std::max(wanted_above_, above);
      short_ = true;
      return std::nullopt;
    }
    next_ = first + count;
    highest_taken_ = next_ - 1;
    return first;
  }

  // Whether take() would give them; if not, they are reserved next.
  bool has(std::uint64_t count, std::uint64_t above) {
    const std::uint64_t first = std::max(next_, std::min(above, kHighest) + 1);
    if (end_ >= first + count) return true;
    wanted_above_ = std::max(wanted_above_, std::min(above, kHighest));
    short_ = true;
    return false;
  }

  // Whether a reservation is due: empty or half used up, and none under way.
  bool due() const { return !asked_ && (short_ || end_ - std::min(next_, end_) < size_ / 2); }
  void asked() { asked_ = true; }
  std::uint64_t above() const { return wanted_above_; }
  std::uint64_t size() const { return size_; }

  // [first, last] is ours. A block that follows the old one is joined to it; else the rest of the
  // old one is given up: numbers may be left out, never used twice.
  void reserved(std::uint64_t first, std::uint64_t last) {
    CHECK(first <= last);
    asked_ = false;
    short_ = false;
    if (first != end_ || next_ == 0) next_ = first;
    end_ = last + 1;
  }
  void failed() { asked_ = false; }
  // The lock is lost: nothing is ours any more.
  void void_all() {
    next_ = end_ = 0;
    asked_ = short_ = false;
    wanted_above_ = 0;
  }
  // The last that take() gave, also under an earlier lock; 0: none.
  std::uint64_t highest_taken() const { return highest_taken_; }
  bool empty() const { return next_ >= end_; }

 private:
  std::uint64_t size_;
  std::uint64_t next_ = 0;  // The first that is free.
  std::uint64_t end_ = 0;   // Behind the last that is ours.
  std::uint64_t wanted_above_ = 0;
  std::uint64_t highest_taken_ = 0;
  bool asked_ = false;
  bool short_ = false;  // Somebody waits.
};

}  // namespace failoverd::core
