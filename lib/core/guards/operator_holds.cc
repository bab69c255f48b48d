#include "lib/core/guards/operator_holds.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace failoverd::core {

void OperatorHolds::start(const std::vector<OperatorHold>& left) {
  stop();
  for (const OperatorHold& hold : left) {
    Entry entry;
    entry.hold = hold;
    entry.dirty = false;
    entry.sent = true;
    last_ = std::max(last_, hold.id);
    entries_.emplace(hold.id, std::move(entry));
  }
}

void OperatorHolds::stop() {
  for (auto& [id, entry] : entries_) {
    entry.answer.code = kSetZkFailed;
    entry.answer.error = "set zk failed";
    entry.answer.hint = "this daemon is no longer active: hold list tells what is held";
    tell(entry);
  }
  entries_.clear();
  last_ = 0;
  changed = false;
  pace_.stop();
}

std::uint64_t OperatorHolds::add(OperatorHold hold, RequestId asked, OperatorAnswer answer) {
  hold.id = ++last_;
  hold.since = outbox_.now;
  outbox_.note(Severity::kWarning, "hold", to_text(hold),
               {{"hold", std::to_string(hold.id)}, {"by", hold.by}});
  Entry entry;
  entry.hold = std::move(hold);
  entry.asked = asked;
  entry.answer = std::move(answer);
  entry.answer.hold = last_;
  entries_.emplace(last_, std::move(entry));
  changed = true;
  return last_;
}

bool OperatorHolds::remove(std::uint64_t id, const std::string& why, std::optional<RequestId> asked,
                           OperatorAnswer answer) {
  const auto found = entries_.find(id);
  if (found == entries_.end() || found->second.removed) return false;
  Entry& entry = found->second;
  entry.removed = changed = true;
  tell(entry);  // Who waits for it to be written.
  entry.asked = asked;
  entry.answer = std::move(answer);
  outbox_.note(
      Severity::kInfo, "hold",
      "no longer held: " + held_text(entry.hold) + " (hold " + std::to_string(id) + "): " + why,
      {{"hold", std::to_string(id)}, {"by", entry.hold.by}});
  return true;
}

void OperatorHolds::nothing_is_pending(std::uint64_t id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  found->second.hold.pending.clear();
  found->second.dirty = true;
}

void OperatorHolds::look() {
  for (const auto& [id, entry] : entries_) {
    const auto& until = entry.hold.until;
    if (entry.removed || !until) continue;
    if (*until <= outbox_.now) {
      remove(id, "its time is over");
    } else {
      pace_.look_at(*until);
    }
  }
  flush();
}

void OperatorHolds::flush() {
  if (!pace_.may_write()) return;
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const bool never_was = entry->second.removed && !entry->second.sent && !entry->second.flying;
    if (never_was) tell(entry->second);
    entry = never_was ? entries_.erase(entry) : std::next(entry);
  }
  for (auto& [id, entry] : entries_) {
    if (entry.flying || !(entry.removed || entry.dirty)) continue;
    entry.flying = true;
    entry.drops = entry.removed;
    entry.dirty = false;
    entry.sent = true;
    const RequestId request = outbox_.open({ReplyTo::Owner::kHolds, id, 0, 0, {}});
    if (entry.drops) {
      outbox_.out.emplace_back(DropHold{request, id});
    } else {
      outbox_.out.emplace_back(WriteHold{request, entry.hold});
    }
  }
}

void OperatorHolds::answered(const ReplyTo& reply_to, bool ok) {
  const auto found = entries_.find(reply_to.key);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  entry.flying = false;
  if (!ok) {
    entry.dirty = !entry.drops;
    pace_.failed();
  } else if (entry.drops) {
    tell(entry);
    entries_.erase(found);
  } else if (!entry.removed) {
    tell(entry);
  }
}

void OperatorHolds::tell(Entry& entry) {
  const auto asked = std::exchange(entry.asked, std::nullopt);
  if (asked) outbox_.out.emplace_back(AnswerOperator{*asked, std::move(entry.answer)});
}

std::vector<OperatorHold> OperatorHolds::all() const {
  std::vector<OperatorHold> all;
  for (const auto& [id, entry] : entries_) {
    if (!entry.removed) all.push_back(entry.hold);
  }
  return all;
}

const OperatorHold* OperatorHolds::find(std::uint64_t id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() || found->second.removed ? nullptr : &found->second.hold;
}

const OperatorHold* OperatorHolds::offline(const Endpoint& tablet) const {
  for (const auto& [id, entry] : entries_) {
    if (!entry.removed && entry.hold.offline && entry.hold.tablet == tablet) return &entry.hold;
  }
  return nullptr;
}

const OperatorHold* OperatorHolds::on(PartitionKey at, TabletIndex tablet) const {
  if (entries_.empty()) return nullptr;
  const Table* table = model_.table(at.tid);
  for (const auto& [id, entry] : entries_) {
    const OperatorHold& h = entry.hold;
    if (entry.removed || h.offline) continue;
    const bool on_tablet = h.tablet.empty() || h.tablet == model_.tablet(tablet).endpoint;
    const bool on_table =
        h.table.empty() || (table && table->shape.name == h.table && table->shape.db == h.db);
    if (on_tablet && on_table && (!h.pid || *h.pid == at.pid)) return &h;
  }
  return nullptr;
}

}  // namespace failoverd::core
