// Checkers of recovery: SAFETY 9 and 10, when a row comes alive (SAFETY 18), and what is said to be
// lost.
#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "lib/core/brain.h"
#include "tests/simulation/checker.h"
#include "tests/simulation/daemon.h"

namespace failoverd::simulation {
namespace {

using std::chrono::seconds;

core::Term published_term(const core::PartitionShape& p) {
  return p.terms.empty() ? 0 : p.terms.back().term;
}

// Whether its tablet really leads, with the term that is published.
bool leads_as_published(World& world, core::PartitionKey at, const core::PartitionShape& p) {
  const core::Row* leader = leader_of(p);
  if (!leader) return false;
  const Tablet& t = world.tablet(leader->endpoint);
  return t.leads(at) && t.held(at)->term == published_term(p);
}

// Whose copy a call destroys, if it destroys one.
const core::Endpoint* destroys(const core::CallTablet& c) {
  if (const auto* send = std::get_if<core::SendSnapshot>(&c.call)) return &send->to;
  const bool here = std::holds_alternative<core::DropTable>(c.call) ||
                    std::holds_alternative<core::DeleteBinlog>(c.call);
  return here ? &c.tablet : nullptr;
}

// SAFETY 9: nothing is destroyed of a partition with one replica, nor unless another tablet has
// answered within the last second that it leads with the published term, nor on a tablet that is
// loading it, nor of a row that is alive, nor ever the last copy.
class DestroysNoLastCopy : public Checker {
 public:
  DestroysNoLastCopy(World& w, const Ledger& l)
      : Checker(w, l, "SAFETY 9: what is destroyed is held elsewhere") {}

  void answered(const Daemon& daemon, const core::CallTablet& c,
                const core::Answer& answer) override {
    const auto* pair = std::get_if<core::GetTermPair>(&c.call);
    if (!pair || !answer.ok()) return;
    Said& said = said_[{daemon.name(), pair->at}];
    if (answer.is_leader) {
      said = {c.tablet, answer.term, now()};
    } else if (said.tablet == c.tablet) {
      said = {};
    }
  }

  void commanded(const Daemon& daemon, const core::Command& command) override {
    const auto* c = std::get_if<core::CallTablet>(&command);
    const core::Endpoint* target = c ? destroys(*c) : nullptr;
    const auto* known = target ? daemon.brain().model().partition(*partition_of(c->call)) : nullptr;
    // One that lost the lock and does not know yet sends nothing (SAFETY 14).
    if (!known || world_.fake_zookeeper.lock_holder() != daemon.session()) return;
    const core::PartitionKey key = *partition_of(c->call);
    const std::string what = core::to_text(c->call) + " to " + c->tablet;
    const auto index = daemon.brain().model().find_tablet(*target);
    const auto* row = index ? known->on(*index) : nullptr;
    // Whoever has no row holds one copy more than those that have.
    if (known->replicas.size() + (row ? 0 : 1) < 2) {
      return broken(what + " destroys the only replica");
    }
    if (row && row->is_alive) broken(what + " destroys a replica whose row is alive");
    const Said& said = said_[{daemon.name(), key}];
    const bool confirmed = said.tablet != *target && now() - said.when <= seconds{1} &&
                           said.term == known->published_term();
    if (!confirmed) {
      broken(what + " is commanded, and no other tablet has just answered that it leads " +
             at(key));
    }
    const auto* held = world_.tablet(*target).held(key);
    const auto since = loading_since_.find({*target, key});
    const bool loads = held && !held->loaded() && since != loading_since_.end() &&
                       now() - since->second > kToBeSeen;
    if (loads) broken(what + " is commanded while " + *target + " is loading it");
  }

  void carried_out(const std::string& name, const core::CallTablet& c,
                   const core::Answer& answer) override {
    if (answer.code != core::kOk) return;
    if (const auto* load = std::get_if<core::LoadTable>(&c.call)) {
      loading_since_[{c.tablet, load->at}] = now();
    }
    const core::Endpoint* target = destroys(c);
    if (!target) return;
    const core::PartitionKey key = *partition_of(c.call);
    const auto* p = world_.fake_zookeeper.partition(key);
    if (!p || p->terms.empty() || elsewhere(key, *p, *target)) return;
    broken(core::to_text(c.call) + " for " + name + " destroys the last copy of " + at(key) +
           " on " + *target);
  }

 private:
  struct Said {
    core::Endpoint tablet;
    core::Term term = 0;
    Instant when;
  };
  // How old a word may be that says that nothing is loaded there.
  static constexpr Duration kToBeSeen = seconds{2};

