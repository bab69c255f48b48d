// Checkers of what daemons do: SAFETY 3, 4, 5, 8 and 14.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "lib/core/brain.h"
#include "tests/simulation/checker.h"
#include "tests/simulation/daemon.h"

namespace failoverd::simulation {
namespace {

// SAFETY 4: every term that is sent comes from a block that ZooKeeper confirmed to this daemon,
// serves one purpose in one partition only, and rises within the partition.
class TermsAreGivenOnce : public Checker {
 public:
  TermsAreGivenOnce(World& w, const Ledger& l) : Checker(w, l, "SAFETY 4: terms are given once") {}

  void before_step(const Daemon& daemon, const core::Event& event) override {
    if (const auto* r = std::get_if<core::TermsReserved>(&event); r && r->ok) {
      blocks_[daemon.name()].emplace_back(r->first, r->last);
    }
    if (std::holds_alternative<core::LockGained>(event)) blocks_[daemon.name()].clear();
  }

  void commanded(const Daemon& daemon, const core::Command& command) override {
    const auto* c = std::get_if<core::CallTablet>(&command);
    if (!c) return;
    if (const auto* probe = std::get_if<core::Probe>(&c->call)) {
      if (ledger_.is_recovery(probe->at, probe->term)) return;
      // Its table may have been dropped in this moment.
      const auto* known = daemon.brain().model().partition(probe->at);
      if (known && known->published_term() == probe->term) return;
      check(daemon, {probe->at, false, ""}, probe->term, *c);
    } else if (const auto* promote = std::get_if<core::Promote>(&c->call)) {
      // An only replica goes on in the term in which it was (SAFETY 19).
      const auto* known = daemon.brain().model().partition(promote->at);
      const bool only = known && known->replicas.size() == 1;
      if (only && known->published_term() == promote->term) return;
      check(daemon, {promote->at, true, c->tablet}, promote->term, *c);
    }
  }

 private:
  struct Use {
    core::PartitionKey at;
    bool promotion = false;
    core::Endpoint tablet;  // Of a promotion.
    bool operator==(const Use&) const = default;
  };

  void check(const Daemon& daemon, const Use& use, core::Term term, const core::CallTablet& c) {
    const std::string what = core::to_text(c.call) + " to " + c.tablet;
    const auto& blocks = blocks_[daemon.name()];
    const bool ours = std::any_of(blocks.begin(), blocks.end(), [&](const auto& b) {
      return b.first <= term && term <= b.second;
    });
    if (!ours) return broken(what + " uses a term that was not reserved");
    const auto [before, fresh] = uses_.try_emplace(term, use);
    if (!fresh && !(before->second == use)) {
      return broken(what + " uses a term that served " + at(before->second.at) + " before");
    }
    if (use.promotion && !fresh && unanswered_before(use, term, c.id)) {
      return broken(what + " repeats a promotion that may have been carried out");
    }
    if (!fresh) return;  // The same round goes on.
    // One that lost the lock and does not know yet sends nothing (SAFETY 14).
    if (world_.fake_zookeeper.lock_holder() != daemon.session()) return;
    core::Term& highest = highest_[use.at];
    // The history as it has been told; what others write now is told in a moment.
    const auto* p = daemon.brain().model().partition(use.at);
    if (p && !p->terms.empty()) highest = std::max(highest, p->terms.back().term + 1);
    if (term < highest) {
      broken(what + " goes back: " + std::to_string(highest) + " was used before");
    }
    highest = std::max(highest, term);
  }

  bool unanswered_before(const Use& use, core::Term term, core::RequestId id) const {
    const auto& attempts = ledger_.attempts(use.at);
    return std::any_of(attempts.begin(), attempts.end(), [&](const Attempt& a) {
      return a.promotion && a.term == term && a.id != id && a.may_lead();
    });
  }

