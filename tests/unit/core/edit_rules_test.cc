// What an operator may make of a partition by hand, and which rule keeps him from more.
#include "lib/core/operators/edit_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace failoverd::core {
namespace {

using ::testing::HasSubstr;

constexpr PartitionKey kAt{2, 0};
const Instant kRead{std::chrono::seconds{10}};

using Rows = std::vector<Row>;
using Terms = std::vector<TermPair>;

// Table flow, partition 0 on A (leader), B, C; every tablet healthy and holding it.
class EditRules : public ::testing::Test {
 protected:
  void SetUp() override { take({{"A", true, true}, {"B", false, true}, {"C", false, true}}); }

  void take(const Rows& rows, const Terms& terms = {{1, 0}, {3, 5}}) {
    TableShape shape;
    shape.znode = "table/table_data/flow";
    shape.version = ++version_;
    shape.name = "flow";
    shape.tid = kAt.tid;
    terms_ = terms;
    shape.partitions.push_back({kAt.pid, rows, terms});
    ASSERT_EQ(model_.put_table(shape, kRead), std::nullopt);
    for (const Row& row : rows) says(row.endpoint, row.endpoint == "A");
  }
  Replica& replica(const std::string& name) {
    return *model_.partition(kAt)->on(model_.tablet_index(name));
  }
  void says(const std::string& name, bool leads) {
    Tablet& t = model_.tablet(model_.tablet_index(name));
    t.verdict.state = TabletState::kHealthy;
    t.report_fresh = true;
    t.evidence.registered = true;
    ReplicaReport& report = replica(name).report;
    report.held = true;
    report.state = TableState::kNormal;
    report.asked_at = kRead;
    report.mode = leads ? Mode::kLeader : Mode::kFollower;
  }
  // Empty: it may be.
  std::string broken(const Rows& rows, std::optional<Terms> terms = {}) {
    const PartitionShape wanted{kAt.pid, rows, terms.value_or(terms_)};
    EXPECT_EQ(what_is_wrong_with(wanted), std::nullopt);
    return rule_broken_by(model_, *model_.partition(kAt), wanted).value_or("");
  }

