// What the ledger calls lost, and what it lets pass as explained. A row that is erased by hand is
// found, and nothing explains it.
#include "tests/chaos/ledger.h"

#include <gtest/gtest.h>

namespace failoverd::chaos {
namespace {

using std::chrono::milliseconds;
using testkit::AckedRow;

const std::string kTablet = "127.0.0.1:9520";
const std::string kOther = "127.0.0.1:9521";

Instant at(int ms) { return Instant{milliseconds{100'000 + ms}}; }

// Sent 5 ms before it was acknowledged.
AckedRow row(int number, int acked_ms) {
  AckedRow row;
  row.tid = 2;
  row.pid = 1;
  row.key = "key" + std::to_string(number);
  row.ts = static_cast<std::uint64_t>(number);
  row.value = std::to_string(number);
  row.tablet = kTablet;
  row.term = 3;
  row.sent = at(acked_ms - 5);
  row.acked = at(acked_ms);
  return row;
}

HeldRows held(const std::vector<AckedRow>& rows) {
  HeldRows held;
  for (const AckedRow& r : rows) held[{r.tid, r.pid}].insert({r.key, r.ts, r.value});
  return held;
}

TEST(LostRows, NothingIsLostWhereAllIsHeld) {
  const std::vector<AckedRow> acked = {row(1, 0), row(2, 50)};
  EXPECT_TRUE(lost_rows(acked, held(acked)).empty());
}

TEST(LostRows, OneThatWasErasedByHandIsFoundAndUnexplained) {
  const std::vector<AckedRow> acked = {row(1, 0), row(2, 50), row(3, 100)};
  HeldRows rows = held(acked);
  rows[{2, 1}].erase({"key2", 2, "2"});
  const auto lost = lost_rows(acked, rows);
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].key, "key2");
  Ledger ledger;
  ledger.killed(kTablet, at(-5'000));
  ledger.killed(kTablet, at(5'000));
  EXPECT_FALSE(ledger.explain(lost[0], 3));
  EXPECT_EQ(ledger.around(kTablet, lost[0].acked), "killed 5.050 s before, killed 4.950 s after");
}

TEST(LostRows, AnotherValueAnotherPartitionOrNoPartitionIsLost) {
  const std::vector<AckedRow> acked = {row(1, 0)};
  HeldRows rows = held(acked);
  rows[{2, 1}] = {{"key1", 1, "other"}};
  EXPECT_EQ(lost_rows(acked, rows).size(), 1u);
  rows = {};
  rows[{2, 0}] = {{"key1", 1, "1"}};
  EXPECT_EQ(lost_rows(acked, rows).size(), 1u);
}

TEST(LostRows, AreInTheOrderOfTheirAcknowledgement) {
  const auto lost = lost_rows({row(1, 100), row(2, 50)}, {});
  ASSERT_EQ(lost.size(), 2u);
  EXPECT_EQ(lost[0].key, "key2");
}

TEST(Incidents, RowsOfOnePartitionAndTabletThatAreClose) {
  AckedRow elsewhere = row(9, 60);
  elsewhere.pid = 2;
  const auto all = incidents_of({row(1, 0), row(2, 50), elsewhere, row(3, 1'900), row(4, 4'000)});
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].rows, 3u);
  EXPECT_EQ(all[0].first.key, "key1");
  EXPECT_EQ(all[0].last.key, "key3");
  EXPECT_EQ(all[1].first.key, "key9");
  EXPECT_EQ(all[2].first.key, "key4");
}

TEST(Ledger, KilledJustAfterTheAcknowledgementExplains) {
  Ledger ledger;
  ledger.killed(kTablet, at(1'000));
  EXPECT_TRUE(ledger.explain(row(1, 999), 3));
  EXPECT_TRUE(ledger.explain(row(1, -300), 2));
  // The answer was on its way when the tablet died.
  EXPECT_TRUE(ledger.explain(row(1, 1'003), 3));
}

TEST(Ledger, KilledMuchLaterOrBeforeDoesNot) {
  Ledger ledger;
  ledger.killed(kTablet, at(1'000));
  EXPECT_FALSE(ledger.explain(row(1, -301), 3));
  EXPECT_FALSE(ledger.explain(row(1, 1'006), 3));
}

TEST(Ledger, AnotherTabletsDeathDoesNot) {
  Ledger ledger;
  ledger.killed(kOther, at(10));
  EXPECT_FALSE(ledger.explain(row(1, 0), 3));
  EXPECT_EQ(ledger.around(kTablet, at(0)), "never struck");
}

TEST(Ledger, StoppedExplainsFromJustBeforeUntilItGoesOn) {
  Ledger ledger;
  ledger.stopped(kTablet, at(1'000));
  EXPECT_TRUE(ledger.explain(row(1, 60'000), 3));  // It is stopped still.
  ledger.continued(kTablet, at(9'000));
  EXPECT_TRUE(ledger.explain(row(1, -300), 3));
  // Another leads by then, and nobody could tell it so before.
  EXPECT_TRUE(ledger.explain(row(1, 9'305), 3));
  EXPECT_FALSE(ledger.explain(row(1, -301), 3));
  EXPECT_FALSE(ledger.explain(row(1, 9'306), 3));
  EXPECT_EQ(ledger.around(kTablet, at(0)), "stopped 1.000 s after");
}

TEST(Ledger, StoppedForAMomentExplainsNothingBehindIt) {
  Ledger ledger;
  ledger.stopped(kTablet, at(1'000));
  ledger.continued(kTablet, at(1'900));
  // It was sent while the tablet stood, and acknowledged when it went on.
  EXPECT_TRUE(ledger.explain(row(1, 1'904), 3));
  EXPECT_FALSE(ledger.explain(row(1, 1'906), 3));
}

// The only replica has it on its disk before it is acknowledged.
TEST(Ledger, NothingExplainsARowOfASingleReplica) {
  Ledger ledger;
  ledger.killed(kTablet, at(1'000));
  EXPECT_FALSE(ledger.explain(row(1, 999), 1));
}

}  // namespace
}  // namespace failoverd::chaos
