#include "tests/chaos/schedule.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "lib/base/check.h"
#include "tests/simulation/random.h"

namespace failoverd::chaos {
namespace {

using simulation::Random;
using simulation::Range;
using std::chrono::milliseconds;
using std::chrono::seconds;

// The cluster is whole for a moment before the first fault.
constexpr Duration kQuietBeginning = seconds{2};
constexpr Range kPauseBetweenFaults{milliseconds{300}, seconds{5}};
// As quickly as a supervisor does it, before the old session has expired.
constexpr Duration kAtOnce = milliseconds{100};

std::string in_seconds(Duration d) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", failoverd::seconds(d));
  return text;
}

class Drawing {
 public:
  explicit Drawing(const ScheduleWish& wish) : wish_{wish}, random_{wish.seed} {}

  std::vector<Fault> run() {
    std::vector<Fault> faults;
    Duration now = kQuietBeginning;
    for (;;) {
      Fault fault = draw(next_kind(), now);
      now = fault.steps.back().at;
      if (now > wish_.length) return faults;
      faults.push_back(std::move(fault));
      now += random_.in(kPauseBetweenFaults);
    }
  }

 private:
  // From a deck of all kinds that is shuffled anew when it is used up.
  FaultKind next_kind() {
    if (deck_.empty()) {
      deck_.assign(kAllFaults.begin(), kAllFaults.end());
      if (wish_.nameservers > 0) {
        deck_.insert(deck_.end(), kNameserverFaults.begin(), kNameserverFaults.end());
      }
      for (std::size_t i = deck_.size(); i > 1; --i)
        std::swap(deck_[i - 1], deck_[random_.below(i)]);
    }
    const FaultKind kind = deck_.back();
    deck_.pop_back();
    return kind;
  }

  int any_of(int n) { return static_cast<int>(random_.below(static_cast<std::uint64_t>(n))); }

  // Half of what dies is started at once, the rest up to a second or some seconds later: within its
  // old session or beyond it.
  Duration any_down() {
    if (random_.chance(0.5)) return kAtOnce;
    return random_.chance(0.5) ? random_.in({kAtOnce, seconds{1}})
                               : random_.in({seconds{1}, kLongestDown});
  }

  Step kill_tablet(Duration at, int who) { return {at, Act::kKillTablet, who, any_down()}; }

  std::vector<Step> kill_tablets(Duration at, int how_many) {
    std::vector<int> all;
    for (int i = 0; i < wish_.tablets; ++i) all.push_back(i);
    std::vector<Step> steps;
    for (int i = 0; i < std::min(how_many, wish_.tablets); ++i) {
      const auto chosen = all.begin() + any_of(static_cast<int>(all.size()));
      steps.push_back(kill_tablet(at, *chosen));
      all.erase(chosen);
    }
    return steps;
  }

  std::vector<Step> restart_thrice(Duration at) {
    const int who = any_of(wish_.tablets);
    std::vector<Step> steps;
    for (int i = 0; i < 3; ++i) {
      steps.push_back({at, Act::kKillTablet, who, kAtOnce});
      at += kAtOnce + random_.in({milliseconds{100}, seconds{3}});
    }
    return steps;
  }

  std::vector<Step> pause(Duration at, Act begin, Act end, int who, Range range) {
    return {{at, begin, who, {}}, {at + random_.in(range), end, who, {}}};
  }

  std::vector<Step> switch_off(Duration at) {
    std::vector<Step> steps = {{at, Act::kSwitchOff, 0, {}}};
    if (random_.chance(0.5)) {
      at += random_.in({milliseconds{100}, seconds{1}});
      steps.push_back(kill_tablet(at, any_of(wish_.tablets)));
    }
    steps.push_back({at + random_.in({milliseconds{200}, seconds{4}}), Act::kSwitchOn, 0, {}});
    return steps;
  }

