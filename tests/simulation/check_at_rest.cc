// Checkers of what ops have left when nothing more happens: SAFETY 11.
#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "lib/core/api/timing.h"
#include "tests/simulation/checker.h"

namespace failoverd::simulation {
namespace {

// SAFETY 11: at rest nothing is left of any op: no pause, no task, no entry in the journal, and no
// leader sends to a replica that is not alive.
class NothingIsLeftBehind : public Checker {
 public:
  NothingIsLeftBehind(World& w, const Ledger& l)
      : Checker(w, l, "SAFETY 11: what an op did is undone") {}

  void commanded(const Daemon&, const core::Command& command) override {
    const auto* c = std::get_if<core::CallTablet>(&command);
    const auto* drop = c ? std::get_if<core::DropTable>(&c->call) : nullptr;
    if (drop) drops_[drop->op] = now();
  }

  void carried_out(const std::string&, const core::CallTablet& c,
                   const core::Answer& answer) override {
    if (const auto* drop = std::get_if<core::DropTable>(&c.call)) drops_.erase(drop->op);
    if (answer.code != core::kOk) return;
    if (const auto* pause = std::get_if<core::PauseSnapshot>(&c.call)) {
      paused_.insert({c.tablet, pause->at});
    }
  }

  void trouble(const core::Endpoint& tablet, const std::string& what) override {
    if (what != "snapshot paused") return;  // By somebody else: it is not ours to end.
    std::erase_if(paused_, [&](const auto& p) { return p.first == tablet; });
  }

  void at_rest() override {
    for (const auto& [name, tablet] : world_.tablets()) {
      for (const auto& [key, held] : tablet->memory) {
        const bool paused = held.state == core::TableState::kSnapshotPaused;
        // Of a table that was dropped nobody wants snapshots any more.
        if (paused && paused_.contains({name, key}) && world_.fake_zookeeper.partition(key)) {
          broken("snapshots of " + at(key) + " stay paused on " + name);
        }
        const auto* p = world_.fake_zookeeper.partition(key);
        // One whose row an operator has set dead, and after whom nobody can lead, is his.
        if (p && leader_of(*p) && tablet->leads(key)) look_at_followers(name, key, *p, held);
      }
      for (const auto& [task, status] : tablet->tasks) {
        broken(std::string{core::to_text(task.second)} + " of op " + std::to_string(task.first) +
               " stays registered on " + name);
      }
    }
    for (const auto& [id, op] : world_.fake_zookeeper.begun()) {
      // Whether a tablet that is gone still holds something of it is asked when it is back.
      const bool source_is_gone = !op.from.empty() && !runs(op.from);
      const bool gone = !runs(op.leader) || !runs(op.replica) || source_is_gone;
      if (op.over && gone) continue;
      // A drop that nobody carried out is watched for until it cannot come any more.
      const auto drop = drops_.find(id);
      if (op.over && drop != drops_.end() && now() < drop->second + core::kArrivesWithin) continue;
      // Nobody can lead it yet who was to end it.
      const auto* p = world_.fake_zookeeper.partition(op.at);
      if (op.type == core::OpType::kHandoverOP && p && !leader_of(*p)) continue;
      broken("op " + std::to_string(id) + ", " + core::to_text(op.type) + " of " + at(op.at) +
             ", stays in the journal");
    }
  }

 private:
  bool runs(const core::Endpoint& name) const {
    const auto tablet = world_.tablets().find(name);
    return tablet != world_.tablets().end() && tablet->second->running() &&
           !tablet->second->is_stranger();
  }

  void look_at_followers(const core::Endpoint& name, core::PartitionKey key,
                         const core::PartitionShape& p, const Tablet::Held& held) {
    for (const Tablet::Follower& f : held.followers) {
      const core::Row* row = row_of(p, f.endpoint);
      if (row ? row->is_alive : ledger_.taken_by_hand(key, f.endpoint)) continue;
      broken(name + " leads " + at(key) + " and sends to " + f.endpoint + ", whose row is dead");
    }
  }

  std::set<std::pair<core::Endpoint, core::PartitionKey>> paused_;
  std::map<core::OpId, Instant> drops_;  // Sent, and not carried out.
};

// SAFETY 11: at rest nothing is half-added and nothing half-gone: whoever holds a partition has its
// row. What an operator has taken away by hand is his to see to. Nor is a copy missed that could
// not be dropped at once, because something happened to its tablet or to those of the partition
// (SAFETY 9): it takes memory and nothing else, and whoever is sent there again drops it first.
class NothingIsHalfAdded : public Checker {
 public:
  NothingIsHalfAdded(World& w, const Ledger& l)
      : Checker(w, l, "SAFETY 11: whoever holds a partition has its row") {}

  void at_rest() override {
    for (const auto& [name, tablet] : world_.tablets()) {
      if (tablet->is_stranger() || !tablet->running()) continue;
      for (const auto& [key, held] : tablet->memory) {
        const auto* p = world_.fake_zookeeper.partition(key);
        if (!p || row_of(*p, name) || ledger_.taken_by_hand(key, name)) continue;
        if (is_excused(name, key, *p)) continue;
        broken(name + " holds " + at(key) + " and has no row of it");
      }
    }
  }

  void trouble(const core::Endpoint& tablet, const std::string& what) override {
    if (what == "calm") return;
    last_trouble_[tablet] = now();
    if (what.starts_with(kPromotedByHand)) promoted_[what.substr(kPromotedByHand.size())] = now();
  }

  // Nothing is known of a table that cannot be read.
  void commanded(const Daemon&, const core::Command&) override {
    if (!world_.fake_zookeeper.poisoned().empty()) unreadable_ = now();
  }

  void carried_out(const std::string&, const core::CallTablet& c,
                   const core::Answer& answer) override {
    const auto* load = std::get_if<core::LoadTable>(&c.call);
    if (load && answer.code == core::kOk) loaded_[{c.tablet, load->at}] = now();
  }

 private:
  bool is_excused(const core::Endpoint& name, core::PartitionKey key,
                  const core::PartitionShape& p) const {
    const auto loaded = loaded_.find({name, key});
    const auto troubled = [&](const core::Endpoint& tablet) {
      const auto last = last_trouble_.find(tablet);
      return last != last_trouble_.end() &&
             (loaded == loaded_.end() || last->second >= loaded->second);
    };
    const bool was_unreadable =
        unreadable_ && (loaded == loaded_.end() || *unreadable_ >= loaded->second);
    const auto promoted = promoted_.find(at(key));
    const bool is_seen_late = promoted != promoted_.end() && loaded != loaded_.end() &&
                              promoted->second + kSession >= loaded->second;
    return was_unreadable || is_seen_late || troubled(name) ||
           std::any_of(p.rows.begin(), p.rows.end(),
                       [&](const core::Row& row) { return troubled(row.endpoint); });
  }

  // What a nameserver that is gone had begun is left to it until its session is over.
  static constexpr Duration kSession = std::chrono::seconds{3};

  std::map<std::string, Instant> promoted_;  // By partition.
  std::map<std::pair<core::Endpoint, core::PartitionKey>, Instant> loaded_;
  std::map<core::Endpoint, Instant> last_trouble_;
  std::optional<Instant> unreadable_;
};

}  // namespace

void add_rest_checkers(World& world, const Ledger& ledger, Checkers& to) {
  to.push_back(std::make_unique<NothingIsLeftBehind>(world, ledger));
  to.push_back(std::make_unique<NothingIsHalfAdded>(world, ledger));
}

}  // namespace failoverd::simulation
