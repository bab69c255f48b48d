// Every checker is shown to bite: a daemon that is broken on purpose, in the one way that the rule
// forbids, is found out from a few seeds. Without this a checker that sees nothing looks like a
// rule that holds.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>

#include "lib/base/overload.h"
#include "tests/simulation/daemon.h"
#include "tests/simulation/run.h"

namespace failoverd::simulation {
namespace {

using Break = std::function<void(World&)>;

// The first seed whose run breaks the rule; nothing else is looked at.
void expect_found(const std::string& rule, const Break& broken, std::uint64_t seeds = 100) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    RunOptions options;
    options.seed = seed;
    options.tamper = broken;
    options.only = rule;
    options.well_within = std::chrono::seconds{20};
    const RunResult result = run(options);
    if (result.violation && result.violation->rule == rule) return;
  }
  ADD_FAILURE() << "nobody noticed in " << seeds << " seeds: " << rule;
}

void change_publishes(World& world, const std::function<void(core::PartitionEdit&)>& change) {
  world.tamper.command = [change](Daemon&, core::Command& command) {
    if (auto* publish = std::get_if<core::Publish>(&command)) {
      for (core::TableEdit& t : publish->tables) {
        for (core::PartitionEdit& p : t.partitions) change(p);
      }
    }
    return true;
  };
}

template <class C>
void change_calls(World& world, const std::function<void(Daemon&, core::CallTablet&, C&)>& change) {
  world.tamper.command = [change](Daemon& daemon, core::Command& command) {
    if (auto* c = std::get_if<core::CallTablet>(&command)) {
      if (auto* call = std::get_if<C>(&c->call)) change(daemon, *c, *call);
    }
    return true;
  };
}

// Answers to the calls that `which` names are changed on their way to the brain.
void change_answers_if(World& world,
                       const std::function<bool(const Daemon&, const core::Call&)>& which,
                       const std::function<void(core::TabletAnswered&)>& change) {
  const auto asked = std::make_shared<std::set<std::pair<std::string, core::RequestId>>>();
  world.tamper.command = [asked, which](const Daemon& daemon, core::Command& command) {
    const auto* c = std::get_if<core::CallTablet>(&command);
    if (c && which(daemon, c->call)) asked->emplace(daemon.name(), c->id);
    return true;
  };
  world.tamper.event = [asked, change](const Daemon& daemon, core::Event& event) {
    auto* answered = std::get_if<core::TabletAnswered>(&event);
    if (answered && asked->erase({daemon.name(), answered->id}) > 0) change(*answered);
  };
}

// The same for calls of kind C.
template <class C>
void change_answers(World& world, const std::function<void(core::TabletAnswered&)>& change) {
  const auto is_c = [](const Daemon&, const core::Call& call) {
    return std::holds_alternative<C>(call);
  };
  change_answers_if(world, is_c, change);
}

// It takes as long as a call would: whoever asks again at once would go round in circles.
void answer_soon(World& world, Daemon& daemon, const core::CallTablet& c, core::Answer answer) {
  world.schedule.after(std::chrono::milliseconds{2}, [&daemon, c, answer] {
    daemon.soon(core::TabletAnswered{c.id, c.tablet, answer});
  });
}

// Swallows calls of kind C and answers them so.
template <class C>
void swallow(World& world, core::Transport transport) {
  world.tamper.command = [&world, transport](Daemon& daemon, const core::Command& command) {
    const auto* c = std::get_if<core::CallTablet>(&command);
    if (!c || !std::holds_alternative<C>(c->call)) return true;
    core::Answer answer;
    answer.transport = transport;
    answer_soon(world, daemon, *c, answer);
    return false;
  };
}

bool names_a_leader(const core::PartitionEdit& p) {
  for (const core::RowEdit& row : p.rows) {
    if (row.is_leader && row.is_alive) return true;
  }
  return false;
}

void elect_the_lowest(World& world) {
  change_answers<core::Probe>(world, [](core::TabletAnswered& e) {
    if (e.answer.ok()) e.answer.offset = 1'000'000 - e.answer.offset;
  });
}

void believe_that_a_healthy_tablet_refuses(World& world) {
  world.tamper.event = [](const Daemon&, core::Event& event) {
    auto* e = std::get_if<core::TabletAnswered>(&event);
    if (!e || e->tablet != "A:1" || !e->answer.answered() || e->id < 30) return;
    e->answer = {};
    e->answer.transport = core::Transport::kRefused;
  };
}

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

// SAFETY 3: it probes, and leaves it at that.
TEST(Broken, ProbesAndNeverPromotes) {
  expect_found("SAFETY 3: a probe ends with a leader of a higher term", [](World& world) {
    believe_that_a_healthy_tablet_refuses(world);
    swallow<core::Promote>(world, core::Transport::kNotSent);
  });
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
      },
      2'000);
}

void drop_instead_of_loading(World& world, bool the_only_replica) {
  world.tamper.command = [&world, the_only_replica](Daemon&, core::Command& command) {
    auto* c = std::get_if<core::CallTablet>(&command);
    const auto* load = c ? std::get_if<core::LoadTable>(&c->call) : nullptr;
    const auto* p = load ? world.keeper.partition(load->at) : nullptr;
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

// SAFETY 21: whoever answers on a tablet's address is taken for that tablet.
TEST(Broken, TakesAnAddressForAnIdentity) {
  expect_found("SAFETY 21: strangers are told nothing", [](World& world) {
    world.tamper.event = [&world](const Daemon&, core::Event& event) {
      auto* e = std::get_if<core::TabletAnswered>(&event);
      if (!e) return;
      for (core::ReplicaStatus& r : e->answer.replicas) {
        if (const core::TableShape* ours = world.keeper.table(r.at)) r.name = ours->name;
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

// Whoever leads is taken for a follower.
TEST(Broken, ElectsAgainAndAgain) {
  expect_found("no storm of elections", [](World& world) {
    world.tamper.event = [](const Daemon&, core::Event& event) {
      auto* e = std::get_if<core::TabletAnswered>(&event);
      if (!e) return;
      for (core::ReplicaStatus& r : e->answer.replicas) r.mode = core::Mode::kFollower;
    };
    world.tamper.command = [&world](Daemon&, core::Command& command) {
      const Instant now = world.schedule.now();
      auto* timer = std::get_if<core::SetTimer>(&command);
      if (timer && timer->at > now) timer->at = now + (timer->at - now) / 20;  // It looks often.
      return true;
    };
  });
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
      1'000);
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
