// Checker of elections where everything went down: SAFETY 6.
#include <algorithm>
#include <map>
#include <optional>

#include "lib/core/brain.h"
#include "tests/simulation/checker.h"
#include "tests/simulation/daemon.h"

namespace failoverd::simulation {
namespace {

using std::chrono::seconds;

// SAFETY 6: where every candidate had to be loaded, nobody leads before every registered one has
// loaded; nor before full_restart_wait is over from the first that was loaded, while an alive row's
// tablet is not registered that is not known to hold no more than the best.
class WaitsAfterARestart : public Listener {
 public:
  WaitsAfterARestart(World& w, const Ledger& l)
      : Listener(w, l, "SAFETY 6: a restart waits for those that may hold more") {}

  void answered(const Daemon& daemon, const core::CallTablet& c,
                const core::Answer& answer) override {
    if (!hears_status(daemon, c, answer)) return;
    for (const core::ReplicaStatus& r : answer.replicas) {
      const bool loaded =
          r.state != core::TableState::kUndefined && r.state != core::TableState::kLoading;
      // A word on a table that cannot be read for now is not heard.
      const bool heard = daemon.brain().model().partition(r.at) != nullptr;
      if (loaded && heard) said_[{daemon.name(), c.tablet, r.at}] = r.offset;
    }
  }

  void carried_out(const std::string&, const core::CallTablet& c,
                   const core::Answer& answer) override {
    const auto key = partition_of(c.call);
    const auto* held = key ? world_.tablet(c.tablet).held(*key) : nullptr;
    const bool answered = std::holds_alternative<core::Probe>(c.call) && answer.code == core::kOk;
    if (answered) probed_[{c.tablet, *key}] = std::get<core::Probe>(c.call).term;
    if (held && held->loaded() && (held->from_disk || answered)) {
      first_loaded_.try_emplace(*key, now());
    }
    // The choice is made, whether it is ever published or not.
    const bool leads = std::holds_alternative<core::Promote>(c.call) && answer.code == core::kOk;
    if (held && leads) chosen_[{c.tablet, *key}] = held->instance;
  }

  void table_written(const core::TableShape& before, const core::TableShape& after,
                     const std::string&) override {
    for (const Ledger::Naming& n : Ledger::namings(before, after)) {
      first_loaded_.erase(n.at);
      for (const core::Row& row : n.after->rows) chosen(n.at, row);
    }
    for (const core::PartitionShape& p : after.partitions) {
      const auto* old = partition_of(before, p.pid);
      for (const core::Row& row : p.rows) {
        const core::Row* was = old ? row_of(*old, row.endpoint) : nullptr;
        if (was && !was->is_alive) chosen({after.tid, p.pid}, row);
      }
    }
  }

  void sent(const Daemon& daemon, const core::CallTablet& c) override {
    const auto* promote = std::get_if<core::Promote>(&c.call);
    const auto* p = promote ? world_.fake_zookeeper.partition(promote->at) : nullptr;
    const auto* held = promote ? world_.tablet(c.tablet).held(promote->at) : nullptr;
    if (!p || !held || !held->from_disk) return;  // It has followed without a restart.
    const auto chosen = chosen_.find({c.tablet, promote->at});
    if (chosen != chosen_.end() && chosen->second == held->instance) return;
    const auto answered = [&](const core::Row& row) {
      // Whom it is to send to has answered; one that may have led by itself is not sent to.
      const auto probed = probed_.find({row.endpoint, promote->at});
      return std::find(promote->replicas.begin(), promote->replicas.end(), row.endpoint) !=
                 promote->replicas.end() ||
             (probed != probed_.end() && probed->second + 1 == promote->term);
    };
    // Not every candidate had to be loaded: then the highest that answered leads, at once.
    const bool one_has_followed =
        std::any_of(p->rows.begin(), p->rows.end(), [&](const core::Row& row) {
          const auto* other = world_.tablet(row.endpoint).held(promote->at);
          return row.is_alive && other && !other->from_disk && answered(row);
        });
    if (one_has_followed) return;
    for (const core::Row& row : p->rows) {
      const bool vouches = row.is_alive && !ledger_.alive_by_hand(promote->at, row.endpoint);
      if (vouches && row.endpoint != c.tablet && !answered(row)) {
        look(daemon, promote->at, c.tablet, row.endpoint);
      }
    }
  }

 private:
  // A row that is published alive follows from here on.
  void chosen(core::PartitionKey key, const core::Row& row) {
    const auto* held = row.is_alive ? world_.tablet(row.endpoint).held(key) : nullptr;
    if (held) chosen_[{row.endpoint, key}] = held->instance;
  }

  void look(const Daemon& daemon, core::PartitionKey key, const core::Endpoint& winner,
            const core::Endpoint& other) {
    const Tablet& t = world_.tablet(other);
    const core::Offset best = world_.tablet(winner).log(key).offset();
    const auto* held = t.held(key);
    const auto node = world_.fake_zookeeper.nodes().find(other);
    const bool registered = node != world_.fake_zookeeper.nodes().end();
    const bool long_there = registered && now() - node->second.since > seconds{3} &&
                            !ledger_.troubled_since(other, now() - seconds{3}) &&
                            world_.reaches(daemon.name(), other);
    const std::string told =
        winner + " is told to lead " + at(key) + " with offset " + std::to_string(best) + "; ";
    if (long_there && t.disk.contains(key) && (!held || !held->loaded())) {
      return broken(told + other + " is registered and has not loaded it yet");
    }
    if (registered || !t.disk.contains(key))
      return;  // It may have come, or gone, in this moment; or it is hung.
    const auto known = last_known(daemon, other, key);
    if (known && *known <= best) return;
    const auto first = first_loaded_.find(key);
    const Instant from = first == first_loaded_.end() ? now() : first->second;
    if (now() - from >= world_.policy.recovery.full_restart_wait - seconds{1}) return;
    if (ledger_.loss_accepted(key)) return;
    broken(told + other + " is not registered and " +
           (known ? "had " + std::to_string(*known) : "may hold anything") +
           ", and recovery.full_restart_wait is not over");
  }

  std::optional<core::Offset> last_known(const Daemon& daemon, const core::Endpoint& tablet,
                                         core::PartitionKey key) const {
    std::optional<core::Offset> known;
    if (const core::Lineage* kept = world_.fake_zookeeper.kept(key, tablet))
      known = kept->last_offset;
    const auto said = said_.find({daemon.name(), tablet, key});
    if (said != said_.end()) known = std::max(known.value_or(0), said->second);
    return known;
  }

  // daemon, tablet, partition.
  std::map<std::tuple<std::string, core::Endpoint, core::PartitionKey>, core::Offset> said_;
  std::map<std::pair<core::Endpoint, core::PartitionKey>, core::Term> probed_;  // With this term.
  std::map<core::PartitionKey, Instant> first_loaded_;  // Since the last leader was named.
  // Its stay in memory when it was made leader, or was to follow one that was named.
  std::map<std::pair<core::Endpoint, core::PartitionKey>, std::uint64_t> chosen_;
};

}  // namespace

void add_restart_checkers(World& world, const Ledger& ledger, Checkers& to) {
  to.push_back(std::make_unique<WaitsAfterARestart>(world, ledger));
}

}  // namespace failoverd::simulation
