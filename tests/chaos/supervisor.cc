#include "tests/chaos/supervisor.h"

#include <algorithm>
#include <csignal>

#include "lib/base/boot_clock.h"
#include "tests/chaos/schedule.h"

namespace failoverd::chaos {
namespace {

// Between the end of a process that was not killed and its next start.
constexpr Duration kAgain = std::chrono::milliseconds{300};
// A minitablet that cannot serve: its znode is there still, or there is no ZooKeeper.
constexpr int kCannotServe = 1;

}  // namespace

Supervisor::Supervisor(e2e::Cluster& cluster, std::vector<e2e::Daemon*> daemons, Ledger& ledger)
    : cluster_{cluster}, daemons_{std::move(daemons)}, ledger_{ledger} {
  for (int i = 0; i < cluster_.tablets(); ++i) all_.emplace_back(What::kTablet, i);
  for (std::size_t i = 0; i < daemons_.size(); ++i) {
    all_.emplace_back(What::kDaemon, static_cast<int>(i));
  }
  for (std::size_t i = 0; i < cluster_.nameservers().count(); ++i) {
    all_.emplace_back(What::kNameserver, static_cast<int>(i));
  }
}

harness::Process& Supervisor::process(Who who) {
  const auto i = static_cast<std::size_t>(who.second);
  switch (who.first) {
    case What::kTablet:
      return cluster_.process(who.second);
    case What::kNameserver:
      return cluster_.nameservers().process(i);
    case What::kDaemon:
      break;
  }
  return daemons_.at(i)->process();
}

void Supervisor::start(Who who) {
  const auto i = static_cast<std::size_t>(who.second);
  switch (who.first) {
    case What::kTablet:
      return cluster_.launch_tablet(who.second);
    case What::kNameserver:
      return cluster_.nameservers().launch(i);
    case What::kDaemon:
      return daemons_.at(i)->start();
  }
}

std::string Supervisor::name_of(Who who) {
  switch (who.first) {
    case What::kTablet:
      return std::string{"tablet "} + letter_of(who.second);
    case What::kDaemon:
      return "daemon " + std::to_string(who.second);
    case What::kNameserver:
      break;
  }
  return "nameserver " + std::to_string(who.second);
}

void Supervisor::kill(Who who, Duration down) {
  process(who).kill(SIGKILL);
  const Instant when = boot_now() + down;
  const auto [due, is_new] = due_.emplace(who, when);
  if (!is_new) due->second = std::min(due->second, when);
}

void Supervisor::kill_tablet(int i, Duration down) {
  kill({What::kTablet, i}, down);
  ledger_.killed(cluster_.tablet(i), boot_now());
}

void Supervisor::kill_daemon(int i, Duration down) { kill({What::kDaemon, i}, down); }

void Supervisor::stop_tablet(int i) {
  ledger_.stopped(cluster_.tablet(i), boot_now());
  process({What::kTablet, i}).pause();
  stopped_[{What::kTablet, i}] = true;
}

void Supervisor::continue_tablet(int i) {
  process({What::kTablet, i}).resume();
  stopped_.erase({What::kTablet, i});
  ledger_.continued(cluster_.tablet(i), boot_now());
}

void Supervisor::stop_daemon(int i) {
  process({What::kDaemon, i}).pause();
  stopped_[{What::kDaemon, i}] = true;
}

void Supervisor::continue_daemon(int i) {
  process({What::kDaemon, i}).resume();
  stopped_.erase({What::kDaemon, i});
}

void Supervisor::kill_nameserver(int i, Duration down) { kill({What::kNameserver, i}, down); }

void Supervisor::stop_nameserver(int i) {
  cluster_.nameservers().pause(static_cast<std::size_t>(i));
  stopped_[{What::kNameserver, i}] = true;
}

void Supervisor::continue_nameserver(int i) {
  cluster_.nameservers().resume(static_cast<std::size_t>(i));
  stopped_.erase({What::kNameserver, i});
}

void Supervisor::look() {
  for (const Who& who : all_) look_at(who);
}

void Supervisor::look_at(Who who) {
  if (process(who).running()) return;
  const auto due = due_.find(who);
  if (due == due_.end()) {
    due_[who] = boot_now() + kAgain;
    const int status = process(who).wait(Duration::zero()).value_or(-1);
    if (who.first == What::kTablet && status == kCannotServe) return;
    surprises_.push_back(name_of(who) + " ended by itself with status " + std::to_string(status));
    return;
  }
  if (boot_now() < due->second) return;
  due_.erase(due);
  start(who);
  ++starts_;
}

bool Supervisor::all_run() {
  return stopped_.empty() && due_.empty() &&
         std::all_of(all_.begin(), all_.end(), [&](Who who) { return process(who).running(); });
}

}  // namespace failoverd::chaos
