// Three made-up tablets with one partition, for tests that hold the made-up world to the real one.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "tests/simulation/world.h"

namespace failoverd::simulation {

class MadeUp : public testing::Test {
 protected:
  static constexpr core::PartitionKey kAt{2, 0};

  MadeUp() {
    for (const char* name : {"A:1", "B:1", "C:1"}) world_.add_tablet(name);
    core::TableShape table;
    table.znode = "table/table_data/flow";
    table.name = "flow";
    table.tid = kAt.tid;
    table.partitions.push_back(
        {0, {{"A:1", true, true}, {"B:1", false, true}, {"C:1", false, true}}, {{1, 0}}});
    world_.add_table(table);
    world_.run_for(std::chrono::seconds{1});
  }

  core::Answer call(const std::string& tablet, const core::Call& call) {
    std::optional<core::Answer> answer;
    world_.tablet(tablet).take(
        [&] { world_.tablet(tablet).call(call, [&](const core::Answer& a) { answer = a; }); });
    world_.run_until([&] { return answer.has_value(); }, std::chrono::seconds{30});
    return answer.value_or(core::Answer{});
  }
  void write(int rows) {
    world_.add_writer(kAt, {}).write(rows);
    world_.run_for(std::chrono::seconds{1});
  }
  core::Offset offset(const std::string& tablet) { return world_.tablet(tablet).log(kAt).offset(); }

  World world_{1, fixed_timing()};
};

}  // namespace failoverd::simulation
