#include "lib/core/durable/op_journal.h"

#include <algorithm>
#include <utility>

#include "lib/base/check.h"
#include "lib/core/api/timing.h"

namespace failoverd::core {
namespace {

// Entries in one write, and groups of those that have ended: keeps it well below ZooKeeper's 1 MiB.
constexpr std::size_t kMostInOne = 1'000;
constexpr std::size_t kMostGroupsInOne = 10;

}  // namespace

void OpJournal::start(const std::vector<BegunOp>& begun, const std::vector<FinishedOps>& finished) {
  stop();
  for (const BegunOp& op : begun) entries_.insert(op.id);
  finished_ = {};
  if (finished.empty()) return;
  finished_ = finished.back();
  if (finished_.ops.size() >= kOpsPerZnode) finished_ = {finished_.number + 1, {}};
}

void OpJournal::stop() {
  next_ = flying_ = {};
  in_flight_ = list_refused_ = false;
  entries_.clear();
  finished_ = {};
  written.clear();
  send_at_.reset();
  pace_.stop();
}

void OpJournal::begin(const BegunOp& op) {
  if (!entries_.insert(op.id).second) {
    std::erase_if(next_.begun, [&](const BegunOp& b) { return b.id == op.id; });
  }
  next_.begun.push_back(op);
}

void OpJournal::drop(OpId op) {
  std::erase_if(next_.begun, [&](const BegunOp& b) { return b.id == op; });
  if (entries_.erase(op) > 0) next_.ended.push_back(op);
}

void OpJournal::finished(const OpRecord& op) {
  finished_.ops.push_back(op);
  next_.finished = true;
  if (finished_.ops.size() < kOpsPerZnode) return;
  const std::uint64_t number = finished_.number;
  next_.full.push_back(std::exchange(finished_, FinishedOps{number + 1, {}}));
}

void OpJournal::flush() {
  if (in_flight_ || !pace_.may_write()) return;
  if (next_.begun.empty()) {  // Nobody waits.
    const bool list = next_.has_list() && (!list_refused_ || outbox_.now >= list_not_before_);
    if (next_.ended.empty() && !list) {
      if (next_.has_list()) pace_.look_at(list_not_before_);
      return;
    }
    if (!send_at_) send_at_ = outbox_.now + kJournalTogether;
    if (outbox_.now < *send_at_) return pace_.look_at(*send_at_);
  }
  send();
}

void OpJournal::send() {
  send_at_.reset();
  in_flight_ = true;
  flying_ = std::exchange(next_, {});
  const bool begins = !flying_.begun.empty() || !flying_.ended.empty();
  if (list_refused_ && (begins || outbox_.now < list_not_before_)) {
    next_.finished = std::exchange(flying_.finished, false);
    next_.full = std::exchange(flying_.full, {});
  }
  const auto keep_for_next = [](auto& from, auto& to, std::size_t most) {
    if (from.size() <= most) return;
    to.assign(from.begin() + static_cast<std::ptrdiff_t>(most), from.end());
    from.resize(most);
  };
  keep_for_next(flying_.begun, next_.begun, kMostInOne);
  keep_for_next(flying_.ended, next_.ended, kMostInOne);
  keep_for_next(flying_.full, next_.full, kMostGroupsInOne);
  WriteJournal write;
  write.begun = flying_.begun;
  write.ended = flying_.ended;
  write.finished = flying_.full;
  if (flying_.finished && !finished_.ops.empty()) write.finished.push_back(finished_);
  write.id = outbox_.open({ReplyTo::Owner::kJournal, 0, 0, 0, {}});
  outbox_.out.emplace_back(std::move(write));
}

void OpJournal::answered(bool ok) {
  CHECK(in_flight_);
  in_flight_ = false;
  const Batch flown = std::exchange(flying_, {});
  if (flown.has_list()) list_refused_ = !ok;
  if (ok) {
    for (const BegunOp& op : flown.begun) written.push_back(op.id);
    return;
  }
  // An op that ended meanwhile is in next_.ended: it may have been written.
  for (const BegunOp& op : flown.begun) {
    const bool newer = std::any_of(next_.begun.begin(), next_.begun.end(),
                                   [&](const BegunOp& b) { return b.id == op.id; });
    if (entries_.contains(op.id) && !newer) next_.begun.push_back(op);
  }
  next_.ended.insert(next_.ended.end(), flown.ended.begin(), flown.ended.end());
  next_.full.insert(next_.full.begin(), flown.full.begin(), flown.full.end());
  next_.finished = next_.finished || flown.finished;
  if (flown.has_list()) list_not_before_ = outbox_.now + kListAgain;
  const bool only_list = flown.begun.empty() && flown.ended.empty();
  only_list ? pace_.look_at(list_not_before_) : pace_.failed();
}

}  // namespace failoverd::core
