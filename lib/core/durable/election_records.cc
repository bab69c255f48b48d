#include "lib/core/durable/election_records.h"

#include <algorithm>

#include "lib/core/api/timing.h"

namespace failoverd::core {
namespace {

constexpr std::size_t kMostInOne = 5'000;  // Keeps a record well below ZooKeeper's 1 MiB.

}  // namespace

void ElectionRecords::start(std::int64_t epoch, const std::vector<ElectionRecord>& left) {
  stop();
  epoch_ = epoch;
  for (const ElectionRecord& record : left) {
    Entry& e = entries_[++last_number_];
    e.record = record;
    e.written = true;
    e.number = last_number_;
    e.dirty = record.elections.empty();  // Nothing left in it: to be dropped.
  }
}

void ElectionRecords::stop() {
  entries_.clear();
  entry_of_.clear();
  pace_.stop();
}

BegunElection* ElectionRecords::find(PartitionKey at, Entry** in) {
  const auto of = entry_of_.find(at);
  if (of == entry_of_.end()) return nullptr;
  Entry& e = entries_.at(of->second.number);
  if (in) *in = &e;
  const auto found = std::find_if(e.record.elections.begin(), e.record.elections.end(),
                                  [&](const BegunElection& b) { return b.at == at; });
  return found == e.record.elections.end() ? nullptr : &*found;
}

void ElectionRecords::begun(PartitionKey at, Term probe_term, bool restart) {
  Entry* entry = nullptr;
  if (BegunElection* known = find(at, &entry)) {
    known->probe_term = probe_term;
    known->restart = restart;
    entry->dirty = true;
    entry_of_[at].version = ++entry->version;
    return;
  }
  entry = entries_.empty() ? nullptr : &entries_.rbegin()->second;
  if (!entry || entry->begun_at == Instant{} || outbox_.now - entry->begun_at > kRecordsTogether ||
      entry->record.elections.size() >= kMostInOne) {
    entry = &entries_[++last_number_];
    entry->number = last_number_;
    entry->begun_at = outbox_.now;
    entry->record.name = std::to_string(epoch_) + "-" + std::to_string(last_number_);
  }
  entry->record.elections.push_back({at, probe_term, {}, restart});
  entry->dirty = true;
  entry_of_[at] = {entry->number, ++entry->version};
}

bool ElectionRecords::is_written(PartitionKey at) const {
  const auto of = entry_of_.find(at);
  if (of == entry_of_.end()) return false;
  return entries_.at(of->second.number).written_version >= of->second.version;
}

void ElectionRecords::may_lead(PartitionKey at, const MayLead& replica) {
  Entry* entry = nullptr;
  BegunElection* election = find(at, &entry);
  if (!election) return;
  std::erase_if(election->may_lead,
                [&](const MayLead& m) { return m.endpoint == replica.endpoint; });
  election->may_lead.push_back(replica);
  entry->dirty = true;
}

void ElectionRecords::done(PartitionKey at) {
  entry_of_.erase(at);
  for (auto& [number, e] : entries_) {
    const auto gone =
        std::erase_if(e.record.elections, [&](const BegunElection& b) { return b.at == at; });
    if (gone > 0) e.dirty = true;
  }
}

void ElectionRecords::flush() {
  if (!pace_.may_write()) return;
  for (auto it = entries_.begin(); it != entries_.end();) {
    Entry& e = it->second;
    if (!e.dirty || e.writing) {
      ++it;
      continue;
    }
    e.dirty = false;
    const bool empty = e.record.elections.empty();
    if (empty && !e.written) {
      it = entries_.erase(it);
      continue;
    }
    e.writing = true;
    e.sent_version = e.version;
    const RequestId id = outbox_.open({ReplyTo::Owner::kRecords, e.number, empty, 0, {}});
    if (empty) {
      outbox_.out.emplace_back(DropRecord{id, e.record.name});
    } else {
      outbox_.out.emplace_back(WriteRecord{id, e.record});
    }
    ++it;
  }
}

void ElectionRecords::answered(const ReplyTo& reply_to, bool ok) {
  const auto found = entries_.find(reply_to.key);
  if (found == entries_.end()) return;
  Entry& e = found->second;
  e.writing = false;
  const bool was_drop = reply_to.what != 0;
  if (was_drop && ok && e.record.elections.empty()) {
    entries_.erase(found);
    return;
  }
  if (!was_drop)
    e.written = true;  // Even if the answer was lost: dropping what is not there is ok.
  if (ok && !was_drop) e.written_version = e.sent_version;
  if (ok) return;
  e.dirty = true;  // flush() comes with every step, the timer's included.
  pace_.failed();
}

}  // namespace failoverd::core
