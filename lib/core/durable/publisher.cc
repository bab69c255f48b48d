#include "lib/core/durable/publisher.h"

#include <algorithm>

#include "lib/core/api/timing.h"

namespace failoverd::core {

void Publisher::stop() {
  wishes_.clear();
  flights_.clear();
  tables_in_flight_.clear();
  changed.clear();
  armed_for_.reset();
  not_before_.reset();
  lost_in_a_row_ = 0;
  alone_next_ = false;
  fails_since_.reset();
  why_failed_.clear();
}

void Publisher::want(OpId op, PartitionKey at, Publishing& by, Urgency urgency) {
  wishes_[op] = {at, &by, desk_.now, urgency, false};
}

// What is kept of its replicas is ours, and goes out though the table itself may not be written.
bool Publisher::is_left_alone(const Table& table, const PartitionEdit& edit) const {
  return table.refusal && (edit.changes_table() || table.refusal->is_kept);
}

void Publisher::collect(OpId op, Wish& wish, Load& load) {
  Table& table = *model_.table(wish.at.tid);
  const std::string& znode = table.shape.znode;
  if (table.stale || tables_in_flight_.contains(znode)) return;
  const bool first = !load.tables.contains(znode);
  const std::size_t partitions = first ? 1 : load.tables.at(znode).partitions.size() + 1;
  const std::size_t length = refusals_.length(table, partitions);
  auto edit = wish.by->edit(op, *model_.partition(wish.at));
  if (!edit) {  // A publish whose answer was lost had arrived; or it is not wanted any more.
    load.there_already.push_back(op);
    return;
  }
  if (is_left_alone(table, *edit)) return;
  const bool is_full =
      first && !load.tables.empty() && load.flight.bytes + length > refusals_.longest_together();
  if (is_full) return;  // It goes in the next one.
  if (edit->changes_table() && !refusals_.fits(table, partitions)) {
    if (first) refusals_.too_long(table);  // Else it goes when the others are published.
    return;
  }
  load.flight.bytes += first ? length : table.growth;
  edit->pid = wish.at.pid;
  add(load, table, std::move(*edit));
  load.flight.wishes.push_back(op);
  wish.in_flight = true;
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
    std::erase_if(gives_way.kept, [&](const Kept& k) {
      return std::any_of(stays.kept.begin(), stays.kept.end(),
                         [&](const Kept& s) { return s.endpoint == k.endpoint; });
    });
  }
  to.partitions.push_back(std::move(edit));
}

// None: nothing is ready.
std::optional<Instant> Publisher::when_to_send(Elections elections) const {
  std::optional<Instant> urgent;
  std::optional<Instant> other;
  for (const auto& [op, wish] : wishes_) {
    if (wish.in_flight) continue;
    const Table* table = model_.table(wish.at.tid);
    if (wish.urgency == Urgency::kClientsWait && table && table->refusal) continue;
    auto& oldest = wish.urgency == Urgency::kClientsWait ? urgent : other;
    oldest = std::min(oldest.value_or(wish.since), wish.since);
  }
  if (urgent) return elections == Elections::kAboutToEnd ? *urgent + kWaitForMore : *urgent;
  if (other) return elections == Elections::kNone ? *other : *other + kGiveWay;
  return std::nullopt;
}

void Publisher::flush(Elections elections) {
  if (not_before_ && desk_.now < *not_before_) return;
  const auto when = when_to_send(elections);
  if (!when) return;
  if (desk_.now >= *when) {
    while (send()) {
    }
  } else if (!armed_for_ || *when < *armed_for_) {
    armed_for_ = when;
    desk_.timer({Route::Owner::kPublisher, 0, 1, 0, {}}, *when);
  }
}

void Publisher::drop_gone() {
  std::vector<std::pair<OpId, Wish>> gone;
  for (const auto& [op, wish] : wishes_) {
    if (!wish.in_flight && !model_.partition(wish.at)) gone.emplace_back(op, wish);
  }
  for (const auto& [op, wish] : gone) {
    wishes_.erase(op);
    wish.by->gone(op, "the partition is gone");
  }
}

// Alone: of one table only, the first that goes alone; else of all that do not.
void Publisher::collect_all(Load& load) {
  const bool alone = load.flight.alone;
  for (auto& [op, wish] : wishes_) {
    if (wish.in_flight || !model_.partition(wish.at)) continue;
    const Table& table = *model_.table(wish.at.tid);
    if (Refusals::goes_alone(table) != alone) continue;
    if (alone && !load.tables.empty() && !load.tables.contains(table.shape.znode)) continue;
    collect(op, wish, load);
  }
}

