// People look at a cluster most when it suffers: whoever asks for offsets all the time must not
// change what failoverd does, and is shown something each time.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>

#include "tests/simulation/daemon.h"
#include "tests/simulation/run.h"

namespace failoverd::simulation {
namespace {

constexpr const char* kShown = "whoever asks is shown once, in time";

// Asks every daemon for every table, whatever goes on.
class Asker : public Observer {
 public:
  Asker(World& world, Duration every) : world_(world), every_(every) {}

  void start() {
    world_.schedule.after(every_, [this] {
      std::vector<std::uint32_t> tids;
      for (const auto& [znode, table] : world_.fake_zookeeper.tables()) tids.push_back(table.tid);
      for (const auto& daemon : world_.daemons()) {
        if (daemon->alive() && !daemon->paused()) daemon->tell(core::StatusAsked{++last_id_, tids});
      }
      start();
    });
  }

  void before_step(const Daemon& d, const core::Event& event) override {
    if (const auto* asked = std::get_if<core::StatusAsked>(&event)) {
      open_[d.name()][asked->id] = world_.schedule.now();
    }
    // It stood still, and its timers with it.
    if (std::holds_alternative<core::LoopStalled>(event)) {
      for (auto& [id, at] : open_[d.name()]) at = world_.schedule.now();
    }
  }
  void commanded(const Daemon& d, const core::Command& command) override {
    const auto* show = std::get_if<core::ShowStatus>(&command);
    if (!show) return;
    ++shown;
    if (open_[d.name()].erase(show->id) == 0) {
      world_.violate(kShown, d.name() + " shows somebody who does not wait");
    }
  }
  void daemon_died(const Daemon& d) override { open_.erase(d.name()); }
  void after_step(const Daemon& d, const core::Event&) override {
    constexpr Duration kLatest = std::chrono::milliseconds{400};  // Timers may be late.
    for (const auto& [id, at] : open_[d.name()]) {
      if (world_.schedule.now() - at > kLatest) world_.violate(kShown, d.name() + " shows nothing");
    }
  }

  std::uint64_t shown = 0;

 private:
  World& world_;
  const Duration every_;
  core::RequestId last_id_ = 0;
  std::map<std::string, std::map<core::RequestId, Instant>> open_;
};

TEST(AskedAllTheTime, AllRulesHold) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    std::optional<Asker> asker;
    RunOptions options;
    options.seed = seed;
    options.tamper = [&](World& world) {
      asker.emplace(world, std::chrono::milliseconds{17 + seed});
      world.watch(*asker);
      asker->start();
    };
    const RunResult result = run(options);
    EXPECT_FALSE(result.violation) << "seed " << seed << " breaks " << result.violation->rule
                                   << "\n  " << result.violation->what;
    EXPECT_GT(asker->shown, 100U) << "seed " << seed;
  }
}

// The same is found out when somebody is never shown anything.
TEST(AskedAllTheTime, ADaemonThatForgetsWhoAskedIsFoundOut) {
  std::optional<Asker> asker;
  RunOptions options;
  options.only = kShown;
  options.tamper = [&](World& world) {
    asker.emplace(world, std::chrono::milliseconds{50});
    world.watch(*asker);
    asker->start();
    world.tamper.command = [](const Daemon&, const core::Command& command) {
      return !std::holds_alternative<core::ShowStatus>(command);
    };
  };
  const RunResult result = run(options);
  ASSERT_TRUE(result.violation);
  EXPECT_EQ(result.violation->rule, kShown);
}

}  // namespace
}  // namespace failoverd::simulation
