// The brain's desk: commands going out in this step, and for each question that is open, whose it
// is. The rooms of the brain share it; it decides nothing.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lib/core/command.h"
#include "lib/core/policy.h"

namespace failoverd::core {

// Who asked, about what. `key` and `what` mean what their owner says.
struct Route {
  enum class Owner : std::uint8_t {
    kWatch,       // key: tablet.
    kElections,   // key: op.
    kOperations,  // key: op.
    kPublisher,
    kRefusals,
    kTerms,
    kOpIds,
    kRecords,
    kJournal,
    kCleanup,         // key: op; tablet.
    kContradictions,  // key: packed(partition); tablet.
    kStatus,          // key: tablet, or who asked; tablet.
    kBrain,
  };
  Owner owner = Owner::kBrain;
  std::uint64_t key = 0;
  std::uint32_t what = 0;
  std::uint32_t tablet = 0;
  Instant asked_at;  // Filled in by open().
};

class Desk {
 public:
  Instant now;               // Of this step.
  std::vector<Command> out;  // Of this step.
  Policy policy;

  // A new id, whose answer goes to `route`.
  RequestId open(Route route) {
    route.asked_at = now;
    routes_.emplace(++last_id_, route);
    return last_id_;
  }

  // The answer came: whose it is. None: nobody waits for it any more.
  std::optional<Route> close(RequestId id) {
    const auto found = routes_.find(id);
    if (found == routes_.end()) return std::nullopt;
    const Route route = found->second;
    routes_.erase(found);
    return route;
  }

  // Late answers of all questions that are open now are ignored: the lock is lost, what they were
  // asked for is void.
  void forget_all() { routes_.clear(); }

  RequestId call(Route route, const Endpoint& tablet, Call call, Duration deadline,
                 bool fresh = false) {
    const RequestId id = open(route);
    out.emplace_back(CallTablet{id, tablet, std::move(call), deadline, fresh});
    return id;
  }

  void timer(Route route, Instant at) { out.emplace_back(SetTimer{open(route), at}); }

  void note(Severity severity, std::string kind, std::string text,
            std::vector<std::pair<std::string, std::string>> fields = {}) {
    out.emplace_back(Note{severity, std::move(kind), std::move(text), std::move(fields)});
  }

 private:
  RequestId last_id_ = 0;
  std::unordered_map<RequestId, Route> routes_;
};

}  // namespace failoverd::core
