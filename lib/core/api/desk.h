// The brain's desk: commands going out in this step, and for each question that is open, whose it
// is. The parts of the brain share it; it decides nothing.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lib/base/check.h"
#include "lib/core/api/command.h"
#include "lib/core/api/event.h"
#include "lib/core/api/policy.h"

namespace failoverd::core {

// Who asked, about what. `key` and `what` mean what their owner says.
struct Route {
  enum class Owner : std::uint8_t {
    kTabletMonitor,  // key: tablet.
    kElections,      // key: op.
    kOperations,     // key: op.
    kPublisher,
    kRefusals,
    kTerms,
    kOpIds,
    kRecords,
    kJournal,
    kCleanup,         // key: op; tablet.
    kReconciliation,  // key: packed(partition); tablet.
    kStatus,          // key: tablet, or who asked; tablet.
    kBrain,
  };
  Owner owner = Owner::kBrain;
  std::uint64_t key = 0;
  std::uint32_t what = 0;
  std::uint32_t tablet = 0;
  // Filled in by open() and call().
  Instant asked_at;
  bool changes = false;                 // The call changes something.
  std::optional<PartitionKey> at = {};  // What it is about.
};

class Desk {
 public:
  Instant now;               // Of this step.
  std::vector<Command> out;  // Of this step.
  Policy policy;
  // Why a call that changes something is not let out; none: it is (SAFETY 21). Every such call
  // passes here. Must be set before the first.
  std::function<std::optional<std::string>(const Endpoint&, const Call&)> why_not_told;
  // What was not let out, answered: told like all answers before the step ends.
  std::vector<TabletAnswered> withheld;

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
  void forget_all() {
    routes_.clear();
    withheld.clear();
  }

  RequestId call(Route route, const Endpoint& tablet, Call call, Duration deadline,
                 bool fresh = false) {
    route.changes = changes(call);
    route.at = partition_of(call);
    const RequestId id = open(route);
    if (route.changes) {
      CHECK(why_not_told);
      if (auto why = why_not_told(tablet, call)) {
        Answer answer;
        answer.text = std::move(*why);  // kNotSent.
        withheld.push_back({id, tablet, std::move(answer)});
        return id;
      }
    }
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
