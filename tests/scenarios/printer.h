// What a scenario shows of the made-up world, a line each: what the daemons say, what was done at
// the tablets, what was published, and who came and went. Polls and ZooKeeper's chatter are left
// out.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/simulation/observer.h"
#include "tests/simulation/world.h"

namespace failoverd::scenarios {

class Printer : public simulation::Observer {
 public:
  explicit Printer(simulation::World& world) : world_(world) {}

  // Lines since the last time; times in them count from then.
  std::vector<std::string> take();
  void line(const std::string& text);  // Without a time.
  // Also what a replica is asked about itself when it matters.
  void show_readings(bool on) { shows_readings_ = on; }

  void daemon_started(const simulation::Daemon&) override;
  void daemon_died(const simulation::Daemon&) override;
  void before_step(const simulation::Daemon&, const core::Event&) override;
  void commanded(const simulation::Daemon&, const core::Command&) override;
  void answered(const simulation::Daemon&, const core::CallTablet&, const core::Answer&) override;
  void carried_out(const std::string&, const core::CallTablet&, const core::Answer&) override;
  void table_written(const core::TableShape&, const core::TableShape&, const std::string&) override;
  void happened(const std::string&) override;

 private:
  void timed(const std::string& text);
  void show_reading(const core::CallTablet&, const core::Answer&);
  void show_trial(const simulation::Daemon&, const core::TableTried&);
  void show_tables(const simulation::Daemon&, core::RequestId);
  std::string call_text(const core::Call&) const;

  simulation::World& world_;
  bool shows_readings_ = false;
  Instant since_{std::chrono::seconds{1000}};
  std::vector<std::string> lines_;
  std::map<core::RequestId, std::pair<Instant, std::vector<std::uint32_t>>> asked_;
};

}  // namespace failoverd::scenarios