  std::map<std::string, std::vector<std::pair<core::Term, core::Term>>> blocks_;
  std::map<core::Term, Use> uses_;
  std::map<core::PartitionKey, core::Term> highest_;
};

// SAFETY 5: an unanswered promotion made a possible leader: its row is published dead unless it is
// the leader, and when its tablet is told anything that changes it, ChangeRole(follower) comes
// first.
class UnansweredPromotions : public Listener {
 public:
  UnansweredPromotions(World& w, const Ledger& l)
      : Listener(w, l, "SAFETY 5: an unanswered promotion made a possible leader") {}

  void before_step(const Daemon& daemon, const core::Event& event) override {
    Listener::before_step(daemon, event);
    if (const auto* gained = std::get_if<core::LockGained>(&event)) {
      may_lead_.clear();
      unanswered_.clear();  // The successor knows what the records say.
      active_ = daemon.name();
      for (const core::ElectionRecord& record : gained->records) {
        for (const core::BegunElection& begun : record.elections) {
          for (const core::MayLead& m : begun.may_lead) {
            if (!published(begun.at, m)) remember(begun.at, m.endpoint, m.term);
          }
        }
      }
    }
    if (std::holds_alternative<core::LockLost>(event)) forget(daemon);
  }
  void daemon_died(const Daemon& daemon) override { forget(daemon); }
  void answered(const Daemon& daemon, const core::CallTablet& c,
                const core::Answer& answer) override {
    if (daemon.name() != active_ || is_void(daemon, c.id)) return;
    if (const auto* promote = std::get_if<core::Promote>(&c.call)) {
      using core::Transport;
      const bool unknown =
          answer.transport == Transport::kBroken || answer.transport == Transport::kSilent;
      if (unknown) remember(promote->at, c.tablet, promote->term);
    } else if (const auto* demote = std::get_if<core::Demote>(&c.call)) {
      const bool settled =
          answer.ok() || (answer.answered() && answer.code == core::kTableIsNotExist);
      if (settled) may_lead_.erase({demote->at, c.tablet});
    } else if (const auto* pair = std::get_if<core::GetTermPair>(&c.call)) {
      // It leads with the very term, or it holds nothing: no surprise is left.
      const auto known = may_lead_.find({pair->at, c.tablet});
      if (known == may_lead_.end() || !answer.ok()) return;
      const bool confirmed = answer.is_leader && answer.term == known->second;
      if (confirmed || !answer.has_table) may_lead_.erase(known);
    }
  }

  void sent(const Daemon& daemon, const core::CallTablet& c) override {
    if (!core::changes(c.call) || std::holds_alternative<core::Demote>(c.call)) return;
    // A paused snapshot refuses the demotion: ending it comes before, and gives nobody a role.
    if (std::holds_alternative<core::RecoverSnapshot>(c.call)) return;
    const auto key = partition_of(c.call);
    if (!key || daemon.name() != active_ || !may_lead_.contains({*key, c.tablet})) return;
    broken(c.tablet + " may lead " + at(*key) + " and is told " + core::to_text(c.call) +
           " before ChangeRole(follower)");
  }

  void table_written(const core::TableShape& before, const core::TableShape& after,
                     const std::string& by) override {
    if (by != active_) return;
    for (const Ledger::Naming& n : Ledger::namings(before, after)) {
      for (const core::Row& row : n.after->rows) {
        // Also one that was told to follow since: what it was told first may be done last.
        const bool may_lead =
            may_lead_.contains({n.at, row.endpoint}) || unanswered_.contains({n.at, row.endpoint});
        if (!may_lead || row.endpoint == n.leader || !row.is_alive) continue;
        broken("the row of " + row.endpoint + " in " + at(n.at) +
               " is published alive, and it may lead");
      }
      std::erase_if(unanswered_, [&](const auto& u) { return u.first.first == n.at; });
    }
  }

