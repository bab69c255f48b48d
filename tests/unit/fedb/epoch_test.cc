// The epoch only rises, whatever stands in its znode, and what does not belong there is named.
#include "lib/fedb/leadership/epoch.h"

#include <gtest/gtest.h>

namespace failoverd::fedb {
namespace {

const std::string kHighest = "9223372036854775807";

TEST(Epoch, IsOneMoreThanTheLast) {
  EXPECT_EQ(next_epoch("", 0).epoch, 1);
  EXPECT_EQ(next_epoch("0", 0).epoch, 1);
  EXPECT_EQ(next_epoch("7", 0).epoch, 8);
  EXPECT_EQ(next_epoch("7", 7).epoch, 8);
  EXPECT_EQ(next_epoch("9223372036854775806", 0).epoch, 9223372036854775807);
  for (const char* good : {"", "0", "7"}) EXPECT_EQ(next_epoch(good, 0).wrong, "");
}

TEST(Epoch, WhatIsNoNumberIsNamedAndLowersNothing) {
  for (const std::string bad : {"garbage", "-3", "7 ", "7\n", " 7", "0x7", "+7", "7.0"}) {
    const NextEpoch next = next_epoch(bad, 4);
    EXPECT_EQ(next.epoch, 5) << bad;
    EXPECT_EQ(next.wrong, "\"" + bad +
                              "\" is not a decimal number, as the epoch 4, the highest "
                              "known, would be; goes on with 5");
  }
  EXPECT_EQ(next_epoch("garbage", 0).epoch, 1);
  EXPECT_NE(next_epoch("garbage", 0).wrong, "");
  EXPECT_EQ(next_epoch("", 4).epoch, 5);  // It was deleted.
  EXPECT_NE(next_epoch("", 4).wrong, "");
}

TEST(Epoch, ALowerOneIsNamed) {
  EXPECT_EQ(next_epoch("3", 7).epoch, 8);
  EXPECT_EQ(next_epoch("3", 7).wrong,
            "\"3\" is lower than the epoch 7, which has been: it may only rise; goes on with 8");
}

TEST(Epoch, NothingComesAfterTheHighest) {
  for (const std::string& bad : {kHighest, std::string{"18446744073709551615"}}) {
    EXPECT_EQ(next_epoch(bad, 4).epoch, std::nullopt);
    EXPECT_EQ(next_epoch(bad, 4).wrong,
              "\"" + bad +
                  "\" leaves no epoch above it, or above 4, which has been: write a "
                  "decimal number below 9223372036854775807; nothing is done until then");
  }
  EXPECT_EQ(next_epoch("7", 9223372036854775807).epoch, std::nullopt);
}

TEST(Epoch, IsInARecordsName) {
  EXPECT_EQ(epoch_in("7-12"), 7);
  const auto others = {"", "-", "-1", "7", "x-1", "7x-1", "18446744073709551615-1"};
  for (const char* other : others) EXPECT_EQ(epoch_in(other), 0);
}

}  // namespace
}  // namespace failoverd::fedb
