// Broken judgement of when to act, and the checkers that find it: the lock, identity, what is
// refused, what is published, what is waited for.
#include <gtest/gtest.h>

#include "lib/base/overload.h"
#include "tests/simulation/broken.h"
#include "tests/simulation/ledger.h"

namespace failoverd::simulation {
namespace {

// SAFETY 14: nobody looks at the lock or at how fresh the contact is.
TEST(Broken, ActsWithoutTheLock) {
  expect_found(
      "SAFETY 14: only the holder of the lock acts",
      [](World& world) {
        world.tamper.ignore_lease = true;
        world.tamper.event = [](const Daemon&, core::Event& event) {
          auto* contact = std::get_if<core::ContactMade>(&event);
          if (contact) contact->fresh_until += std::chrono::hours{1};
        };
      },
      500);
}

// It compares no versions. Somebody writes just then: by chance that takes thousands of seeds.
TEST(Broken, OverwritesWhatOthersWrote) {
  expect_found("what others wrote stays", [](World& world) {
    world.tamper.write = [&world](std::vector<zookeeper::Op>& ops) {
      FakeZooKeeper& zookeeper = world.fake_zookeeper;
      for (zookeeper::Op& op : ops) {
        if (op.kind != zookeeper::Op::Kind::kSet) continue;
        op.version = -1;
        const std::string znode = op.path.substr(zookeeper.paths().at("").size());
        if (zookeeper.tables().contains(znode)) zookeeper.touch_table(znode);
      }
    };
  });
}

// SAFETY 21: whoever answers on a tablet's address is taken for that tablet.
TEST(Broken, TakesAnAddressForAnIdentity) {
  expect_found("SAFETY 21: strangers are told nothing", [](World& world) {
    world.tamper.event = [&world](const Daemon&, core::Event& event) {
      auto* e = std::get_if<core::TabletAnswered>(&event);
      if (!e) return;
      for (core::ReplicaStatus& r : e->answer.replicas) {
        if (const core::TableShape* ours = world.fake_zookeeper.table(r.at)) r.name = ours->name;
      }
    };
  });
}

// It acts although it is switched off, and beside a nameserver.
TEST(Broken, DoesNotStandBack) {
  expect_found("stands back: nothing new is begun", [](World& world) {
    world.tamper.event = [](const Daemon&, core::Event& event) {
      std::visit(Overload{[](core::SwitchRead& e) { e.auto_failover = true; },
                          [](core::NameserversListed& e) { e.endpoints.clear(); }, [](auto&) {}},
                 event);
    };
  });
}

// It elects because of a tablet that is well.
TEST(Broken, ElectsWithoutTrouble) {
  expect_found("no election without trouble", believe_that_a_healthy_tablet_refuses);
}

// Whoever leads is published again and again, each time with another term.
void publish_its_leader_again(World& world) {
  world.schedule.after(std::chrono::milliseconds{100}, [&world] {
    Daemon* d = world.active();
    const core::TableShape& table = world.fake_zookeeper.tables().begin()->second;
    const core::PartitionShape& p = table.partitions.front();
    const core::Row* leader = leader_of(p);
    if (d && !d->paused() && leader) {
      const core::TermPair next{p.terms.back().term + 1, p.terms.back().offset};
      const core::PartitionEdit edit{p.pid, {{leader->endpoint, true, true}}, {next}, {}};
      d->carry_out(core::Publish{core::RequestId{1} << 60,
                                 {{table.znode, table.version, {edit}, table.tid}}});
    }
    publish_its_leader_again(world);
  });
}

TEST(Broken, ElectsAgainAndAgain) {
  expect_found("no storm of elections", publish_its_leader_again);
}

// Acknowledged rows that an electable replica held are thrown away.
TEST(Broken, LosesReplicatedRows) {
  expect_found("data: what an electable replica held is kept", elect_the_lowest);
}

// SAFETY 22: what one table is refused for is taken for a failure of all.
TEST(Broken, OneRefusedTableStopsAll) {
  expect_found(
      "SAFETY 22: other tables are published",
      [](World& world) {
        world.tamper.event = [](const Daemon&, core::Event& event) {
          auto* e = std::get_if<core::Published>(&event);
          if (!e || e->outcome != core::Published::Outcome::kRefused) return;
          e->outcome = core::Published::Outcome::kFailed;
          e->refused.clear();
        };
      },
      3'000);
}

// SAFETY 22: it believes that what was refused is taken now.
TEST(Broken, ProbesThoughItWasRefused) {
  expect_found(
      "SAFETY 22: judged before the first probe",
      [](World& world) {
        world.tamper.event = [](const Daemon&, core::Event& event) {
          auto* e = std::get_if<core::TableTried>(&event);
          if (!e || e->outcome != core::TableTried::Outcome::kRefused) return;
          e->outcome = core::TableTried::Outcome::kTaken;
        };
      },
      500);
}

// Nothing is ever published.
TEST(Broken, NeverPublishes) {
  expect_found("liveness: well again", [](World& world) {
    world.tamper.command = [](Daemon& daemon, const core::Command& command) {
      const auto* publish = std::get_if<core::Publish>(&command);
      if (!publish) return true;
      daemon.soon(core::Published{publish->id, core::Published::Outcome::kFailed, {}, "no"});
      return false;
    };
  });
}

// A follower's row is never set dead by itself.
TEST(Broken, LeavesTheLostAlive) {
  expect_found(
      "SAFETY 1: a lost follower's row dies",
      [](World& world) {
        change_publishes(world, [](core::PartitionEdit& p) {
          if (names_a_leader(p)) return;
          std::erase_if(p.rows, [](const auto& row) { return !row.is_alive; });
        });
      },
      500);
}

// It goes round in circles without waiting.
TEST(Broken, NeverWaits) {
  expect_found("no busy loop", [](World& world) {
    world.tamper.command = [&world](const Daemon&, core::Command& command) {
      if (auto* timer = std::get_if<core::SetTimer>(&command)) timer->at = world.schedule.now();
      return true;
    };
    world.timing.timer_late = {};
  });
}

}  // namespace
}  // namespace failoverd::simulation
