// When a tablet is asked again.
#include "lib/core/detection/tablet_monitor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace failoverd::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// Table flow on tablet A, which is registered and has answered its first question.
class TabletMonitorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    outbox.now = Instant{std::chrono::seconds{10}};
    shape.znode = "table/table_data/flow";
    shape.version = 1;
    shape.name = "flow";
    shape.tid = 2;
    shape.partitions.push_back({0, {{"A", true, true}}, {{1, 0}}});
    ASSERT_EQ(model.put_table(shape, outbox.now), std::nullopt);
    monitor.start();
    monitor.listed({{{"A", 7, false}}});
    while (asked()) answer(Transport::kAnswered);
    outbox.out.clear();
  }

  // The oldest question that is open.
  bool asked() {
    for (const Command& command : outbox.out) {
      if (const auto* call = std::get_if<CallTablet>(&command)) {
        id = call->id;
        return true;
      }
    }
    return false;
  }
  void answer(Transport transport, const std::string& text = "", int code = 0) {
    ASSERT_TRUE(asked());
    std::erase_if(outbox.out, [&](const Command& command) {
      const auto* call = std::get_if<CallTablet>(&command);
      return call && call->id == id;
    });
    Answer a;
    a.transport = transport;
    a.text = text;
    a.code = code;
    if (a.ok())
      a.replicas.push_back({{2, 0}, offset, Mode::kLeader, TableState::kNormal, 0, 0, name});
    const ReplyTo reply_to = *outbox.close(id);
    monitor.heard(*model.find_tablet("A"), reply_to, a);
    monitor.answered(reply_to, a);
    monitor.judge_all();
  }
  // Lets the next timer fire, if that is not after `end`.
  bool fire_timer(Instant end) {
    auto next = outbox.out.end();
    for (auto at = outbox.out.begin(); at != outbox.out.end(); ++at) {
      const auto* timer = std::get_if<SetTimer>(&*at);
      if (!timer || timer->at > end) continue;
      if (next == outbox.out.end() || timer->at < std::get<SetTimer>(*next).at) next = at;
    }
    if (next == outbox.out.end()) return false;
    const SetTimer timer = std::get<SetTimer>(*next);
    outbox.out.erase(next);
    outbox.now = timer.at;
    monitor.timer(*outbox.close(timer.id));
    monitor.judge_all();
    return true;
  }
  // Lets it fire, and tells how long it took.
  Duration until_next_timer() {
    const Instant before = outbox.now;
    return fire_timer(Instant::max()) ? outbox.now - before : Duration::max();
  }
  // What it answers whenever it is asked, for so long; tells how often.
  int asked_within(Duration time, Transport transport, const std::string& text = "", int code = 0) {
    const Instant end = outbox.now + time;
    int times = 0;
    do {
      for (; asked(); ++times) answer(transport, text, code);
    } while (fire_timer(end));
    outbox.now = end;
    return times;
  }
  const Verdict& verdict() { return model.tablet(*model.find_tablet("A")).verdict; }
  // The lines for people since they were last taken.
  std::vector<std::string> notes() {
    std::vector<std::string> lines;
    std::erase_if(outbox.out, [&](const Command& command) {
      const auto* note = std::get_if<Note>(&command);
      if (note) lines.push_back(std::string{to_text(note->severity)} + ": " + note->text);
      return note != nullptr;
    });
    return lines;
  }
  // From the beginning, with all its timers.
  void start_polling() {
    outbox.out.clear();
    ASSERT_EQ(model.put_table(shape, outbox.now), std::nullopt);
    monitor.start();
    monitor.listed({{{"A", 7, false}}});
    asked_within(seconds{2}, Transport::kAnswered);
    EXPECT_EQ(verdict().state, TabletState::kHealthy);
    notes();
  }
  void nobody_names_it() {
    model.drop_table("table/table_data/flow");
    monitor.listed({});
    monitor.judge_all();
  }

  TableShape shape;
  Model model;
  Outbox outbox;
  TabletMonitor monitor{model, outbox};
  RequestId id = 0;
  std::string name = "flow";  // Of the table that A says it holds.
  Offset offset = 5;
};

