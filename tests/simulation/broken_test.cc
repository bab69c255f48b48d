// Broken elections, and the checkers that find them: who may lead, who is waited for, who is told
// to follow.
#include "tests/simulation/broken.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>

namespace failoverd::simulation {
namespace {

// SAFETY 1: it takes every row for alive.
TEST(Broken, ElectsDeadRows) {
  expect_found("SAFETY 1: only alive rows lead", [](World& world) {
    world.tamper.event = [](const Daemon&, core::Event& event) {
      auto* read = std::get_if<core::TableRead>(&event);
      if (!read) return;
      for (core::PartitionShape& p : read->table.partitions) {
        for (core::Row& row : p.rows) {
          if (!row.is_leader) row.is_alive = true;
        }
      }
    };
  });
}

// SAFETY 1: it sets the old leader dead first and means to name the successor later.
TEST(Broken, PublishesWithoutSuccessor) {
  expect_found("SAFETY 1: a leader row dies with its successor", [](World& world) {
    change_publishes(world, [](core::PartitionEdit& p) {
      std::erase_if(p.rows, [](const core::RowEdit& row) { return row.is_leader && row.is_alive; });
    });
  });
}

// SAFETY 1: it gives a partition up altogether.
TEST(Broken, SetsTheLastRowsDead) {
  expect_found("SAFETY 1: a follower row dies beside a leader", [](World& world) {
    change_publishes(world, [](core::PartitionEdit& p) {
      if (!names_a_leader(p)) return;
      for (core::RowEdit& row : p.rows) row = {row.endpoint, false, false};
    });
  });
}

// SAFETY 2: followers that did not answer stay alive.
TEST(Broken, LeavesSilentFollowersAlive) {
  expect_found("SAFETY 2: alive followers answered the probe", [](World& world) {
    change_publishes(world, [](core::PartitionEdit& p) {
      if (!names_a_leader(p)) return;
      std::erase_if(p.rows,
                    [](const core::RowEdit& row) { return !row.is_leader && !row.is_alive; });
    });
  });
}

// SAFETY 2: it does not wait for one that is known to hold more.
TEST(Broken, DoesNotWaitForBetter) {
  expect_found(
      "SAFETY 2: waits for one that is known to hold more",
      [](World& world) {
        world.policy.election.wait_for_better = std::chrono::seconds{3};
        world.tamper.policy = [](core::Policy& p) { p.election.wait_for_better = {}; };
      },
      2'000);
}

// SAFETY 2: followers that are ahead of their leader diverge for ever.
TEST(Broken, FollowersAheadOfTheirLeader) {
  expect_found("SAFETY 2: no follower diverges", elect_the_lowest);
}

// SAFETY 3: it probes, and leaves it at that while the old leader goes on.
TEST(Broken, ProbesAndNeverPromotes) {
  expect_found(
      "SAFETY 3: a probe ends with a leader of a higher term",
      [](World& world) {
        believe_that_a_healthy_tablet_refuses(world);
        world.tamper.command = [&world](Daemon& daemon, const core::Command& command) {
          const auto* c = std::get_if<core::CallTablet>(&command);
          const auto* promote = c ? std::get_if<core::Promote>(&c->call) : nullptr;
          if (!promote || !world.tablet("A:1").leads(promote->at)) return true;
          core::Answer answer;
          answer.transport = core::Transport::kNotSent;
          answer_soon(world, daemon, *c, answer);
          return false;
        };
      },
      1'000);
}

// SAFETY 4: every daemon believes that the first block of terms is its own.
TEST(Broken, GivesTermsOutTwice) {
  expect_found("SAFETY 4: terms are given once", [](World& world) {
    const auto first = std::make_shared<std::optional<core::TermsReserved>>();
    world.tamper.event = [first](const Daemon&, core::Event& event) {
      auto* reserved = std::get_if<core::TermsReserved>(&event);
      if (!reserved || !reserved->ok) return;
      if (!*first) *first = *reserved;
      reserved->first = (*first)->first;
      reserved->last = (*first)->last;
    };
  });
}

// SAFETY 5: it takes an unanswered promotion for one that was not carried out.
TEST(Broken, ForgetsUnansweredPromotions) {
  expect_found(
      "SAFETY 5: an unanswered promotion made a possible leader",
      [](World& world) {
        change_answers<core::Promote>(world, [](core::TabletAnswered& e) {
          if (!e.answer.answered()) e.answer.transport = core::Transport::kNotSent;
        });
      },
      500);
}

// SAFETY 7: a lower offset leads.
TEST(Broken, ElectsTheLowestOffset) {
  expect_found("SAFETY 7: the highest offset leads", elect_the_lowest);
}

// SAFETY 8: old leaders are left as they are.
TEST(Broken, SkipsTheDemotion) {
  expect_found(
      "SAFETY 8: two leaders do not persist",
      [](World& world) { swallow<core::Demote>(world, core::Transport::kAnswered); }, 500);
}

// SAFETY 6: it takes the first that is loaded.
TEST(Broken, DoesNotWaitAfterARestart) {
  expect_found(
      "SAFETY 6: a restart waits for those that may hold more",
      [](World& world) {
        world.policy.recovery.full_restart_wait = std::chrono::minutes{5};
        world.tamper.policy = [](core::Policy& p) { p.recovery.full_restart_wait = {}; };
      },
      500);
}

// SAFETY 20: it gives up at once what a lost replica is known to hold.
TEST(Broken, DoesNotWaitForAKnownLoss) {
  expect_found(
      "SAFETY 20: a known loss waits for who has it",
      [](World& world) {
        world.policy.guards.max_lost_entries = 2;
        world.policy.election.wait_for_lost = std::chrono::seconds{20};
        world.tamper.policy = [](core::Policy& p) { p.election.wait_for_lost = Duration{0}; };
      },
      500);
}

// Daemons die while they hold something back, one after the other.
void die_while_they_wait(World& world) {
  world.schedule.after(std::chrono::seconds{4}, [&world] {
    Daemon* d = world.active();
    if (d && !d->brain().holds().empty() && world.daemons().size() < 10) {
      d->kill();
      world.start_daemon();
    }
    die_while_they_wait(world);
  });
}

// SAFETY 20: what it waits for dies with it.
TEST(Broken, ForgetsAKnownLoss) {
  expect_found(
      "SAFETY 20: a known loss waits for who has it",
      [](World& world) {
        world.policy.guards.max_lost_entries = 2;
        world.policy.election.wait_for_lost = std::chrono::seconds{20};
        change_publishes(world, [](core::PartitionEdit& p) {
          if (p.rows.empty()) p.kept.clear();
        });
        die_while_they_wait(world);
      },
      3'000);
}

}  // namespace
}  // namespace failoverd::simulation
