// The brain's outbox: commands going out in this step, and for each question that is open, whose it
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
struct ReplyTo {
  enum class Owner : std::uint8_t {
    kTabletMonitor,  // key: tablet.
    kElections,      // key: op.
    kOperations,     // key: op.
    kHandovers,      // key: op.
    kPublisher,
    kRefusals,
    kTerms,
    kOpIds,
    kRecords,
    kJournal,
    kCleanup,         // key: op; tablet.
    kReconciliation,  // key: packed(partition); tablet.
    kStatus,          // key: tablet, or who asked; tablet.
    kHolds,           // key: hold.
    kCare,
    kLook,  // key: packed(partition); tablet.
    kOperators,
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

class Outbox {
 public:
  Instant now;               // Of this step.
  std::vector<Command> out;  // Of this step.
  Policy policy;
  // Why a call that changes something is not let out; none: it is (SAFETY 21). Every such call
  // passes here. Must be set before the first.
  std::function<std::optional<std::string>(const Endpoint&, const Call&)> why_not_told;
  // How long its answer may be, in bytes; not set: 4 MiB.
  std::function<std::size_t(const Endpoint&, const Call&)> longest_answer;
  // Of a table; not set: all are in memory.
  std::function<Storage(std::uint32_t tid)> storage_of;
  // What was not let out, answered: told like all answers before the step ends.
  std::vector<TabletAnswered> withheld;

  // A new id, whose answer goes to `reply_to`.
  RequestId open(ReplyTo reply_to) {
    reply_to.asked_at = now;
    open_.emplace(++last_id_, reply_to);
    return last_id_;
  }

  // The answer came: whose it is. None: nobody waits for it any more.
  std::optional<ReplyTo> close(RequestId id) {
    const auto found = open_.find(id);
    if (found == open_.end()) return std::nullopt;
    const ReplyTo reply_to = found->second;
    open_.erase(found);
    return reply_to;
  }

  // Late answers of all questions that are open now are ignored: the lock is lost, what they were
  // asked for is void.
  void forget_all() {
    open_.clear();
    withheld.clear();
  }

  RequestId call(ReplyTo reply_to, const Endpoint& tablet, Call call, Duration deadline,
                 bool fresh = false) {
    CHECK(!tablet.empty());
    CHECK(deadline > Duration{0});
    reply_to.changes = changes(call);
    reply_to.at = partition_of(call);
    const RequestId id = open(reply_to);
    if (reply_to.changes) {
      CHECK(why_not_told);
      if (auto why = why_not_told(tablet, call)) {
        Answer answer;
        answer.text = std::move(*why);  // kNotSent.
        withheld.push_back({id, tablet, std::move(answer)});
        return id;
      }
    }
    const std::size_t at_most = longest_answer ? longest_answer(tablet, call) : 4u << 20;
    const bool is_known = storage_of && reply_to.at;
    const Storage storage = is_known ? storage_of(reply_to.at->tid) : Storage::kMemory;
    out.emplace_back(CallTablet{id, tablet, std::move(call), deadline, fresh, at_most, storage});
    return id;
  }

  void timer(ReplyTo reply_to, Instant at) { out.emplace_back(SetTimer{open(reply_to), at}); }

  void note(Severity severity, std::string kind, std::string text,
            std::vector<std::pair<std::string, std::string>> fields = {}) {
    out.emplace_back(Note{severity, std::move(kind), std::move(text), std::move(fields)});
  }

 private:
  RequestId last_id_ = 0;
  std::unordered_map<RequestId, ReplyTo> open_;
};

}  // namespace failoverd::core
