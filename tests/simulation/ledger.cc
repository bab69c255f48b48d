#include "tests/simulation/ledger.h"

#include <algorithm>

#include "tests/simulation/daemon.h"

namespace failoverd::simulation {

const core::Row* row_of(const core::PartitionShape& p, const core::Endpoint& endpoint) {
  for (const core::Row& row : p.rows) {
    if (row.endpoint == endpoint) return &row;
  }
  return nullptr;
}

const core::Row* leader_of(const core::PartitionShape& p) {
  for (const core::Row& row : p.rows) {
    if (leads(row)) return &row;
  }
  return nullptr;
}

const core::PartitionShape* partition_of(const core::TableShape& table, std::uint32_t pid) {
  for (const core::PartitionShape& p : table.partitions) {
    if (p.pid == pid) return &p;
  }
  return nullptr;
}

const std::vector<Attempt>& Ledger::attempts(core::PartitionKey at) const {
  static const std::vector<Attempt> kNone;
  const auto found = attempts_.find(at);
  return found == attempts_.end() ? kNone : found->second;
}

const Attempt* Ledger::promotion(core::PartitionKey at, core::Term term,
                                 const core::Endpoint& tablet) const {
  for (const Attempt& a : attempts(at)) {
    if (a.promotion && a.term == term && a.tablet == tablet && a.accepted()) return &a;
  }
  return nullptr;
}

const Attempt* Ledger::fence(core::PartitionKey at, const Attempt& promotion,
                             const core::Endpoint& tablet) const {
  core::Term others = 0;
  for (const Attempt& a : attempts(at)) {
    if (a.promotion && a.term < promotion.term && a.may_lead()) others = std::max(others, a.term);
  }
  const Attempt* best = nullptr;
  for (const Attempt& a : attempts(at)) {
    const bool fences = !a.promotion && a.accepted() && a.tablet == tablet &&
                        a.term < promotion.term && a.term > others &&
                        a.carried_out_at <= promotion.carried_out_at;
    if (fences && (!best || a.carried_out_at < best->carried_out_at)) best = &a;
  }
  return best;
}

const Attempt* Ledger::known_fence(core::PartitionKey at, const Attempt& promotion,
                                   const core::Endpoint& tablet) const {
  const Attempt* found = fence(at, promotion, tablet);
  const bool known = found && found->told && found->told->ok() &&
                     found->daemon == promotion.daemon && found->told_at <= promotion.sent_at;
  return known ? found : nullptr;
}

bool Ledger::troubled_since(const core::Endpoint& tablet, Instant since) const {
  const Tablet& t = *world_.tablets().at(tablet);
  if (!t.serves() || t.misbehaves()) return true;
  for (const auto& [a, b] : world_.cuts()) {
    if (a == tablet || b == tablet) return true;
  }
  const auto last = last_trouble_.find(tablet);
  return last != last_trouble_.end() && last->second >= since;
}

bool Ledger::troubled_ever(const core::Endpoint& tablet) const {
  return last_trouble_.contains(tablet);
}

bool Ledger::is_recovery(core::PartitionKey at, core::Term term) const {
  const auto* p = world_.fake_zookeeper.partition(at);
  return p && std::any_of(p->terms.begin(), p->terms.end(),
                          [term](const core::TermPair& t) { return t.term == term; });
}

bool Ledger::begun(core::PartitionKey at) const { return first_probe_.contains(at); }

std::optional<Instant> Ledger::first_probe_since_publish(core::PartitionKey at) const {
  const auto found = first_probe_.find(at);
  if (found == first_probe_.end()) return std::nullopt;
  return found->second;
}

std::vector<Ledger::Naming> Ledger::namings(const core::TableShape& before,
                                            const core::TableShape& after) {
  std::vector<Naming> found;
  for (const core::PartitionShape& p : after.partitions) {
    const core::PartitionShape* old = simulation::partition_of(before, p.pid);
    const core::Row* leader = leader_of(p);
    if (!old || !leader || p.terms.empty()) continue;
    const core::Row* old_leader = leader_of(*old);
    const bool other = !old_leader || old_leader->endpoint != leader->endpoint;
    const bool new_term = p.terms.size() != old->terms.size();
    if (!other && !new_term) continue;
    // A handover was taken back (SAFETY 12): it never ceased to lead.
    const core::Row* was = row_of(*old, leader->endpoint);
    if (!new_term && !old_leader && was && was->is_leader) continue;
    found.push_back({{after.tid, p.pid}, old, &p, leader->endpoint, p.terms.back().term});
  }
  return found;
}

// --- What happens --------------------------------------------------------------------------------

void Ledger::before_step(const Daemon&, const core::Event& event) {
  if (const auto* gained = std::get_if<core::LockGained>(&event)) {
    recorded_.clear();
    for (const core::ElectionRecord& record : gained->records) {
      for (const core::BegunElection& begun : record.elections) recorded_.insert(begun.at);
    }
  }
  const auto* asked = std::get_if<core::OperatorAsked>(&event);
  if (!asked) return;
  operators_asked_ = true;
  const auto* change = std::get_if<core::operators::ChangeLeader>(&asked->what);
  if (!change || !change->accept_loss || asked->only_plan) return;
  for (const auto& [znode, table] : world_.fake_zookeeper.tables()) {
    if (table.name != change->table.name || table.db != change->table.db) continue;
    loss_accepted_[{table.tid, change->pid}] = world_.schedule.now();
  }
}

std::optional<Instant> Ledger::loss_accepted(core::PartitionKey key) const {
  const auto found = loss_accepted_.find(key);
  return found == loss_accepted_.end() ? std::nullopt : std::optional{found->second};
}

// An operator's word is an op of its own while it is being written.
void Ledger::commanded(const Daemon& daemon, const core::Command& command) {
  const auto* publish = std::get_if<core::Publish>(&command);
  if (!publish) return;
  const auto by_hand = [&](core::PartitionKey at) {
    const auto& running = daemon.brain().ops().running();
    return std::any_of(running.begin(), running.end(), [&](const auto& op) {
      return op.second.at == at && op.second.type == core::OpType::kUpdateTableAliveOP;
    });
  };
  for (const core::TableEdit& t : publish->tables) {
    for (const core::PartitionEdit& p : t.partitions) {
      const core::PartitionKey at{t.tid, p.pid};
      if (p.whole) {
        const auto* now = world_.fake_zookeeper.partition(at);
        for (const core::Row& row : now ? now->rows : std::vector<core::Row>{}) {
          words_[{at, row.endpoint}] = {t.version, false};
        }
        for (const core::Row& row : p.whole->shape.rows) {
          words_[{at, row.endpoint}] = {t.version, row.is_alive};
        }
      } else if (!p.rows.empty() && p.terms.empty() && by_hand(at)) {
        for (const core::RowEdit& row : p.rows)
          words_[{at, row.endpoint}] = {t.version, row.is_alive};
      }
    }
  }
}

bool Ledger::set_by_hand(core::PartitionKey at, const core::Endpoint& endpoint) const {
  return set_by_hand_.contains({at, endpoint});
}
bool Ledger::was_alive_by_hand(core::PartitionKey at, const core::Endpoint& endpoint) const {
  return was_alive_by_hand_.contains({at, endpoint});
}
bool Ledger::alive_by_hand(core::PartitionKey at, const core::Endpoint& endpoint) const {
  return alive_by_hand_.contains({at, endpoint});
}
bool Ledger::taken_by_hand(core::PartitionKey at, const core::Endpoint& endpoint) const {
  return taken_by_hand_.contains({at, endpoint});
}

void Ledger::note_rows(const core::TableShape& before, const core::TableShape& after,
                       bool by_daemon) {
  set_by_hand_.clear();
  was_alive_by_hand_ = alive_by_hand_;
  for (const core::PartitionShape& p : after.partitions) {
    const core::PartitionKey at{after.tid, p.pid};
    const core::PartitionShape* old = simulation::partition_of(before, p.pid);
    const auto says = [&](const core::Endpoint& endpoint, bool is_alive) {
      const auto word = words_.find({at, endpoint});
      if (!by_daemon || word == words_.end()) return false;
      // A nameserver writes each partition by itself.
      const bool is_next = world_.leading_nameserver() ? word->second.version < after.version
                                                       : word->second.version + 1 == after.version;
      return is_next && word->second.is_alive == is_alive;
    };
    for (const core::Row& was : old ? old->rows : std::vector<core::Row>{}) {
      if (row_of(p, was.endpoint)) continue;
      if (says(was.endpoint, false)) {
        set_by_hand_.insert({at, was.endpoint});
        taken_by_hand_.insert({at, was.endpoint});
      }
      alive_by_hand_.erase({at, was.endpoint});
    }
    for (const core::Row& row : p.rows) {
      const core::Row* was = old ? row_of(*old, row.endpoint) : nullptr;
      taken_by_hand_.erase({at, row.endpoint});
      if (!was || *was == row) continue;
      const bool by_hand = says(row.endpoint, row.is_alive);
      if (by_hand) set_by_hand_.insert({at, row.endpoint});
      if (!row.is_alive) alive_by_hand_.erase({at, row.endpoint});
      if (by_hand && row.is_alive && !was->is_alive) alive_by_hand_.insert({at, row.endpoint});
    }
  }
}

void Ledger::sent(const Daemon& daemon, const core::CallTablet& c) {
  const auto at = simulation::partition_of(c.call);
  if (!at) return;
  Attempt a;
  a.daemon = daemon.name();
  a.id = c.id;
  a.tablet = c.tablet;
  a.sent_at = world_.schedule.now();
  if (const auto* probe = std::get_if<core::Probe>(&c.call)) {
    if (is_recovery(*at, probe->term)) return;
    a.term = probe->term;
    first_probe_.try_emplace(*at, a.sent_at);
  } else if (const auto* promote = std::get_if<core::Promote>(&c.call)) {
    a.promotion = true;
    a.term = promote->term;
    a.replicas = promote->replicas;
  } else {
    return;
  }
  attempts_[*at].push_back(std::move(a));
}

Attempt* Ledger::find(const std::string& daemon, const core::CallTablet& c) {
  const auto at = simulation::partition_of(c.call);
  const auto of = at ? attempts_.find(*at) : attempts_.end();
  if (of == attempts_.end()) return nullptr;
  for (Attempt& a : of->second) {
    if (a.id == c.id && a.daemon == daemon) return &a;
  }
  return nullptr;
}

void Ledger::answered(const Daemon& daemon, const core::CallTablet& c, const core::Answer& answer) {
  Attempt* a = find(daemon.name(), c);
  if (!a) return;
  a->told = answer;
  a->told_at = world_.schedule.now();
}

void Ledger::carried_out(const std::string& daemon, const core::CallTablet& c,
                         const core::Answer& answer) {
  Attempt* a = find(daemon, c);
  if (!a) return;
  a->code = answer.code;
  a->carried_out_at = world_.schedule.now();
  const auto at = *simulation::partition_of(c.call);
  const Tablet& t = world_.tablet(c.tablet);
  a->offset = t.log(at).offset();
}

void Ledger::trouble(const core::Endpoint& tablet, const std::string&) {
  last_trouble_[tablet] = world_.schedule.now();
}

void Ledger::table_written(const core::TableShape& before, const core::TableShape& after,
                           const std::string& by) {
  note_rows(before, after, world_.find_daemon(by) != nullptr);
  for (const Naming& n : namings(before, after)) {
    first_probe_.erase(n.at);
    if (set_by_hand(n.at, n.leader)) continue;
    std::erase_if(alive_by_hand_, [&](const Replica& r) { return r.first == n.at; });
  }
}

}  // namespace failoverd::simulation
