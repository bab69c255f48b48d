// Checkers of handovers: SAFETY 12.
#include <algorithm>
#include <map>
#include <optional>

#include "lib/core/brain.h"
#include "tests/simulation/checker.h"
#include "tests/simulation/daemon.h"

namespace failoverd::simulation {
namespace {

using std::chrono::seconds;

// The entry of a handover that is not finished: the row of its old leader is dead, and nobody's row
// leads. Null: there is none.
const core::BegunOp* unfinished(const World& world, core::PartitionKey key,
                                const core::PartitionShape& p) {
  if (leader_of(p)) return nullptr;
  for (const auto& [id, op] : world.fake_zookeeper.begun()) {
    const bool is_of_it = op.type == core::OpType::kHandoverOP && op.at == key;
    if (is_of_it && world.fake_zookeeper.steps_down(key, p, op.leader)) return &op;
  }
  return nullptr;
}

bool is_led_by_hand(const World& world, core::PartitionKey key, const core::PartitionShape& p) {
  return std::any_of(p.rows.begin(), p.rows.end(), [&](const core::Row& row) {
    const auto* held = world.tablets().at(row.endpoint)->held(key);
    return held && held->by_hand != 0;
  });
}

// One that goes by handovers from the flip on: the leader's row is dead, and no other leads yet.
class HandoverChecker : public Checker {
 public:
  using Checker::Checker;

  void table_written(const core::TableShape& before, const core::TableShape& after,
                     const std::string& by) override {
    for (const core::PartitionShape& p : after.partitions) {
      const core::PartitionKey key{after.tid, p.pid};
      const auto* old = partition_of(before, p.pid);
      const core::Row* was = old ? leader_of(*old) : nullptr;
      const core::Row* leads = leader_of(p);
      if (const auto flip = flips_.find(key); flip != flips_.end() && leads) {
        const Flip ended = flip->second;
        flips_.erase(flip);
        if (old && world_.find_daemon(by)) names(key, ended, *old, p);
      }
      if (!was || leads || ledger_.set_by_hand(key, was->endpoint)) continue;
      const core::BegunOp* op = unfinished(world_, key, p);
      if (!op || op->leader != was->endpoint || !world_.find_daemon(by)) continue;
      flips_[key] = {was->endpoint, now(), world_.tablet(was->endpoint).process()};
      flipped(key, was->endpoint, after);
    }
  }

 protected:
  struct Flip {
    core::Endpoint from;
    Instant when;
    std::uint64_t process = 0;
  };
  virtual void flipped(core::PartitionKey, const core::Endpoint& /*from*/,
                       const core::TableShape& /*after*/) {}
  // A row leads again; whose it may be.
  virtual void names(core::PartitionKey, const Flip&, const core::PartitionShape& /*before*/,
                     const core::PartitionShape& /*after*/) {}

  std::map<core::PartitionKey, Flip> flips_;
};

// Nothing happens to the tablet that hands over: then every row that it acknowledged is on whoever
// leads next. Nothing happens to the others either: then it is an alive follower afterwards.
class HandoverLosesNothing : public HandoverChecker {
 public:
  HandoverLosesNothing(World& w, const Ledger& l)
      : HandoverChecker(w, l, "SAFETY 12: a handover loses no row") {}

  void acknowledged(core::PartitionKey key, const core::Endpoint&, const Entry& entry) override {
    rows_[key].push_back(entry);
  }

 protected:
  void names(core::PartitionKey key, const Flip& flip, const core::PartitionShape&,
             const core::PartitionShape& after) override {
    const Tablet& from = world_.tablet(flip.from);
    const bool same = from.process() == flip.process &&
                      !ledger_.troubled_since(flip.from, flip.when) && from.held(key);
    if (!same || ledger_.loss_accepted(key) || is_led_by_hand(world_, key, after)) return;
    const core::Endpoint& leader = leader_of(after)->endpoint;
    const Log& its = world_.tablet(leader).log(key);
    for (const Entry& entry : rows_[key]) {
      if (its.holds(entry) || !from.log(key).holds(entry)) continue;
      return broken(flip.from + " handed " + at(key) + " over to " + leader +
                    ", which lacks the acknowledged row " + std::to_string(entry.index) +
                    " of term " + std::to_string(entry.term));
    }
    const core::Row* row = row_of(after, flip.from);
    if (row && row->is_alive) return;
    const bool calm = std::none_of(after.rows.begin(), after.rows.end(), [&](const core::Row& r) {
      return ledger_.troubled_since(r.endpoint, flip.when);
    });
    if (calm) broken(flip.from + " handed " + at(key) + " over, and its row is not alive");
  }

 private:
  std::map<core::PartitionKey, std::vector<Entry>> rows_;
};

// Its record and the flip of the rows are written in one multi, or one after the other through a
// nameserver.
class HandoverIsOneMulti : public HandoverChecker {
 public:
  HandoverIsOneMulti(World& w, const Ledger& l)
      : HandoverChecker(w, l, "SAFETY 12: a handover's record and flip are one multi") {}

