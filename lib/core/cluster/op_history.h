// The ops that run and those that ended, as showopstatus lists them. Decides nothing.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "lib/core/api/journal_entry.h"

namespace failoverd::core {

class OpHistory {
 public:
  // How many ended ops are kept, and listed.
  static constexpr std::size_t kKept = 10'000;

  OpRecord& begin(OpRecord record) {
    const OpId id = record.id;
    return running_[id] = std::move(record);
  }
  OpRecord* find(OpId id) {
    const auto found = running_.find(id);
    return found == running_.end() ? nullptr : &found->second;
  }
  const OpRecord* find(OpId id) const {
    const auto found = running_.find(id);
    return found == running_.end() ? nullptr : &found->second;
  }
  void end(OpId id, OpStatus status, Instant now, std::string detail) {
    const auto found = running_.find(id);
    if (found == running_.end()) return;
    OpRecord record = std::move(found->second);
    running_.erase(found);
    record.status = status;
    record.ended = now;
    record.task = Task::kNone;
    record.detail = std::move(detail);
    ended_.push_back(std::move(record));
    if (ended_.size() > kKept) ended_.pop_front();
  }

  // A new tenure: those that predecessors have ended, the oldest first.
  void replace_ended(const std::vector<FinishedOps>& finished) {
    ended_.clear();
    for (const FinishedOps& group : finished) {
      ended_.insert(ended_.end(), group.ops.begin(), group.ops.end());
    }
    while (ended_.size() > kKept) ended_.pop_front();
  }

  const std::map<OpId, OpRecord>& running() const { return running_; }
  const std::deque<OpRecord>& ended() const { return ended_; }

 private:
  std::map<OpId, OpRecord> running_;
  std::deque<OpRecord> ended_;  // In the order in which they ended.
};

}  // namespace failoverd::core
