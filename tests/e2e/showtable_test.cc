// showtable asks the tablets when it is asked: what it shows of them is from after that moment, and
// where it is not, its age stands beside it.
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <optional>

#include "tests/e2e/cluster.h"
#include "tests/e2e/daemon.h"
#include "tests/e2e/soundness.h"

namespace failoverd::e2e {
namespace {

namespace json = boost::json;
using Replica = std::pair<std::uint32_t, int>;  // pid, tablet.

constexpr std::uint32_t kPartitions = 4;

struct Shown {
  std::optional<std::uint64_t> offset;
  std::optional<std::uint64_t> age_ms;
};

class ShowTable : public testing::Test {
 protected:
  void SetUp() override {
    cluster_.create_table("flow", kPartitions, 3);
    daemon_ = &cluster_.start_active_daemon();
  }

  static std::map<Replica, Shown> parsed(const Cluster& cluster, const std::string& text) {
    std::map<Replica, Shown> all;
    const auto number = [](const json::value& value) {
      return value.is_null() ? std::optional<std::uint64_t>{}
                             : std::optional{value.to_number<std::uint64_t>()};
    };
    const json::array rows = json::parse(text).as_array();
    for (const json::value& row : rows) {
      for (int i = 0; i < cluster.tablets(); ++i) {
        if (row.at("endpoint") != cluster.tablet(i).c_str()) continue;
        all[{row.at("pid").to_number<std::uint32_t>(), i}] = {number(row.at("offset")),
                                                              number(row.at("offset_age_ms"))};
      }
    }
    return all;
  }
  std::map<Replica, Shown> show() {
    return parsed(cluster_, daemon_->ctl({"--json", "showtable", "flow"}).out);
  }
  // The same when every tablet has answered in time: a machine may be busy.
  std::map<Replica, Shown> show_fresh() {
    std::map<Replica, Shown> shown;
    EXPECT_TRUE(cluster_.wait_until(
        [&] {
          shown = show();
          return std::all_of(shown.begin(), shown.end(),
                             [](const auto& row) { return row.second.age_ms == 0U; });
        },
        "every tablet answers in time"));
    return shown;
  }
  // By the tablets' own word.
  std::map<Replica, std::uint64_t> offsets() {
    std::map<Replica, std::uint64_t> all;
    for (std::uint32_t pid = 0; pid < kPartitions; ++pid) {
      for (int i = 0; i < cluster_.tablets(); ++i) {
        if (cluster_.lives(i)) all[{pid, i}] = word(cluster_, i, "flow", pid).offset;
      }
    }
    return all;
  }
  // Rows are being written everywhere.
  void write(double rate) {
    cluster_.start_writer(rate);
    cluster_.wait_until([&] { return cluster_.writer().summary().acks > 100; }, "rows are written");
  }

  Cluster cluster_;
  Daemon* daemon_ = nullptr;
};

TEST_F(ShowTable, UnderAWriterEveryOffsetIsFromAfterTheQuestion) {
  write(200);
  for (int i = 0; i < 20; ++i) {
    const auto before = offsets();
    const auto shown = show_fresh();
    const auto after = offsets();
    ASSERT_EQ(shown.size(), before.size());
    for (const auto& [replica, row] : shown) {
      ASSERT_TRUE(row.offset);
      EXPECT_GE(*row.offset, before.at(replica)) << replica.first << " " << replica.second;
      EXPECT_LE(*row.offset, after.at(replica)) << replica.first << " " << replica.second;
    }
  }
}

TEST_F(ShowTable, OfALeaderAndItsFollowersIsEqualAtOnceWhenTheWriterStops) {
  write(200);
  cluster_.writer().stop();
  ASSERT_TRUE(cluster_.wait_until(
      [&] {
        const auto all = offsets();
        for (const auto& [replica, offset] : all) {
          if (offset != all.at({replica.first, 0})) return false;
        }
        return cluster_.writer().idle();
      },
      "followers have all that their leaders have"));
  const auto expected = offsets();
  const auto shown = show_fresh();
  ASSERT_EQ(shown.size(), expected.size());
  for (const auto& [replica, row] : shown) {
    EXPECT_EQ(row.offset, expected.at(replica)) << replica.first << " " << replica.second;
  }
}

TEST_F(ShowTable, OfATabletThatHangsShowsTheOldOffsetWithItsAge) {
  write(200);
  ASSERT_TRUE(show().at({0, 2}).offset);
  cluster_.pause_tablet(2);
  const auto before = offsets();
  const auto shown = show();
  EXPECT_FALSE(cluster_.lives(2)) << "it was answered while the tablet stood still";
  ASSERT_EQ(shown.size(), 3 * kPartitions);
  for (const auto& [replica, row] : shown) {
    ASSERT_TRUE(row.offset);
    ASSERT_TRUE(row.age_ms);
    if (replica.second == 2) {
      EXPECT_GT(*row.age_ms, 0U);
    } else if (*row.age_ms == 0) {
      EXPECT_GE(*row.offset, before.at(replica)) << replica.first << " " << replica.second;
    }
  }
  // In the printed table as ever: people see an offset.
  EXPECT_EQ(daemon_->ctl({"showtable", "flow"}).status, 0);
  cluster_.resume_tablet(2);
  EXPECT_TRUE(cluster_.wait_until([&] { return show().at({0, 2}).age_ms == 0U; }, "it answers"));
}

TEST_F(ShowTable, OfAStandbyAsksNobody) {
  write(50);
  Daemon& standby = cluster_.start_daemon();
  ASSERT_TRUE(
      cluster_.wait_until([&] { return standby.get("/readyz").status == 200; }, "it is ready"));
  const auto answer = standby.get("/api/v1/tables/flow");
  EXPECT_EQ(answer.status, 200) << answer.body;
  const auto shown = parsed(cluster_, answer.body);
  ASSERT_EQ(shown.size(), 3 * kPartitions);
  for (const auto& [replica, row] : shown) EXPECT_FALSE(row.offset) << "it has never asked";
}

}  // namespace
}  // namespace failoverd::e2e
