// The state machine as data: whole, without dead ends, and shown as it is on its page.
#include "lib/core/repair/states.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "lib/core/cluster/standing.h"
#include "lib/core/operation/operations.h"

namespace failoverd::core {
namespace {

constexpr auto kLast = Condition::kQuarantined;

TEST(States, EveryConditionHasItsRow) {
  std::set<std::string> names;
  for (int i = 0; i <= static_cast<int>(kLast); ++i) {
    const auto condition = static_cast<Condition>(i);
    EXPECT_EQ(state(condition).condition, condition);
    EXPECT_TRUE(names.insert(to_text(condition)).second) << to_text(condition);
  }
  EXPECT_EQ(states().size(), names.size());
}

// Each can be left: an op treats it, or the row says what it waits for.
TEST(States, NoneIsADeadEnd) {
  for (const StateRow& row : states()) {
    const bool waits = *row.waits_for != '\0';
    EXPECT_NE(row.ops.empty(), !waits) << to_text(row.condition) << ": an op, or a wait";
    EXPECT_TRUE(row.would == nullptr || !row.ops.empty()) << to_text(row.condition);
    EXPECT_NE(std::string{row.meaning}, "");
  }
}

TEST(States, WhatOnlyAnElectionHelpsAgainstIsTreatedByOne) {
  for (const StateRow& row : states()) {
    for (const OpType op : row.ops) {
      EXPECT_EQ(is_election(op), elects(row.condition)) << to_text(row.condition);
    }
  }
}

TEST(States, EveryOpThatTreatsHasItsTasks) {
  std::set<OpType> known;
  for (const OpRow& row : ops_as_tables()) {
    EXPECT_TRUE(known.insert(row.type).second) << to_text(row.type);
    ASSERT_FALSE(row.tasks.empty()) << to_text(row.type);
    for (const TaskRow& task : row.tasks) {
      // Their tasks are what Elections and Handovers do: for showing.
      if (is_election(row.type) || row.type == OpType::kHandoverOP) continue;
      EXPECT_TRUE(Operations::carries_out(task.task)) << to_text(task.task);
    }
  }
  // These only operators order.
  std::set<OpType> wanted = {OpType::kHandoverOP,     OpType::kAddReplicaOP,
                             OpType::kMigrateOP,      OpType::kDelReplicaOP,
                             OpType::kMakeSnapshotOP, OpType::kUpdateTableAliveOP};
  for (const StateRow& row : states()) wanted.insert(row.ops.begin(), row.ops.end());
  EXPECT_EQ(known, wanted);
}

// SAFETY 11: what an op pauses it also resumes, in its own list, and takes back when it fails.
TEST(States, NoOpEndsWithSomethingPaused) {
  for (const OpRow& row : ops_as_tables()) {
    EXPECT_TRUE(all_is_undone(row.tasks)) << to_text(row.type);
    EXPECT_EQ(has(row.tasks, Task::kPauseSnapshot), has(row.tasks, Task::kRecoverSnapshot))
        << to_text(row.type);
  }
}

// What a successor goes on with by its record is what the page shows.
TEST(States, OpsThatSuccessorsFindAreTheSame) {
  for (const OpRow& row : ops_as_tables()) {
    const auto table = table_of(row.type);
    EXPECT_TRUE(table.empty() || table.data() == row.tasks.data()) << to_text(row.type);
  }
}

TEST(States, ThePageShowsThem) {
  std::ifstream file(std::string{FAILOVERD_SOURCE_DIR} + "/docs/architecture/states.md");
  ASSERT_TRUE(file);
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  EXPECT_NE(page.find("```text\n" + fsm_text() + "```\n"), std::string::npos)
      << "docs/architecture/states.md is not what `failoverd --print-fsm` prints:\n"
      << fsm_text();
}

}  // namespace
}  // namespace failoverd::core
