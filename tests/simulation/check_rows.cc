// Checkers of the rows themselves: what writers were told is safe, and logs that must not part.
#include <algorithm>
#include <map>
#include <set>

#include "lib/core/brain.h"
#include "tests/simulation/checker.h"
#include "tests/simulation/daemon.h"

namespace failoverd::simulation {
namespace {

// Where each acknowledged row of a partition stands.
struct Acknowledged {
  Entry entry;
  bool lost = false;  // In a failover, and nobody who answered its probe had it.
};

// SAFETY 19, too: what is put into a tablet's queue costs older rows.
// An acknowledged row that was on a replica which could be elected is not lost, whoever leads now;
// and what was not lost with a leader is there when all is over.
class ReplicatedRowsAreKept : public Checker {
 public:
  ReplicatedRowsAreKept(World& w, const Ledger& l)
      : Checker(w, l, "data: what an electable replica held is kept") {}

  void acknowledged(core::PartitionKey key, const core::Endpoint& by, const Entry& entry) override {
    // One that leads no more acknowledges what reaches nobody.
    const auto* p = world_.fake_zookeeper.partition(key);
    const bool late = !p || p->terms.empty() || entry.term < p->terms.back().term;
    const bool gone = !world_.tablet(by).log(key).holds(entry);  // Its power failed since.
    rows_[key].push_back({entry, late || gone});
    const auto* held = world_.tablet(by).held(key);
    if (held && held->by_hand != 0) by_hand_[key].push_back(entry);
  }

  void trouble(const core::Endpoint& tablet, const std::string& what) override {
    // Whoever promotes by hand gives up what that one does not hold.
    const bool somewhere_by_hand = what.starts_with(kPromotedByHand);
    if (what != "power cut" && !somewhere_by_hand) return;
    for (auto& [key, rows] : rows_) {
      const auto* p = world_.fake_zookeeper.partition(key);
      const bool by_hand = what == kPromotedByHand + at(key);
      const bool only = !somewhere_by_hand && p && is_the_only_one(*p, tablet);
      if (!only && !(p && by_hand && world_.tablet(tablet).held(key))) continue;
      const Log& log = world_.tablet(tablet).log(key);
      for (Acknowledged& row : rows) row.lost = row.lost || !log.holds(row.entry);
    }
  }

