// Checker of known losses: SAFETY 20.
#include <algorithm>
#include <map>
#include <optional>
#include <tuple>

#include "lib/core/brain.h"
#include "tests/simulation/checker.h"
#include "tests/simulation/daemon.h"

namespace failoverd::simulation {
namespace {

// SAFETY 20: nobody is told to lead who lacks more than guards.max_lost_entries of what an alive
// row's replica was last known to hold that has not answered, before election.wait_for_lost is over
// from the op's begin. Known is what the daemon heard, what is kept in ZooKeeper, and what a
// predecessor had waited for long enough to keep it.
class KnownLossWaits : public Listener {
 public:
  KnownLossWaits(World& w, const Ledger& l)
      : Listener(w, l, "SAFETY 20: a known loss waits for who has it") {}

  void answered(const Daemon& daemon, const core::CallTablet& c,
                const core::Answer& answer) override {
    const auto* load = std::get_if<core::LoadTable>(&c.call);
    if (load && answer.says(core::kTableDirIsNotExist)) {
      empty_[{daemon.name(), c.tablet, load->at}] = now();
    }
    if (!hears_status(daemon, c, answer)) return;
    for (const core::ReplicaStatus& r : answer.replicas) {
      // A word on a table that cannot be read for now is not heard.
      const bool heard = daemon.brain().model().partition(r.at) != nullptr;
      if (!heard || !core::is_loaded(r.state)) continue;
      said_[{daemon.name(), c.tablet, r.at}] = r.offset;
      // A disk that is lost may also come up as a table with nothing in it.
      if (r.offset == 0) empty_[{daemon.name(), c.tablet, r.at}] = now();
    }
  }

  void after_step(const Daemon& daemon, const core::Event&) override {
    for (const core::Hold& h : daemon.brain().holds()) {
      for (const core::Hold::Lost& lost : h.waits_for) waits(daemon, h.at, lost.tablet);
    }
  }

  // It is led again: what was known in that outage does not count in the next.
  void table_written(const core::TableShape& before, const core::TableShape& after,
                     const std::string&) override {
    for (const Ledger::Naming& n : Ledger::namings(before, after)) waited_.erase(n.at);
  }
  void acknowledged(core::PartitionKey at, const core::Endpoint&, const Entry&) override {
    waited_.erase(at);
  }

  void sent(const Daemon& daemon, const core::CallTablet& c) override {
    const auto* promote = std::get_if<core::Promote>(&c.call);
    const auto* p = promote ? world_.fake_zookeeper.partition(promote->at) : nullptr;
    const core::OpRecord* op = promote ? op_of(daemon, promote->at) : nullptr;
    const auto most = world_.policy.guards.max_lost_entries;
    if (!p || !op || !most || p->rows.size() == 1) return;
    if (is_over(*op)) return;
    core::Offset best = world_.tablet(c.tablet).log(promote->at).offset();
    for (const Attempt& a : ledger_.attempts(promote->at)) {
      if (answers(daemon, a, promote->term)) best = std::max(best, a.told->offset);
    }
    for (const core::Row& row : p->rows) {
      if (!row.is_alive || row.endpoint == c.tablet) continue;
      if (ledger_.alive_by_hand(promote->at, row.endpoint)) continue;  // It vouches for nothing.
      const auto known = known_offset(daemon, row.endpoint, promote->at);
      if (!known || *known <= best || *known - best <= *most) continue;
      if (settled(daemon, row.endpoint, *op, *promote)) continue;
      broken(c.tablet + " is told to lead " + at(promote->at) +
             " while the best that answered has " + std::to_string(best) + "; " + row.endpoint +
             " was last known to hold " + std::to_string(*known) +
             ", and election.wait_for_lost is not over");
    }
  }

 private:
  struct Waited {
    Instant since;  // In contact with ZooKeeper all the time, until then.
    Instant until;
    core::Offset offset = 0;
  };

  static const core::OpRecord* op_of(const Daemon& daemon, core::PartitionKey key) {
    for (const auto& [id, op] : daemon.brain().ops().running()) {
      if (op.at == key) return &op;
    }
    return nullptr;
  }

  // Its time is over, or somebody has said that it may be lost.
  bool is_over(const core::OpRecord& op) const {
    const core::ElectionPolicy& policy = world_.policy.election;
    const Duration lasts = now() - op.started;
    const auto accepted = ledger_.loss_accepted(op.at);
    return (policy.wait_for_lost && lasts >= *policy.wait_for_lost) ||
           (policy.unclean_after && lasts >= *policy.unclean_after) ||
           (accepted && *accepted >= op.started);
  }

  // It answered the probe of the round that ends with this term.
  static bool answers(const Daemon& daemon, const Attempt& a, core::Term term) {
    return !a.promotion && a.daemon == daemon.name() && a.term + 1 == term && a.told &&
           a.told->ok();
  }

  void waits(const Daemon& daemon, core::PartitionKey key, const core::Endpoint& tablet) {
    const auto said = said_.find({daemon.name(), tablet, key});
    if (said == said_.end()) return;
    auto& waited = waited_[key];
    const bool news = !waited.contains(tablet) || waited[tablet].offset != said->second;
    if (news || !daemon.may_change()) waited[tablet] = {now(), now(), said->second};
    waited[tablet].until = now();
  }

  std::optional<core::Offset> known_offset(const Daemon& daemon, const core::Endpoint& tablet,
                                           core::PartitionKey key) const {
    std::optional<core::Offset> known;
    if (const core::Lineage* kept = world_.fake_zookeeper.kept(key, tablet))
      known = kept->last_offset;
    const auto said = said_.find({daemon.name(), tablet, key});
    if (said != said_.end()) known = std::max(known.value_or(0), said->second);
    const auto of = waited_.find(key);
    const auto waited = of == waited_.end() ? std::map<core::Endpoint, Waited>{} : of->second;
    const auto long_ago = waited.find(tablet);
    if (long_ago != waited.end() && long_ago->second.until - long_ago->second.since > kToKeepIt) {
      known = std::max(known.value_or(0), long_ago->second.offset);
    }
    return known;
  }

  // It has answered, with whatever; or came back in this election and has nothing to load.
  bool settled(const Daemon& daemon, const core::Endpoint& tablet, const core::OpRecord& op,
               const core::Promote& promote) const {
    const auto& attempts = ledger_.attempts(promote.at);
    const bool answered = std::any_of(attempts.begin(), attempts.end(), [&](const Attempt& a) {
      return a.tablet == tablet && answers(daemon, a, promote.term);
    });
    const auto empty = empty_.find({daemon.name(), tablet, promote.at});
    return answered || (empty != empty_.end() && empty->second >= op.started);
  }

  static constexpr Duration kToKeepIt = std::chrono::seconds{2};

  // daemon, tablet, partition.
  std::map<std::tuple<std::string, core::Endpoint, core::PartitionKey>, core::Offset> said_;
  std::map<std::tuple<std::string, core::Endpoint, core::PartitionKey>, Instant> empty_;
  // Whom a daemon has waited for since the partition was led last.
  std::map<core::PartitionKey, std::map<core::Endpoint, Waited>> waited_;
};

}  // namespace

void add_loss_checkers(World& world, const Ledger& ledger, Checkers& to) {
  to.push_back(std::make_unique<KnownLossWaits>(world, ledger));
}

}  // namespace failoverd::simulation