  // Another replica reaches to where the published leader began.
  bool elsewhere(core::PartitionKey key, const core::PartitionShape& p,
                 const core::Endpoint& target) const {
    return std::any_of(p.rows.begin(), p.rows.end(), [&](const core::Row& row) {
      return row.endpoint != target && row.is_alive &&
             world_.tablet(row.endpoint).disk.contains(key) &&
             world_.tablet(row.endpoint).log(key).offset() + 1 >= p.terms.back().offset;
    });
  }

  std::map<std::pair<std::string, core::PartitionKey>, Said> said_;
  std::map<std::pair<core::Endpoint, core::PartitionKey>, Instant> loading_since_;
};

// SAFETY 10: the leader lets go of a replica before it is loaded, and before it is added again: a
// position that was left behind is never found again.
class LeaderLetsGoFirst : public Checker {
 public:
  LeaderLetsGoFirst(World& w, const Ledger& l)
      : Checker(w, l, "SAFETY 10: the leader lets go first") {}

  void carried_out(const std::string& name, const core::CallTablet& c,
                   const core::Answer& answer) override {
    const auto* load = std::get_if<core::LoadTable>(&c.call);
    if (!load || answer.code != core::kOk) return;
    const auto* p = world_.fake_zookeeper.partition(load->at);
    const Daemon* daemon = world_.find_daemon(name);
    if (!p || !daemon->alive() || !leads_as_published(world_, load->at, *p)) return;
    // One that is dead for the daemon lets go of nothing; it is replaced (SAFETY 6).
    const core::Endpoint& leader = leader_of(*p)->endpoint;
    const core::Model& model = daemon->brain().model();
    const auto index = model.find_tablet(leader);
    const auto* known = model.partition(load->at);
    const bool seen = known && !elects(*daemon, load->at) && index && known->leader() &&
                      known->leader()->tablet == *index && !model.tablet(*index).verdict.dead() &&
                      !ledger_.troubled_since(leader, now() - seconds{5});
    if (seen && sends_to(leader, load->at, c.tablet)) {
      broken(c.tablet + " loads " + at(load->at) + " while " + leader + " still sends to it");
    }
  }

  void table_written(const core::TableShape& before, const core::TableShape& after,
                     const std::string& by) override {
    if (!world_.find_daemon(by)) return;
    for (const core::PartitionShape& p : after.partitions) {
      const core::PartitionKey key{after.tid, p.pid};
      const auto* old = partition_of(before, p.pid);
      if (!old || !leads_as_published(world_, key, p)) continue;
      for (const core::Row& row : p.rows) {
        const core::Row* was = row_of(*old, row.endpoint);
        if (!row.is_alive || !was || was->is_alive) continue;
        const auto* f = sends_to(leader_of(p)->endpoint, key, row.endpoint);
        if (!f || !f->position || f->process == world_.tablet(row.endpoint).process()) continue;
        if (ledger_.troubled_since(row.endpoint, now() - seconds{3})) continue;  // It died again.
        broken("the row of " + row.endpoint + " in " + at(key) +
               " comes alive on a position that is left from before its restart");
      }
    }
  }

 private:
  // An election ends with everybody's positions anew.
  static bool elects(const Daemon& daemon, core::PartitionKey key) {
    for (const auto& [id, op] : daemon.brain().ops().running()) {
      const bool election =
          op.type == core::OpType::kChangeLeaderOP || op.type == core::OpType::kFullRestartOP;
      if (op.at == key && election) return true;
    }
    return false;
  }

  const Tablet::Follower* sends_to(const core::Endpoint& leader, core::PartitionKey key,
                                   const core::Endpoint& to) const {
    for (const Tablet::Follower& f : world_.tablet(leader).held(key)->followers) {
      if (f.endpoint == to) return &f;
    }
    return nullptr;
  }
};

// SAFETY 10: a replica is added only where its log is the beginning of its leader's, whatever was
// compared to find that out, and when.
class AddedLogsContinue : public Checker {
 public:
  AddedLogsContinue(World& w, const Ledger& l)
      : Checker(w, l, "SAFETY 10: a replica is added whose log is a prefix of its leader's") {}

