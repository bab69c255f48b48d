#include "lib/config/units.h"

#include <gtest/gtest.h>

namespace failoverd::config {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(Units, DurationsHaveOneOfFourUnits) {
  EXPECT_EQ(parse_duration("500ms"), milliseconds{500});
  EXPECT_EQ(parse_duration("3s"), seconds{3});
  EXPECT_EQ(parse_duration("5m"), minutes{5});
  EXPECT_EQ(parse_duration("720h"), hours{720});
  EXPECT_EQ(parse_duration("0s"), Duration{0});
  EXPECT_EQ(parse_duration("007s"), seconds{7});
}

TEST(Units, WhatIsNoDurationIsRefused) {
  for (const char* text : {"", "3", "0", "s", "ms", "-3s", "+3s", "3 s", " 3s", "3s ", "1.5s", "3S",
                           "3sec", "3d", "1h30m", "0x3s", "3us", "never", "1e3ms"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
}

TEST(Units, DurationsThatDoNotFitAreRefused) {
  EXPECT_NE(parse_duration("2562047788h"), std::nullopt);
  EXPECT_EQ(parse_duration("2562047789h"), std::nullopt);
  EXPECT_EQ(parse_duration("18446744073709551615ms"), std::nullopt);
  EXPECT_EQ(parse_duration("18446744073709551616ms"), std::nullopt);
}

TEST(Units, DurationTextIsTheShortestThatReadsBack) {
  for (const char* text :
       {"0s", "1ms", "999ms", "1s", "1500ms", "90s", "1m", "61m", "1h", "720h"}) {
    ASSERT_NE(parse_duration(text), std::nullopt);
    EXPECT_EQ(duration_text(*parse_duration(text)), text);
  }
  EXPECT_EQ(duration_text(seconds{60}), "1m");
  EXPECT_EQ(duration_text(minutes{120}), "2h");
  EXPECT_EQ(duration_text(Duration{1'999}), "1ms");
}

TEST(Units, SizesAreBytesOrBinaryUnits) {
  EXPECT_EQ(parse_size("0"), 0U);
  EXPECT_EQ(parse_size("4096"), 4096U);
  EXPECT_EQ(parse_size("4KiB"), 4096U);
  EXPECT_EQ(parse_size("2MiB"), 2U << 20);
  EXPECT_EQ(parse_size("3GiB"), 3ULL << 30);
  EXPECT_EQ(parse_size("17179869183GiB"), 17179869183ULL << 30);
  for (const char* text : {"", "4KB", "4K", "4 KiB", "-1", "1.5GiB", "GiB", "17179869184GiB",
                           "18446744073709551616", "4kib"}) {
    EXPECT_EQ(parse_size(text), std::nullopt) << text;
  }
}

TEST(Units, NumbersAreDigits) {
  EXPECT_EQ(parse_number("0"), 0U);
  EXPECT_EQ(parse_number("18446744073709551615"), 18446744073709551615ULL);
  for (const char* text : {"", "18446744073709551616", "-1", "+1", "1.0", "1k", " 1", "0x10"}) {
    EXPECT_EQ(parse_number(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace failoverd::config
