// Broken recovery, and the checkers that find it: what is destroyed, added, paused, called alive,
// and counted as lost.
#include <gtest/gtest.h>

#include "tests/simulation/broken.h"

namespace failoverd::simulation {
namespace {

void drop_instead_of_loading(World& world, bool the_only_replica) {
  world.tamper.command = [&world, the_only_replica](Daemon&, core::Command& command) {
    auto* c = std::get_if<core::CallTablet>(&command);
    const auto* load = c ? std::get_if<core::LoadTable>(&c->call) : nullptr;
    const auto* p = load ? world.fake_zookeeper.partition(load->at) : nullptr;
    if (p && (p->rows.size() == 1) == the_only_replica) c->call = core::DropTable{load->at, 7, {}};
    return true;
  };
}

// SAFETY 9: nobody is asked whether somebody leads.
TEST(Broken, DestroysWithoutAsking) {
  expect_found("SAFETY 9: what is destroyed is held elsewhere",
               [](World& world) { drop_instead_of_loading(world, false); });
}

// SAFETY 9: an only replica is made anew.
TEST(Broken, DropsTheOnlyReplica) {
  expect_found("SAFETY 9: what is destroyed is held elsewhere",
               [](World& world) { drop_instead_of_loading(world, true); });
}

// SAFETY 19: writers go on, and what they write to it in the tablet's queue costs what it had.
TEST(Broken, LoadsAnOnlyReplicaAsLeader) {
  expect_found("data: what an electable replica held is kept",
               [](World& world) { world.tamper.loads_as_leader = true; });
}

// SAFETY 10: leaders keep the positions that they had.
TEST(Broken, LeavesPositionsBehind) {
  expect_found("SAFETY 10: the leader lets go first",
               [](World& world) { swallow<core::DelReplica>(world, core::Transport::kAnswered); });
}

// SAFETY 10: it takes every replica for one that is only behind.
TEST(Broken, AddsWhatHasPartedFromItsLeader) {
  // However it asks: GetTermPair, or a probe that is no election's.
  const auto asks = [](const Daemon& daemon, const core::Call& call) {
    if (std::holds_alternative<core::GetTermPair>(call)) return true;
    const auto* probe = std::get_if<core::Probe>(&call);
    const auto* p = probe ? daemon.brain().model().partition(probe->at) : nullptr;
    return p && p->published_term() == probe->term;
  };
  expect_found("SAFETY 10: a replica is added whose log is a prefix of its leader's",
               [asks](World& world) {
                 change_answers_if(world, asks, [](core::TabletAnswered& e) {
                   if (!e.answer.is_leader) e.answer.offset /= 2;
                 });
               });
}

// SAFETY 11: a pause goes on for ever.
TEST(Broken, LeavesSnapshotsPaused) {
  expect_found("SAFETY 11: what an op did is undone", [](World& world) {
    swallow<core::RecoverSnapshot>(world, core::Transport::kAnswered);
  });
}

// SAFETY 11: what was half-added, or has gone, stays where it was.
TEST(Broken, DropsNothing) {
  expect_found(
      "SAFETY 11: whoever holds a partition has its row",
      [](World& world) { swallow<core::DropTable>(world, core::Transport::kAnswered); }, 500, true);
}

// SAFETY 11: what has ended stays in the journal.
TEST(Broken, LeavesItsJournal) {
  expect_found("SAFETY 11: what an op did is undone", [](World& world) {
    world.tamper.command = [](Daemon&, core::Command& command) {
      if (auto* journal = std::get_if<core::WriteJournal>(&command)) journal->ended.clear();
      return true;
    };
  });
}

// SAFETY 18: a row comes alive long before its replica has what its leader has.
TEST(Broken, CallsAliveWhatIsBehind) {
  expect_found(
      "SAFETY 18: rows come alive that have caught up",
      [](World& world) {
        world.policy.recovery.catch_up_delta = 0;
        world.tamper.policy = [](core::Policy& p) { p.recovery.catch_up_delta = 1'000'000; };
      },
      500);
}

// SAFETY 18: it goes by what its leader had some time before it was added.
TEST(Broken, CatchesUpWithThePast) {
  expect_found(
      "SAFETY 18: rows come alive that have caught up",
      [](World& world) {
        world.policy.recovery.catch_up_delta = 0;
        world.tamper.policy = [](core::Policy& p) { p.recovery.catch_up_delta = 0; };
        change_answers<core::GetTermPair>(world, [](core::TabletAnswered& e) {
          if (e.answer.is_leader) e.answer.offset /= 2;
        });
      },
      500);
}

// It says that more is lost than was dropped.
TEST(Broken, MiscountsWhatIsLost) {
  expect_found(
      "lost entries are counted exactly",
      [](World& world) {
        world.tamper.command = [](Daemon&, core::Command& command) {
          if (auto* lost = std::get_if<core::CountLost>(&command)) ++lost->count;
          return true;
        };
      },
      500);
}

// It says nothing of what is lost.
TEST(Broken, KeepsLossesToItself) {
  expect_found(
      "lost entries are counted exactly",
      [](World& world) {
        world.tamper.command = [](Daemon&, core::Command& command) {
          return !std::holds_alternative<core::CountLost>(command);
        };
      },
      500);
}

}  // namespace
}  // namespace failoverd::simulation