// Those that go alone take turns with the others.
Publisher::Load Publisher::next_load() {
  const bool any_alone = std::any_of(wishes_.begin(), wishes_.end(), [&](const auto& w) {
    const Table* table = w.second.in_flight ? nullptr : model_.table(w.second.at.tid);
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
  drop_gone();
  Load load = next_load();
  land(load.there_already);
  if (load.tables.empty()) return false;
  for (auto& [znode, edit] : load.tables) {
    tables_in_flight_.insert(znode);
    load.flight.tables.push_back(std::move(edit));
  }
  const RequestId id = desk_.open({Route::Owner::kPublisher, ++last_flight_, 0, 0, {}});
  desk_.out.emplace_back(Publish{id, load.flight.tables});
  flights_.emplace(last_flight_, std::move(load.flight));
  return true;
}

void Publisher::answered(const Route& route, const Published& result) {
  const auto found = flights_.find(route.key);
  if (found == flights_.end()) return;
  const Flight flight = std::move(found->second);
  flights_.erase(found);
  for (const TableEdit& t : flight.tables) tables_in_flight_.erase(t.znode);
  for (const OpId op : flight.wishes) {
    if (const auto wish = wishes_.find(op); wish != wishes_.end()) wish->second.in_flight = false;
  }
  using Outcome = Published::Outcome;
  if (result.outcome != Outcome::kUnknown) lost_in_a_row_ = 0;
  switch (result.outcome) {
    case Outcome::kDone:
      fails_since_.reset();
      why_failed_.clear();
      refusals_.taken(tables_of(flight));
      apply(flight);
      land(flight.wishes);
      break;
    case Outcome::kConflict:
      for (const std::string& znode : result.conflicts) {
        if (Table* t = model_.table_of(znode)) t->stale = true;
      }
      break;
    case Outcome::kRefused:
      refused(result);
      break;
    case Outcome::kUnknown:
      lost(flight);
      break;
    case Outcome::kNotHeld:
    case Outcome::kFailed:
      failed(result.why);
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

void Publisher::lost(const Flight& flight) {
  keep(flight, /*all=*/false);
  for (const TableEdit& edit : flight.tables) {
    if (Table* t = model_.table_of(edit.znode)) t->stale = true;
  }
  refusals_.lost(tables_of(flight), flight.bytes);
  // One connection that is lost is nothing to wait for; one after the other would go on for ever.
  if (++lost_in_a_row_ <= 2) return;
  const Duration pause = kWriteAgain * (1 << std::min(lost_in_a_row_ - 3, 4));
  not_before_ = desk_.now + std::min<Duration>(pause, kWriteAgainAtMost);
  desk_.timer({Route::Owner::kPublisher, 0, 1, 0, {}}, *not_before_);
}

// One failure mends itself: a znode of ours is made again, or the contact is back.
void Publisher::failed(const std::string& why) {
  not_before_ = desk_.now + kWriteAgain;
  desk_.timer({Route::Owner::kPublisher, 0, 1, 0, {}}, *not_before_);
  if (!fails_since_) fails_since_ = desk_.now;
  if (desk_.now - *fails_since_ < kFailureIsSaidAfter || why.empty() || why == why_failed_) return;
  why_failed_ = why;
  desk_.note(Severity::kWarning, "publish", "nothing can be published, it is tried again: " + why);
}

// Not `all`: only what goes with rows. It is true, whether it was written or not; what is kept by
// itself is written once more.
void Publisher::keep(const Flight& flight, bool all) {
  for (const TableEdit& edit : flight.tables) {
    for (const PartitionEdit& p : edit.partitions) {
      if (!all && !p.changes_table()) continue;
      for (const Kept& k : p.kept) model_.keep({edit.tid, p.pid}, k);
    }
  }
}

// Our own rows become what was just written, so that nobody waits for the watch to tell us.
void Publisher::apply(const Flight& flight) {
  keep(flight, /*all=*/true);
  for (const TableEdit& edit : flight.tables) {
    Table* table = edit.changes_table() ? model_.table_of(edit.znode) : nullptr;
    if (!table || table->shape.version != edit.version) continue;  // Read again meanwhile.
    TableShape shape = table->shape;
    ++shape.version;
    for (const PartitionEdit& p : edit.partitions) {
      for (PartitionShape& to : shape.partitions) {
        if (to.pid != p.pid) continue;
        for (const RowEdit& row : p.rows) {
          for (Row& r : to.rows) {
            if (r.endpoint == row.endpoint) r = {row.endpoint, row.is_leader, row.is_alive};
          }
        }
        to.terms.insert(to.terms.end(), p.terms.begin(), p.terms.end());
        changed.insert({shape.tid, p.pid});
      }
    }
    (void)model_.put_table(shape, desk_.now);
  }
}

void Publisher::land(const std::vector<OpId>& ops) {
  for (const OpId op : ops) {
    const auto wish = wishes_.find(op);
    if (wish == wishes_.end()) continue;
    Publishing* by = wish->second.by;
    wishes_.erase(wish);
    by->published(op);
  }
}

}  // namespace failoverd::core