  void at_rest() override {
    for (const auto& [key, rows] : rows_) {
      const auto* p = world_.fake_zookeeper.partition(key);
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

  // What nobody electable held is gone with the promotion, whether it is ever published or not.
  void carried_out(const std::string&, const core::CallTablet& c,
                   const core::Answer& answer) override {
    const auto* promote = std::get_if<core::Promote>(&c.call);
    const auto* p = promote ? world_.fake_zookeeper.partition(promote->at) : nullptr;
    if (!p || p->rows.size() == 1 || answer.code != core::kOk) return;
    const Log& log = world_.tablet(c.tablet).log(promote->at);
    promoted_[{promote->at, promote->term}] = log;
    const Attempt* promotion = ledger_.promotion(promote->at, promote->term, c.tablet);
    for (Acknowledged& row : rows_[promote->at]) {
      if (row.lost || log.holds(row.entry) || !promotion) continue;
      const core::Row* holder = held_elsewhere(promote->at, *p, *promotion, row.entry);
      row.lost = !holder || another_is_in_its_place(promote->at, log, row.entry) ||
                 others_hold_more({promote->at, p}, *promotion, log, row.entry, *holder);
    }
  }

  void table_written(const core::TableShape& before, const core::TableShape& after,
                     const std::string& by) override {
    for (const Ledger::Naming& n : Ledger::namings(before, after)) {
      world_.find_daemon(by) ? check(n) : give_up(n);
    }
  }

 private:
  // A nameserver's own election: its old leader went on until this was written (FEDB.md 6).
  void give_up(const Ledger::Naming& n) {
    const Log& log = world_.tablet(n.leader).log(n.at);
    for (Acknowledged& row : rows_[n.at]) row.lost = row.lost || !log.holds(row.entry);
  }

  // Nobody else has an alive row.
  static bool is_the_only_one(const core::PartitionShape& p, const core::Endpoint& tablet) {
    return std::all_of(p.rows.begin(), p.rows.end(), [&](const core::Row& row) {
      return (row.endpoint == tablet) == row.is_alive || p.rows.size() == 1;
    });
  }

  // Who held it, could be elected and had said so when this promotion left.
  const core::Row* held_elsewhere(core::PartitionKey key, const core::PartitionShape& p,
                                  const Attempt& promotion, const Entry& entry) const {
    for (const core::Row& r : p.rows) {
      // SAFETY 12: no election leaves out whose row is dead only because it is handed over.
      const bool may_lead = r.is_alive || world_.fake_zookeeper.steps_down(key, p, r.endpoint);
      if (!may_lead || r.endpoint == promotion.tablet) continue;
      const Attempt* fence = ledger_.known_fence(key, promotion, r.endpoint);
      if (!fence || fence->offset < entry.index) continue;
      if (!world_.tablet(r.endpoint).log(key).holds(entry)) continue;
      if (!ledger_.troubled_since(r.endpoint, fence->carried_out_at)) return &r;
    }
    return nullptr;
  }

  // One whom somebody else told to lead was written to: nobody can keep its row and this one, and
  // the highest offset leads.
  bool another_is_in_its_place(core::PartitionKey key, const Log& log, const Entry& entry) const {
    const auto rows = by_hand_.find(key);
    return rows != by_hand_.end() &&
           std::any_of(rows->second.begin(), rows->second.end(), [&](const Entry& other) {
             return other.index == entry.index && log.holds(other);
           });
  }

  // Its leader was never published and has restarted: what others hold in its place was
  // acknowledged before, and the highest offset leads (SAFETY 7).
  bool others_hold_more(std::pair<core::PartitionKey, const core::PartitionShape*> of,
                        const Attempt& promotion, const Log& log, const Entry& entry,
                        const core::Row& holder) const {
    const auto& terms = of.second->terms;
    const bool published = std::any_of(terms.begin(), terms.end(),
                                       [&](const auto& t) { return t.term == entry.term; });
    const Attempt* fence = ledger_.known_fence(of.first, promotion, holder.endpoint);
    const auto* held = world_.tablet(holder.endpoint).held(of.first);
    return !published && fence && held && held->from_disk && log.offset() > fence->offset;
  }

  void check(const Ledger::Naming& n) {
    const Attempt* promotion = ledger_.promotion(n.at, n.term, n.leader);
    if (!promotion) return;  // Another checker's business.
    const Log& log = world_.tablet(n.leader).log(n.at);
    for (Acknowledged& row : rows_[n.at]) {
      if (row.lost || log.holds(row.entry)) continue;
      // Its power failed between promotion and publish: what comes of that the next election shows.
      const auto had = promoted_.find({n.at, n.term});
      if (had != promoted_.end() && had->second.holds(row.entry)) continue;
      const core::Row* holder = held_elsewhere(n.at, *n.before, *promotion, row.entry);
      if (holder && !another_is_in_its_place(n.at, log, row.entry) &&
          !others_hold_more({n.at, n.before}, *promotion, log, row.entry, *holder)) {
        return broken(n.leader + " leads " + at(n.at) + " without the acknowledged row " +
                      std::to_string(row.entry.index) + " of term " +
                      std::to_string(row.entry.term) + ", which " + holder->endpoint +
                      " held when it was probed");
      }
      row.lost = true;
    }
  }

  std::map<core::PartitionKey, std::vector<Acknowledged>> rows_;
  std::map<core::PartitionKey, std::vector<Entry>> by_hand_;  // By who leads by nobody's order.
  std::map<std::pair<core::PartitionKey, core::Term>, Log> promoted_;  // The winner's, then.
};

// SAFETY 2: a follower whose row is alive never parts from its leader: its log is the beginning of
// the leader's.
class NoFollowerDiverges : public Checker {
 public:
  NoFollowerDiverges(World& w, const Ledger& l) : Checker(w, l, "SAFETY 2: no follower diverges") {}

  void table_written(const core::TableShape&, const core::TableShape& after,
                     const std::string&) override {
    for (const core::PartitionShape& p : after.partitions) {
      const core::PartitionKey key{after.tid, p.pid};
      for (const core::Row& row : p.rows) {
        const auto* held = row.is_alive ? nullptr : world_.tablet(row.endpoint).held(key);
        if (held) settled_[{key, row.endpoint}] = held->by_hand;
      }
    }
    look(after);
  }

  void stepped() override {
    if (now() < next_look_) return;
    next_look_ = now() + std::chrono::milliseconds{100};
    for (const auto& [znode, table] : world_.fake_zookeeper.tables()) look(table);
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
      if (held->by_hand != 0) continue;
      const Log& log = of_leader.log(key);
      for (const core::Row& row : p.rows) {
        const Tablet& t = world_.tablet(row.endpoint);
        if (!row.is_alive || row.is_leader || !t.held(key) || led_by_hand(row.endpoint, key))
          continue;
        if (ledger_.alive_by_hand(key, row.endpoint)) continue;  // It vouches for nothing.
        if (t.log(key).is_prefix_of(log)) continue;
        broken(row.endpoint + " is an alive follower of " + leader->endpoint + " in " + at(key) +
               ", its log parts from its leader's: " + std::to_string(t.log(key).offset()) +
               " against " + std::to_string(log.offset()));
      }
    }
  }

  // Whom somebody else told to lead may take rows of its own between the answer that an election
  // counts and its publish: no daemon can know before the tablet's next word. Its row dies then;
  // and at the end of the run all logs are equal, whoever led.
  bool led_by_hand(const core::Endpoint& tablet, core::PartitionKey key) const {
    const std::uint64_t run = world_.tablet(tablet).held(key)->by_hand;
    const auto settled = settled_.find({key, tablet});
    return run != 0 && (settled == settled_.end() || settled->second != run);
  }

  Instant next_look_;
  // Its row has been dead since it was told so in this run.
  std::map<std::pair<core::PartitionKey, core::Endpoint>, std::uint64_t> settled_;
};

// SAFETY 1, and what the order of the rows must not decide: the row of a follower whose process is
// gone dies beside a leader that serves, whatever else is the matter with its partition.
class LostFollowersDie : public Looker {
 public:
  LostFollowersDie(World& w, const Ledger& l)
      : Looker(w, l, "SAFETY 1: a lost follower's row dies") {}