TEST_F(TabletMonitorTest, ALostConnectionIsLookedAtOnceAndAgain) {
  monitor.connection_lost({"A"});
  answer(Transport::kRefused);
  EXPECT_EQ(until_next_timer(), outbox.policy.detection.refuses_again);
  EXPECT_TRUE(asked());
}

// Somebody in between may have reset it.
TEST_F(TabletMonitorTest, OneThatWasResetIsLookedAtLater) {
  monitor.connection_lost({"A", ConnectionEnd::kReset});
  answer(Transport::kRefused);
  EXPECT_EQ(until_next_timer(), milliseconds{20});
}

// Its port accepted once more while it was ending.
TEST_F(TabletMonitorTest, AResetIsLookedAtAgainInAMoment) {
  monitor.connection_lost({"A"});
  answer(Transport::kBroken);
  EXPECT_EQ(until_next_timer(), milliseconds{2});
  answer(Transport::kRefused);
  EXPECT_EQ(until_next_timer(), outbox.policy.detection.refuses_again);
}

// It was not the end of a process: it is asked when everybody is.
TEST_F(TabletMonitorTest, APortThatGoesOnResettingIsNotAskedWithoutEnd) {
  monitor.connection_lost({"A"});
  answer(Transport::kBroken);
  EXPECT_EQ(until_next_timer(), milliseconds{2});
  for (int i = 2; i < 5; ++i) {
    answer(Transport::kBroken);
    EXPECT_EQ(until_next_timer(), milliseconds{20});
  }
  answer(Transport::kBroken);
  outbox.out.clear();
  monitor.connection_lost({"A"});
  EXPECT_FALSE(asked());
}

TEST_F(TabletMonitorTest, WhateverGoesOnIsAskedOnceASecond) {
  for (const Transport transport : {Transport::kBroken, Transport::kGarbled}) {
    start_polling();
    asked_within(seconds{2}, transport);
    const int times = asked_within(seconds{10}, transport);
    EXPECT_GE(times, 9);
    EXPECT_LE(times, 11);
  }
}

TEST_F(TabletMonitorTest, OneThatAnswersAgainIsLookedAtQuicklyAgain) {
  start_polling();
  asked_within(seconds{5}, Transport::kBroken);
  asked_within(seconds{2}, Transport::kAnswered);
  monitor.connection_lost({"A"});
  ASSERT_TRUE(asked());
  answer(Transport::kRefused);
  EXPECT_EQ(asked_within(milliseconds{20}, Transport::kRefused), 1);
  EXPECT_EQ(verdict().state, TabletState::kCrashed);
}

TEST_F(TabletMonitorTest, WithoutZnodeAndRowNobodyIsAsked) {
  for (const Transport transport :
       {Transport::kAnswered, Transport::kBroken, Transport::kSilent, Transport::kRefused}) {
    start_polling();
    asked_within(seconds{2}, transport);
    nobody_names_it();
    while (asked()) answer(transport);
    EXPECT_EQ(asked_within(seconds{100}, transport), 0) << to_text(transport);
    monitor.stalled();
    monitor.connection_lost({"A"});
    EXPECT_EQ(asked_within(seconds{100}, transport), 0) << to_text(transport);
  }
}

TEST_F(TabletMonitorTest, OneThatIsNoTabletAnyMoreIsNeitherDeadNorCutOff) {
  start_polling();
  nobody_names_it();
  EXPECT_EQ(verdict().state, TabletState::kUnknown);
  asked_within(seconds{100}, Transport::kRefused);
  EXPECT_THAT(notes(), ElementsAre("info: tablet A is gone: it has no znode, and no row names it"));
}

