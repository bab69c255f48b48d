// SAFETY 22: a table that ZooKeeper does not take is left alone, and no other table with it.
#include <algorithm>
#include <map>
#include <set>

#include "tests/simulation/checker.h"
#include "tests/simulation/daemon.h"

namespace failoverd::simulation {
namespace {

using std::chrono::seconds;

// A leader that is there and whose table ZooKeeper takes is published, whatever is beside it.
class OthersArePublished : public Checker {
 public:
  OthersArePublished(World& w, const Ledger& l)
      : Checker(w, l, "SAFETY 22: other tables are published") {}

  void daemon_died(const Daemon& daemon) override { since_.erase(daemon.name()); }

  void stepped() override {
    const bool any = !world_.nameservers().empty() && !world_.fake_zookeeper.nameservers().empty();
    if (any) nameserver_seen_ = now();
  }

  void after_step(const Daemon& daemon, const core::Event& event) override {
    auto& since = since_[daemon.name()];
    // It did not run: what came meanwhile waits to be read, its publish's answer among it.
    if (std::holds_alternative<core::LoopStalled>(event)) since.clear();
    std::set<core::OpId> waiting;
    for (const auto& [id, op] : daemon.brain().ops().running()) {
      if (op.task != core::Task::kUpdateLeaderInfo || !could_publish(daemon, op.at)) continue;
      waiting.insert(id);
      const Instant first = since.try_emplace(id, now()).first->second;
      if (now() - first <= kAtMost + pause_before_trial(daemon, op.at)) continue;
      broken(at(op.at) + " has a leader and is not published: " + op.detail);
    }
    std::erase_if(since, [&](const auto& s) { return !waiting.contains(s.first); });
  }

 private:
  static constexpr Duration kAtMost = seconds{1};
  // The longest pause before it is tried again, and the trial.
  static constexpr Duration kTroubleLasts = seconds{65};
  // A nameserver's answers are waited for so long.
  static constexpr Duration kAnswered = seconds{8};
  // Until what was lost with its connection has been read back.
  static constexpr Duration kRead = seconds{1};

  // A connection that was lost with its publish under way, time after time, looks like a table that
  // the servers do not take: one that is left alone for that waits for its next trial.
  static Duration pause_before_trial(const Daemon& daemon, core::PartitionKey key) {
    const core::Table* table = daemon.brain().model().table(key.tid);
    if (!table || table->refusals == 0) return {};
    return seconds{1} * (1 << std::min(table->refusals - 1, 6));
  }

  static bool is_left_alone(const Daemon& daemon, core::PartitionKey key) {
    const core::Table* table = daemon.brain().model().table(key.tid);
    return table && table->refusal;
  }

  bool could_publish(const Daemon& daemon, core::PartitionKey key) const {
    const FakeZooKeeper& fake_zookeeper = world_.fake_zookeeper;
    const core::TableShape* table = fake_zookeeper.table(key);
    // SAFETY 13: nothing is written past a nameserver that does not answer; nor before it is known
    // what became of what one was asked for that has gone since.
    const bool is_kept_by_another =
        world_.policy.metadata == core::Metadata::kAuto &&
        (!fake_zookeeper.nameservers().empty() || now() - nameserver_seen_ <= kAnswered);
    return table && !is_kept_by_another && daemon.connected() && daemon.may_change() &&
           !daemon.paused() && world_.reaches(daemon.name(), World::kZookeeper) &&
           !daemon.server_is_cut_off() &&
           fake_zookeeper.may_write(daemon.session(), daemon.epoch()) &&
           !fake_zookeeper.poisoned().contains(table->znode) &&
           !fake_zookeeper.was_troubled(table->znode,
                                        is_left_alone(daemon, key) ? kTroubleLasts : kRead);
  }

  std::map<std::string, std::map<core::OpId, Instant>> since_;  // By daemon.
  Instant nameserver_seen_;
};

// A daemon that was told that ZooKeeper does not take a table begins no election of it.
class NoProbeOfARefusedTable : public Listener {
 public:
  NoProbeOfARefusedTable(World& w, const Ledger& l)
      : Listener(w, l, "SAFETY 22: judged before the first probe") {}

  void daemon_died(const Daemon& daemon) override { told_.erase(daemon.name()); }

  void before_step(const Daemon& daemon, const core::Event& event) override {
    Listener::before_step(daemon, event);
    std::set<std::string>& told = told_[daemon.name()];
    if (std::holds_alternative<core::LockGained>(event)) told.clear();
    if (const auto* e = std::get_if<core::TableUnreadable>(&event)) told.erase(e->znode);
    if (const auto* e = std::get_if<core::Published>(&event); e && !is_void(daemon, e->id)) {
      for (const core::Refused& r : e->refused) told.insert(r.znode);
    }
    if (const auto* e = std::get_if<core::TableTried>(&event); e && !is_void(daemon, e->id)) {
      if (e->outcome == core::TableTried::Outcome::kTaken) told.erase(e->znode);
      // One that cannot be read any more is looked at anew when it can.
      const bool is_known =
          std::ranges::any_of(daemon.brain().model().tables(),
                              [&](const auto& t) { return t.second.shape.znode == e->znode; });
      if (e->outcome == core::TableTried::Outcome::kRefused && is_known) told.insert(e->znode);
    }
  }

  void sent(const Daemon& daemon, const core::CallTablet& c) override {
    const auto* probe = std::get_if<core::Probe>(&c.call);
    const auto* table = probe ? world_.fake_zookeeper.table(probe->at) : nullptr;
    if (!table || !told_[daemon.name()].contains(table->znode)) return;
    if (ledger_.is_recovery(probe->at, probe->term)) return;
    const auto first = ledger_.first_probe_since_publish(probe->at);
    const auto* p = daemon.brain().model().partition(probe->at);
    const bool was_begun =
        (first && *first < now()) || !p || p->unfinished_term || goes_on(daemon, probe->at);
    if (!was_begun) broken("an election of " + at(probe->at) + " begins, which ZooKeeper refuses");
  }

 private:
  // It has probed in the election that is under way, and was not told what became of its publish.
  bool goes_on(const Daemon& daemon, core::PartitionKey key) const {
    for (const auto& [id, op] : daemon.brain().ops().running()) {
      if (op.at != key || !core::is_election(op.type)) continue;
      const auto& attempts = ledger_.attempts(key);
      return std::any_of(attempts.begin(), attempts.end(), [&](const Attempt& a) {
        return a.daemon == daemon.name() && !a.promotion && a.sent_at >= op.started &&
               a.sent_at < now();
      });
    }
    return false;
  }

  std::map<std::string, std::set<std::string>> told_;  // By daemon.
};

}  // namespace

void add_left_alone_checkers(World& world, const Ledger& ledger, Checkers& to) {
  to.push_back(std::make_unique<OthersArePublished>(world, ledger));
  to.push_back(std::make_unique<NoProbeOfARefusedTable>(world, ledger));
}

}  // namespace failoverd::simulation
