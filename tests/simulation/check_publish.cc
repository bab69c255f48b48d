// Checkers of what is published: SAFETY 1 and 2, and the choice of SAFETY 7.
#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "lib/core/brain.h"
#include "tests/simulation/checker.h"
#include "tests/simulation/daemon.h"

namespace failoverd::simulation {
namespace {

bool by_daemon(World& world, const std::string& by) { return world.find_daemon(by) != nullptr; }

// SAFETY 1: only rows that are alive are elected: a dead one becomes leader only where it is alone,
// or where an operator has accepted the loss, and then every row that was alive dies with it.
class OnlyAliveRowsLead : public Checker {
 public:
  OnlyAliveRowsLead(World& w, const Ledger& l) : Checker(w, l, "SAFETY 1: only alive rows lead") {}

  void table_written(const core::TableShape& before, const core::TableShape& after,
                     const std::string& by) override {
    if (!by_daemon(world_, by)) return;
    for (const core::PartitionShape& p : after.partitions) {
      const auto* old = partition_of(before, p.pid);
      for (const core::Row& row : p.rows) {
        const core::Row* was = old ? row_of(*old, row.endpoint) : nullptr;
        if (!leads(row) || (was && was->is_alive) || p.rows.size() == 1) continue;
        const core::PartitionKey key{after.tid, p.pid};
        if (world_.fake_zookeeper.steps_down(key, *old, row.endpoint)) continue;
        if (ledger_.set_by_hand(key, row.endpoint)) continue;
        if (ledger_.loss_accepted(key) && is_the_only_one(p)) continue;
        broken("the dead row of " + row.endpoint + " in " + at({after.tid, p.pid}) +
               " became an alive leader");
      }
      const auto leaders = std::count_if(p.rows.begin(), p.rows.end(), leads);
      if (leaders > 1 && (!old || std::count_if(old->rows.begin(), old->rows.end(), leads) <= 1)) {
        broken(at({after.tid, p.pid}) + " has two alive leader rows");
      }
    }
  }

 private:
  static bool is_the_only_one(const core::PartitionShape& p) {
    return std::count_if(p.rows.begin(), p.rows.end(),
                         [](const core::Row& row) { return row.is_alive; }) == 1;
  }
};

// SAFETY 1: a leader's row becomes dead only in the publish that names its successor, or with the
// entry of a handover in the same multi (SAFETY 12); a single replica's only when its znode is gone
// and its port does not answer.
class LeaderRowDiesWithItsSuccessor : public Checker {
 public:
  LeaderRowDiesWithItsSuccessor(World& w, const Ledger& l)
      : Checker(w, l, "SAFETY 1: a leader row dies with its successor") {}

  void table_written(const core::TableShape& before, const core::TableShape& after,
                     const std::string& by) override {
    if (!by_daemon(world_, by)) return;
    for (const core::PartitionShape& p : after.partitions) {
      const auto* old = partition_of(before, p.pid);
      const core::Row* was = old ? leader_of(*old) : nullptr;
      const core::Row* is = was ? row_of(p, was->endpoint) : nullptr;
      const std::string where = at({after.tid, p.pid});
      if (was && ledger_.set_by_hand({after.tid, p.pid}, was->endpoint)) continue;
      if (was && !is) broken("the leader row of " + was->endpoint + " in " + where + " is gone");
      if (!is || is->is_alive) continue;
      if (p.rows.size() == 1) {
        single(where, is->endpoint);
      } else if (!leader_of(p) &&
                 !world_.fake_zookeeper.steps_down({after.tid, p.pid}, p, is->endpoint)) {
        broken("the leader row of " + is->endpoint + " in " + where + " died without successor");
      }
    }
  }

