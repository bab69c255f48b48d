// Checker of SAFETY 21: an address is not an identity.
#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "lib/core/brain.h"
#include "tests/simulation/checker.h"
#include "tests/simulation/daemon.h"

namespace failoverd::simulation {
namespace {

// Nothing that changes anything is sent to another cluster's process, and no tablet of ours is told
// to send there. A daemon cannot know yet that a process has gone while its connection to it
// stands: what it sends then reaches nobody.
class StrangersAreToldNothing : public Checker {
 public:
  StrangersAreToldNothing(World& w, const Ledger& l)
      : Checker(w, l, "SAFETY 21: strangers are told nothing") {}

  void commanded(const Daemon& daemon, const core::Command& command) override {
    if (const auto* c = std::get_if<core::CallTablet>(&command))
      asked_[{daemon.name(), c->id}] = now();
  }

  // When it refused nobody knows: at some time since it was asked.
  void before_step(const Daemon& daemon, const core::Event& event) override {
    const auto* e = std::get_if<core::TabletAnswered>(&event);
    if (!e) return;
    const auto asked = asked_.extract({daemon.name(), e->id});
    if (e->answer.transport != core::Transport::kRefused || !asked) return;
    Instant& last = refused_[{daemon.name(), e->tablet}];
    last = std::max(last, asked.mapped());
  }

  void answered(const Daemon& daemon, const core::CallTablet& c,
                const core::Answer& answer) override {
    const Tablet& t = world_.tablet(c.tablet);
    if (!t.is_stranger()) return;
    for (const core::ReplicaStatus& s : answer.replicas) {
      const core::TableShape* ours = world_.fake_zookeeper.table(s.at);
      // Whoever cannot read that table does not know its name.
      if (ours && daemon.brain().model().table(s.at.tid) && ours->name != s.name)
        gave_away_[{daemon.name(), c.tablet}] = t.process();
    }
  }

  void sent(const Daemon& daemon, const core::CallTablet& c) override {
    if (!core::changes(c.call)) return;
    const std::string what = core::to_text(c.call) + " to " + c.tablet;
    if (reaches_a_stranger(daemon, c.tablet)) broken(what + ", which is a stranger");
    for (const core::Endpoint& to : makes_send_to(c.call)) {
      if (reaches_a_stranger(daemon, to)) broken(what + " makes it send to the stranger " + to);
    }
  }

 private:
  static std::vector<core::Endpoint> makes_send_to(const core::Call& call) {
    if (const auto* add = std::get_if<core::AddReplica>(&call)) return {add->replica};
    if (const auto* send = std::get_if<core::SendSnapshot>(&call)) return {send->to};
    if (const auto* promote = std::get_if<core::Promote>(&call)) return promote->replicas;
    return {};
  }

  bool reaches_a_stranger(const Daemon& daemon, const core::Endpoint& endpoint) const {
    const Tablet& t = world_.tablet(endpoint);
    if (!t.is_stranger()) return false;
    const auto process = daemon.connected_to(endpoint);
    if (process && *process != t.process()) return false;
    return !looks_like_ours(daemon, t);
  }

  // What cannot be known: the znode of the one that died is still there, its port was not seen to
  // refuse, and the other has named nothing that would give it away.
  bool looks_like_ours(const Daemon& daemon, const Tablet& t) const {
    const auto& model = daemon.brain().model();
    const auto index = model.find_tablet(t.endpoint());
    if (!index || !model.tablet(*index).evidence.registered) return false;
    // A refusal says nothing about a znode that was not known yet, or that only just was.
    const Instant known = model.tablet(*index).listed_at + std::chrono::milliseconds{10};
    const auto refused = refused_.find({daemon.name(), t.endpoint()});
    const bool seen_dead =
        refused != refused_.end() && refused->second >= std::max(t.ended_at(), known);
    const auto gave_away = gave_away_.find({daemon.name(), t.endpoint()});
    const bool named = gave_away != gave_away_.end() && gave_away->second == t.process();
    return !seen_dead && !named;
  }

  std::map<std::pair<std::string, core::RequestId>, Instant> asked_;
  // By daemon: what was asked last and refused; the process that named another table.
  std::map<std::pair<std::string, core::Endpoint>, Instant> refused_;
  std::map<std::pair<std::string, core::Endpoint>, std::uint64_t> gave_away_;
};

}  // namespace

void add_stranger_checkers(World& world, const Ledger& ledger, Checkers& to) {
  to.push_back(std::make_unique<StrangersAreToldNothing>(world, ledger));
}

}  // namespace failoverd::simulation