  void carried_out(const std::string& name, const core::CallTablet& c,
                   const core::Answer& answer) override {
    const auto* add = std::get_if<core::AddReplica>(&c.call);
    if (!add || answer.code != core::kOk) return;
    // Carried out late, by one that stood still: nobody with a higher term takes its entries.
    const auto* leader = world_.tablet(c.tablet).held(add->at);
    const auto* follower = world_.tablet(add->replica).held(add->at);
    if (leader && follower && follower->term > leader->term) return;
    // Nor by one that holds nothing yet: it is fenced before it counts, and its log is read then.
    const auto* p = world_.fake_zookeeper.partition(add->at);
    const core::Row* leads = p ? leader_of(*p) : nullptr;
    if (!follower && (!leads || leads->endpoint != c.tablet)) return;
    const Log& leaders = world_.tablet(c.tablet).log(add->at);
    const Log& its = world_.tablet(add->replica).log(add->at);
    if (its.is_prefix_of(leaders)) return;
    broken(name + " adds " + add->replica + " to " + c.tablet + " in " + at(add->at) +
           ": its log of " + std::to_string(its.offset()) + " parts from its leader's of " +
           std::to_string(leaders.offset()) + " behind " +
           std::to_string(its.common_with(leaders)));
  }
};

// SAFETY 18: a row comes alive when its replica has reached what its leader held when AddReplica
// was carried out, but for catch_up_delta; a single one when its tablet leads.
class CaughtUpBeforeAlive : public Checker {
 public:
  CaughtUpBeforeAlive(World& w, const Ledger& l)
      : Checker(w, l, "SAFETY 18: rows come alive that have caught up") {}

  void carried_out(const std::string&, const core::CallTablet& c,
                   const core::Answer& answer) override {
    const auto* add = std::get_if<core::AddReplica>(&c.call);
    if (!add || answer.code != core::kOk) return;
    // One that is carried out late, by another leader, takes nothing from this one's.
    added_[{add->replica, add->at}][c.tablet] = world_.tablet(c.tablet).log(add->at).offset();
  }

  void table_written(const core::TableShape& before, const core::TableShape& after,
                     const std::string& by) override {
    if (!world_.find_daemon(by)) return;
    for (const core::PartitionShape& p : after.partitions) {
      const auto* old = partition_of(before, p.pid);
      for (const core::Row& row : p.rows) {
        const core::Row* was = old ? row_of(*old, row.endpoint) : nullptr;
        if (old && !was && row.is_alive) {
          broken("a row of " + row.endpoint + " is added to " + at({after.tid, p.pid}) +
                 ", alive at once");
        }
        if (!was || was->is_alive || !row.is_alive) continue;
        if (ledger_.set_by_hand({after.tid, p.pid}, row.endpoint)) continue;
        // What hands over never ceased to be in step (SAFETY 12).
        const core::PartitionKey key{after.tid, p.pid};
        if (!world_.fake_zookeeper.steps_down(key, *old, row.endpoint)) look(key, p, row);
      }
    }
  }

 private:
  void look(core::PartitionKey key, const core::PartitionShape& p, const core::Row& row) {
    const std::string what = "the dead row of " + row.endpoint + " in " + at(key) + " became alive";
    const Tablet& t = world_.tablet(row.endpoint);
    if (p.rows.size() == 1) {
      if (!t.leads(key) && !ledger_.troubled_since(row.endpoint, now() - seconds{3})) {
        broken(what + ", and its tablet does not lead");
      }
      return;
    }
    const core::Row* leader = leader_of(p);
    if (row.is_leader && ledger_.loss_accepted(key)) return;  // SAFETY 1: OnlyAliveRowsLead looks.
    if (row.is_leader || !leader) return broken(what + " with no other leader beside it");
    const auto* held = t.held(key);
    const bool loaded = held && held->loaded();
    if (!loaded && !ledger_.troubled_since(row.endpoint, now() - seconds{3})) {
      return broken(what + ", and its tablet does not hold it");
    }
    const auto& added = added_[{row.endpoint, key}];
    const auto by_leader = added.find(leader->endpoint);
    if (by_leader == added.end()) {
      return broken(what + ", and " + leader->endpoint + " was not told to send to it");
    }
    const core::Offset goal = by_leader->second;
    const std::uint64_t delta = world_.policy.recovery.catch_up_delta;
    if (loaded && t.log(key).offset() + delta < goal) {
      broken(what + " at offset " + std::to_string(t.log(key).offset()) + "; its leader had " +
             std::to_string(goal) + " when it was added");
    }
  }

  // The replica's; by who was told to send to it, what that one had then.
  std::map<std::pair<core::Endpoint, core::PartitionKey>, std::map<core::Endpoint, core::Offset>>
      added_;
};

// What is said to be lost is exactly what the dropped log held beyond the partition's history; and
// an op that was done has said it.
class LostEntriesAreCounted : public Checker {
 public:
  LostEntriesAreCounted(World& w, const Ledger& l)
      : Checker(w, l, "lost entries are counted exactly") {}

