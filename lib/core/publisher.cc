#include "lib/core/publisher.h"

#include <algorithm>

namespace failoverd::core {
namespace {

// How long a change that is ready waits for others that are nearly so.
constexpr Duration kWaitForMore = std::chrono::milliseconds{5};
// How long one that nobody waits for lets elections go first: a table's changes go one after the
// other, each as long as ZooKeeper's disk takes.
constexpr Duration kGiveWay = std::chrono::milliseconds{50};
constexpr Duration kAfterFailure = std::chrono::milliseconds{100};
constexpr std::size_t kKeptBytes = 64;          // What is kept of a partition, about.
constexpr std::size_t kMostBytes = 700u << 10;  // In one multi; ZooKeeper takes 1 MiB.

}  // namespace

void Publisher::stop() {
  wishes_.clear();
  flights_.clear();
  tables_in_flight_.clear();
  changed.clear();
  armed_for_.reset();
  not_before_.reset();
}

void Publisher::want(OpId op, PartitionKey at, Publishing& by, Urgency urgency) {
  wishes_[op] = {at, &by, desk_.now, urgency, false};
}

// False: the load is full.
bool Publisher::collect(OpId op, Wish& wish, Load& load) {
  const Table& table = *model_.table(wish.at.tid);
  const std::string& znode = table.shape.znode;
  if (table.stale || tables_in_flight_.contains(znode)) return true;
  const bool first = !load.tables.contains(znode);
  if (first && !load.tables.empty() && load.bytes + table.shape.bytes > kMostBytes) return false;
  auto edit = wish.by->edit(op, *model_.partition(wish.at));
  if (!edit) {  // A publish whose answer was lost had arrived; or it is not wanted any more.
    load.there_already.push_back(op);
    return true;
  }
  if (first) {
    load.bytes += table.shape.bytes + kKeptBytes * (1 + table.partitions.size());
    load.tables[znode] = {znode, table.shape.version, {}, table.shape.tid};
  }
  edit->pid = wish.at.pid;
  load.tables[znode].partitions.push_back(std::move(*edit));
  load.flight.wishes.push_back(op);
  wish.in_flight = true;
  return true;
}

// None: nothing is ready.
std::optional<Instant> Publisher::when_to_send(Elections elections) const {
  std::optional<Instant> urgent;
  std::optional<Instant> other;
  for (const auto& [op, wish] : wishes_) {
    if (wish.in_flight) continue;
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
    send();
  } else if (!armed_for_ || *when < *armed_for_) {
    armed_for_ = when;
    desk_.timer({Route::Owner::kPublisher, 0, 1, 0, {}}, *when);
  }
}

void Publisher::send() {
  Load load;
  std::vector<std::pair<OpId, Wish>> gone;
  for (auto& [op, wish] : wishes_) {
    if (wish.in_flight) continue;
    if (!model_.partition(wish.at)) {
      gone.emplace_back(op, wish);
      continue;
    }
    if (!collect(op, wish, load)) break;
  }
  for (const auto& [op, wish] : gone) {
    wishes_.erase(op);
    wish.by->gone(op, "the partition is gone");
  }
  land(load.there_already);
  if (load.tables.empty()) return;
  for (auto& [znode, edit] : load.tables) {
    tables_in_flight_.insert(znode);
    load.flight.tables.push_back(std::move(edit));
  }
  const RequestId id = desk_.open({Route::Owner::kPublisher, ++last_flight_, 0, 0, {}});
  desk_.out.emplace_back(Publish{id, load.flight.tables});
  flights_.emplace(last_flight_, std::move(load.flight));
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
  switch (result.outcome) {
    case Outcome::kDone:
      apply(flight);
      land(flight.wishes);
      break;
    case Outcome::kConflict:
      for (const std::string& znode : result.conflicts) {
        if (Table* t = model_.table_of(znode)) t->stale = true;
      }
      break;
    case Outcome::kUnknown:
      keep(flight, /*all=*/false);
      for (const TableEdit& edit : flight.tables) {
        if (Table* t = model_.table_of(edit.znode)) t->stale = true;
      }
      break;
    case Outcome::kNotHeld:
    case Outcome::kFailed:
      not_before_ = desk_.now + kAfterFailure;
      desk_.timer({Route::Owner::kPublisher, 0, 1, 0, {}}, *not_before_);
      break;
  }
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