 private:
  // A later leader is published than it could be: if that is somebody else, its row is dead.
  bool published(core::PartitionKey key, const core::MayLead& m) const {
    const auto* p = world_.fake_zookeeper.partition(key);
    return p && !p->terms.empty() && p->terms.back().term >= m.term;
  }

  void remember(core::PartitionKey key, const core::Endpoint& tablet, core::Term term) {
    const auto* p = world_.fake_zookeeper.partition(key);
    if (p && p->rows.size() == 1) return;  // Nobody leads beside it.
    may_lead_[{key, tablet}] = term;
  }
  void forget(const Daemon& daemon) {
    if (daemon.name() != active_) return;
    active_.clear();
    may_lead_.clear();
    unanswered_.clear();
  }

  std::string active_;
  std::map<std::pair<core::PartitionKey, core::Endpoint>, core::Term> may_lead_;
  // Not answered since the last publish that named a leader.
  std::map<std::pair<core::PartitionKey, core::Endpoint>, core::Term> unanswered_;
};

// SAFETY 8: two leaders by the tablets' own word do not persist: where nothing new happens to the
// tablets and a daemon is there to act, the old one is told to follow.
class TwoLeadersDoNotPersist : public Looker {
 public:
  TwoLeadersDoNotPersist(World& w, const Ledger& l)
      : Looker(w, l, "SAFETY 8: two leaders do not persist") {}

  // A tablet's mutex can be held for so long by a follower that hangs, and then some.
  static constexpr Duration kPatience = std::chrono::seconds{25};

 protected:
  bool is_able(const Daemon&) const override {
    return world_.fake_zookeeper.auto_failover().auto_failover;
  }
  void forget() override { since_.clear(); }

  void look(core::PartitionKey key, const core::PartitionShape& p, bool) override {
    int leaders = 0;
    bool odd = false;
    for (const core::Row& row : p.rows) {
      const Tablet& t = world_.tablet(row.endpoint);
      if (!t.leads(key)) continue;
      ++leaders;
      odd |= ledger_.troubled_since(row.endpoint, now() - kPatience) ||
             t.held(key)->state != core::TableState::kNormal;
    }
    if (leaders < 2 || odd) {
      since_.erase(key);
      return;
    }
    const Instant since = since_.try_emplace(key, now()).first->second;
    if (now() - since > kPatience)
      broken(at(key) + " has two leaders, and nobody is told to follow");
  }

 private:
  std::map<core::PartitionKey, Instant> since_;
};

// SAFETY 14: whatever changes a tablet is sent by the holder of the lock with the current epoch;
// its own brain knows that it holds it; a call is never sent on a contact that is not fresh. Nor is
// anything published with an epoch that is over.
class OnlyTheHolderActs : public Checker {
 public:
  OnlyTheHolderActs(World& w, const Ledger& l)
      : Checker(w, l, "SAFETY 14: only the holder of the lock acts") {}

  void sent(const Daemon& daemon, const core::CallTablet& c) override {
    if (!core::changes(c.call)) return;
    const std::string what = daemon.name() + " sends " + core::to_text(c.call) + " to " + c.tablet;
    if (world_.fake_zookeeper.lock_holder() != daemon.session()) broken(what + " without the lock");
    if (world_.fake_zookeeper.epoch() != daemon.epoch())
      broken(what + " with an epoch that is over");
  }

  void table_written(const core::TableShape&, const core::TableShape& after,
                     const std::string& by) override {
    const Daemon* daemon = world_.find_daemon(by);
    if (!daemon || daemon->epoch() == world_.fake_zookeeper.epoch()) return;
    broken(by + " publishes " + after.name + " with an epoch that is over");
  }

