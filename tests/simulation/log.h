// A replica's binlog as the tests need it: who wrote which row at which place. Each entry carries a
// hash of everything before it, so that two logs are compared in one step.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "lib/core/api/types.h"

namespace failoverd::simulation {

using Payload = std::uint64_t;  // Names one put; never used twice in a world.

struct Entry {
  core::Term term = 0;  // Of the leader that wrote it.
  core::Offset index = 0;
  Payload payload = 0;
  std::uint64_t chain = 0;  // Hash of the log up to and with this entry.
};

class Log {
 public:
  core::Offset offset() const { return entries_.empty() ? 0 : entries_.back().index; }
  std::uint64_t chain() const { return entries_.empty() ? 0 : entries_.back().chain; }
  const std::vector<Entry>& entries() const { return entries_; }

  // A leader's put.
  const Entry& append(core::Term term, Payload payload) {
    return add({term, offset() + 1, payload, 0});
  }

  // An entry that another replica sent: it keeps its index, and like the real tablet nobody asks
  // whether there is a gap before it.
  const Entry& add(Entry entry) {
    entry.chain = mix(mix(mix(chain(), entry.term), entry.index), entry.payload);
    return entries_.emplace_back(entry);
  }

  // What comes first, up to `offset`.
  Log prefix(core::Offset offset) const {
    Log first;
    first.entries_.assign(entries_.begin(), above(offset));
    return first;
  }
  void cut(core::Offset offset) { entries_.erase(above(offset), entries_.end()); }

  // The first entry above `offset`.
  std::vector<Entry>::const_iterator above(core::Offset offset) const {
    return std::upper_bound(entries_.begin(), entries_.end(), offset,
                            [](core::Offset o, const Entry& e) { return o < e.index; });
  }

  // Everything in this log is in the other one, in the same places.
  bool is_prefix_of(const Log& other) const {
    if (entries_.empty()) return true;
    const auto size = entries_.size();
    if (other.entries_.size() < size) return false;
    const Entry& there = other.entries_[size - 1];
    return there.index == entries_.back().index && there.chain == entries_.back().chain;
  }

  // Up to where both are the same.
  core::Offset common_with(const Log& other) const {
    const auto parts = std::mismatch(
        entries_.begin(), entries_.end(), other.entries_.begin(), other.entries_.end(),
        [](const Entry& a, const Entry& b) { return a.index == b.index && a.chain == b.chain; });
    return parts.first == entries_.begin() ? 0 : std::prev(parts.first)->index;
  }

  bool holds(const Entry& entry) const {
    const auto found = above(entry.index - 1);
    return found != entries_.end() && found->index == entry.index &&
           found->payload == entry.payload;
  }

 private:
  static std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
    hash ^= value + 0x9e3779b97f4a7c15 + (hash << 6) + (hash >> 2);
    hash *= 0xff51afd7ed558ccd;
    return hash ^ hash >> 33;
  }

  std::vector<Entry> entries_;
};

}  // namespace failoverd::simulation
