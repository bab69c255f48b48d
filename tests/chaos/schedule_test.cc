// A schedule follows from its seed alone, and every list that is drawn can be carried out.
#include "tests/chaos/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace failoverd::chaos {
namespace {

using std::chrono::seconds;

ScheduleWish wish(std::uint64_t seed, Duration length = seconds{180}) {
  return {.seed = seed, .length = length};
}

std::string text_of(const std::vector<Fault>& faults) {
  std::string text;
  for (const Fault& fault : faults) {
    text += fault.to_text() + "\n";
    for (const Step& step : fault.steps) {
      text += "  " + std::to_string(step.at.count()) + " " +
              std::to_string(static_cast<int>(step.act)) + " " + std::to_string(step.who) + " " +
              std::to_string(step.down.count()) + "\n";
    }
  }
  return text;
}

TEST(Schedule, FollowsFromItsSeed) {
  EXPECT_EQ(text_of(draw_schedule(wish(7))), text_of(draw_schedule(wish(7))));
  EXPECT_NE(text_of(draw_schedule(wish(7))), text_of(draw_schedule(wish(8))));
}

TEST(Schedule, ALongerOneBeginsLikeAShorterOne) {
  const auto shorter = draw_schedule(wish(7, seconds{60}));
  auto longer = draw_schedule(wish(7, seconds{600}));
  ASSERT_GT(longer.size(), shorter.size());
  longer.resize(shorter.size());
  EXPECT_EQ(text_of(longer), text_of(shorter));
}

TEST(Schedule, EveryKindComesOnceBeforeAnyComesTwice) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const auto faults = draw_schedule(wish(seed));
    ASSERT_GE(faults.size(), kAllFaults.size());
    std::set<FaultKind> kinds;
    for (std::size_t i = 0; i < kAllFaults.size(); ++i) kinds.insert(faults[i].kind);
    EXPECT_EQ(kinds.size(), kAllFaults.size()) << "seed " << seed;
  }
}

TEST(Schedule, OneFaultEndsBeforeTheNextBeginsAndAllWithinTheLength) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Duration last{};
    for (const Fault& fault : draw_schedule(wish(seed))) {
      ASSERT_FALSE(fault.steps.empty());
      EXPECT_GT(fault.steps.front().at, last) << "seed " << seed;
      for (const Step& step : fault.steps) {
        EXPECT_GE(step.at, last) << "seed " << seed;
        last = step.at;
      }
    }
    EXPECT_LE(last, seconds{180}) << "seed " << seed;
  }
}

// Nameservers are hit where there are some, and nobody else is hit otherwise because of them.
TEST(Schedule, HitsNameserversWhereThereAreSome) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    std::set<FaultKind> kinds;
    for (const Fault& fault : draw_schedule(wish(seed))) kinds.insert(fault.kind);
    for (const FaultKind kind : kNameserverFaults) EXPECT_FALSE(kinds.contains(kind));
    ScheduleWish two = wish(seed);
    two.nameservers = 2;
    kinds.clear();
    std::set<int> hit;
    for (const Fault& fault : draw_schedule(two)) {
      kinds.insert(fault.kind);
      std::set<int> killed;
      for (const Step& step : fault.steps) {
        if (step.act != Act::kKillNameserver && step.act != Act::kStopNameserver) continue;
        EXPECT_LT(step.who, 2);
        killed.insert(step.who);
      }
      hit.insert(killed.begin(), killed.end());
      if (fault.kind == FaultKind::kKillNameserversAndTablet) {
        EXPECT_EQ(killed.size(), 2u);
      }
    }
    for (const FaultKind kind : kNameserverFaults) EXPECT_TRUE(kinds.contains(kind)) << seed;
    EXPECT_FALSE(hit.empty());
  }
}

// Who is stopped goes on, who is switched off is switched on, and nobody else is meant.
TEST(Schedule, WhatIsBegunIsEnded) {
  const std::map<Act, Act> ends = {{Act::kStopTablet, Act::kContinueTablet},
                                   {Act::kStopDaemon, Act::kContinueDaemon},
                                   {Act::kStopNameserver, Act::kContinueNameserver},
                                   {Act::kKillZooKeeper, Act::kStartZooKeeper},
                                   {Act::kSwitchOff, Act::kSwitchOn}};
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    ScheduleWish wished = wish(seed);
    wished.nameservers = static_cast<int>(seed % 3);
    for (const Fault& fault : draw_schedule(wished)) {
      const Step& first = fault.steps.front();
      const auto end = ends.find(first.act);
      if (end == ends.end()) continue;
      EXPECT_EQ(fault.steps.back().act, end->second) << fault.to_text();
      EXPECT_EQ(fault.steps.back().who, first.who) << fault.to_text();
      const Duration lasts = fault.steps.back().at - first.at;
      EXPECT_LE(lasts, first.act == Act::kKillZooKeeper ? kLongestOutage : kLongestStop);
    }
  }
}

TEST(Schedule, HitsAsManyAsItsKindSays) {
  for (const Fault& fault : draw_schedule(wish(3, seconds{600}))) {
    std::set<int> tablets;
    std::size_t kills = 0;
    std::set<int> daemons;
    for (const Step& step : fault.steps) {
      EXPECT_LT(step.who, 4);
      if (step.act == Act::kKillTablet) tablets.insert(step.who), ++kills;
      if (step.act == Act::kKillDaemon) daemons.insert(step.who);
      EXPECT_LE(step.down, kLongestDown);
    }
    switch (fault.kind) {
      case FaultKind::kKillTwoTablets:
        EXPECT_EQ(tablets.size(), 2u);
        break;
      case FaultKind::kKillAllTablets:
        EXPECT_EQ(tablets.size(), 4u);
        break;
      case FaultKind::kRestartThrice:
        EXPECT_EQ(tablets.size(), 1u);
        EXPECT_EQ(kills, 3u);
        break;
      case FaultKind::kKillDaemonsAndTablet:
        EXPECT_EQ(tablets.size(), 1u);
        EXPECT_EQ(daemons.size(), 2u);
        break;
      default:
        EXPECT_LE(tablets.size(), 1u);
        EXPECT_LE(daemons.size(), 1u);
    }
  }
}

TEST(Schedule, SaysInWordsWhatItDoes) {
  const Fault killed{FaultKind::kKillTwoTablets,
                     {{seconds{1}, Act::kKillTablet, 0, seconds{3}},
                      {seconds{1}, Act::kKillTablet, 2, std::chrono::milliseconds{100}}}};
  EXPECT_EQ(killed.to_text(), "kill two tablets: A (down 3.0 s), C (down 0.1 s)");
  const Fault stopped{
      FaultKind::kStopDaemon,
      {{seconds{1}, Act::kStopDaemon, 1, {}}, {seconds{5}, Act::kContinueDaemon, 1, {}}}};
  EXPECT_EQ(stopped.to_text(), "stop a daemon: daemon 1 for 4.0 s");
}

}  // namespace
}  // namespace failoverd::chaos