// However long a list it would give: nobody is concerned by it.
TEST_F(TabletMonitorTest, OneThatNoRowNamesIsAskedForNoList) {
  start_polling();
  model.drop_table("table/table_data/flow");
  monitor.listed({{{"A", 8, false}}});
  int times = 0;
  const Instant end = outbox.now + seconds{5};
  do {
    for (; asked(); answer(Transport::kAnswered), ++times) {
      for (const Command& command : outbox.out) {
        const auto* call = std::get_if<CallTablet>(&command);
        const auto* question = call ? std::get_if<GetTableStatus>(&call->call) : nullptr;
        EXPECT_TRUE(!question || question->at.has_value());
      }
    }
  } while (fire_timer(end));
  EXPECT_GT(times, 4);
}

// Ten thousand of them cost little: after 1, 2, 4 ... 60 s.
TEST_F(TabletMonitorTest, OneThatNeverAnsweredAndNoRowNamesIsAskedLessAndLess) {
  for (const Transport transport :
       {Transport::kSilent, Transport::kRefused, Transport::kBroken, Transport::kNowhere}) {
    nobody_names_it();
    monitor.stop();
    outbox.out.clear();
    monitor.start();
    monitor.listed({{{"A", 9, false}}});
    asked_within(std::chrono::minutes{5}, transport);
    EXPECT_LE(asked_within(std::chrono::minutes{10}, transport), 22) << to_text(transport);
  }
}

// However long its session is: one that goes on refusing was dead.
TEST_F(TabletMonitorTest, AVerdictIsRightWhileItsPortRefuses) {
  start_polling();
  monitor.connection_lost({"A", ConnectionEnd::kClosed});
  asked_within(seconds{300}, Transport::kRefused);
  EXPECT_EQ(verdict().state, TabletState::kCrashed);
  EXPECT_EQ(monitor.needless_verdicts(), 0u);
  asked_within(seconds{300}, Transport::kSilent);
  EXPECT_EQ(monitor.needless_verdicts(), 1u) << "its znode outlived every session";
}

TEST_F(TabletMonitorTest, AnOffsetThatNobodyReachesIsNotBelieved) {
  start_polling();
  const auto known = [&] { return model.partition({2, 0})->replicas.at(0).report.offset; };
  offset = Offset{1} << 40;
  asked_within(seconds{3}, Transport::kAnswered);
  EXPECT_THAT(notes(), ElementsAre(testing::HasSubstr("nobody puts so much")));
  EXPECT_EQ(known(), offset);
  offset = ~Offset{0};
  asked_within(seconds{3}, Transport::kAnswered);
  EXPECT_EQ(known(), Offset{1} << 40);
}

// Another spelling of an address, that no row names: not asked, and in no guard's count.
TEST_F(TabletMonitorTest, AnotherSpellingIsNoTabletUnlessARowNamesIt) {
  const TabletsListed::Child odd{"localhost:1", 8, false, true};
  monitor.listed({{{"A", 7, false}, odd}});
  for (const Command& command : outbox.out) {
    const auto* call = std::get_if<CallTablet>(&command);
    EXPECT_FALSE(call && call->tablet == "localhost:1");
  }
  const Tablet& tablet = model.tablet(*model.find_tablet("localhost:1"));
  EXPECT_FALSE(tablet.is_of_cluster());
  outbox.out.clear();
  shape.partitions[0].rows.push_back({"localhost:1", false, true});
  ASSERT_EQ(model.put_table(shape, outbox.now), std::nullopt);
  monitor.table_was_read(shape.tid);
  EXPECT_TRUE(tablet.is_of_cluster());
  int asked_of_it = 0;
  for (const Command& command : outbox.out) {
    const auto* call = std::get_if<CallTablet>(&command);
    asked_of_it += call && call->tablet == "localhost:1";
  }
  EXPECT_EQ(asked_of_it, 1);
}

constexpr const char* kHttp = "sent no baidu_std frame: it begins with the bytes 48 54 54 50";

