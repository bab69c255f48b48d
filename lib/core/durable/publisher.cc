#include "lib/core/durable/publisher.h"

#include <algorithm>
#include <utility>

#include "lib/base/check.h"
#include "lib/core/api/timing.h"

namespace failoverd::core {

void Publisher::stop() {
  wishes_.clear();
  ready_.clear();
  clients_wait_.clear();
  nobody_waits_.clear();
  flights_.clear();
  tables_in_flight_.clear();
  changed.clear();
  pace_.stop();
  lost_in_a_row_ = 0;
  alone_next_ = false;
  fails_since_.reset();
  why_failed_.clear();
}

void Publisher::want(OpId op, PartitionKey at, Publishing& by, Urgency urgency) {
  forget(op);
  const Wish& wish = wishes_[op] = {at, &by, outbox_.now, urgency, false};
  becomes_ready(op, wish);
}

void Publisher::forget(OpId op) {
  const auto found = wishes_.find(op);
  if (found == wishes_.end()) return;
  no_longer_ready(op, found->second);
  wishes_.erase(found);
}

bool Publisher::publishes(PartitionKey at) const {
  return std::any_of(wishes_.begin(), wishes_.end(),
                     [&](const auto& wish) { return wish.second.at == at; });
}

void Publisher::becomes_ready(OpId op, const Wish& wish) {
  ready_[wish.at.tid].insert(op);
  auto& waiting = wish.urgency == Urgency::kClientsWait ? clients_wait_ : nobody_waits_;
  waiting.insert({wish.since, op});
}

void Publisher::no_longer_ready(OpId op, const Wish& wish) {
  if (const auto table = ready_.find(wish.at.tid); table != ready_.end()) {
    table->second.erase(op);
    if (table->second.empty()) ready_.erase(table);
  }
  auto& waiting = wish.urgency == Urgency::kClientsWait ? clients_wait_ : nobody_waits_;
  waiting.erase({wish.since, op});
}

// What is kept of its replicas is ours, and goes out though the table itself may not be written.
bool Publisher::is_left_alone(const Table& table, const PartitionEdit& edit) const {
  return table.refusal && (edit.changes_table() || table.refusal->is_kept);
}

// What was overwritten goes with every edit that changes the table: once, where there are two of a
// partition. An edit that is about nothing is about that.
void Publisher::complete(PartitionKey at, const TableEdit* beside, PartitionEdit& edit) const {
  const auto changes = [&](const PartitionEdit& other) {
    return other.pid == at.pid && other.changes_table();
  };
  const bool is_first = !beside || std::ranges::none_of(beside->partitions, changes);
  if (is_first && (edit.changes_table() || edit.kept.empty())) model_.put_back(at, edit);
}

// How each partition is then: goes out where anything is kept of it, and always with a new leader.
void Publisher::name_published(TableEdit& table) const {
  std::map<std::uint32_t, std::vector<const PartitionEdit*>> edits;
  for (const PartitionEdit& edit : table.partitions) edits[edit.pid].push_back(&edit);
  for (PartitionEdit& edit : table.partitions) {
    const PartitionKey at{table.tid, edit.pid};
    const auto& all = edits.at(edit.pid);
    if (all.back() != &edit) continue;
    const auto changes = [](const PartitionEdit* e) { return e->changes_table(); };
    const auto keeps = [](const PartitionEdit* e) { return !e->kept.empty(); };
    const auto leads = [](const PartitionEdit* e) { return !e->terms.empty() || e->whole; };
    const bool is_news =
        std::ranges::any_of(all, keeps) || (model_.keeps(at) && std::ranges::any_of(all, leads));
    if (is_news && std::ranges::any_of(all, changes)) {
      edit.published = model_.published_by(at, all);
    }
  }
}

Publisher::Room Publisher::collect(OpId op, Wish& wish, Load& load) {
  Table& table = *model_.table(wish.at.tid);
  const std::string& znode = table.shape.znode;
  const bool first = !load.tables.contains(znode);
  const std::size_t partitions = first ? 1 : load.tables.at(znode).partitions.size() + 1;
  auto edit = wish.by->edit(op, *model_.partition(wish.at));
  if (!edit) {  // A publish whose answer was lost had arrived; or it is not wanted any more.
    load.there_already.push_back(op);
    return Room::kLeft;
  }
  complete(wish.at, first ? nullptr : &load.tables.at(znode), *edit);
  if (is_left_alone(table, *edit)) return Room::kLeft;
  const std::size_t its_rows = length_of_added(*edit);
  const std::size_t rows = its_rows + (first ? 0 : length_of_added(load.tables.at(znode)));
  const std::size_t length = refusals_.length(table, partitions) + rows;
  const bool is_full =
      first && !load.tables.empty() && load.flight.bytes + length > refusals_.longest_together();
  if (is_full) return Room::kNone;  // It goes in the next one.
  if (edit->changes_table() && !refusals_.fits(table, partitions)) {
    if (first) refusals_.too_long(table);  // Else it goes when the others are published.
    return Room::kLeft;
  }
  if (its_rows > 0 && !refusals_.fits(table, partitions, rows)) {  // Without them it would.
    if (first) wish.by->refused(op, "there is no room for another row");
    return Room::kLeft;
  }
  load.flight.bytes += first ? length : table.growth + its_rows;
  edit->pid = wish.at.pid;
  add(load, table, std::move(*edit));
  load.flight.wishes.push_back(op);
  return Room::kLeft;
}

void Publisher::add(Load& load, const Table& table, PartitionEdit edit) {
  TableEdit& to = load.tables[table.shape.znode];
  to.znode = table.shape.znode;
  to.version = table.shape.version;
  to.tid = table.shape.tid;
  for (PartitionEdit& other : to.partitions) {
    if (other.pid != edit.pid) continue;
    // Both were decided by what was known before: what goes with a change of rows is the truth.
    PartitionEdit& gives_way = edit.changes_table() ? other : edit;
    const PartitionEdit& stays = edit.changes_table() ? edit : other;
    std::erase_if(gives_way.kept, [&](const Lineage& k) {
      return std::any_of(stays.kept.begin(), stays.kept.end(),
                         [&](const Lineage& s) { return s.endpoint == k.endpoint; });
    });
  }
  to.partitions.push_back(std::move(edit));
}

// None: nothing is ready.
std::optional<Instant> Publisher::when_to_send(ElectionProgress elections) const {
  // What clients wait for in a table that is left alone is waited for by nobody else.
  const auto urgent = std::find_if(clients_wait_.begin(), clients_wait_.end(), [&](const auto& w) {
    const Table* table = model_.table(wishes_.at(w.second).at.tid);
    return !table || !table->refusal;
  });
  if (urgent != clients_wait_.end()) {
    return elections == ElectionProgress::kAboutToEnd ? urgent->first + kWaitForMore
                                                      : urgent->first;
  }
  if (nobody_waits_.empty()) return std::nullopt;
  const Instant oldest = nobody_waits_.begin()->first;
  return elections == ElectionProgress::kNone ? oldest : oldest + kGiveWay;
}

void Publisher::flush(ElectionProgress elections) {
  if (!pace_.may_write()) return;
  const auto when = when_to_send(elections);
  if (!when) return;
  if (outbox_.now >= *when) {
    while (send()) {
    }
  } else {
    pace_.look_at(*when);
  }
}

// What one table has ready. Whose partition is gone is told so.
void Publisher::collect(std::uint32_t tid, Load& load) {
  const std::set<OpId> ops = ready_.at(tid);
  for (const OpId op : ops) {
    const auto wish = wishes_.find(op);
    if (wish == wishes_.end()) continue;  // Somebody took it back meanwhile.
    if (model_.partition(wish->second.at)) {
      if (collect(op, wish->second, load) == Room::kNone) return;
      continue;
    }
    Publishing* by = wish->second.by;
    forget(op);
    by->gone(op, "the partition is gone");
  }
}

// Alone: of one table only, the first that goes alone; else of all that do not.
void Publisher::collect_all(Load& load) {
  const bool alone = load.flight.alone;
  std::vector<std::uint32_t> tids;
  tids.reserve(ready_.size());
  for (const auto& [tid, ops] : ready_) tids.push_back(tid);
  for (const std::uint32_t tid : tids) {
    const Table* table = model_.table(tid);
    if (table && Refusals::goes_alone(*table) != alone) continue;
    if (table && (table->stale || tables_in_flight_.contains(table->shape.znode))) continue;
    if (table && alone && !load.tables.empty()) continue;
    if (ready_.contains(tid)) collect(tid, load);
  }
  std::sort(load.flight.wishes.begin(), load.flight.wishes.end());
  std::sort(load.there_already.begin(), load.there_already.end());
}

// Those that go alone take turns with the others.
Publisher::Load Publisher::next_load() {
  const bool any_alone = std::any_of(ready_.begin(), ready_.end(), [&](const auto& r) {
    const Table* table = model_.table(r.first);
    return table && !table->stale && !table->refusal && Refusals::goes_alone(*table);
  });
  Load load;
  const bool one_is_alone =
      std::any_of(flights_.begin(), flights_.end(), [](const auto& f) { return f.second.alone; });
  alone_next_ = alone_next_ && any_alone;
  if (one_is_alone || (alone_next_ && !flights_.empty())) return load;
  load.flight.alone = alone_next_;
  collect_all(load);
  if (load.tables.empty() && any_alone && flights_.empty()) {
    load.flight.alone = !alone_next_;
    collect_all(load);
  }
  alone_next_ = !load.flight.alone;
  return load;
}

// False: nothing is to be sent now.
bool Publisher::send() {
  Load load = next_load();
  for (const OpId op : load.flight.wishes) {
    const auto wish = wishes_.find(op);
    if (wish == wishes_.end()) continue;
    no_longer_ready(op, wish->second);
    wish->second.in_flight = true;
  }
  land(load.there_already);
  if (load.tables.empty()) return false;
  CHECK(!load.flight.wishes.empty());
  for (auto& [znode, edit] : load.tables) {
    const bool alone_there = tables_in_flight_.insert(znode).second;
    CHECK(alone_there);  // Two of one version: one of them would be lost.
    name_published(edit);
    load.flight.tables.push_back(std::move(edit));
  }
  const RequestId id = outbox_.open({ReplyTo::Owner::kPublisher, ++last_flight_, 0, 0, {}});
  outbox_.out.emplace_back(Publish{id, load.flight.tables});
  flights_.emplace(last_flight_, std::move(load.flight));
  return true;
}

void Publisher::published(const ReplyTo& reply_to, const Published& result) {
  const auto found = flights_.find(reply_to.key);
  if (found == flights_.end()) return;
  const Flight flight = std::move(found->second);
  flights_.erase(found);
  for (const TableEdit& t : flight.tables) tables_in_flight_.erase(t.znode);
  std::vector<OpId> landed;  // What was wanted anew meanwhile is another wish.
  for (const OpId op : flight.wishes) {
    const auto wish = wishes_.find(op);
    if (wish == wishes_.end() || !std::exchange(wish->second.in_flight, false)) continue;
    becomes_ready(op, wish->second);
    landed.push_back(op);
  }
  using Outcome = Published::Outcome;
  if (result.outcome != Outcome::kUnknown) lost_in_a_row_ = 0;
  for (const std::string& znode : result.conflicts) {
    if (Table* t = model_.table_of(znode)) t->stale = true;
  }
  switch (result.outcome) {
    case Outcome::kDone:
      fails_since_.reset();
      why_failed_.clear();
      refusals_.taken(tables_of(flight));
      apply(flight);
      land(landed);
      break;
    case Outcome::kConflict:
      break;
    case Outcome::kRefused:
      refused(result);
      break;
    case Outcome::kUnknown:
      lost(flight, result.by_nameserver);
      break;
    case Outcome::kNotHeld:
    case Outcome::kFailed:
      failed(result.why);
      for (const OpId op : landed) wishes_.at(op).by->waits(op, result.why);
      break;
  }
}

// Those whose znodes it writes.
std::vector<Table*> Publisher::tables_of(const Flight& flight) {
  std::vector<Table*> tables;
  for (const TableEdit& edit : flight.tables) {
    Table* table = edit.changes_table() ? model_.table_of(edit.znode) : nullptr;
    if (table) tables.push_back(table);
  }
  return tables;
}

// SAFETY 22: the others go out again at once.
void Publisher::refused(const Published& result) {
  for (const Refused& r : result.refused) {
    refusals_.refused(r);
    tell_refused(r.znode);
  }
}

void Publisher::tell_refused(const std::string& znode) {
  const Table* table = model_.table_of(znode);
  if (!table || !table->refusal || !table->refusal->is_known) return;
  std::vector<std::pair<OpId, Publishing*>> of_table;
  for (const auto& [op, wish] : wishes_) {
    if (wish.at.tid == table->shape.tid) of_table.emplace_back(op, wish.by);
  }
  for (const auto& [op, by] : of_table) by->refused(op, table->refusal->why);
}

void Publisher::lost(const Flight& flight, bool by_nameserver) {
  keep(flight, /*all=*/false);
  for (const TableEdit& edit : flight.tables) {
    if (Table* t = model_.table_of(edit.znode)) t->stale = true;
  }
  if (!by_nameserver) refusals_.lost(tables_of(flight), flight.bytes);
  // One connection that is lost is nothing to wait for; one after the other would go on for ever.
  // A nameserver's trouble with one table is no other's: whoever published through it has waited.
  if (by_nameserver || ++lost_in_a_row_ <= 2) return;
  const Duration pause = kWriteAgain * (1 << std::min(lost_in_a_row_ - 3, 4));
  pace_.failed(std::min<Duration>(pause, kWriteAgainAtMost));
}

// One failure mends itself: a znode of ours is made again, or the contact is back.
void Publisher::failed(const std::string& why) {
  pace_.failed();
  if (!fails_since_) fails_since_ = outbox_.now;
  if (outbox_.now - *fails_since_ < kFailureIsSaidAfter || why.empty() || why == why_failed_)
    return;
  why_failed_ = why;
  outbox_.note(Severity::kWarning, "publish",
               "nothing can be published, it is tried again: " + why);
}

// Not `all`: only what goes with rows. It is true, whether it was written or not; what is kept by
// itself is written once more.
void Publisher::keep(const Flight& flight, bool all) {
  for (const TableEdit& edit : flight.tables) {
    for (const PartitionEdit& p : edit.partitions) {
      if (!all && !p.changes_table()) continue;
      for (const Lineage& k : p.kept) model_.keep({edit.tid, p.pid}, k);
    }
  }
}

// Our own rows become what was just written, so that nobody waits for the watch to tell us.
void Publisher::apply(const Flight& flight) {
  keep(flight, /*all=*/true);
  for (const TableEdit& edit : flight.tables) {
    Table* table = edit.changes_table() ? model_.table_of(edit.znode) : nullptr;
    if (!table || table->shape.version != edit.version) continue;  // Read again meanwhile.
    for (const PartitionEdit& p : edit.partitions) {
      changed.insert({edit.tid, p.pid});
    }
    model_.written(edit.tid, edit.partitions, outbox_.now);
  }
}

void Publisher::land(const std::vector<OpId>& ops) {
  for (const OpId op : ops) {
    const auto wish = wishes_.find(op);
    if (wish == wishes_.end()) continue;
    Publishing* by = wish->second.by;
    forget(op);
    by->published(op);
  }
}

}  // namespace failoverd::core
