// Which lines of a log are shown beside a lost row.
#include "tests/chaos/log_excerpt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace failoverd::chaos {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const std::string kLog =
    "2026-01-02T03:04:05.000Z info failover: kChangeLeaderOP of three/1\n"
    "2026-01-02T03:04:05.400Z debug event: three/1\n"
    "2026-01-02T03:04:05.500Z info op: 127.0.0.1:9520 is alive again\n"
    "2026-01-02T03:04:06.000Z info failover: kChangeLeaderOP of two/1\n"
    "2026-01-02T03:04:07.000Z warning tablet: 127.0.0.1:9520\n";
constexpr std::int64_t kStart = 1767323045000;  // The first line.

TEST(LogExcerpt, HasTheLinesOfTheTimeWithOneOfTheWords) {
  EXPECT_THAT(excerpt(kLog, {kStart, kStart + 1'000, {"three/1", "127.0.0.1:9520"}, 20}),
              ElementsAre("2026-01-02T03:04:05.000Z info failover: kChangeLeaderOP of three/1",
                          "2026-01-02T03:04:05.500Z info op: 127.0.0.1:9520 is alive again"));
  EXPECT_THAT(excerpt(kLog, {kStart + 1, kStart + 100'000, {"three/1"}, 20}), IsEmpty());
}

TEST(LogExcerpt, SaysHowManyLinesAreLeftOut) {
  EXPECT_THAT(excerpt(kLog, {kStart, kStart + 10'000, {":"}, 1}),
              ElementsAre("2026-01-02T03:04:05.000Z info failover: kChangeLeaderOP of three/1",
                          "(3 more lines)"));
}

}  // namespace
}  // namespace failoverd::chaos