TEST_F(TabletMonitorTest, WhatCameInsteadOfAnAnswerIsSaidOnce) {
  start_polling();
  asked_within(seconds{10}, Transport::kGarbled, std::string{"A: "} + kHttp);
  const std::string there = "its znode is there, it does not answer: ";
  EXPECT_EQ(verdict().state, TabletState::kSuspect);
  EXPECT_EQ(verdict().why, there + kHttp);
  EXPECT_THAT(notes(),
              ElementsAre(std::string{"warning: tablet A does not say what it holds: "} + kHttp,
                          std::string{"info: tablet A is suspect: "} + there + kHttp));
  // The same fault with other bytes, and another one.
  asked_within(seconds{10}, Transport::kGarbled,
               "sent no baidu_std frame: it begins with the bytes 00 01 02 03");
  EXPECT_THAT(notes(), IsEmpty());
  asked_within(seconds{10}, Transport::kGarbled, "sent a request where an answer belongs");
  EXPECT_THAT(notes(), SizeIs(1));
  asked_within(seconds{10}, Transport::kGarbled, kHttp);
  EXPECT_THAT(notes(), IsEmpty());
  // Well in between.
  asked_within(seconds{2}, Transport::kAnswered);
  EXPECT_EQ(verdict().why, "it answers");
  EXPECT_THAT(notes(), ElementsAre("info: tablet A is healthy: it answers"));
  asked_within(milliseconds{1500}, Transport::kGarbled, kHttp);
  EXPECT_THAT(notes(),
              ElementsAre(std::string{"warning: tablet A does not say what it holds: "} + kHttp));
}

// Every process that ends closes its connections.
TEST_F(TabletMonitorTest, AConnectionThatIsClosedIsNoNewsUntilItGoesOn) {
  monitor.connection_lost({"A"});
  for (int i = 1; i < 5; ++i) {
    answer(Transport::kBroken, "closed the connection");
    EXPECT_THAT(notes(), IsEmpty());
    until_next_timer();
  }
  answer(Transport::kBroken, "closed the connection");
  EXPECT_THAT(notes(), ElementsAre("warning: tablet A does not say what it holds: closed the "
                                   "connection"));
}

TEST_F(TabletMonitorTest, AnErrorIsNoWordOfWhatItHolds) {
  start_polling();
  asked_within(seconds{5}, Transport::kAnswered, std::string(10'000, 'x'), 1002);
  EXPECT_EQ(verdict().state, TabletState::kHealthy);
  EXPECT_EQ(verdict().why,
            "it answers, but does not say what it holds: code 1002: " + std::string(200, 'x'));
  EXPECT_THAT(notes(), SizeIs(1));
}

// It was seen to crash, and stays so; what is said of it is what is seen now.
TEST_F(TabletMonitorTest, ACrashStaysSeenAndItsTextFollows) {
  start_polling();
  monitor.connection_lost({"A"});
  asked_within(seconds{2}, Transport::kRefused);
  monitor.listed({});
  asked_within(seconds{2}, Transport::kRefused);
  EXPECT_EQ(verdict().state, TabletState::kCrashed);
  EXPECT_EQ(verdict().why, "its znode is gone and its port refuses");
  monitor.listed({{{"A", 8, false}}});
  asked_within(seconds{5}, Transport::kGarbled, kHttp);
  EXPECT_EQ(verdict().state, TabletState::kCrashed);
  EXPECT_EQ(verdict().why, std::string{"its znode is there, it does not answer: "} + kHttp);
  monitor.listed({});
  asked_within(seconds{10}, Transport::kSilent);
  EXPECT_EQ(verdict().state, TabletState::kCrashed);
  EXPECT_EQ(verdict().why, "its znode is gone and it is silent");
  monitor.stalled();  // Nothing is known for a moment: that is no answer.
  monitor.judge_all();
  EXPECT_EQ(verdict().why, "its znode is gone and it is silent");
  asked_within(seconds{2}, Transport::kAnswered);
  EXPECT_EQ(verdict().state, TabletState::kCutOff);
}

TEST_F(TabletMonitorTest, ANameThatIsNoEndpointIsUnknown) {
  start_polling();
  monitor.start();
  monitor.listed({});
  asked_within(seconds{100}, Transport::kNowhere);
  EXPECT_EQ(verdict().state, TabletState::kUnknown);
  EXPECT_EQ(verdict().why, "its name is no endpoint IP:PORT");
  EXPECT_THAT(notes(), IsEmpty());
}

}  // namespace
}  // namespace failoverd::core