  Fault draw(FaultKind kind, Duration at) {
    constexpr Range kStop{milliseconds{200}, kLongestStop};
    switch (kind) {
      case FaultKind::kKillOneTablet:
        return {kind, kill_tablets(at, 1)};
      case FaultKind::kKillTwoTablets:
        return {kind, kill_tablets(at, 2)};
      case FaultKind::kKillAllTablets:
        return {kind, kill_tablets(at, wish_.tablets)};
      case FaultKind::kRestartThrice:
        return {kind, restart_thrice(at)};
      case FaultKind::kStopTablet:
        return {kind,
                pause(at, Act::kStopTablet, Act::kContinueTablet, any_of(wish_.tablets), kStop)};
      case FaultKind::kKillDaemon:
        return {kind, {{at, Act::kKillDaemon, any_of(wish_.daemons), any_down()}}};
      case FaultKind::kStopDaemon:
        return {kind,
                pause(at, Act::kStopDaemon, Act::kContinueDaemon, any_of(wish_.daemons), kStop)};
      case FaultKind::kKillDaemonsAndTablet: {
        Fault fault{kind, kill_tablets(at, 1)};
        for (int i = 0; i < wish_.daemons; ++i) {
          fault.steps.push_back({at, Act::kKillDaemon, i, any_down()});
        }
        return fault;
      }
      case FaultKind::kKillZooKeeper:
        return {kind, pause(at, Act::kKillZooKeeper, Act::kStartZooKeeper, 0,
                            {milliseconds{100}, kLongestOutage})};
      case FaultKind::kMakeSnapshots:
        return {kind, {{at, Act::kMakeSnapshots, 0, {}}}};
      case FaultKind::kSwitchOff:
        return {kind, switch_off(at)};
      case FaultKind::kKillNameserver:
        return {kind, {{at, Act::kKillNameserver, any_of(wish_.nameservers), any_down()}}};
      case FaultKind::kStopNameserver:
        return {kind, pause(at, Act::kStopNameserver, Act::kContinueNameserver,
                            any_of(wish_.nameservers), kStop)};
      case FaultKind::kKillNameserversAndTablet: {
        Fault fault{kind, kill_tablets(at, 1)};
        for (int i = 0; i < wish_.nameservers; ++i) {
          fault.steps.push_back({at, Act::kKillNameserver, i, any_down()});
        }
        return fault;
      }
    }
    std::abort();
  }

  const ScheduleWish wish_;
  Random random_;
  std::vector<FaultKind> deck_;
};

// Who is hit, and for how long; empty for what only ends something.
std::string hit(const Step& step, Duration end) {
  const std::string tablet{letter_of(step.who)};
  const std::string daemon = "daemon " + std::to_string(step.who);
  const std::string nameserver = "nameserver " + std::to_string(step.who);
  switch (step.act) {
    case Act::kKillTablet:
      return tablet + " (down " + in_seconds(step.down) + ")";
    case Act::kKillDaemon:
      return daemon + " (down " + in_seconds(step.down) + ")";
    case Act::kStopTablet:
      return tablet + " for " + in_seconds(end - step.at);
    case Act::kStopDaemon:
      return daemon + " for " + in_seconds(end - step.at);
    case Act::kKillNameserver:
      return nameserver + " (down " + in_seconds(step.down) + ")";
    case Act::kStopNameserver:
      return nameserver + " for " + in_seconds(end - step.at);
    case Act::kKillZooKeeper:
    case Act::kSwitchOff:
      return "for " + in_seconds(end - step.at);
    default:
      return {};
  }
}

}  // namespace

const char* to_text(FaultKind kind) {
  switch (kind) {
    case FaultKind::kKillOneTablet:
      return "kill one tablet";
    case FaultKind::kKillTwoTablets:
      return "kill two tablets";
    case FaultKind::kKillAllTablets:
      return "kill all tablets";
    case FaultKind::kRestartThrice:
      return "restart a tablet thrice";
    case FaultKind::kStopTablet:
      return "stop a tablet";
    case FaultKind::kKillDaemon:
      return "kill a daemon";
    case FaultKind::kStopDaemon:
      return "stop a daemon";
    case FaultKind::kKillDaemonsAndTablet:
      return "kill all daemons and a tablet";
    case FaultKind::kKillZooKeeper:
      return "kill ZooKeeper";
    case FaultKind::kMakeSnapshots:
      return "all make snapshots";
    case FaultKind::kSwitchOff:
      return "auto_failover off and on";
    case FaultKind::kKillNameserver:
      return "kill a nameserver";
    case FaultKind::kStopNameserver:
      return "stop a nameserver";
    case FaultKind::kKillNameserversAndTablet:
      return "kill all nameservers and a tablet";
  }
  return "?";
}

std::string Fault::to_text() const {
  std::string text;
  for (const Step& step : steps) {
    const std::string one = hit(step, steps.back().at);
    if (!one.empty()) text += (text.empty() ? ": " : ", ") + one;
  }
  return chaos::to_text(kind) + text;
}

std::vector<Fault> draw_schedule(const ScheduleWish& wish) {
  CHECK(wish.tablets > 0 && wish.daemons > 0 && wish.nameservers >= 0);
  return Drawing{wish}.run();
}

}  // namespace failoverd::chaos
