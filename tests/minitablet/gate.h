// The original tablet has one mutex for its tables, tasks and transfers, and holds it while
// ChangeRole(follower) joins replication threads. Here all runs on one thread, so the mutex matters
// only while somebody keeps it across a wait: then everybody else queues. Owned by the Tablet.
#pragma once

#include <deque>
#include <functional>
#include <utility>

namespace failoverd::minitablet {

class Gate {
 public:
  // Runs `enter` now, or when the gate is free again, in order of arrival.
  void enter(std::function<void()> enter) {
    if (held_ || !waiting_.empty()) {
      waiting_.push_back(std::move(enter));
    } else {
      enter();
    }
  }

  // By whoever is inside: stays inside until release().
  void hold() { held_ = true; }
  void release() {
    held_ = false;
    while (!held_ && !waiting_.empty()) {
      const std::function<void()> next = std::move(waiting_.front());
      waiting_.pop_front();
      next();
    }
  }

  bool held() const { return held_; }

 private:
  bool held_ = false;
  std::deque<std::function<void()>> waiting_;
};

}  // namespace failoverd::minitablet
