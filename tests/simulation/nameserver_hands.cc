// What somebody orders at a nameserver of the made-up world.
#include <algorithm>
#include <utility>

#include "lib/core/api/calls.h"
#include "lib/fedb/wire/table_info.h"
#include "tests/simulation/nameserver.h"
#include "tests/simulation/table_bytes.h"
#include "tests/simulation/world.h"

namespace failoverd::simulation {

using zookeeper::Stat;

namespace {

constexpr Duration kAnswersWithin = std::chrono::seconds{1};
constexpr Duration kAgain = std::chrono::milliseconds{500};

}  // namespace

// A kChangeLeaderOP under way.
struct Nameserver::Change {
  core::PartitionKey at;
  std::uint64_t id = 0;
  std::uint64_t term = 0;  // Of the new leader.
  std::vector<core::Endpoint> followers;
  std::vector<std::pair<core::Offset, core::Endpoint>> answers;  // As they came.
  bool is_over = false;
};

std::string Nameserver::znode_of(core::PartitionKey at) const {
  for (const auto& [znode, value] : tables_) {
    const auto shape = table(znode);
    if (shape && shape->tid == at.tid) return znode;
  }
  return "";
}

const core::PartitionShape* Nameserver::partition(core::PartitionKey at,
                                                  core::TableShape& shape) const {
  const auto known = table(znode_of(at));
  if (!known) return nullptr;
  shape = *known;
  const auto found = std::ranges::find(shape.partitions, at.pid, &core::PartitionShape::pid);
  return found == shape.partitions.end() ? nullptr : &*found;
}

bool Nameserver::change_partition(core::PartitionKey at,
                                  const std::function<void(fedb::TablePartition&)>& change) {
  const std::string znode = znode_of(at);
  if (znode.empty()) return false;
  tables_[znode] = with_partition(tables_[znode], at.pid, world_.fake_zookeeper.numbering, change);
  return true;
}

// UpdateTableAliveStatus.
void Nameserver::set_alive(core::PartitionKey at, const core::Endpoint& endpoint, bool is_alive) {
  if (!may_be_told()) return;
  const bool is_known = change_partition(at, [&](fedb::TablePartition& p) {
    for (fedb::PartitionMeta& row : *p.mutable_partition_meta()) {
      if (row.endpoint() == endpoint) row.set_is_alive(is_alive);
    }
  });
  if (is_known) write_again(znode_of(at));
}

// Whoever ordered it repeats it until it is written.
void Nameserver::write_again(const std::string& znode) {
  if (!may_be_told() || !tables_.contains(znode)) return;
  world_.say("nameserver " + endpoint_ + " writes " + znode);
  write(znode, std::nullopt, [this, znode](bool ok) {
    if (!ok) later(kAgain, [this, znode] { write_again(znode); });
  });
}

void Nameserver::switch_auto_failover(bool on) {
  if (!running() || paused_ || !serves_) return;
  client_->set(
      path("config/auto_failover"), on ? "true" : "false", -1, [this, on](Code code, const Stat&) {
        if (code != Code::kOk) return;
        auto_failover_ = on;
        world_.say("auto_failover of nameserver " + endpoint_ + " is " + (on ? "on" : "off"));
      });
}

void Nameserver::touch_table(const std::string& znode) {
  if (!may_be_told() || !tables_.contains(znode)) return;
  const fedb::Numbering numbering = world_.fake_zookeeper.numbering;
  tables_[znode] = with_touch(tables_[znode], touch_of(tables_[znode], numbering) + 1, numbering);
  write_again(znode);
}

void Nameserver::drop_table(const std::string& znode) {
  if (!may_be_told() || tables_.erase(znode) == 0) return;
  world_.say("nameserver " + endpoint_ + " drops " + znode);
  client_->remove(path(znode), -1, [](Code) {});
}

std::set<core::PartitionKey> Nameserver::works_on() const {
  std::set<core::PartitionKey> partitions;
  for (const auto& [id, at] : works_on_) partitions.insert(at);
  return partitions;
}

// --- kChangeLeaderOP -----------------------------------------------------------------------------

// Its op stands in ZooKeeper before it begins, and until it has ended.
void Nameserver::change_leader(core::PartitionKey at) {
  core::TableShape shape;
  const core::PartitionShape* p = may_be_told() ? partition(at, shape) : nullptr;
  if (!p) return;
  const auto change = std::make_shared<Change>();
  change->at = at;
  for (const core::Row& row : p->rows) {
    if (!row.is_leader && row.is_alive) change->followers.push_back(row.endpoint);
  }
  if (change->followers.empty()) return;
  change->id = ++op_index_;
  fedb::OPInfo& info = ops_[change->id];
  info.set_op_id(change->id);
  info.set_op_type(fedb::kChangeLeaderOP);
  info.set_task_index(0);
  info.set_data("");
  info.set_task_status(fedb::kDoing);
  info.set_name(shape.name);
  info.set_pid(at.pid);
  world_.say("nameserver " + endpoint_ + " changes the leader of " + world_.name_of(at));
  client_->create(path("op/op_data/" + std::to_string(change->id)), info.SerializeAsString(), false,
                  false, [this, change](Code code, const std::string&) {
                    if (code != Code::kOk) return end(change, false);
                    works_on_[change->id] = change->at;
                    // The next one looks at it so often.
                    later(random_.in({Duration{0}, std::chrono::seconds{1}}),
                          [this, change] { begin(change); });
                  });
}

// Memory and two more, which may be less than what a daemon has raised the znode to since.
void Nameserver::begin(const ChangePtr& change) {
  term_ += 2;
  change->term = term_;
  client_->set(
      path("table/term"), std::to_string(term_), -1, [this, change](Code code, const Stat&) {
        if (code != Code::kOk) return end(change, false);
        for (const core::Endpoint& follower : change->followers) {
          tell(follower, core::Probe{change->at, change->term - 1},
               [this, change, follower](const core::Answer& a) { probed(change, follower, a); });
        }
        later(kAnswersWithin, [this, change] {
          if (change->answers.size() < change->followers.size()) end(change, false);
        });
      });
}

void Nameserver::probed(const ChangePtr& change, const core::Endpoint& follower,
                        const core::Answer& answer) {
  if (change->is_over) return;
  if (!answer.ok()) return end(change, false);
  change->answers.emplace_back(answer.offset, follower);
  if (change->answers.size() == change->followers.size()) promote(change);
}

void Nameserver::promote(const ChangePtr& change) {
  const auto [offset, winner] = *std::ranges::max_element(change->answers);
  core::Promote call{change->at, change->term, {}};
  for (const core::Endpoint& follower : change->followers) {
    if (follower != winner) call.replicas.push_back(follower);
  }
  std::swap(change->answers.front(), *std::ranges::max_element(change->answers));
  tell(winner, call, [this, change](const core::Answer& a) {
    if (!a.ok()) return end(change, false);
    later(random_.in(looks_at_tasks), [this, change] { promoted(change); });
  });
}

void Nameserver::promoted(const ChangePtr& change) {
  const auto& [offset, winner] = change->answers.front();
  const bool is_known = change_partition(change->at, [&](fedb::TablePartition& p) {
    for (fedb::PartitionMeta& row : *p.mutable_partition_meta()) {
      if (row.endpoint() == winner) {
        row.set_is_leader(true);
      } else if (row.is_leader()) {
        row.set_is_alive(false);
      }
    }
    fedb::TermPair& first = *p.add_term_offset();
    first.set_term(change->term);
    first.set_offset(offset + 1);
  });
  if (!is_known) return end(change, false);
  const std::string znode = znode_of(change->at);
  write(znode, std::nullopt, [this, change, znode](bool ok) {
    end(change, ok);
    if (!ok) later(kAgain, [this, znode] { write_again(znode); });
  });
}

void Nameserver::end(const ChangePtr& change, bool done) {
  if (std::exchange(change->is_over, true)) return;
  world_.say("nameserver " + endpoint_ + (done ? " has changed" : " has not changed") +
             " the leader of " + world_.name_of(change->at));
  ops_.erase(change->id);
  works_on_.erase(change->id);
  client_->remove(path("op/op_data/" + std::to_string(change->id)), -1, [](Code) {});
}

// What is done to a tablet here is nobody's decision but a person's, who gives up what the new
// leader does not hold.
void Nameserver::tell(const core::Endpoint& to, const core::Call& call,
                      std::function<void(const core::Answer&)> done) {
  const auto back = [this, to, process = process_,
                     done = std::move(done)](const core::Answer& answer) {
    world_.send(to, endpoint_,
                [this, process, answer, done] { run(process, [answer, done] { done(answer); }); });
  };
  world_.send(endpoint_, to, [this, to, call, back] {
    Tablet& tablet = world_.tablet(to);
    if (!tablet.running() || tablet.is_stranger()) return;
    tablet.take([this, &tablet, to, call, back] {
      const auto* promotes = std::get_if<core::Promote>(&call);
      if (promotes) {
        world_.trouble(to, kPromotedByHand + world_.name_of(promotes->at));
      } else {
        world_.trouble(to, "probed by nameserver " + endpoint_);
      }
      tablet.call(call, back, [&tablet, call](const core::Answer& answer) {
        const auto* promote = std::get_if<core::Promote>(&call);
        if (promote && answer.ok()) tablet.promoted_by_hand(promote->at);
      });
    });
  });
}

}  // namespace failoverd::simulation