  void commanded(const Daemon& daemon, const core::Command& command) override {
    const auto* c = std::get_if<core::CallTablet>(&command);
    const bool changing =
        c ? core::changes(c->call) : std::holds_alternative<core::Publish>(command);
    if (changing && !daemon.brain().active()) {
      broken(daemon.name() + " wants " + core::to_text(command) + " and is not active");
    }
  }
};

// SAFETY 13: with auto_failover off, and while a nameserver steers, no election is begun; within a
// second nothing is changed at all but what a probe has begun: that is finished (SAFETY 3).
class StandsBack : public Checker {
 public:
  StandsBack(World& w, const Ledger& l) : Checker(w, l, "stands back: nothing new is begun") {}

  void table_written(const core::TableShape& before, const core::TableShape& after,
                     const std::string&) override {
    for (const Ledger::Naming& n : Ledger::namings(before, after)) probed_.erase(n.at);
  }

  void before_step(const Daemon& daemon, const core::Event& event) override {
    if (const auto* s = std::get_if<core::SwitchRead>(&event)) {
      set(off_, daemon, !s->auto_failover);
    }
    if (world_.policy.metadata == core::Metadata::kZookeeper) return;
    if (const auto* n = std::get_if<core::NameserversListed>(&event)) {
      const std::string first = n->endpoints.empty() ? "" : n->endpoints.front();
      if (std::exchange(first_[daemon.name()], first) == first) return;
      set(unknown_, daemon, !first.empty());
      set(nameserver_, daemon, false);
    }
    if (const auto* n = std::get_if<core::NameserverAnswered>(&event)) {
      set(unknown_, daemon, n->drains);
      set(nameserver_, daemon, n->auto_failover);
    }
  }

  void commanded(const Daemon& daemon, const core::Command& command) override {
    if (const auto* c = std::get_if<core::CallTablet>(&command)) {
      const auto key = partition_of(c->call);
      const bool probe = std::holds_alternative<core::Probe>(c->call);
      if (core::changes(c->call) && key && !ends_an_op(*key, c->call)) {
        check(daemon, *key, command, probe ? Duration{0} : kTakesEffectWithin);
      }
      if (probe && key) probed_.insert(*key);
    } else if (const auto* publish = std::get_if<core::Publish>(&command)) {
      for (const core::TableEdit& t : publish->tables) {
        const auto table = world_.fake_zookeeper.tables().find(t.znode);
        if (table == world_.fake_zookeeper.tables().end()) continue;
        for (const core::PartitionEdit& p : t.partitions) {
          if (!p.changes_table()) continue;  // What is known of replicas is kept all the same.
          check(daemon, {table->second.tid, p.pid}, command, kTakesEffectWithin);
        }
      }
    }
  }

 private:
  static constexpr Duration kTakesEffectWithin = std::chrono::seconds{1};
  using Since = std::map<std::string, Instant>;

  void set(Since& since, const Daemon& daemon, bool stands_back) {
    if (!stands_back) {
      since.erase(daemon.name());
    } else {
      since.try_emplace(daemon.name(), now());
    }
  }

  // The row is published dead, or gone, what its leader is told now only follows from that; what
  // was begun is taken back.
  bool ends_an_op(core::PartitionKey key, const core::Call& call) const {
    if (std::holds_alternative<core::RecoverSnapshot>(call)) return true;
    const auto* del = std::get_if<core::DelReplica>(&call);
    const auto* p = del ? world_.fake_zookeeper.partition(key) : nullptr;
    const core::Row* row = p ? row_of(*p, del->replica) : nullptr;
    return p && (!row || !row->is_alive);
  }

  // An op that was at work when it was switched off.
  static bool goes_on(const Daemon& daemon, core::PartitionKey key, Instant off) {
    for (const auto& [id, op] : daemon.brain().ops().running()) {
      if (op.at == key && op.started < off) return true;
    }
    return false;
  }

  // By an operator, for whom the switch is nothing to wait for.
  static bool is_ordered(const Daemon& daemon, core::PartitionKey key) {
    for (const auto& [id, op] : daemon.brain().ops().running()) {
      const bool ordered =
          op.type == core::OpType::kMigrateOP || op.type == core::OpType::kAddReplicaOP ||
          op.type == core::OpType::kDelReplicaOP || op.type == core::OpType::kMakeSnapshotOP;
      if (op.at == key && ordered) return true;
    }
    return false;
  }

