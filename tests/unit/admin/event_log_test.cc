#include "lib/admin/event_log.h"

#include <gtest/gtest.h>

namespace failoverd::admin {
namespace {

EventRow event(const std::string& text) {
  EventRow row;
  row.text = text;
  return row;
}

std::vector<std::uint64_t> ids(const LoggedEvents& events) {
  std::vector<std::uint64_t> all;
  for (const auto& each : events) all.push_back(each->row().id);
  return all;
}

using Ids = std::vector<std::uint64_t>;

TEST(EventLog, KeepsTheNewest) {
  EventLog log(3);
  EXPECT_EQ(log.newest(), 0U);
  for (int i = 0; i < 5; ++i) log.add(event("e"));
  EXPECT_EQ(log.newest(), 5U);
  EXPECT_EQ(ids(log.since(0, 10)), (Ids{3, 4, 5}));
  EXPECT_EQ(ids(log.since(4, 10)), (Ids{5}));
  EXPECT_EQ(ids(log.since(5, 10)), (Ids{}));
  EXPECT_EQ(ids(log.since(0, 2)), (Ids{3, 4}));
}

TEST(EventLog, AnIdOfAnEarlierProcessGivesAll) {
  EventLog log(3);
  log.add(event("e"));
  EXPECT_EQ(ids(log.since(77, 10)), (Ids{1}));
}

TEST(EventLog, TellsSubscribersUntilTheyGo) {
  EventLog log(3);
  std::vector<std::string> heard;
  auto one = log.subscribe([&](const EventRow& row) { heard.push_back("one " + row.text); });
  Subscription two;
  two = log.subscribe([&](const EventRow& row) {
    heard.push_back("two " + row.text);
    two.reset();
  });
  log.add(event("a"));
  log.add(event("b"));
  one.reset();
  log.add(event("c"));
  EXPECT_EQ(heard, (std::vector<std::string>{"one a", "two a", "one b"}));
}

}  // namespace
}  // namespace failoverd::admin
