// Broken handovers, and the checkers that find them: SAFETY 12.
#include <gtest/gtest.h>

#include <memory>
#include <set>

#include "tests/simulation/broken.h"

namespace failoverd::simulation {
namespace {

bool flips(const core::Command& command) {
  const auto* publish = std::get_if<core::Publish>(&command);
  if (!publish) return false;
  for (const core::TableEdit& t : publish->tables) {
    for (const core::PartitionEdit& p : t.partitions) {
      if (p.begins) return true;
    }
  }
  return false;
}

// The daemon dies as soon as the rows are flipped, and its successor knows nothing of it.
void forget_handovers(World& world, bool switch_off) {
  world.tamper.command = [&world, switch_off](Daemon& daemon, const core::Command& command) {
    if (!flips(command) || world.daemons().size() >= 10) return true;
    world.schedule.after(std::chrono::milliseconds{8}, [&world, switch_off, &daemon] {
      if (switch_off) world.fake_zookeeper.set_auto_failover(false, "test");
      daemon.kill();
      world.start_daemon();
    });
    return true;
  };
  world.tamper.event = [](const Daemon&, core::Event& event) {
    auto* gained = std::get_if<core::LockGained>(&event);
    if (!gained) return;
    std::erase_if(gained->begun,
                  [](const core::BegunOp& op) { return op.type == core::OpType::kHandoverOP; });
  };
}

// It believes that nobody has anything yet, and whoever answers a probe with the least leads.
TEST(Broken, HandsOverToWhoLacksRows) {
  expect_found(
      "SAFETY 12: a handover loses no row",
      [](World& world) {
        world.timing.replication = {std::chrono::milliseconds{200}, std::chrono::seconds{2}};
        const auto pairs = std::make_shared<std::set<std::pair<std::string, core::RequestId>>>();
        const auto probes = std::make_shared<std::set<std::pair<std::string, core::RequestId>>>();
        world.tamper.command = [pairs, probes](const Daemon& daemon, const core::Command& command) {
          const auto* c = std::get_if<core::CallTablet>(&command);
          if (c && std::holds_alternative<core::GetTermPair>(c->call)) {
            pairs->emplace(daemon.name(), c->id);
          } else if (c && std::holds_alternative<core::Probe>(c->call)) {
            probes->emplace(daemon.name(), c->id);
          }
          return true;
        };
        world.tamper.event = [pairs, probes](const Daemon& daemon, core::Event& event) {
          auto* e = std::get_if<core::TabletAnswered>(&event);
          if (!e || !e->answer.ok()) return;
          if (pairs->erase({daemon.name(), e->id}) > 0) e->answer.offset = 0;
          if (probes->erase({daemon.name(), e->id}) > 0)
            e->answer.offset = 1'000'000 - e->answer.offset;
        };
      },
      1'000, true);
}

// Whoever led before is left for dead.
TEST(Broken, GivesUpWhoHandedOver) {
  expect_found(
      "SAFETY 12: a handover loses no row",
      [](World& world) {
        change_publishes(world, [](core::PartitionEdit& p) {
          if (!names_a_leader(p)) return;
          for (core::RowEdit& row : p.rows) row.is_alive = row.is_alive && row.is_leader;
        });
      },
      500, true);
}

// The record is written first, and the rows after it.
TEST(Broken, WritesTheRecordByItself) {
  expect_found(
      "SAFETY 12: a handover's record and flip are one multi",
      [](World& world) {
        world.tamper.write = [&world](std::vector<zookeeper::Op>& ops) {
          const fedb::Paths& paths = world.fake_zookeeper.paths();
          const bool has_table = std::any_of(ops.begin(), ops.end(), [&](const auto& op) {
            return op.path.starts_with(paths.at(fedb::Paths::kTables));
          });
          if (!has_table) return;
          std::erase_if(ops, [&](const zookeeper::Op& op) {
            if (!op.path.starts_with(paths.ops() + "/")) return false;
            world.fake_zookeeper.write({op}, 0, "test");
            return true;
          });
        };
      },
      500, true);
}

TEST(Broken, LeavesAHandoverUnfinished) {
  expect_found(
      "SAFETY 12: an unfinished handover comes first",
      [](World& world) { forget_handovers(world, true); }, 500, true);
}

TEST(Broken, ElectsWithoutWhoHandsOver) {
  expect_found(
      "SAFETY 12: no election leaves out who hands over",
      [](World& world) { forget_handovers(world, false); }, 500, true);
}

}  // namespace
}  // namespace failoverd::simulation