  void check(const Daemon& daemon, core::PartitionKey key, const core::Command& command,
             Duration grace) {
    if (probed_.contains(key) || ledger_.recorded(key)) return;
    if (ledger_.operators_asked()) return;  // What they order is done with the switch off, too.
    for (const auto& [since, why] : {std::pair{&off_, "auto_failover is off"},
                                     {&unknown_, "nobody knows whether a nameserver steers"},
                                     {&nameserver_, "a nameserver steers"}}) {
      const auto from = since->find(daemon.name());
      if (from == since->end() || now() - from->second < grace) continue;
      if (since != &nameserver_ && (goes_on(daemon, key, from->second) || is_ordered(daemon, key)))
        continue;
      broken(std::string{why} + ", and " + core::to_text(command) + " is commanded");
    }
  }

  // Since the last publish that named a leader: whether it was sent nobody may know.
  std::set<core::PartitionKey> probed_;
  Since off_;
  Since unknown_;     // A nameserver lives that has not said whether it steers, or drains.
  Since nameserver_;  // It steers.
  std::map<std::string, std::string> first_;  // By daemon: that nameserver.
};

// Elections have a cause: no partition is probed to whose tablets nothing ever happened.
class NoNeedlessElection : public Checker {
 public:
  NoNeedlessElection(World& w, const Ledger& l) : Checker(w, l, "no election without trouble") {}

  void sent(const Daemon& daemon, const core::CallTablet& c) override {
    const auto* probe = std::get_if<core::Probe>(&c.call);
    const auto* p = probe ? world_.fake_zookeeper.partition(probe->at) : nullptr;
    if (!p || ledger_.operators_asked()) return;
    if (ledger_.is_recovery(probe->at, probe->term)) return;
    const bool cause = std::any_of(p->rows.begin(), p->rows.end(), [&](const core::Row& row) {
      return ledger_.troubled_ever(row.endpoint) || !world_.reaches(daemon.name(), row.endpoint);
    });
    if (!cause) broken(at(probe->at) + " is probed, and nothing ever happened to its tablets");
  }
};

// A partition is not elected again and again: each election costs its clients, and says that the
// last one achieved nothing.
class NoElectionStorm : public Checker {
 public:
  NoElectionStorm(World& w, const Ledger& l) : Checker(w, l, "no storm of elections") {}

  void table_written(const core::TableShape& before, const core::TableShape& after,
                     const std::string& by) override {
    if (!world_.find_daemon(by)) return;
    for (const Ledger::Naming& n : Ledger::namings(before, after)) {
      auto& times = named_[n.at];
      std::erase_if(times, [&](Instant t) { return now() - t > std::chrono::seconds{1}; });
      times.push_back(now());
      if (times.size() > kMost) {
        broken(at(n.at) + " got " + std::to_string(times.size()) + " leaders within a second");
      }
    }
  }

 private:
  static constexpr std::size_t kMost = 5;
  std::map<core::PartitionKey, std::vector<Instant>> named_;
};

}  // namespace

void add_act_checkers(World& world, const Ledger& ledger, Checkers& to) {
  to.push_back(std::make_unique<TermsAreGivenOnce>(world, ledger));
  to.push_back(std::make_unique<UnansweredPromotions>(world, ledger));
  to.push_back(std::make_unique<TwoLeadersDoNotPersist>(world, ledger));
  to.push_back(std::make_unique<OnlyTheHolderActs>(world, ledger));
  to.push_back(std::make_unique<StandsBack>(world, ledger));
  to.push_back(std::make_unique<NoNeedlessElection>(world, ledger));
  to.push_back(std::make_unique<NoElectionStorm>(world, ledger));
}

}  // namespace failoverd::simulation
