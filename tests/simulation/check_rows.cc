// Checkers of the rows themselves: what writers were told is safe, and logs that must not part.
#include <algorithm>
#include <map>
#include <set>

#include "tests/simulation/checker.h"

namespace failoverd::simulation {
namespace {

// Where each acknowledged row of a partition stands.
struct Acknowledged {
  Entry entry;
  bool lost = false;  // In a failover, and nobody who answered its probe had it.
};

// An acknowledged row that was on a replica which could be elected is not lost, whoever leads now;
// and what was not lost with a leader is there when all is over.
class ReplicatedRowsAreKept : public Checker {
 public:
  ReplicatedRowsAreKept(World& w, const Ledger& l)
      : Checker(w, l, "data: what an electable replica held is kept") {}

  void acknowledged(core::PartitionKey key, const core::Endpoint& by, const Entry& entry) override {
    // One that leads no more acknowledges what reaches nobody.
    const auto* p = world_.keeper.partition(key);
    const bool late = !p || p->terms.empty() || entry.term < p->terms.back().term;
    const bool gone = !world_.tablet(by).log(key).holds(entry);  // Its power failed since.
    rows_[key].push_back({entry, late || gone});
  }

  void trouble(const core::Endpoint& tablet, const std::string& what) override {
    if (what != "power cut") return;
    for (auto& [key, rows] : rows_) {
      const auto* p = world_.keeper.partition(key);
      if (!p || p->rows.size() > 1 || p->rows.front().endpoint != tablet) continue;
      const Log& log = world_.tablet(tablet).log(key);
      for (Acknowledged& row : rows) row.lost = row.lost || !log.holds(row.entry);
    }
  }

  void at_rest() override {
    for (const auto& [key, rows] : rows_) {
      const auto* p = world_.keeper.partition(key);
      const core::Row* leader = p ? leader_of(*p) : nullptr;
      if (!leader || !world_.tablet(leader->endpoint).leads(key)) continue;
      const Log& log = world_.tablet(leader->endpoint).log(key);
      for (const Acknowledged& row : rows) {
        if (row.lost || log.holds(row.entry)) continue;
        return broken("at the end " + leader->endpoint + " leads " + at(key) +
                      " without the acknowledged row " + std::to_string(row.entry.index) +
                      " of term " + std::to_string(row.entry.term));
      }
    }
  }

  void table_written(const core::TableShape& before, const core::TableShape& after,
                     const std::string&) override {
    for (const Ledger::Naming& n : Ledger::namings(before, after)) check(n);
  }

 private:
  void check(const Ledger::Naming& n) {
    const Attempt* promotion = ledger_.promotion(n.at, n.term, n.leader);
    if (!promotion) return;  // Another checker's business.
    const Log& log = world_.tablet(n.leader).log(n.at);
    for (Acknowledged& row : rows_[n.at]) {
      if (row.lost || log.holds(row.entry)) continue;
      // Its power failed between promotion and publish: what comes of that the next election shows.
      const bool was_there = promotion->offset >= row.entry.index;
      if (was_there && ledger_.troubled_since(n.leader, promotion->carried_out_at)) continue;
      for (const core::Row& r : n.before->rows) {
        if (!r.is_alive || r.endpoint == n.leader) continue;
        const Attempt* fence = ledger_.known_fence(n.at, *promotion, r.endpoint);
        if (!fence || fence->offset < row.entry.index) continue;
        if (!world_.tablet(r.endpoint).log(n.at).holds(row.entry)) continue;
        if (ledger_.troubled_since(r.endpoint, fence->carried_out_at)) continue;
        broken(n.leader + " leads " + at(n.at) + " without the acknowledged row " +
               std::to_string(row.entry.index) + " of term " + std::to_string(row.entry.term) +
               ", which " + r.endpoint + " held when it was probed");
        return;
      }
      row.lost = true;
    }
  }

  std::map<core::PartitionKey, std::vector<Acknowledged>> rows_;
};

// SAFETY 2: a follower whose row is alive never parts from its leader: its log is the beginning of
// the leader's.
class NoFollowerDiverges : public Checker {
 public:
  NoFollowerDiverges(World& w, const Ledger& l) : Checker(w, l, "SAFETY 2: no follower diverges") {}

  void table_written(const core::TableShape&, const core::TableShape& after,
                     const std::string&) override {
    look(after);
  }

  void stepped() override {
    if (now() < next_look_) return;
    next_look_ = now() + std::chrono::milliseconds{100};
    for (const auto& [znode, table] : world_.keeper.tables()) look(table);
  }

 private:
  void look(const core::TableShape& table) {
    for (const core::PartitionShape& p : table.partitions) {
      const core::PartitionKey key{table.tid, p.pid};
      const core::Row* leader = leader_of(p);
      if (!leader || p.terms.empty()) continue;
      const Tablet& of_leader = world_.tablet(leader->endpoint);
      const auto* held = of_leader.held(key);
      if (!of_leader.leads(key) || held->term != p.terms.back().term) continue;
      const Log& log = of_leader.log(key);
      for (const core::Row& row : p.rows) {
        const Tablet& t = world_.tablet(row.endpoint);
        if (!row.is_alive || row.is_leader || !t.held(key)) continue;
        if (t.log(key).is_prefix_of(log)) continue;
        broken(row.endpoint + " is an alive follower of " + leader->endpoint + " in " + at(key) +
               ", its log parts from its leader's: " + std::to_string(t.log(key).offset()) +
               " against " + std::to_string(log.offset()));
      }
    }
  }

  Instant next_look_;
};

}  // namespace

void add_row_checkers(World& world, const Ledger& ledger, Checkers& to) {
  to.push_back(std::make_unique<ReplicatedRowsAreKept>(world, ledger));
  to.push_back(std::make_unique<NoFollowerDiverges>(world, ledger));
}

}  // namespace failoverd::simulation
