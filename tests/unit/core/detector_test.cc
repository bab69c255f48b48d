// The detection table, row by row (ARCHITECTURE.md prints it), and what SAFETY 15 adds to it.
#include "lib/core/detection/detector.h"

#include <gtest/gtest.h>

namespace failoverd::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const Instant kNow{seconds{1000}};
const Detection kPolicy{};

// A tablet that answered a moment ago, with its znode there.
Evidence healthy() {
  Evidence e;
  e.registered = true;
  e.ever_answered = true;
  e.last_answer = kNow - milliseconds{10};
  return e;
}

Evidence refusing(Duration first_ago, Duration last_ago) {
  Evidence e = healthy();
  e.last_answer = kNow - seconds{1};
  e.unanswered_since = kNow - first_ago;
  e.refused_first = kNow - first_ago;
  e.refused_last = kNow - last_ago;
  return e;
}

TEST(Detector, AnswersWithZnode) {
  EXPECT_EQ(judge(healthy(), kPolicy, kNow).state, TabletState::kHealthy);
}

TEST(Detector, NotAskedYetIsNoVerdict) {
  Evidence e;
  e.registered = true;
  EXPECT_EQ(judge(e, kPolicy, kNow).state, TabletState::kUnknown);
}

TEST(Detector, RefusedTwiceWithZnodeIsCrashed) {
  EXPECT_EQ(judge(refusing(milliseconds{21}, milliseconds{0}), kPolicy, kNow).state,
            TabletState::kCrashed);
}

TEST(Detector, RefusedOnceIsOnlySuspect) {
  EXPECT_EQ(judge(refusing(milliseconds{0}, milliseconds{0}), kPolicy, kNow).state,
            TabletState::kSuspect);
}

TEST(Detector, RefusedAgainTooSoonIsOnlySuspect) {
  EXPECT_EQ(judge(refusing(milliseconds{19}, milliseconds{0}), kPolicy, kNow).state,
            TabletState::kSuspect);
}

// A process that ends closes its connections: then the second refusal may come sooner.
TEST(Detector, AClosedConnectionLetsTheSecondRefusalComeSooner) {
  Evidence e = refusing(kPolicy.refuses_again, milliseconds{0});
  EXPECT_EQ(judge(e, kPolicy, kNow).state, TabletState::kSuspect);
  e.connection = Connection::kClosed;
  EXPECT_EQ(judge(e, kPolicy, kNow).state, TabletState::kCrashed);
  e.refused_last = *e.refused_first + kPolicy.refuses_again - Duration{1};
  EXPECT_EQ(judge(e, kPolicy, kNow).state, TabletState::kSuspect);
}

// A packet filter rejects what is new in a living tablet's name, and a full accept queue does.
TEST(Detector, AConnectionThatStandsDisprovesTheCrash) {
  Evidence e = refusing(milliseconds{500}, milliseconds{0});
  e.connection = Connection::kStands;
  EXPECT_EQ(judge(e, kPolicy, kNow).state, TabletState::kSuspect);
  e.registered = false;  // It may be cut off from ZooKeeper, too: then silence decides.
  e.last_answer = kNow - kPolicy.silence + milliseconds{1};
  EXPECT_EQ(judge(e, kPolicy, kNow).state, TabletState::kSuspect);
  e.last_answer = kNow - kPolicy.silence;
  EXPECT_EQ(judge(e, kPolicy, kNow).state, TabletState::kLost);
}

// A process that is killed with our question unread resets its connection, and so do some filters.
TEST(Detector, AfterAResetTheSecondRefusalComesLater) {
  Evidence e = refusing(milliseconds{19}, milliseconds{0});
  e.connection = Connection::kReset;
  EXPECT_EQ(judge(e, kPolicy, kNow).state, TabletState::kSuspect);
  e.refused_first = kNow - milliseconds{20};
  EXPECT_EQ(judge(e, kPolicy, kNow).state, TabletState::kCrashed);
}

// Nobody has said that it ended: the host may have been away.
TEST(Detector, AConnectionThatTimedOutIsNoEvidence) {
  Evidence e = refusing(seconds{5}, milliseconds{0});
  e.connection = Connection::kGivenUp;
  EXPECT_EQ(judge(e, kPolicy, kNow).state, TabletState::kSuspect);
}