  Model model_;
  Terms terms_;
  std::int32_t version_ = 0;
};

const Row kALeads{"A", true, true};
const Row kBFollows{"B", false, true};
const Row kCFollows{"C", false, true};

TEST_F(EditRules, WhatIsNoPartition) {
  const auto wrong = [](const Rows& rows) {
    return what_is_wrong_with({0, rows, {}}).value_or("nothing");
  };
  EXPECT_EQ(wrong({kALeads, kBFollows}), "nothing");
  EXPECT_EQ(wrong({kALeads, {"B", true, false}}), "nothing") << "a dead leader's row";
  EXPECT_EQ(wrong({}), "it has no rows");
  EXPECT_EQ(wrong({kALeads, {"", false, true}}), "it has a row without endpoint");
  EXPECT_EQ(wrong({kALeads, {"A", false, false}}), "it has two rows for A");
  EXPECT_EQ(wrong({kALeads, {"B", true, true}}), "it has several alive leader rows");
}

TEST_F(EditRules, FollowersRowsMayDieGoAndBeReordered) {
  EXPECT_EQ(broken({kALeads, kBFollows, kCFollows}), "");
  EXPECT_EQ(broken({kCFollows, kBFollows, kALeads}), "");
  EXPECT_EQ(broken({kALeads, {"B", false, false}, {"C", true, false}}), "");
  EXPECT_EQ(broken({kALeads, kBFollows}), "");
  EXPECT_EQ(broken({kALeads, kBFollows, kCFollows, {"D", false, false}}), "");
}

// SAFETY 1
TEST_F(EditRules, TheLeadersRowStays) {
  const std::string why = "its leader's row may change only when another one leads";
  EXPECT_THAT(broken({{"A", true, false}, kBFollows, kCFollows}), HasSubstr(why));
  EXPECT_THAT(broken({{"A", false, true}, kBFollows, kCFollows}), HasSubstr(why));
  EXPECT_THAT(broken({kBFollows, kCFollows}), HasSubstr(why));
  take({kALeads});
  EXPECT_THAT(broken({{"A", true, false}}), HasSubstr(why));
}

// SAFETY 1: nobody leads, and every alive row may be the one that holds most.
TEST_F(EditRules, WithoutALeaderAliveRowsStay) {
  take({{"A", true, false}, kBFollows, kCFollows});
  EXPECT_EQ(broken({{"A", false, false}, kBFollows, kCFollows}), "");
  EXPECT_THAT(broken({{"A", true, false}, kBFollows, {"C", false, false}}), HasSubstr("SAFETY 1"));
  EXPECT_THAT(broken({{"A", true, false}, kBFollows}), HasSubstr("SAFETY 1"));
}

// SAFETY 1, 18
TEST_F(EditRules, AliveMeansCaughtUp) {
  take({kALeads, kBFollows, {"C", false, false}});
  EXPECT_THAT(broken({kALeads, kBFollows, kCFollows}), HasSubstr("recovertable"));
  EXPECT_THAT(broken({kALeads, kBFollows, {"C", false, false}, {"D", false, true}}),
              HasSubstr("the new row of D"));
  EXPECT_THAT(broken({kALeads, kBFollows, {"C", false, false}, {"D", true, false}}),
              HasSubstr("the new row of D"));
  // Where none is alive nobody can say any more.
  take({{"A", true, false}, {"B", false, false}});
  EXPECT_EQ(broken({kALeads, {"B", false, false}}), "") << "it says that it leads";
  EXPECT_EQ(broken({{"A", true, false}, kBFollows}), "");
}

// SAFETY 8: rows follow whoever leads in truth.
TEST_F(EditRules, ARowMakesNoLeader) {
  const Rows b_leads{{"A", false, false}, {"B", true, true}, kCFollows};
  EXPECT_THAT(broken(b_leads), HasSubstr("B does not say that it leads"));
  says("B", true);
  EXPECT_THAT(broken(b_leads), HasSubstr("A leads, too"));
  says("A", false);
  EXPECT_EQ(broken(b_leads), "") << "somebody has promoted it by hand";
  EXPECT_THAT(broken({{"A", false, true}, {"B", true, true}, kCFollows}), HasSubstr("SAFETY 2"));
  replica("C").in_doubt_term = 7;
  EXPECT_THAT(broken(b_leads), HasSubstr("C leads, too, or may"));
  replica("C").in_doubt_term.reset();
  replica("B").in_doubt_term = 7;
  EXPECT_THAT(broken(b_leads), HasSubstr("B does not say that it leads"));
  replica("B").in_doubt_term.reset();
  model_.tablet(model_.tablet_index("B")).verdict.state = TabletState::kSuspect;
  EXPECT_THAT(broken(b_leads), HasSubstr("B does not say that it leads")) << "its word is old";
}

TEST_F(EditRules, OfSeveralLeadersTheOneThatLeadsStays) {
  take({kALeads, {"B", true, true}, kCFollows});
  EXPECT_EQ(broken({kALeads, {"B", false, false}, kCFollows}), "");
  EXPECT_THAT(broken({kALeads, kBFollows, kCFollows}), HasSubstr("SAFETY 2"));
  EXPECT_THAT(broken({{"A", false, false}, {"B", true, true}, kCFollows}), HasSubstr("SAFETY 8"));
  EXPECT_EQ(broken({{"A", false, true}, kBFollows, kCFollows}), "") << "an election decides";
}

// SAFETY 5: what it was told would be forgotten with its row.
TEST_F(EditRules, TheRowOfWhoMayLeadStays) {
  replica("C").in_doubt_term = 7;
  EXPECT_THAT(broken({kALeads, kBFollows}), HasSubstr("SAFETY 5"));
  EXPECT_EQ(broken({kALeads, kBFollows, {"C", false, false}}), "");
}

// SAFETY 4, 9, 10
TEST_F(EditRules, TheHistoryIsOnlyAddedTo) {
  const Rows same{kALeads, kBFollows, kCFollows};
  EXPECT_THAT(broken(same, Terms{{1, 0}}), HasSubstr("may only be added to"));
  EXPECT_THAT(broken(same, Terms{}), HasSubstr("may only be added to"));
  EXPECT_THAT(broken(same, Terms{{1, 0}, {3, 6}}), HasSubstr("may only be added to"));
  EXPECT_THAT(broken(same, Terms{{1, 0}, {2, 4}, {3, 5}}), HasSubstr("may only be added to"));
  EXPECT_THAT(broken(same, Terms{{1, 0}, {3, 5}, {5, 9}}), HasSubstr("nobody has heard of term 5"));
  model_.partition(kAt)->saw(5);
  EXPECT_EQ(broken(same, Terms{{1, 0}, {3, 5}, {5, 9}}), "") << "a publish was overwritten";
  EXPECT_THAT(broken(same, Terms{{1, 0}, {3, 5}, {5, 4}}), HasSubstr("has to rise"));
  EXPECT_THAT(broken(same, Terms{{1, 0}, {3, 5}, {3, 5}}), HasSubstr("has to rise"));
}

TEST_F(EditRules, ADamagedHistoryIsPutInOrder) {
  const Rows same{kALeads, kBFollows, kCFollows};
  take(same, {{1, 0}, {9, 5}, {3, 7}});
  EXPECT_EQ(broken(same, Terms{{1, 0}, {9, 5}}), "");
  EXPECT_THAT(broken(same, Terms{{1, 0}, {3, 7}}), HasSubstr("go back behind 9"));
  EXPECT_EQ(broken({kALeads, kBFollows}), "") << "what is not touched may stay damaged";
  // A term that no election has reached is damage.
  take(same, {{1, 0}, {kHighestTerm + 1, 5}});
  EXPECT_EQ(broken(same, Terms{{1, 0}}), "");
}

}  // namespace
}  // namespace failoverd::core
