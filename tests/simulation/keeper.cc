#include "tests/simulation/keeper.h"

#include <algorithm>

namespace failoverd::simulation {

SessionId Keeper::open(const std::string& owner, Duration timeout) {
  const SessionId id = sessions_.size() + 1;
  sessions_[id] = {owner, timeout, schedule_.now(), true};
  watch_session(id);
  return id;
}

bool Keeper::alive(SessionId id) const {
  const auto found = sessions_.find(id);
  return found != sessions_.end() && found->second.alive;
}

void Keeper::heard(SessionId id) {
  if (alive(id)) sessions_.at(id).last_heard = schedule_.now();
}

// The real one sorts sessions into buckets of a tick; what matters is that none ends early.
void Keeper::watch_session(SessionId id) {
  const Session& s = sessions_.at(id);
  schedule_.at(s.last_heard + s.timeout, [this, id] {
    const Session& session = sessions_.at(id);
    if (!session.alive) return;
    if (schedule_.now() - session.last_heard < session.timeout) {
      watch_session(id);
    } else {
      expire(id);
    }
  });
}

void Keeper::expire(SessionId id) {
  Session& s = sessions_.at(id);
  if (!s.alive) return;
  s.alive = false;
  ++zxid_;
  const std::string owner = s.owner;
  const bool had_nodes =
      std::erase_if(nodes_, [&](const auto& node) { return node.second.session == id; }) > 0;
  const bool had_lock = std::erase(lock_, id) > 0;
  if (had_nodes) changed(kNodes);
  expired(owner, id);
  if (had_lock) lock_changed();
}

bool Keeper::register_tablet(const std::string& endpoint, bool startup, SessionId session) {
  if (!alive(session) || nodes_.contains(endpoint)) return false;
  nodes_[endpoint] = {++zxid_, startup, session, schedule_.now()};
  changed(kNodes);
  return true;
}

void Keeper::remove_tablet(const std::string& endpoint) {
  if (nodes_.erase(endpoint) > 0) changed(kNodes);
}

core::TabletsListed Keeper::list_tablets() const {
  core::TabletsListed list;
  for (const auto& [endpoint, node] : nodes_) {
    list.children.push_back({endpoint, node.czxid, node.startup});
  }
  return list;
}

const core::TableShape* Keeper::table(core::PartitionKey at) const {
  for (const auto& [znode, shape] : tables_) {
    if (shape.tid == at.tid) return &shape;
  }
  return nullptr;
}

const core::PartitionShape* Keeper::partition(core::PartitionKey at) const {
  const core::TableShape* shape = table(at);
  if (!shape) return nullptr;
  for (const core::PartitionShape& p : shape->partitions) {
    if (p.pid == at.pid) return &p;
  }
  return nullptr;
}

void Keeper::write_table(core::TableShape shape, const std::string& by) {
  ++zxid_;
  const auto known = tables_.find(shape.znode);
  const bool is_new = known == tables_.end();
  const core::TableShape before = is_new ? core::TableShape{} : known->second;
  shape.version = is_new ? 0 : before.version + 1;
  tables_[shape.znode] = shape;
  table_written(before, shape, by);
  changed(is_new ? std::string{kTables} : kTable + shape.znode);
}

void Keeper::drop_table(const std::string& znode) {
  ++zxid_;
  poisoned_.erase(znode);
  if (tables_.erase(znode) > 0) changed(kTables);
}

void Keeper::poison(const std::string& znode, std::optional<std::string> why) {
  const auto table = tables_.find(znode);
  if (table == tables_.end()) return;
  if (why) {
    poisoned_[znode] = *why;
  } else {
    poisoned_.erase(znode);
  }
  ++table->second.version;
  changed(kTable + znode);
}

// --- What it refuses -----------------------------------------------------------------------------

void Keeper::refuse(const std::string& znode, std::optional<core::Refused> how, std::string acl) {
  note_trouble();
  refuses_.erase(znode);
  acls_.erase(znode);
  if (how) {
    refuses_.emplace(znode, *how);
    if (!acl.empty()) acls_.emplace(znode, std::move(acl));
  }
  note_trouble();
}

std::string Keeper::acl(const std::string& znode) const {
  const auto found = acls_.find(znode);
  return found == acls_.end() ? "" : found->second;
}

void Keeper::set_longest(std::size_t bytes) {
  note_trouble();
  longest_ = bytes;
  note_trouble();
}

// Before and after every change of what is refused: between the two it was as it is now.
void Keeper::note_trouble() {
  constexpr std::size_t kAround = 2048;
  for (const auto& [znode, table] : tables_) {
    if (refuses_.contains(znode) || !takes_length(table.bytes + kAround)) {
      troubled_[znode] = schedule_.now();
    }
  }
}

bool Keeper::was_troubled(const std::string& znode, Duration within) const {
  constexpr std::size_t kAround = 2048;
  const auto table = tables_.find(znode);
  if (table == tables_.end() || refuses_.contains(znode)) return true;
  if (!takes_length(table->second.bytes + kAround)) return true;
  const auto last = troubled_.find(znode);
  return last != troubled_.end() && schedule_.now() - last->second <= within;
}

bool Keeper::takes_length(const core::Publish& wish) const {
  std::size_t bytes = 0;
  for (const core::TableEdit& edit : wish.tables) {
    const auto table = tables_.find(edit.znode);
    if (edit.changes_table() && table != tables_.end()) bytes += table->second.bytes;
  }
  return takes_length(bytes);
}

const core::Refused* Keeper::refused(const core::TableEdit& edit) const {
  const auto found = refuses_.find(edit.znode);
  if (found == refuses_.end()) return nullptr;
  const bool keeps = std::any_of(edit.partitions.begin(), edit.partitions.end(),
                                 [](const auto& p) { return !p.kept.empty(); });
  return (found->second.is_kept ? keeps : edit.changes_table()) ? &found->second : nullptr;
}

core::TableTried Keeper::try_table(SessionId session, std::int64_t epoch,
                                   const core::TryTable& wish) const {
  using Outcome = core::TableTried::Outcome;
  core::TableTried answer{wish.id, wish.znode, Outcome::kTaken, wish.bytes, {}};
  const auto table = tables_.find(wish.znode);
  if (!may_write(session, epoch) || table == tables_.end()) {
    answer.outcome = Outcome::kUnknown;
  } else if (!takes_length(std::max<std::size_t>(wish.bytes, table->second.bytes))) {
    answer.outcome = Outcome::kConnectionLost;
  } else if (const auto no = refuses_.find(wish.znode); no != refuses_.end()) {
    answer.outcome = Outcome::kRefused;
    answer.refused = no->second;
  }
  return answer;
}

bool Keeper::may_write(SessionId session, std::int64_t epoch) const {
  return alive(session) && epoch == epoch_;
}

void Keeper::apply(const core::TableEdit& edit, core::TableShape& shape) {
  constexpr std::uint32_t kTermBytes = 12;
  ++shape.version;
  for (const core::PartitionEdit& change : edit.partitions) {
    for (core::PartitionShape& p : shape.partitions) {
      if (p.pid != change.pid) continue;
      for (const core::RowEdit& row : change.rows) {
        for (core::Row& r : p.rows) {
          if (r.endpoint == row.endpoint) r = {row.endpoint, row.is_leader, row.is_alive};
        }
      }
      p.terms.insert(p.terms.end(), change.terms.begin(), change.terms.end());
      shape.bytes += kTermBytes * static_cast<std::uint32_t>(change.terms.size());
    }
  }
}

core::Published Keeper::publish(SessionId session, std::int64_t epoch, const core::Publish& wish,
                                const std::string& by) {
  using Outcome = core::Published::Outcome;
  core::Published answer{wish.id, Outcome::kDone, {}, ""};
  if (!may_write(session, epoch)) {
    answer.outcome = Outcome::kNotHeld;
    answer.why = "the epoch is not ours";
    return answer;
  }
  for (const core::TableEdit& edit : wish.tables) {
    if (const core::Refused* no = refused(edit)) {
      answer.outcome = Outcome::kRefused;
      answer.refused.push_back(*no);
      return answer;
    }
    if (!edit.changes_table()) continue;
    const auto table = tables_.find(edit.znode);
    if (table != tables_.end() && table->second.version == edit.version) continue;
    // A multi names the first of its operations that failed, and only that one.
    answer.outcome = Outcome::kConflict;
    answer.why = "another version";
    answer.conflicts.push_back(edit.znode);
    return answer;
  }
  ++zxid_;
  for (const core::TableEdit& edit : wish.tables) {
    keep(edit);
    if (!edit.changes_table()) continue;
    core::TableShape& shape = tables_.at(edit.znode);
    const core::TableShape before = shape;
    apply(edit, shape);
    table_written(before, shape, by);
    changed(kTable + edit.znode);
  }
  return answer;
}

void Keeper::keep(const core::TableEdit& edit) {
  for (const core::PartitionEdit& p : edit.partitions) {
    for (const core::Kept& k : p.kept) kept_[{edit.tid, p.pid}][k.endpoint] = k;
  }
}

const core::Kept* Keeper::kept(core::PartitionKey at, const core::Endpoint& endpoint) const {
  const auto partition = kept_.find(at);
  if (partition == kept_.end()) return nullptr;
  const auto found = partition->second.find(endpoint);
  return found == partition->second.end() ? nullptr : &found->second;
}

core::TermsReserved Keeper::reserve(SessionId session, std::int64_t epoch,
                                    const core::ReserveTerms& wish) {
  if (!may_write(session, epoch)) return {wish.id, false, 0, 0};
  const core::Term first = std::max(term_, wish.above) + 1;
  term_ = first + wish.count - 1;
  return {wish.id, true, first, term_};
}

core::OpIdsReserved Keeper::reserve(SessionId session, std::int64_t epoch,
                                    const core::ReserveOpIds& wish) {
  if (!may_write(session, epoch)) return {wish.id, false, 0, 0};
  const core::OpId first = op_index_ + 1;
  op_index_ += wish.count;
  return {wish.id, true, first, op_index_};
}

bool Keeper::write(SessionId session, std::int64_t epoch, const core::ElectionRecord& record) {
  if (!may_write(session, epoch)) return false;
  records_[record.name] = record;
  return true;
}

bool Keeper::drop(SessionId session, std::int64_t epoch, const std::string& record) {
  if (!may_write(session, epoch)) return false;
  records_.erase(record);
  return true;
}

bool Keeper::write(SessionId session, std::int64_t epoch, const core::WriteJournal& journal) {
  if (!may_write(session, epoch)) return false;
  for (const core::BegunOp& op : journal.begun) begun_[op.id] = op;
  for (const core::OpId op : journal.ended) begun_.erase(op);
  for (const core::FinishedOps& f : journal.finished) {
    finished_[f.number % core::kFinishedZnodes] = f;
  }
  return true;
}

core::LockGained Keeper::take_over() {
  core::LockGained gained;
  gained.epoch = ++epoch_;
  for (const auto& [name, record] : records_) gained.records.push_back(record);
  for (const auto& [id, op] : begun_) gained.begun.push_back(op);
  for (const auto& [at, replicas] : kept_) {
    core::KeptPartition partition{at, {}};
    for (const auto& [endpoint, kept] : replicas) partition.replicas.push_back(kept);
    gained.kept.push_back(std::move(partition));
  }
  for (const auto& [znode, f] : finished_) gained.finished.push_back(f);
  std::sort(gained.finished.begin(), gained.finished.end(),
            [](const auto& a, const auto& b) { return a.number < b.number; });
  return gained;
}

void Keeper::join_lock(SessionId session) {
  if (!alive(session) || std::find(lock_.begin(), lock_.end(), session) != lock_.end()) return;
  lock_.push_back(session);
  lock_changed();
}

std::optional<SessionId> Keeper::lock_holder() const {
  if (lock_.empty()) return std::nullopt;
  return lock_.front();
}

void Keeper::set_nameservers(std::vector<std::string> nameservers) {
  nameservers_ = std::move(nameservers);
  changed(kNameservers);
}

void Keeper::set_auto_failover(bool on, const std::string& by) {
  switch_ = on;
  switched_by_ = by;
  changed(kSwitch);
}

}  // namespace failoverd::simulation
