// The daemon is killed when what an operators' command has it write is on its way to ZooKeeper, or
// written and not answered: every publish of every command, and what is written down before its
// first task (SAFETY 11, 12, 17). Rows are put meanwhile, and none is lost.
#include <algorithm>
#include <ostream>

#include "tests/e2e/operator_cut.h"

namespace failoverd::e2e {
namespace {

struct Case {
  std::size_t plan = 0;
  std::uint32_t publish = 0;  // Which one, from 1 on; 0: the op's entry.
  bool answer = false;        // Only the answer is lost.

  const OperatorPlan& of() const { return operator_plans().at(plan); }
  bool openmldb() const { return (plan + publish) % 2 == 1; }
  std::string name() const {
    return std::string{of().name} + (publish == 0 ? "Entry" : "Publish" + std::to_string(publish)) +
           (answer ? "AnswerLost" : "Lost");
  }
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name(); }

// Where clients or a copy depend on it, both are tried; else they take turns.
std::vector<Case> cases() {
  std::vector<Case> all;
  for (std::size_t i = 0; i < operator_plans().size(); ++i) {
    const OperatorPlan& plan = operator_plans()[i];
    const std::string name = plan.name;
    const bool both = name == "ChangeLeader" || name == "Migrate";
    if (plan.in_journal) all.push_back({i, 0, i % 2 == 0});
    for (std::uint32_t n = 1; n <= plan.publishes; ++n) {
      const bool turn = (i + n) % 2 == 0;
      all.push_back({i, n, turn});
      if (both) all.push_back({i, n, !turn});
    }
  }
  return all;
}

// How often a piece of what is sent has an operation of a multi, of this type, on a znode whose
// path begins so. Under load reads of the same znodes come in the same piece. Before the path stand
// type, done, error (-1) and the path's length.
std::uint32_t in_multis(std::string_view piece, char type, std::string_view path) {
  constexpr std::string_view kNotDone{"\0\xff\xff\xff\xff", 5};
  constexpr std::size_t kHead = 4 + kNotDone.size() + 4;
  std::uint32_t count = 0;
  for (auto at = piece.find(path); at != piece.npos; at = piece.find(path, at + 1)) {
    if (at < kHead) continue;
    const std::string_view head = piece.substr(at - kHead, kHead);
    if (head[3] == type && head.substr(4, kNotDone.size()) == kNotDone) ++count;
  }
  return count;
}

std::uint32_t publishes(std::string_view piece) {
  constexpr char kSetData = 5;
  return in_multis(piece, kSetData, "/rtidb_cluster/table/notify");
}

std::uint32_t entries(std::string_view piece) {
  constexpr char kCreate = 1;
  return in_multis(piece, kCreate, "/rtidb_cluster/failoverd/ops/1");
}

class WriteCut : public OperatorCuts, public testing::WithParamInterface<Case> {
 protected:
  void arm(const Case& c) {
    version_ = table_version();
    proxy().on_request = [this, c](std::string_view piece) {
      count_ += c.publish == 0 ? entries(piece) : publishes(piece);
      if (seen_ || count_ < std::max(c.publish, 1U)) return;
      seen_ = true;
      c.answer ? proxy().swallow_answers(true) : proxy().swallow_requests(true);
    };
  }

  std::int32_t table_version() {
    return cluster().znodes().get("table/table_data/flow").value().version;
  }

  // What was to be lost is on its way; with only its answer lost, it has been written.
  bool reached(const Case& c) {
    if (!seen_ || !c.answer) return seen_;
    if (c.publish > 0) return table_version() >= version_ + static_cast<std::int32_t>(c.publish);
    for (const std::string& name : cluster().znodes().children("failoverd/ops")) {
      if (!name.starts_with("finished-")) return true;
    }
    return false;
  }

 private:
  bool seen_ = false;
  std::uint32_t count_ = 0;
  std::int32_t version_ = 0;  // Of the table's znode, before the command.
};

TEST_P(WriteCut, AnotherDaemonFinishesOrTakesBack) {
  const Case& c = GetParam();
  begin({.plan = &c.of(),
         .generation = c.openmldb() ? &minitablet::openmldb() : &minitablet::rtidb(),
         .auto_failover = c.answer && !c.of().only_off,
         .standby = c.answer,
         .through_proxy = true,
         .partitions = 1});
  arm(c);
  give_command();
  ASSERT_TRUE(cluster().wait_until([&] { return reached(c); }, "it is written"))
      << to_text(shown_ops(first())) << first().log();
  first().kill();
  release_all();
  hand_on();
  expect_it_is_over();
}

std::string name_of(const testing::TestParamInfo<Case>& test) { return test.param.name(); }

INSTANTIATE_TEST_SUITE_P(Commands, WriteCut, testing::ValuesIn(cases()), name_of);

}  // namespace
}  // namespace failoverd::e2e