 private:
  void single(const std::string& where, const core::Endpoint& endpoint) {
    const Tablet& t = world_.tablet(endpoint);
    // The daemon's view may be a little old, and its publish a little late; no more than a session.
    const auto node = world_.fake_zookeeper.nodes().find(endpoint);
    const bool there = node != world_.fake_zookeeper.nodes().end();
    if (there && now() - node->second.since > std::chrono::seconds{3}) {
      broken("the single row of " + endpoint + " in " + where + " died, its znode is there");
    } else if (!ledger_.troubled_since(endpoint, now() - std::chrono::seconds{20}) && t.serves()) {
      broken("the single row of " + endpoint + " in " + where + " died, its tablet serves");
    }
  }
};

// SAFETY 1: a follower's row dies or goes only while an alive leader row stands beside it, so that
// metadata always names a replica that is alive.
class FollowerRowDiesBesideALeader : public Checker {
 public:
  FollowerRowDiesBesideALeader(World& w, const Ledger& l)
      : Checker(w, l, "SAFETY 1: a follower row dies beside a leader") {}

  void table_written(const core::TableShape& before, const core::TableShape& after,
                     const std::string& by) override {
    if (!by_daemon(world_, by)) return;
    for (const core::PartitionShape& p : after.partitions) {
      const auto* old = partition_of(before, p.pid);
      if (!old || old->rows.size() == 1) continue;
      for (const core::Row& row : p.rows) {
        const core::Row* was = row_of(*old, row.endpoint);
        if (!was || !was->is_alive || was->is_leader || row.is_alive || leader_of(p)) continue;
        if (ledger_.set_by_hand({after.tid, p.pid}, row.endpoint)) continue;
        broken("the follower row of " + row.endpoint + " in " + at({after.tid, p.pid}) +
               " died with no alive leader beside it");
      }
      for (const core::Row& was : old->rows) {
        if (row_of(p, was.endpoint) || !was.is_alive || leader_of(p)) continue;
        if (ledger_.set_by_hand({after.tid, p.pid}, was.endpoint)) continue;
        broken("the alive row of " + was.endpoint + " in " + at({after.tid, p.pid}) +
               " is gone with no alive leader beside it");
      }
    }
  }
};

// SAFETY 2: in the publish that names a leader, every follower that did not answer this election's
// probe is dead, and only those that answered are among its replicas.
class FollowersAnsweredTheProbe : public Checker {
 public:
  FollowersAnsweredTheProbe(World& w, const Ledger& l)
      : Checker(w, l, "SAFETY 2: alive followers answered the probe") {}

  void table_written(const core::TableShape& before, const core::TableShape& after,
                     const std::string& by) override {
    if (!by_daemon(world_, by)) return;
    for (const Ledger::Naming& n : Ledger::namings(before, after)) check(n);
  }

 private:
  void check(const Ledger::Naming& n) {
    if (n.after->rows.size() == 1) return;  // It goes on in its term.
    if (ledger_.set_by_hand(n.at, n.leader)) return;
    const Attempt* promotion = ledger_.promotion(n.at, n.term, n.leader);
    const std::string named =
        n.leader + " as leader of " + at(n.at) + " with term " + std::to_string(n.term);
    if (!promotion) {
      broken("published " + named + ", which was never promoted with it");
      return;
    }
    for (const core::Row& row : n.after->rows) {
      if (row.endpoint == n.leader) continue;
      const bool follows = std::find(promotion->replicas.begin(), promotion->replicas.end(),
                                     row.endpoint) != promotion->replicas.end();
      const Attempt* fence = ledger_.fence(n.at, *promotion, row.endpoint);
      if (row.is_alive && !fence) {
        broken("published " + named + " beside an alive " + row.endpoint +
               ", which did not answer its probe");
      } else if (row.is_alive && !follows) {
        broken("published " + named + " beside an alive " + row.endpoint +
               ", to which it does not send");
      } else if (follows && !fence) {
        broken("published " + named + ", which sends to " + row.endpoint +
               ", which did not answer its probe");
      }
    }
    const core::TermPair& pair = n.after->terms.back();
    if (pair.offset > promotion->offset + 1) {
      broken("published " + named + " from offset " + std::to_string(pair.offset) +
             ", but its first entry is " + std::to_string(promotion->offset + 1));
    }
  }
};

// SAFETY 2 and 7: whoever answered the probe with more is not passed over, unless something
// happened to its tablet or it was told to lead and did not.
class HighestOffsetLeads : public Checker {
 public:
  HighestOffsetLeads(World& w, const Ledger& l)
      : Checker(w, l, "SAFETY 7: the highest offset leads") {}

