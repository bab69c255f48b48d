// Terms and op ids: never twice, always above what was seen (SAFETY 4).
#include "lib/core/durable/number_block.h"

#include <gtest/gtest.h>

namespace failoverd::core {
namespace {

TEST(NumberBlock, GivesNothingBeforeItIsReserved) {
  NumberBlock b{100};
  EXPECT_TRUE(b.due());
  EXPECT_FALSE(b.take(2));
}

TEST(NumberBlock, GivesEachNumberOnce) {
  NumberBlock b{4};
  b.asked();
  b.reserved(11, 14);
  EXPECT_EQ(b.take(2), 11u);
  EXPECT_EQ(b.take(2), 13u);
  EXPECT_FALSE(b.take(1));
}

TEST(NumberBlock, GivesTheLastOfItsNumbers) {
  NumberBlock b{3};
  b.asked();
  b.reserved(1, 3);
  EXPECT_EQ(b.take(3), 1u);
}

TEST(NumberBlock, AsksAheadOfNeed) {
  NumberBlock b{10};
  b.asked();
  b.reserved(1, 10);
  EXPECT_FALSE(b.due());
  ASSERT_TRUE(b.take(6));
  EXPECT_TRUE(b.due());
  b.asked();
  EXPECT_FALSE(b.due());  // One reservation at a time.
}

TEST(NumberBlock, JoinsABlockThatFollows) {
  NumberBlock b{4};
  b.asked();
  b.reserved(1, 4);
  ASSERT_EQ(b.take(3), 1u);
  b.asked();
  b.reserved(5, 8);
  EXPECT_EQ(b.take(2), 4u);
}

// Somebody else raised the counter in between: what is left of the old block stays ours, but a
// pair that spans both would not be.
TEST(NumberBlock, GivesUpTheRestWhenTheNextDoesNotFollow) {
  NumberBlock b{4};
  b.asked();
  b.reserved(1, 4);
  ASSERT_EQ(b.take(3), 1u);
  b.asked();
  b.reserved(9, 12);
  EXPECT_EQ(b.take(2), 9u);
}

TEST(NumberBlock, GoesAboveWhatWasSeenAndAsksForItWhenItCannot) {
  NumberBlock b{10};
  b.asked();
  b.reserved(1, 10);
  EXPECT_EQ(b.take(2, 6), 7u);
  EXPECT_FALSE(b.take(2, 500));
  EXPECT_TRUE(b.due());
  EXPECT_EQ(b.above(), 500u);
  b.asked();
  b.reserved(501, 510);
  EXPECT_EQ(b.take(2, 500), 501u);
}

// A number near the end of all numbers is damage: nothing wraps, and nobody asks for what is above.
TEST(NumberBlock, GivesNothingOutAboveTheHighest) {
  NumberBlock b{10};
  b.asked();
  b.reserved(1, 10);
  EXPECT_FALSE(b.take(2, ~std::uint64_t{0}));
  EXPECT_FALSE(b.take(2, NumberBlock::kHighest));
  EXPECT_EQ(b.above(), 0u);
  EXPECT_EQ(b.take(2), 1u);
}

TEST(NumberBlock, NothingIsOursAfterTheLockIsLost) {
  NumberBlock b{10};
  b.asked();
  b.reserved(1, 10);
  b.void_all();
  EXPECT_FALSE(b.take(1));
  EXPECT_TRUE(b.empty());
}

// Whom a number was given to still has it.
TEST(NumberBlock, RemembersTheHighestThatItGave) {
  NumberBlock b{10};
  b.asked();
  b.reserved(1, 10);
  EXPECT_EQ(b.highest_taken(), 0u);
  ASSERT_EQ(b.take(2, 4), 5u);
  EXPECT_EQ(b.highest_taken(), 6u);
  b.void_all();
  EXPECT_EQ(b.highest_taken(), 6u);
}

}  // namespace
}  // namespace failoverd::core
