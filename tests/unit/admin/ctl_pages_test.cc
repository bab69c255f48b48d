// failoverctl shows a list whole, however many pages the daemon gives it in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "daemon/ctl/servers.h"
#include "tests/unit/admin/fake_source.h"
#include "tests/unit/admin/run_program.h"

namespace failoverd::admin {
namespace {

TEST(CtlPages, AListIsShownWhole) {
  ServedSource served{2100};
  for (std::uint32_t i = 0; i < 2100; ++i) {
    ReplicaRow& row = served.source.replica_rows.emplace_back();
    row.name = "flow";
    row.pid = i;
    row.endpoint = "127.0.0.1:1";
    served.source.tablet_rows.emplace_back().endpoint = std::to_string(1'000'000 + i);
    served.source.op_rows.emplace_back().op_id = 1'000'000'001ULL + i;
    served.source.log.add({0, 1, "info", "k", "text", {}});
  }
  served.start();
  const auto lines_of = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"--server", "http://" + served.address()});
    const Ran ran = failoverctl(words);
    EXPECT_EQ(ran.status, 0) << ran.err;
    return std::count(ran.out.begin(), ran.out.end(), '\n');
  };
  for (const char* list : {"showtablet", "showtable", "showopstatus"}) {
    EXPECT_EQ(lines_of({list}), 2102) << list;
    EXPECT_EQ(lines_of({list, "--json"}), 2102) << list;
  }
  EXPECT_EQ(lines_of({"showtable", "flow"}), 2102);
  EXPECT_EQ(lines_of({"events"}), 2100);
  EXPECT_EQ(lines_of({"events", "--json"}), 2102);
}

TEST(CtlPages, PagesAreJoined) {
  const auto joined = [](std::string list, const std::string& page) {
    ctl::append_page(list, page);
    return list;
  };
  const std::string one = "[\n  {\"a\":1}\n]\n";
  EXPECT_EQ(joined(one, "[\n  {\"b\":[2]},\n  {}\n]\n"),
            "[\n  {\"a\":1},\n  {\"b\":[2]},\n  {}\n]\n");
  EXPECT_EQ(joined(one, "[]\n"), one);
  EXPECT_EQ(joined("[]\n", one), one);
}

}  // namespace
}  // namespace failoverd::admin
