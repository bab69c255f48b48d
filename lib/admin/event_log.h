// The last events in memory, numbered, and those who want to hear of new ones. Bounded: the oldest
// go first. It writes nothing to disk. The daemon owns it; one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "lib/admin/status_types.h"

namespace failoverd::admin {

class EventLog {
 public:
  explicit EventLog(std::size_t capacity);  // How many are kept, at least 1.
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  // Gives the event its id (the first is 1), keeps it, tells the subscribers. Returns the id.
  std::uint64_t add(EventRow event);

  // As Source::events. An id above the newest comes from an earlier process: all that is kept.
  LoggedEvents since(std::uint64_t id, std::size_t limit) const;

  // As Source::subscribe. A callback may end any subscription, its own too, but adds no event.
  Subscription subscribe(std::function<void(const EventRow&)> callback);

  std::uint64_t newest() const { return next_id_ - 1; }

 private:
  using Callback = std::function<void(const EventRow&)>;

  const std::size_t capacity_;

  std::uint64_t next_id_ = 1;
  std::deque<std::shared_ptr<const LoggedEvent>> events_;
  std::vector<std::weak_ptr<Callback>> subscribers_;
};

}  // namespace failoverd::admin
