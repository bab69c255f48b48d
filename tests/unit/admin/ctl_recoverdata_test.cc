// failoverctl recoverdata: what is loaded and shown first, and how it is followed to its end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/unit/admin/ctl_change_fixture.h"

namespace failoverd::admin {
namespace {

using testing::HasSubstr;

class CtlRecoverDataTest : public CtlChangeTest {
 protected:
  // The daemon has something to do.
  CtlRecoverDataTest() {
    served_.source.on_command = [](const CommandRequest&, const FakeSource::Done& done) {
      CommandResult result;
      result.message = "recover data ok";
      result.plan = {"flow/0: no replica serves"};
      done(result);
    };
    served_.source.status_view.data_look = {1, "ann", 6, 0, {"flow/1 on A: it is away"}, 1};
    served_.source.status_view.data_recovery = {1, "ann", 2, 0, 2, {}, 0};
  }
  void looks_on(const DataLookView& view) {
    served_.on_loop([&] { served_.source.status_view.data_look = view; });
  }
  void goes_on(const DataRecoveryView& view) {
    served_.on_loop([&] { served_.source.status_view.data_recovery = view; });
  }
};

TEST_F(CtlRecoverDataTest, IsFollowedToItsEnd) {
  served_.start();
  RunningProgram program(line({"recoverdata"}));
  EXPECT_TRUE(program.read_error_until("0 of 2 partitions are healthy\n"));
  goes_on({1, "ann", 2, 2, 0, {}, 0});
  const Ran ran = program.wait();
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.out, "recover data ok\n2 of 2 partitions are healthy\n");
}

// The plan is asked for when all is loaded that can be, and nothing is told to begin before.
TEST_F(CtlRecoverDataTest, LooksFirstAndThenShowsThePlan) {
  served_.source.status_view.data_look.still = 2;
  served_.start();
  RunningProgram program(line({"recoverdata"}));
  EXPECT_TRUE(program.read_error_until("4 of 6 replicas have been looked at\n"));
  const auto told = commands();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].args, (Arguments{{"look", "true"}}));
  looks_on({1, "ann", 6, 0, {"flow/1 on A: it is away"}, 3});
  EXPECT_TRUE(
      program.read_error_until("6 of 6 replicas have been looked at\n"
                               "not in memory: flow/1 on A: it is away\n"
                               "... and 2 more\n"));
  EXPECT_TRUE(program.read_error_until("flow/0: no replica serves\n"));
  goes_on({1, "ann", 2, 2, 0, {}, 0});
  EXPECT_EQ(program.wait().status, 0);
  const auto then = commands();
  ASSERT_EQ(then.size(), 2U);
  EXPECT_EQ(then[0].args, (Arguments{{"plan", "true"}}));
  EXPECT_TRUE(then[1].args.empty());
}

// Whoever says no has loaded followers, and is told so.
TEST_F(CtlRecoverDataTest, ANoLeavesWhatIsLoaded) {
  served_.start();
  const Terminal terminal;
  RunningProgram program(line({"recoverdata"}), {}, terminal.end());
  EXPECT_TRUE(program.read_error_until("go on? (yes or no) ")) << program.err();
  EXPECT_EQ(commands().size(), 2U) << "the look and the plan";
  terminal.type("no\n");
  const Ran ran = program.wait();
  EXPECT_EQ(ran.status, 1);
  EXPECT_TRUE(commands().empty());
  EXPECT_TRUE(
      ran.err.ends_with("nothing has been done but loading: what was loaded follows, and "
                        "stays in memory, which harms nothing\n"))
      << ran.err;
}

// --plan changes nothing, so it does not load either.
TEST_F(CtlRecoverDataTest, APlanLoadsNothing) {
  served_.start();
  EXPECT_EQ(run({"recoverdata", "--plan"}).out, "flow/0: no replica serves\n");
  const auto told = commands();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].args, (Arguments{{"plan", "true"}}));
}

TEST_F(CtlRecoverDataTest, AnotherLookIsNotFollowed) {
  served_.source.status_view.data_look.still = 2;
  served_.start();
  RunningProgram program(line({"recoverdata"}));
  EXPECT_TRUE(program.read_error_until("4 of 6 replicas have been looked at\n"));
  looks_on({2, "bob", 6, 6, {}, 0});
  const Ran ran = program.wait();
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.err, HasSubstr("run recoverdata again"));
  for (const CommandRequest& told : commands()) EXPECT_TRUE(told.args.contains("look"));
}

TEST_F(CtlRecoverDataTest, SaysWhatIsLeft) {
  served_.start();
  goes_on({1, "ann", 9, 6, 0, {"flow/0: its tablet is away"}, 3});
  const Ran ran = run({"recoverdata"});
  EXPECT_EQ(ran.status, 1);
  EXPECT_EQ(ran.out,
            "recover data ok\n6 of 9 partitions are healthy\nleft: flow/0: its tablet is away\n"
            "... and 2 more\n");
}

// Another one's end says nothing of this one.
TEST_F(CtlRecoverDataTest, AnotherOneIsNotFollowed) {
  served_.start();
  RunningProgram program(line({"recoverdata"}));
  EXPECT_TRUE(program.read_error_until("0 of 2 partitions are healthy\n"));
  goes_on({2, "bob", 5, 5, 0, {}, 0});
  const Ran ran = program.wait();
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.err, HasSubstr("run recoverdata again"));
}

TEST_F(CtlRecoverDataTest, CtrlCLeavesItGoingOn) {
  served_.start();
  RunningProgram program(line({"recoverdata"}));
  EXPECT_TRUE(program.read_error_until("0 of 2 partitions are healthy\n"));
  program.signal(SIGINT);
  const Ran ran = program.wait();
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.err, testing::EndsWith("\nrecoverdata goes on: `failoverctl status` shows what "
                                         "is not healthy yet\n"));
}

}  // namespace
}  // namespace failoverd::admin