  void table_written(const core::TableShape& before, const core::TableShape& after,
                     const std::string& by) override {
    if (!by_daemon(world_, by)) return;
    for (const Ledger::Naming& n : Ledger::namings(before, after)) {
      const Attempt* promotion = ledger_.promotion(n.at, n.term, n.leader);
      if (!promotion) continue;
      for (const core::Row& row : n.before->rows) {
        if (!row.is_alive || row.endpoint == n.leader) continue;
        if (ledger_.was_alive_by_hand(n.at, row.endpoint)) continue;
        const Attempt* fence = ledger_.known_fence(n.at, *promotion, row.endpoint);
        if (!fence || fence->offset <= promotion->offset) continue;
        if (ledger_.troubled_since(row.endpoint, fence->carried_out_at)) continue;
        if (was_told_to_lead(n.at, row.endpoint, fence->carried_out_at)) continue;
        broken(n.leader + " leads " + at(n.at) + " with offset " +
               std::to_string(promotion->offset) + "; " + row.endpoint + " answered " +
               std::to_string(fence->offset));
      }
    }
  }

 private:
  bool was_told_to_lead(core::PartitionKey key, const core::Endpoint& endpoint,
                        Instant since) const {
    for (const Attempt& a : ledger_.attempts(key)) {
      const bool refused = a.told && a.told->answered();
      if (a.promotion && a.tablet == endpoint && a.sent_at >= since && !refused) return true;
    }
    return false;
  }
};

// SAFETY 2: one that does not answer and is known to hold more is waited for, for wait_for_better
// from the election's begin or its last answer to one of its probes, or until its tablet is dead.
class WaitsForBetter : public Listener {
 public:
  void trouble(const core::Endpoint& tablet, const std::string& what) override {
    if (what == "another cluster's tablet has its address") was_stranger_.insert(tablet);
  }

  WaitsForBetter(World& w, const Ledger& l)
      : Listener(w, l, "SAFETY 2: waits for one that is known to hold more") {}

  void answered(const Daemon& daemon, const core::CallTablet& c,
                const core::Answer& answer) override {
    const auto* pair = std::get_if<core::GetTermPair>(&c.call);
    if (pair && answer.ok() && !answer.has_table)
      empty_[{daemon.name(), c.tablet, pair->at}] = now();
    if (!hears_status(daemon, c, answer)) return;
    auto& said = samples_[daemon.name()][c.tablet];
    // A word on a table that cannot be read for now is not heard.
    const core::Model& model = daemon.brain().model();
    std::erase_if(said, [&](const auto& s) { return model.partition(s.first) != nullptr; });
    for (const core::ReplicaStatus& r : answer.replicas) {
      if (model.partition(r.at)) said[r.at] = r.offset;
    }
  }

  void sent(const Daemon& daemon, const core::CallTablet& c) override {
    const auto* promote = std::get_if<core::Promote>(&c.call);
    const auto* rows = promote ? world_.fake_zookeeper.partition(promote->at) : nullptr;
    if (!rows || !ledger_.begun(promote->at)) return;
    const core::Offset best = world_.tablet(c.tablet).log(promote->at).offset();
    for (const core::Row& row : rows->rows) {
      if (!row.is_alive || row.endpoint == c.tablet) continue;
      if (ledger_.alive_by_hand(promote->at, row.endpoint)) continue;  // It vouches for nothing.
      const auto last = last_known(daemon, row.endpoint, promote->at);
      if (!last || *last <= best || settled(daemon, row.endpoint, *promote)) continue;
      broken(c.tablet + " is told to lead " + at(promote->at) + " with offset " +
             std::to_string(best) + "; " + row.endpoint + " was last seen with " +
             std::to_string(*last) + " and has not answered");
    }
  }

 private:
  static const core::OpRecord* op_of(const Daemon& daemon, core::PartitionKey key) {
    for (const auto& [id, op] : daemon.brain().ops().running()) {
      if (op.at == key) return &op;
    }
    return nullptr;
  }

