// Terms and op ids: never twice, always above what was seen (SAFETY 4).
#include "lib/core/durable/blocks.h"

#include <gtest/gtest.h>

namespace failoverd::core {
namespace {

TEST(Block, GivesNothingBeforeItIsReserved) {
  Block b{100};
  EXPECT_TRUE(b.due());
  EXPECT_FALSE(b.take(2));
}

TEST(Block, GivesEachNumberOnce) {
  Block b{4};
  b.asked();
  b.reserved(11, 14);
  EXPECT_EQ(b.take(2), 11u);
  EXPECT_EQ(b.take(2), 13u);
  EXPECT_FALSE(b.take(1));
}

TEST(Block, GivesTheLastOfItsNumbers) {
  Block b{3};
  b.asked();
  b.reserved(1, 3);
  EXPECT_EQ(b.take(3), 1u);
}

TEST(Block, AsksAheadOfNeed) {
  Block b{10};
  b.asked();
  b.reserved(1, 10);
  EXPECT_FALSE(b.due());
  ASSERT_TRUE(b.take(6));
  EXPECT_TRUE(b.due());
  b.asked();
  EXPECT_FALSE(b.due());  // One reservation at a time.
}

TEST(Block, JoinsABlockThatFollows) {
  Block b{4};
  b.asked();
  b.reserved(1, 4);
  ASSERT_EQ(b.take(3), 1u);
  b.asked();
  b.reserved(5, 8);
  EXPECT_EQ(b.take(2), 4u);
}

// Somebody else raised the counter in between: what is left of the old block stays ours, but a
// pair that spans both would not be.
TEST(Block, GivesUpTheRestWhenTheNextDoesNotFollow) {
  Block b{4};
  b.asked();
  b.reserved(1, 4);
  ASSERT_EQ(b.take(3), 1u);
  b.asked();
  b.reserved(9, 12);
  EXPECT_EQ(b.take(2), 9u);
}

TEST(Block, GoesAboveWhatWasSeenAndAsksForItWhenItCannot) {
  Block b{10};
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
TEST(Block, GivesNothingOutAboveTheHighest) {
  Block b{10};
  b.asked();
  b.reserved(1, 10);
  EXPECT_FALSE(b.take(2, ~std::uint64_t{0}));
  EXPECT_FALSE(b.take(2, Block::kHighest));
  EXPECT_EQ(b.above(), 0u);
  EXPECT_EQ(b.take(2), 1u);
}

TEST(Block, NothingIsOursAfterTheLockIsLost) {
  Block b{10};
  b.asked();
  b.reserved(1, 10);
  b.void_all();
  EXPECT_FALSE(b.take(1));
  EXPECT_TRUE(b.empty());
}

}  // namespace
}  // namespace failoverd::core
