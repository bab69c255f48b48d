#include "lib/core/cluster/model.h"

#include <algorithm>

#include "lib/base/check.h"
#include "lib/core/cluster/overwritten.h"

namespace failoverd::core {

const Replica* Partition::leader() const {
  const Replica* found = nullptr;
  for (const Replica& r : replicas) {
    if (!r.leads()) continue;
    if (found) return nullptr;
    found = &r;
  }
  return found;
}

Replica* Partition::on(TabletIndex tablet) {
  for (Replica& r : replicas) {
    if (r.tablet == tablet) return &r;
  }
  return nullptr;
}

const Replica* Partition::on(TabletIndex tablet) const {
  return const_cast<Partition*>(this)->on(tablet);
}

Term Partition::highest_term() const {
  Term highest = seen_term;
  for (const TermPair& t : terms) highest = std::max(highest, t.term);
  return highest;
}

void Partition::saw(Term term) {
  if (term <= kHighestTerm) seen_term = std::max(seen_term, term);
}

TabletIndex Model::tablet_index(std::string_view endpoint) {
  if (const auto found = find_tablet(endpoint)) return *found;
  const auto index = static_cast<TabletIndex>(tablets_.size());
  tablets_.emplace_back().endpoint = endpoint;
  by_endpoint_.emplace(endpoint, index);
  return index;
}

std::optional<TabletIndex> Model::find_tablet(std::string_view endpoint) const {
  const auto found = by_endpoint_.find(endpoint);
  if (found == by_endpoint_.end()) return std::nullopt;
  return found->second;
}

namespace {

// Lengths in protobuf messages: numbers as long as they get, with their tags.
constexpr std::size_t kKeptBytes = 48;  // A kept replica and its partition, without the endpoint.
constexpr std::size_t kTermBytes = 24;
constexpr std::size_t kRowBytes = 4;     // Its two flags, where they were not there.
constexpr std::size_t kLengthsGrow = 8;  // Of what is around them.
// Nobody keeps so many replicas of anything: it is damage, and looked through at every event.
constexpr std::size_t kMostRows = 1'000;

// An election adds its own term, and the one of a leader that was never published; its rows die.
std::size_t growth_of(const PartitionShape& p) {
  std::size_t bytes = (2 + kPublishedTerms) * kTermBytes + kLengthsGrow;
  for (const Row& row : p.rows) bytes += 2 * kRowBytes + kKeptBytes + 2 * row.endpoint.size();
  return bytes;
}

}  // namespace

std::size_t length_of_added(const PartitionEdit& edit) {
  std::size_t bytes = 0;
  for (const RowEdit& row : edit.added) {
    bytes += kLengthsGrow + kRowBytes + kKeptBytes + 2 * row.endpoint.size();
  }
  if (edit.whole) bytes += kLengthsGrow + edit.whole->message.size();
  return bytes;
}

std::size_t length_of_added(const TableEdit& edit) {
  std::size_t bytes = 0;
  for (const PartitionEdit& p : edit.partitions) bytes += length_of_added(p);
  return bytes;
}

namespace {

std::optional<std::string> what_is_wrong_with(const TableShape& shape) {
  std::set<std::uint32_t> pids;
  for (const PartitionShape& p : shape.partitions) {
    const std::string where = "partition " + std::to_string(p.pid);
    if (!pids.insert(p.pid).second) return where + " is there twice";
    if (p.rows.size() > kMostRows) {
      return where + " has " + std::to_string(p.rows.size()) + " rows, at most " +
             std::to_string(kMostRows) + " can be";
    }
    std::set<std::string_view> endpoints;
    for (const Row& row : p.rows) {
      if (row.endpoint.empty()) return where + " has a row without endpoint";
      if (!endpoints.insert(row.endpoint).second) {
        return where + " has two rows for " + row.endpoint;
      }
    }
  }
  return std::nullopt;
}

}  // namespace

void Replica::row_says(bool leader, bool alive, Instant now) {
  if (alive) stepping_down = false;
  if (stepping_down) leader = alive = true;
  const bool same = is_leader == leader && is_alive == alive;
  if (!same) row_since = now;
  if (!same && alive) report.offset_changed_at = now;  // It begins to follow.
  if (alive && !is_alive) {                            // It has caught up.
    report.had.reset();
    stuck.reset();
    may_have_gap = false;
  }
  if (alive) detached = false;
  is_leader = leader;
  is_alive = alive;
}

std::optional<std::string> Model::put_table(const TableShape& shape, Instant now) {
  if (auto wrong = what_is_wrong_with(shape)) return wrong;
  if (const auto other = tables_.find(shape.tid);
      other != tables_.end() && other->second.shape.znode != shape.znode) {
    return "tid " + std::to_string(shape.tid) + " belongs to " + other->second.shape.znode +
           " already";
  }
  if (const auto known = tid_of_znode_.find(shape.znode);
      known != tid_of_znode_.end() && known->second != shape.tid) {
    drop_table(shape.znode);  // Dropped and created anew under the same name.
  }
  unreadable_.erase(shape.znode);
  if (auto aside = aside_.extract(shape.znode); aside && aside.mapped().shape.tid == shape.tid) {
    Table& back = tables_.emplace(shape.tid, std::move(aside.mapped())).first->second;
    for (auto& [pid, p] : back.partitions) {
      for (Replica& r : p.replicas) {  // Nobody has asked for it meanwhile.
        r.row_since = now;
        r.report.held = false;
        r.report.asked_at.reset();
        r.report.held_since.reset();
      }
    }
  }
  tid_of_znode_[shape.znode] = shape.tid;
  if (shape.base_tid != 0) aggregates_.insert(shape.tid);
  Table& table = tables_[shape.tid];
  unplace(table);
  place(shape, table, now);
  // What was said was said of a table of another name (SAFETY 21).
  const bool renamed = !table.shape.name.empty() && table.shape.name != shape.name;
  for (auto& [pid, p] : table.partitions) {
    for (Replica& r : p.replicas) {
      if (renamed) r.report = {};
    }
  }
  table.shape = shape;
  table.stale = false;
  table.growth = 0;
  for (const PartitionShape& p : shape.partitions) {
    table.growth = std::max(table.growth, growth_of(p));
  }
  return std::nullopt;
}

void Model::place(const TableShape& shape, Table& table, Instant now) {
  std::map<std::uint32_t, Partition> placed;
  for (const PartitionShape& p : shape.partitions) {
    Partition& to = placed[p.pid];
    if (const auto old = table.partitions.find(p.pid); old != table.partitions.end()) {
      to = old->second;
    } else {
      to.since = now;
    }
    place({shape.tid, p.pid}, p, shape.created, to, now);
  }
  table.partitions.swap(placed);
}

void Model::place(PartitionKey at, const PartitionShape& p, std::int64_t created, Partition& to,
                  Instant now) {
  std::vector<Replica> before;
  before.swap(to.replicas);
  to.pid = p.pid;
  const Term published_before = to.published_term();
  const PublishedLeader* ours = overwritten(at, p, created);
  if (!ours) remember(at, p, created);
  to.overwritten = ours != nullptr;
  to.terms = ours ? history_of(*ours, p.terms) : p.terms;
  for (const Row& written : p.rows) {
    const Row row = ours ? row_of(*ours, written) : written;
    const TabletIndex tablet = tablet_index(row.endpoint);
    Replica replica;
    const auto known = std::find_if(before.begin(), before.end(),
                                    [&](const Replica& r) { return r.tablet == tablet; });
    if (known != before.end()) replica = *known;
    replica.tablet = tablet;
    if (known == before.end()) replica.row_since = now;
    const Lineage* of = kept(at, row.endpoint);
    replica.by_hand = of && of->by_hand;
    // It has a later leader.
    if (to.published_term() > published_before) replica.stepping_down = false;
    replica.row_says(row.is_leader, row.is_alive, now);
    to.replicas.push_back(std::move(replica));
    tablets_[tablet].hosts.insert(at);
  }
}

void Model::written(std::uint32_t tid, const std::vector<PartitionEdit>& edits, Instant now) {
  CHECK(tables_.contains(tid));
  Table& table = tables_.at(tid);
  ++table.shape.version;
  table.stale = false;
  auto& shapes = table.shape.partitions;
  for (const PartitionEdit& edit : edits) {
    if (!edit.changes_table()) continue;
    // Nearly always the pids count from 0.
    auto shape = edit.pid < shapes.size() && shapes[edit.pid].pid == edit.pid
                     ? shapes.begin() + edit.pid
                     : std::find_if(shapes.begin(), shapes.end(),
                                    [&](const PartitionShape& s) { return s.pid == edit.pid; });
    if (shape == shapes.end()) continue;
    Partition& p = table.partitions.at(edit.pid);
    if (edit.whole) {
      remember({tid, edit.pid}, edit.whole->shape, table.shape.created);
      written_whole({tid, edit.pid}, edit, *shape, now);
    }
    for (Replica& r : p.replicas) {
      if (!edit.terms.empty()) r.stepping_down = false;  // It has a later leader.
    }
    for (const RowEdit& row : edit.rows) {
      for (Row& r : shape->rows) {
        if (r.endpoint != row.endpoint) continue;
        r.is_leader = row.is_leader;
        r.is_alive = row.is_alive;
        p.on(tablet_index(row.endpoint))->row_says(row.is_leader, row.is_alive, now);
      }
    }
    written_rows({tid, edit.pid}, edit, *shape, now);
    shape->terms.insert(shape->terms.end(), edit.terms.begin(), edit.terms.end());
    p.terms = shape->terms;
    p.overwritten = false;
    remember({tid, edit.pid}, *shape, table.shape.created);
  }
}

void Model::steps_down(PartitionKey at, TabletIndex tablet, bool down, Instant now) {
  Partition* p = partition(at);
  Replica* r = p ? p->on(tablet) : nullptr;
  const auto written = row(at, tablets_[tablet].endpoint);
  if (!r || !written) return;
  r->stepping_down = down;
  r->row_says(written->is_leader, !down && written->is_alive, now);
}

std::optional<Row> Model::row(PartitionKey at, const Endpoint& endpoint) const {
  const PartitionShape* written = shape(at);
  if (!written) return std::nullopt;
  const auto found = std::ranges::find(written->rows, endpoint, &Row::endpoint);
  if (found == written->rows.end()) return std::nullopt;
  const PublishedLeader* ours = overwritten(at, *written, table(at.tid)->shape.created);
  return ours ? row_of(*ours, *found) : *found;
}

// Those that came and went.
void Model::written_rows(PartitionKey at, const PartitionEdit& edit, PartitionShape& shape,
                         Instant now) {
  if (edit.added.empty() && edit.removed.empty()) return;
  Table& table = tables_.at(at.tid);
  Partition& p = table.partitions.at(at.pid);
  for (const Endpoint& endpoint : edit.removed) {
    const TabletIndex tablet = tablet_index(endpoint);
    std::erase_if(shape.rows, [&](const Row& row) { return row.endpoint == endpoint; });
    std::erase_if(p.replicas, [&](const Replica& r) { return r.tablet == tablet; });
    tablets_[tablet].hosts.erase(at);
  }
  for (const RowEdit& row : edit.added) {
    const TabletIndex tablet = tablet_index(row.endpoint);
    if (p.on(tablet)) continue;
    shape.rows.push_back({row.endpoint, row.is_leader, row.is_alive});
    Replica& replica = p.replicas.emplace_back();
    replica.tablet = tablet;
    replica.row_since = now;
    replica.row_says(row.is_leader, row.is_alive, now);
    tablets_[tablet].hosts.insert(at);
  }
  table.shape.bytes += static_cast<std::uint32_t>(length_of_added(edit));
  table.growth = std::max(table.growth, growth_of(shape));
}

void Model::written_whole(PartitionKey at, const PartitionEdit& edit, PartitionShape& shape,
                          Instant now) {
  Table& table = tables_.at(at.tid);
  Partition& p = table.partitions.at(at.pid);
  for (const Replica& r : p.replicas) tablets_[r.tablet].hosts.erase(at);
  shape = edit.whole->shape;
  place(at, shape, table.shape.created, p, now);
  table.shape.bytes += static_cast<std::uint32_t>(length_of_added(edit));
  table.growth = std::max(table.growth, growth_of(shape));
}

void Model::unplace(const Table& table) {
  for (const auto& [pid, partition] : table.partitions) {
    for (const Replica& r : partition.replicas)
      tablets_[r.tablet].hosts.erase({table.shape.tid, pid});
  }
}

void Model::put_aside(const std::string& znode) {
  const auto known = tid_of_znode_.find(znode);
  if (known == tid_of_znode_.end()) return;
  if (auto table = tables_.extract(known->second)) {
    unplace(table.mapped());
    table.mapped().refusal.reset();
    for (auto& [pid, p] : table.mapped().partitions) {
      p.op = 0;  // Whatever works on it ends.
      for (Replica& r : p.replicas) r.question_open = false;
    }
    aside_.insert_or_assign(znode, std::move(table.mapped()));
  }
  tid_of_znode_.erase(known);
}

void Model::drop_table(const std::string& znode) {
  unreadable_.erase(znode);
  aside_.erase(znode);
  const auto known = tid_of_znode_.find(znode);
  if (known == tid_of_znode_.end()) return;
  if (const auto table = tables_.find(known->second); table != tables_.end()) {
    unplace(table->second);
    tables_.erase(table);
  }
  tid_of_znode_.erase(known);
}

Table* Model::table(std::uint32_t tid) {
  const auto found = tables_.find(tid);
  return found == tables_.end() ? nullptr : &found->second;
}

const Table* Model::table(std::uint32_t tid) const {
  const auto found = tables_.find(tid);
  return found == tables_.end() ? nullptr : &found->second;
}

Table* Model::table_of(const std::string& znode) {
  const auto known = tid_of_znode_.find(znode);
  return known == tid_of_znode_.end() ? nullptr : table(known->second);
}

Partition* Model::partition(PartitionKey key) {
  Table* t = table(key.tid);
  if (!t) return nullptr;
  const auto found = t->partitions.find(key.pid);
  return found == t->partitions.end() ? nullptr : &found->second;
}

const Partition* Model::partition(PartitionKey key) const {
  return const_cast<Model*>(this)->partition(key);
}

const Lineage* Model::kept(PartitionKey at, const Endpoint& endpoint) const {
  const auto partition = kept_.find(at);
  if (partition == kept_.end()) return nullptr;
  const auto found = partition->second.find(endpoint);
  return found == partition->second.end() ? nullptr : &found->second;
}

void Model::keep(PartitionKey at, const Lineage& kept) {
  Partition* p = partition(at);
  const auto index = find_tablet(kept.endpoint);
  if (Replica* r = p && index ? p->on(*index) : nullptr) r->by_hand = kept.by_hand;
  if (kept_[at].insert_or_assign(kept.endpoint, kept).second) {
    kept_bytes_[at.tid] += kKeptBytes + kept.endpoint.size();
  }
}

void Model::forget_kept() {
  for (auto& [tid, table] : tables_) {
    for (auto& [pid, p] : table.partitions) {
      for (Replica& r : p.replicas) r.by_hand = false;
    }
  }
  kept_.clear();
  published_.clear();
  kept_bytes_.clear();
}

std::size_t Model::kept_bytes(std::uint32_t tid) const {
  const auto found = kept_bytes_.find(tid);
  return found == kept_bytes_.end() ? 0 : found->second;
}

void Model::forget_what_was_begun() {
  for (auto& [tid, table] : tables_) {
    for (auto& [pid, p] : table.partitions) {
      p.op = 0;
      p.unfinished_term.reset();
      p.unfinished_restart = false;
      for (Replica& r : p.replicas) {
        r.question_open = r.detached = r.diverged = r.not_replicated = r.ordered_back = false;
        const auto written =
            r.stepping_down ? row({tid, pid}, tablet(r.tablet).endpoint) : std::nullopt;
        r.stepping_down = false;
        if (written) r.is_alive = written->is_alive;
        r.in_doubt_term.reset();
        r.found.reset();
        r.failures = r.load_refusals = 0;
        r.not_before = {};
        r.stuck.reset();
      }
    }
    table.stale = false;
  }
}

LoadTable Model::load_call(PartitionKey at, OpId op, OpType type) const {
  const TableShape& shape = table(at.tid)->shape;
  return {at, shape.name, shape.db, shape.is_on_disk() ? op : 0, type, shape.base_tid};
}

bool Model::is_on_disk(PartitionKey at) const {
  const Table* known = table(at.tid);
  return known && known->shape.is_on_disk();
}

std::string Model::name_of(PartitionKey at) const {
  const Table* known = table(at.tid);
  return known ? partition_name(known->shape.db, known->shape.name, at.pid) : to_text(at);
}

void Model::count_leaders() {
  for (Tablet& t : tablets_) t.leaders = 0;
  for (const auto& [tid, table] : tables_) {
    for (const auto& [pid, partition] : table.partitions) {
      for (const Replica& r : partition.replicas) {
        if (r.leads()) ++tablets_[r.tablet].leaders;
      }
    }
  }
}

const char* to_text(Condition c) {
  switch (c) {
    case Condition::kHealthy:
      return "healthy";
    case Condition::kLeaderLost:
      return "leader lost";
    case Condition::kNoLeader:
      return "no leader";
    case Condition::kAllDown:
      return "all down";
    case Condition::kNoCandidate:
      return "no candidate";
    case Condition::kUnfinished:
      return "unfinished election";
    case Condition::kFollowerLost:
      return "follower lost";
    case Condition::kTwoLeaders:
      return "two leaders";
    case Condition::kFollowerStalled:
      return "follower stands still";
    case Condition::kSingleLost:
      return "single replica lost";
    case Condition::kReturned:
      return "returned";
    case Condition::kDegraded:
      return "degraded";
    case Condition::kUncertain:
      return "uncertain";
    case Condition::kQuarantined:
      return "quarantined";
  }
  return "?";
}

}  // namespace failoverd::core