  // The longest silence, a session, and some looks.
  static constexpr Duration kPatience = std::chrono::seconds{12};

 protected:
  bool is_able(const Daemon&) const override {
    return world_.fake_zookeeper.auto_failover().auto_failover;
  }
  void forget() override { since_.clear(); }

  void look(core::PartitionKey key, const core::PartitionShape& p, bool is_taken) override {
    const bool led = is_taken && is_led(key, p);
    for (const core::Row& row : p.rows) {
      const std::pair who{key, row.endpoint};
      const bool lost = row.is_alive && !row.is_leader && !world_.tablet(row.endpoint).running();
      if (!led || !lost) {
        since_.erase(who);
        continue;
      }
      const Instant since = since_.try_emplace(who, now()).first->second;
      if (now() - since <= kPatience) continue;
      broken("the row of " + row.endpoint + " in " + at(key) + " is alive, its process is gone");
    }
  }

 private:
  bool is_led(core::PartitionKey key, const core::PartitionShape& p) const {
    const core::Row* leader = leader_of(p);
    const auto* known = daemon().brain().model().partition(key);
    if (!leader || p.terms.empty() || !known || known->unfinished_term) return false;
    for (const auto& [id, op] : daemon().brain().ops().running()) {
      if (op.at == key && core::is_election(op.type)) return false;
    }
    const Tablet& t = world_.tablet(leader->endpoint);
    return t.leads(key) && t.held(key)->term == p.terms.back().term &&
           world_.reaches(daemon().name(), leader->endpoint) &&
           !ledger_.troubled_since(leader->endpoint, now() - std::chrono::seconds{3});
  }

  std::map<std::pair<core::PartitionKey, core::Endpoint>, Instant> since_;
};

}  // namespace

void add_row_checkers(World& world, const Ledger& ledger, Checkers& to) {
  to.push_back(std::make_unique<ReplicatedRowsAreKept>(world, ledger));
  to.push_back(std::make_unique<NoFollowerDiverges>(world, ledger));
  to.push_back(std::make_unique<LostFollowersDie>(world, ledger));
}

}  // namespace failoverd::simulation