  // What is taken on is counted: nothing is added to the log any more.
  void carried_out(const std::string&, const core::CallTablet& c,
                   const core::Answer& answer) override {
    const auto* order = std::get_if<core::DropTable>(&c.call);
    if (!order || answer.code != core::kOk) return;
    const auto* p = world_.fake_zookeeper.partition(order->at);
    const core::Row* leader = p ? leader_of(*p) : nullptr;
    Drop drop{c.tablet, order->at, std::nullopt};
    if (leader) {
      const Log& log = world_.tablet(c.tablet).log(order->at);
      const Log& leaders = world_.tablet(leader->endpoint).log(order->at);
      const auto first = log.above(log.common_with(leaders));
      // What had no row any more, or not yet, had been given up.
      const bool may_be_known =
          !got_from_an_old_leader(leaders, *p) && !probed_by_nameserver_.contains(c.tablet);
      if (row_of(*p, c.tablet) && may_be_known) {
        drop.beyond = static_cast<std::uint64_t>(log.entries().end() - first);
      }
    }
    drops_[order->op] = drop;
  }

  // A nameserver's own op knows its followers from its beginning on. Whose row has died since is
  // sent to by the new leader for a moment, and whom it has followed is not known.
  void trouble(const core::Endpoint& tablet, const std::string& what) override {
    if (what.starts_with("probed by nameserver")) probed_by_nameserver_.insert(tablet);
  }

  void commanded(const Daemon&, const core::Command& command) override {
    if (const auto* journal = std::get_if<core::WriteJournal>(&command)) {
      for (const core::BegunOp& op : journal->begun) {
        if (!op.lost_entries) unknown_.insert(op.id);  // Nobody can know, and nobody says so.
      }
    } else if (const auto* lost = std::get_if<core::CountLost>(&command)) {
      claim(*lost);
    } else if (const auto* ended = std::get_if<core::CountOp>(&command)) {
      if (ended->status == core::OpStatus::kDone) done(ended->id);
    }
  }

 private:
  struct Drop {
    core::Endpoint tablet;
    core::PartitionKey at;
    std::optional<std::uint64_t> beyond;  // None: nobody can tell.
    bool said = false;
  };

  // A leader that restarted takes what an old one still sends, until it is probed: its term is 0.
  // Then its log holds what its history says that it does not.
  static bool got_from_an_old_leader(const Log& log, const core::PartitionShape& p) {
    for (const core::TermPair& pair : p.terms) {
      const auto first = log.above(pair.offset == 0 ? 0 : pair.offset - 1);
      if (first != log.entries().end() && first->term < pair.term) return true;
    }
    return false;
  }

  // A successor that finds it in the journal may say it once more.
  void claim(const core::CountLost& lost) {
    std::string dropped;
    bool fits = false;
    for (auto& [op, d] : drops_) {
      if (d.at != lost.at) continue;
      if (!d.beyond || *d.beyond == lost.count) fits = d.said = true;
      dropped += ' ' + (d.beyond ? std::to_string(*d.beyond) : "any") + " on " + d.tablet;
    }
    if (fits) return;
    broken(std::to_string(lost.count) + " entries of " + at(lost.at) +
           " are said to be lost; dropped were:" + (dropped.empty() ? " none" : dropped));
  }

  void done(core::OpId op) {
    const auto found = drops_.find(op);
    if (found == drops_.end() || unknown_.contains(op)) return;
    const Drop& d = found->second;
    if (d.said || d.beyond.value_or(0) == 0) return;
    broken(std::to_string(*d.beyond) + " entries that " + d.tablet +
           " held beyond the history of " + at(d.at) + " were dropped, and nobody says so");
  }

  std::set<core::Endpoint> probed_by_nameserver_;
  std::set<core::OpId> unknown_;
  std::map<core::OpId, Drop> drops_;
};

}  // namespace

void add_recovery_checkers(World& world, const Ledger& ledger, Checkers& to) {
  to.push_back(std::make_unique<DestroysNoLastCopy>(world, ledger));
  to.push_back(std::make_unique<LeaderLetsGoFirst>(world, ledger));
  to.push_back(std::make_unique<AddedLogsContinue>(world, ledger));
  to.push_back(std::make_unique<CaughtUpBeforeAlive>(world, ledger));
  to.push_back(std::make_unique<LostEntriesAreCounted>(world, ledger));
}

}  // namespace failoverd::simulation
