// The types that every room builds on.
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <variant>

#include "lib/base/boot_clock.h"
#include "lib/base/check.h"
#include "lib/base/lower_case.h"
#include "lib/base/machine_id.h"
#include "lib/base/overload.h"
#include "lib/base/result.h"
#include "lib/base/time.h"
#include "lib/base/utf8.h"

namespace failoverd {
namespace {

TEST(LowerCase, ChangesAsciiLettersOnly) {
  EXPECT_EQ(lower_case("TRUE"), "true");
  EXPECT_EQ(lower_case("Azm-9_[@`"), "azm-9_[@`");
  EXPECT_EQ(lower_case("\xC3\x84"), "\xC3\x84") << "a byte of an umlaut";
  EXPECT_EQ(lower_case(""), "");
}

TEST(Result, IsAValueOrAFailure) {
  const Result<int> good = 3;
  const Result<int> bad = Failure{"listen.http: no port"};
  ASSERT_TRUE(good);
  EXPECT_EQ(*good, 3);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().text, "listen.http: no port");
}

TEST(Result, OfAFailureThrowsItsTextWhenItsValueIsTaken) {
  const Result<int> bad = Failure{"no port"};
  try {
    static_cast<void>(bad.value());
    FAIL() << "did not throw";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "no port");
  }
}

TEST(CheckDeathTest, AbortsAndSaysWhereInEveryBuild) {
  EXPECT_DEATH(CHECK(1 + 1 == 3), "base_test.cc:[0-9]+: CHECK failed: 1 \\+ 1 == 3");
}

TEST(Check, EvaluatesItsConditionOnce) {
  int times = 0;
  CHECK(++times == 1);
  EXPECT_EQ(times, 1);
}

TEST(Overload, CallsTheLambdaOfTheAlternative) {
  const auto name = [](const std::variant<int, std::string>& value) {
    return std::visit(
        Overload{[](int) { return "number"; }, [](const std::string&) { return "text"; }}, value);
  };
  EXPECT_STREQ(name(1), "number");
  EXPECT_STREQ(name("1"), "text");
}

TEST(Time, DurationsAreShownInSecondsAndMilliseconds) {
  EXPECT_DOUBLE_EQ(seconds(std::chrono::milliseconds{1500}), 1.5);
  EXPECT_DOUBLE_EQ(milliseconds(Duration{1500}), 1.5);
}

TEST(Utf8, WhatOthersWroteIsCutBetweenCharactersAndMadeWhole) {
  EXPECT_EQ(shortened("plain", 300), "plain");
  EXPECT_EQ(shortened("a\xFF"
                      "b",
                      300),
            "a\xEF\xBF\xBD"
            "b");
  const std::string long_text(1'200'000, 'x');
  EXPECT_EQ(shortened(long_text, 4), "xxxx... (of 1200000 bytes)");
  EXPECT_EQ(shortened("\xC3\xA4\xC3\xA4", 3), "\xC3\xA4... (of 4 bytes)");
  EXPECT_TRUE(is_utf8(shortened(std::string(1000, '\x80'), 100)));
}

TEST(BootClock, NeverGoesBack) {
  Instant last = boot_now();
  EXPECT_GT(last, Instant{});
  for (int i = 0; i < 1000; ++i) {
    const Instant now = boot_now();
    ASSERT_GE(now, last);
    last = now;
  }
}

// CLOCK_BOOTTIME counts suspended time too, so it is never behind the steady clock.
TEST(BootClock, IsNotBehindTheSteadyClock) {
  const auto steady =
      std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch());
  EXPECT_GE(boot_now().time_since_epoch(), steady);
}

TEST(BootClock, WallTimeIsUnixTimeInMilliseconds) {
  constexpr std::int64_t kStartOf2020 = 1'577'836'800'000;
  EXPECT_GT(wall_now_ms(), kStartOf2020);
}

// What systemd calls confidential is not what others are shown.
TEST(MachineId, IsDerivedFromTheMachinesOwn) {
  std::ifstream file{"/etc/machine-id"};
  std::string own;
  file >> own;
  const std::string id = machine_id();
  EXPECT_EQ(id, machine_id());
  EXPECT_EQ(id.size(), own.size() < 32 ? 0u : 16u);
  EXPECT_TRUE(id.empty() || own.find(id) == std::string::npos);
}

}  // namespace
}  // namespace failoverd