TEST(Detector, CrashOffWaitsForTheZnode) {
  Detection policy;
  policy.crash = false;
  Evidence e = refusing(milliseconds{30}, milliseconds{0});
  EXPECT_EQ(judge(e, policy, kNow).state, TabletState::kSuspect);
  e.registered = false;
  EXPECT_EQ(judge(e, policy, kNow).state, TabletState::kCrashed);
}

// SAFETY 15: only from a tablet that answered before.
TEST(Detector, RefusedByOneThatNeverAnsweredWaitsForTheZnode) {
  Evidence e = refusing(milliseconds{30}, milliseconds{0});
  e.ever_answered = false;
  e.last_answer.reset();
  EXPECT_EQ(judge(e, kPolicy, kNow).state, TabletState::kSuspect);
  e.registered = false;
  EXPECT_EQ(judge(e, kPolicy, kNow).state, TabletState::kCrashed);
}

// SAFETY 15.
TEST(Detector, AFollowerThatMovesDisprovesTheCrash) {
  Evidence e = refusing(milliseconds{30}, milliseconds{0});
  e.follower_moves = true;
  EXPECT_EQ(judge(e, kPolicy, kNow).state, TabletState::kSuspect);
}

// SAFETY 15.
TEST(Detector, FollowersAreHeardBeforeTheVerdict) {
  Evidence e = refusing(milliseconds{30}, milliseconds{0});
  e.witnesses_asked = false;
  EXPECT_EQ(judge(e, kPolicy, kNow).state, TabletState::kSuspect);
}

// SAFETY 15.
TEST(Detector, WithoutEarlyVerdictsTheZnodeDecides) {
  Evidence e = refusing(milliseconds{30}, milliseconds{0});
  e.early_allowed = false;
  EXPECT_EQ(judge(e, kPolicy, kNow).state, TabletState::kSuspect);
  e.registered = false;
  EXPECT_EQ(judge(e, kPolicy, kNow).state, TabletState::kCrashed);
}

TEST(Detector, AnswersAndLacksWhatItHeldIsRestarted) {
  Evidence e = healthy();
  e.lacks_what_it_held = true;
  EXPECT_EQ(judge(e, kPolicy, kNow).state, TabletState::kRestarted);
}

TEST(Detector, GoneAndSilentIsLostAfterSilenceSinceItsLastAnswer) {
  Evidence e;
  e.ever_answered = true;
  e.last_answer = kNow - kPolicy.silence + milliseconds{1};
  e.unanswered_since = kNow - seconds{2};
  const Verdict early = judge(e, kPolicy, kNow);
  EXPECT_EQ(early.state, TabletState::kSuspect);
  ASSERT_TRUE(early.look_again);
  EXPECT_EQ(judge(e, kPolicy, *early.look_again).state, TabletState::kLost);
}

TEST(Detector, GoneAndNeverHeardIsLostAfterSilenceSinceItWasAsked) {
  Evidence e;
  e.unanswered_since = kNow - kPolicy.silence;
  EXPECT_EQ(judge(e, kPolicy, kNow).state, TabletState::kLost);
}

TEST(Detector, ThereAndSilentIsOnlySuspectHoweverLong) {
  Evidence e = healthy();
  e.last_answer = kNow - seconds{600};
  e.unanswered_since = kNow - seconds{599};
  const Verdict v = judge(e, kPolicy, kNow);
  EXPECT_EQ(v.state, TabletState::kSuspect);
  EXPECT_FALSE(v.dead());
}

TEST(Detector, AQuestionOnItsWayIsNoSign) {
  Evidence e = healthy();
  e.unanswered_since = kNow - milliseconds{900};
  const Verdict v = judge(e, kPolicy, kNow);
  EXPECT_EQ(v.state, TabletState::kHealthy);
  EXPECT_EQ(v.look_again, *e.unanswered_since + seconds{1});
}

TEST(Detector, GoneAndAnsweringIsCutOffAndNotDead) {
  Evidence e = healthy();
  e.registered = false;
  const Verdict v = judge(e, kPolicy, kNow);
  EXPECT_EQ(v.state, TabletState::kCutOff);
  EXPECT_FALSE(v.dead());
}

}  // namespace
}  // namespace failoverd::core
