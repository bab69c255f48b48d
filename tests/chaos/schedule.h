// What goes wrong in a chaos run, and when: a list of faults that is drawn from one seed and knows
// nothing of the cluster it will hit. The same seed, length and cluster give the same list. Pure.
//
// One fault ends before the next begins, so that what was lost can be told apart; a tablet that is
// killed is down for a while of its own, which may reach into the next faults.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "lib/base/time.h"

namespace failoverd::chaos {

enum class FaultKind {
  kKillOneTablet,
  kKillTwoTablets,
  kKillAllTablets,
  kRestartThrice,  // One tablet, killed again soon after it was started.
  kStopTablet,     // SIGSTOP, at most kLongestStop.
  kKillDaemon,
  kStopDaemon,
  kKillDaemonsAndTablet,  // Every daemon and one tablet in the same moment.
  kKillZooKeeper,         // Down at most kLongestOutage.
  kMakeSnapshots,         // No fault, but what tablets do once a day, all at the same time.
  kSwitchOff,             // auto_failover off and on, with a tablet killed in between or not.
  // Where there are nameservers:
  kKillNameserver,            // Down for a while: its znode outlives it by its session.
  kStopNameserver,            // Of two the other one leads once its session is over.
  kKillNameserversAndTablet,  // Every nameserver and one tablet in the same moment.
};
inline constexpr std::array kAllFaults = {
    FaultKind::kKillOneTablet,  FaultKind::kKillTwoTablets,
    FaultKind::kKillAllTablets, FaultKind::kRestartThrice,
    FaultKind::kStopTablet,     FaultKind::kKillDaemon,
    FaultKind::kStopDaemon,     FaultKind::kKillDaemonsAndTablet,
    FaultKind::kKillZooKeeper,  FaultKind::kMakeSnapshots,
    FaultKind::kSwitchOff,
};
inline constexpr std::array kNameserverFaults = {
    FaultKind::kKillNameserver,
    FaultKind::kStopNameserver,
    FaultKind::kKillNameserversAndTablet,
};
inline constexpr Duration kLongestStop = std::chrono::seconds{9};
inline constexpr Duration kLongestOutage = std::chrono::seconds{5};
inline constexpr Duration kLongestDown = std::chrono::seconds{6};  // Of what was killed.

// "kill two tablets"
const char* to_text(FaultKind kind);

enum class Act {
  kKillTablet,
  kStopTablet,
  kContinueTablet,
  kMakeSnapshots,
  kKillDaemon,
  kStopDaemon,
  kContinueDaemon,
  kKillZooKeeper,
  kStartZooKeeper,
  kSwitchOff,
  kSwitchOn,
  kKillNameserver,
  kStopNameserver,
  kContinueNameserver,
};

struct Step {
  Duration at{};  // Since the run's beginning.
  Act act{};
  int who = 0;      // Which tablet, daemon or nameserver, from 0.
  Duration down{};  // A kill: its supervisor starts it again after so long.
};

struct Fault {
  FaultKind kind{};
  std::vector<Step> steps;  // In order of time; never empty.

  // "kill two tablets: A (down 0.1 s), C (down 3.2 s)"
  std::string to_text() const;
};

struct ScheduleWish {
  std::uint64_t seed = 0;
  Duration length{};  // No step is later.
  int tablets = 4;
  int daemons = 2;
  int nameservers = 0;
};

// In order of time. Every kind comes once before any comes twice, in an order that is drawn.
std::vector<Fault> draw_schedule(const ScheduleWish& wish);

// How people call a tablet: A, B, C, ...
inline char letter_of(int tablet) { return static_cast<char>('A' + tablet); }

}  // namespace failoverd::chaos