  std::optional<core::Offset> last_known(const Daemon& daemon, const core::Endpoint& tablet,
                                         core::PartitionKey key) const {
    const auto of_daemon = samples_.find(daemon.name());
    if (of_daemon == samples_.end()) return std::nullopt;
    const auto of_tablet = of_daemon->second.find(tablet);
    if (of_tablet == of_daemon->second.end()) return std::nullopt;
    const auto offset = of_tablet->second.find(key);
    if (offset == of_tablet->second.end()) return std::nullopt;
    return offset->second;
  }

  // Its tablet is dead for the daemon, it has answered the probe of this round, has said that it
  // holds nothing, or was waited for.
  bool settled(const Daemon& daemon, const core::Endpoint& tablet,
               const core::Promote& promote) const {
    const core::Model& model = daemon.brain().model();
    const auto index = model.find_tablet(tablet);
    if (index && model.tablet(*index).verdict.dead()) return true;
    // Also where it was another cluster's process that said so, beside the znode of the one that
    // died: nobody can tell it from one that has restarted.
    const core::Partition* known = index ? model.partition(promote.at) : nullptr;
    const core::Replica* r = known ? known->on(*index) : nullptr;
    const bool seems_empty = r && r->report.asked_at && !r->report.held && r->report.other.empty();
    if (seems_empty && was_stranger_.contains(tablet)) return true;
    const core::OpRecord* op = op_of(daemon, promote.at);
    if (!op) return false;
    const auto empty = empty_.find({daemon.name(), tablet, promote.at});
    if (empty != empty_.end() && empty->second >= op->started) return true;
    Instant since = op->started;
    for (const Attempt& a : ledger_.attempts(promote.at)) {
      const bool said = a.told && a.told->answered() && a.daemon == daemon.name();
      if (a.promotion || a.tablet != tablet || !said) continue;
      if (a.term + 1 == promote.term) return true;
      if (a.told->ok()) since = std::max(since, a.told_at);
    }
    return now() - since >= world_.policy.election.wait_for_better;
  }

  // daemon -> tablet -> what it said last.
  std::map<std::string, std::map<core::Endpoint, std::map<core::PartitionKey, core::Offset>>>
      samples_;
  std::set<core::Endpoint> was_stranger_;
  // When a tablet said last that it does not hold a partition.
  std::map<std::tuple<std::string, core::Endpoint, core::PartitionKey>, Instant> empty_;
};

// A publish changes rows and terms of the table that it was decided on, and nothing else: what
// somebody wrote in between is not overwritten, and what failoverd does not look at stays.
class WhatOthersWroteStays : public Checker {
 public:
  WhatOthersWroteStays(World& w, const Ledger& l) : Checker(w, l, "what others wrote stays") {}

  void table_written(const core::TableShape&, const core::TableShape& after,
                     const std::string& by) override {
    const std::pair key{after.znode, after.created};
    const std::uint64_t is = world_.fake_zookeeper.touched(after.znode);
    const std::uint64_t was = std::exchange(touched_[key], is);
    if (by_daemon(world_, by) && is != was) broken(by + " overwrites what somebody wrote");
  }

 private:
  std::map<std::pair<std::string, std::int64_t>, std::uint64_t> touched_;
};

}  // namespace

void add_publish_checkers(World& world, const Ledger& ledger, Checkers& to) {
  to.push_back(std::make_unique<OnlyAliveRowsLead>(world, ledger));
  to.push_back(std::make_unique<LeaderRowDiesWithItsSuccessor>(world, ledger));
  to.push_back(std::make_unique<FollowerRowDiesBesideALeader>(world, ledger));
  to.push_back(std::make_unique<FollowersAnsweredTheProbe>(world, ledger));
  to.push_back(std::make_unique<HighestOffsetLeads>(world, ledger));
  to.push_back(std::make_unique<WaitsForBetter>(world, ledger));
  to.push_back(std::make_unique<WhatOthersWroteStays>(world, ledger));
}

}  // namespace failoverd::simulation
