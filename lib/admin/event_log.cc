#include "lib/admin/event_log.h"

#include <algorithm>
#include <utility>

#include "lib/admin/json.h"
#include "lib/base/check.h"

namespace failoverd::admin {

EventLog::EventLog(std::size_t capacity) : capacity_(capacity) { CHECK(capacity > 0); }

std::uint64_t EventLog::add(EventRow event) {
  event.id = next_id_++;
  if (events_.size() == capacity_) events_.pop_front();
  events_.push_back(std::make_shared<const LoggedEvent>(event));
  std::erase_if(subscribers_, [](const auto& subscriber) { return subscriber.expired(); });
  // A copy: a callback may subscribe or end subscriptions, which changes the list.
  for (const auto& subscriber : std::vector(subscribers_)) {
    if (const auto callback = subscriber.lock()) (*callback)(event);
  }
  return event.id;
}

LoggedEvents EventLog::since(std::uint64_t id, std::size_t limit) const {
  if (events_.empty()) return {};
  if (id > newest()) id = 0;
  const std::uint64_t oldest = events_.front()->row().id;
  const std::uint64_t passed = id < oldest ? 0 : id - oldest + 1;
  const auto first = events_.begin() + static_cast<std::ptrdiff_t>(passed);
  const auto kept = static_cast<std::size_t>(events_.end() - first);
  return {first, first + static_cast<std::ptrdiff_t>(std::min(kept, limit))};
}

const std::string& LoggedEvent::json() const {
  if (json_.empty()) json_ = to_json(row_);
  return json_;
}

Subscription EventLog::subscribe(std::function<void(const EventRow&)> callback) {
  auto subscriber = std::make_shared<Callback>(std::move(callback));
  subscribers_.push_back(subscriber);
  return subscriber;
}

}  // namespace failoverd::admin
