#include "lib/admin/event_log.h"

#include <algorithm>
#include <utility>

#include "lib/base/check.h"

namespace failoverd::admin {

EventLog::EventLog(std::size_t capacity) : capacity_(capacity) { CHECK(capacity > 0); }

std::uint64_t EventLog::add(EventRow event) {
  event.id = next_id_++;
  if (events_.size() == capacity_) events_.pop_front();
  events_.push_back(event);
  std::erase_if(subscribers_, [](const auto& subscriber) { return subscriber.expired(); });
  // A copy: a callback may subscribe or end subscriptions, which changes the list.
  for (const auto& subscriber : std::vector(subscribers_)) {
    if (const auto callback = subscriber.lock()) (*callback)(event);
  }
  return event.id;
}

std::vector<EventRow> EventLog::since(std::uint64_t id, std::size_t limit) const {
  if (id > newest()) id = 0;
  const auto first = std::find_if(events_.begin(), events_.end(),
                                  [id](const EventRow& event) { return event.id > id; });
  const auto kept = static_cast<std::size_t>(events_.end() - first);
  return {first, first + static_cast<std::ptrdiff_t>(std::min(kept, limit))};
}

Subscription EventLog::subscribe(std::function<void(const EventRow&)> callback) {
  auto subscriber = std::make_shared<Callback>(std::move(callback));
  subscribers_.push_back(subscriber);
  return subscriber;
}

}  // namespace failoverd::admin