 protected:
  // An earlier one's record may be there yet, which has been taken back.
  void flipped(core::PartitionKey key, const core::Endpoint& from,
               const core::TableShape& after) override {
    const FakeZooKeeper& zookeeper = world_.fake_zookeeper;
    const auto written = [&](const std::string& path) {
      const Znode* znode = zookeeper.znodes().find(path);
      return znode ? znode->stat.mzxid : 0;
    };
    const std::int64_t table = written(zookeeper.paths().at(after.znode));
    for (const auto& [id, op] : zookeeper.begun()) {
      const bool is_of_it =
          op.type == core::OpType::kHandoverOP && op.at == key && op.leader == from;
      const std::string path = zookeeper.paths().ops() + "/" + std::to_string(id);
      // A nameserver writes its table alone: the record stands before it is asked to.
      const bool is_behind = world_.leading_nameserver() && written(path) < table;
      if (is_of_it && (written(path) == table || is_behind)) return;
    }
    broken("the rows of " + at(key) + " were flipped in transaction " + std::to_string(table) +
           ", and no record of a handover from " + from + " was written in it");
  }
};

// Whoever acts next works on it first, also with auto_failover off: where nothing is the matter
// with any of its tablets, an op of it runs, and nothing else is begun there.
class UnfinishedHandoverComesFirst : public Looker {
 public:
  UnfinishedHandoverComesFirst(World& w, const Ledger& l)
      : Looker(w, l, "SAFETY 12: an unfinished handover comes first") {}

  void sent(const Daemon& daemon, const core::CallTablet& c) override {
    const bool is_other = std::holds_alternative<core::AddReplica>(c.call) ||
                          std::holds_alternative<core::SendSnapshot>(c.call) ||
                          std::holds_alternative<core::PauseSnapshot>(c.call) ||
                          std::holds_alternative<core::MakeSnapshot>(c.call) ||
                          std::holds_alternative<core::DeleteBinlog>(c.call);
    const auto key = is_other ? partition_of(c.call) : std::nullopt;
    const auto* p = key ? world_.fake_zookeeper.partition(*key) : nullptr;
    if (!p || !unfinished(world_, *key, *p)) return;
    broken(daemon.name() + " tells " + c.tablet + " " + core::to_text(c.call) + " while " +
           at(*key) + " is being handed over");
  }

 protected:
  bool is_able(const Daemon& daemon) const override { return daemon.connected(); }
  void forget() override { since_.clear(); }

  void look(core::PartitionKey key, const core::PartitionShape& p, bool is_taken) override {
    const auto& running = daemon().brain().ops().running();
    const bool is_worked_on = std::any_of(running.begin(), running.end(), [&](const auto& op) {
      return op.second.at == key &&
             (core::is_election(op.second.type) || op.second.type == core::OpType::kHandoverOP);
    });
    const bool is_well_all = std::all_of(p.rows.begin(), p.rows.end(),
                                         [&](const core::Row& row) { return is_well(row, key); });
    if (!is_taken || is_worked_on || !is_well_all || !unfinished(world_, key, p)) {
      since_.erase(key);
      return;
    }
    const Instant since = since_.try_emplace(key, now()).first->second;
    if (now() - since > kPatience) {
      broken(at(key) + " was being handed over, and nobody finishes it or takes it back");
    }
  }

 private:
  static constexpr Duration kPatience = seconds{5};

  bool is_well(const core::Row& row, core::PartitionKey key) const {
    const Tablet& t = world_.tablet(row.endpoint);
    const auto* held = t.held(key);
    return !ledger_.troubled_since(row.endpoint, now() - kPatience) && t.registered() && held &&
           held->state == core::TableState::kNormal &&
           world_.reaches(daemon().name(), row.endpoint);
  }

  std::map<core::PartitionKey, Instant> since_;
};

// No election leaves out who hands over, unless its tablet is dead, has restarted since or an
// operator has accepted the loss.
class ElectionHasWhoHandsOver : public HandoverChecker {
 public:
  ElectionHasWhoHandsOver(World& w, const Ledger& l)
      : HandoverChecker(w, l, "SAFETY 12: no election leaves out who hands over") {}

  void sent(const Daemon& daemon, const core::CallTablet& c) override {
    const auto* promote = std::get_if<core::Promote>(&c.call);
    const auto* p = promote ? world_.fake_zookeeper.partition(promote->at) : nullptr;
    const core::BegunOp* op = p ? unfinished(world_, promote->at, *p) : nullptr;
    if (!op || op->leader == c.tablet || ledger_.loss_accepted(promote->at)) return;
    if (is_lost(daemon, promote->at, op->leader)) return;
    const auto& attempts = ledger_.attempts(promote->at);
    const bool answered = std::any_of(attempts.begin(), attempts.end(), [&](const Attempt& a) {
      return !a.promotion && a.tablet == op->leader && a.daemon == daemon.name() &&
             a.term + 1 == promote->term && a.told && a.told->ok();
    });
    if (answered) return;
    broken(c.tablet + " is told to lead " + at(promote->at) + ", and " + op->leader +
           ", which hands it over, was not heard");
  }

 private:
  bool is_lost(const Daemon& daemon, core::PartitionKey key, const core::Endpoint& from) const {
    const core::Model& model = daemon.brain().model();
    const auto index = model.find_tablet(from);
    const auto flip = flips_.find(key);
    const Tablet& t = world_.tablet(from);
    const auto* held = t.held(key);
    const bool restarted =
        !held || !held->loaded() || t.is_stranger() ||
        (flip == flips_.end() ? held->from_disk : t.process() != flip->second.process);
    return restarted || (index && model.tablet(*index).verdict.dead());
  }
};

}  // namespace

void add_handover_checkers(World& world, const Ledger& ledger, Checkers& to) {
  to.push_back(std::make_unique<HandoverLosesNothing>(world, ledger));
  to.push_back(std::make_unique<HandoverIsOneMulti>(world, ledger));
  to.push_back(std::make_unique<UnfinishedHandoverComesFirst>(world, ledger));
  to.push_back(std::make_unique<ElectionHasWhoHandsOver>(world, ledger));
}

}  // namespace failoverd::simulation
