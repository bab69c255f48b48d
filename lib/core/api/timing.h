// Every wait and deadline of the core that is no key of the configuration, in one table. Each is
// used where its name stands; none is repeated in code.
#pragma once

#include "lib/core/api/types.h"

namespace failoverd::core {

// --- Detection: what each tablet is worth

// A tablet is asked for all that it holds so often; less often where it holds very much.
inline constexpr Duration kPollEvery = std::chrono::seconds{1};
// One that never answered and that no row names: after 1, 2, 4 ... s, and this at most.
inline constexpr Duration kPollUnheardAtMost = std::chrono::seconds{60};
// An answer to that is waited for so long.
inline constexpr Duration kPollDeadline = std::chrono::seconds{3};
// The same of a question that is asked because something is odd.
inline constexpr Duration kCheckDeadline = std::chrono::seconds{1};
// Something was odd: asked again after so long.
inline constexpr Duration kCheckAgain = std::chrono::milliseconds{200};
// A znode that is there so long after an early verdict was not waiting for its session to end.
inline constexpr Duration kNoSessionIsLonger = std::chrono::seconds{60};
// A port that was asked every second and has refused within this refuses still.
inline constexpr Duration kRefusesStill = std::chrono::seconds{10};
// Beside a process that names others under our tids a znode must be older, to be its own: far above
// the longest session that a server is configured to grant.
inline constexpr Duration kNoZnodeIsOlder = std::chrono::minutes{10};
// A refusal counts as "again" only this long after the first (SAFETY 15).
inline constexpr Duration kSecondRefusalAfter = std::chrono::milliseconds{20};
// A wrong verdict costs a tablet the benefit of early ones for so long (SAFETY 15).
inline constexpr Duration kNoEarlyVerdictFor = std::chrono::minutes{10};
// A question that is merely on its way is no sign of anything yet.
inline constexpr Duration kPatience = std::chrono::seconds{1};
// A follower that is asked whether its leader still sends answers within this, or not at all.
inline constexpr Duration kWitnessDeadline = std::chrono::milliseconds{100};
// A process that ends closes one socket after the other: its port may still accept a question.
inline constexpr Duration kEndingTakes = std::chrono::milliseconds{2};
// Whoever wants to see something waits no longer for a tablet that does not answer.
inline constexpr Duration kShowAtMost = std::chrono::milliseconds{300};
// Some polls; a follower lags milliseconds.
inline constexpr Duration kStandsStillFor = std::chrono::seconds{3};

// --- Elections

// An answer to a probe or an order is waited for so long; then it is sent anew.
inline constexpr Duration kElectionCallDeadline = std::chrono::seconds{1};
// One that could not answer is probed again after so long.
inline constexpr Duration kProbeAgain = std::chrono::milliseconds{50};
// What was known of an unfit one may be older than what it says: its next report tells.
inline constexpr Duration kUnfitAgain = std::chrono::milliseconds{200};
// Between two readings of one that led: a put may still be on its way in (SAFETY 12).
inline constexpr Duration kSettle = std::chrono::milliseconds{10};
// A replica that is fit, and not known to hold more, may take so long to answer. Without it means
// that it has to be recovered.
inline constexpr Duration kGrace = std::chrono::milliseconds{100};
// The same, from the beginning of the round, of one that shows signs of life.
inline constexpr Duration kLongestGrace = std::chrono::seconds{1};
// Those that serve say what they hold within moments: nobody is called lost before.
inline constexpr Duration kReadingGrace = std::chrono::milliseconds{100};
// A handover: whether leader and follower can do what is asked of them is looked at again after so
// long, and for so long at most; nothing has been changed by then.
inline constexpr Duration kHandoverLookAgain = std::chrono::milliseconds{50};
inline constexpr Duration kHandoverReadyWithin = std::chrono::seconds{3};
// Clients have been told: how far both are is read so often, and each answer waited for so long.
inline constexpr Duration kHandoverReadAgain = std::chrono::milliseconds{5};
inline constexpr Duration kHandoverLookAtMost = std::chrono::milliseconds{200};
// Nobody has answered who may lead: looked at again at least so often.
inline constexpr Duration kNobodyYetLookAgain = std::chrono::seconds{1};
// A hold looks again at least so often.
inline constexpr Duration kHoldLookAgain = std::chrono::seconds{1};
// One that loads may be kept busy by it for so long.
inline constexpr Duration kSilentForGood = std::chrono::seconds{10};
// After a refused promotion; doubled up to kPromoteAgainAtMost.
inline constexpr Duration kPromoteAgain = std::chrono::milliseconds{50};
// The longest of these.
inline constexpr Duration kPromoteAgainAtMost = std::chrono::seconds{1};
// A leader that nobody can be told of is elected anew at most so often.
inline constexpr Duration kNewWinnerAtMostEvery = std::chrono::seconds{1};
// A look at a replica that loads.
inline constexpr Duration kLoadLookAgain = std::chrono::milliseconds{20};
// A pre-aggregate waits so long for its base to be loaded first.
inline constexpr Duration kBaseFirst = std::chrono::seconds{10};
// After a LoadTable that was refused, and between looks at one that has not begun.
inline constexpr Duration kLoadAgain = std::chrono::milliseconds{500};
// It is doubled so often where the tablet cannot load what it has.
inline constexpr int kLoadRefusalsDoubled = 7;
// And after so many of these somebody has to come.
inline constexpr int kRefusalsForAPerson = 5;
// Then an op that tries it all the same comes so often.
inline constexpr Duration kStuckAgain = std::chrono::minutes{10};
// A table that is to be loaded is seen in GetTableStatus at once; this much later its load has
// failed.
inline constexpr Duration kLoadIsSeenWithin = std::chrono::seconds{2};

// --- Ops

// A command waits so long where it could be carried out in a moment.
inline constexpr Duration kCommandWaitsAtMost = std::chrono::seconds{1};
// A look at how far a task is.
inline constexpr Duration kLookAtMost = std::chrono::seconds{5};
// A leader says within this that it leads, or nothing is destroyed (SAFETY 9: one second).
inline constexpr Duration kConfirmAtMost = std::chrono::milliseconds{900};
// An answer to what a task sends.
inline constexpr Duration kActAtMost = std::chrono::seconds{10};
// The first look after a task was sent; each is twice as late as the one before.
inline constexpr Duration kFirstLook = std::chrono::milliseconds{5};
// The longest of these.
inline constexpr Duration kSlowestLook = std::chrono::milliseconds{100};
// An answer to what takes a task back.
inline constexpr Duration kTakeBackAtMost = std::chrono::seconds{5};
// It was not answered: sent again.
inline constexpr Duration kTakeBackAgain = std::chrono::seconds{1};
// A call that was never answered has been carried out by then, if it is ever.
inline constexpr Duration kArrivesWithin = std::chrono::minutes{1};
// A task without a limit lasts as long as both tablets live.
inline constexpr Duration kNoLimit{};
// A task that only tells a tablet something.
inline constexpr Duration kQuick = std::chrono::seconds{30};
// ChangeRole(follower) and DelReplica wait for a hung follower: 12 s, OpenMLDB 20 s (FEDB.md 3.2).
inline constexpr Duration kJoinsAReplica = std::chrono::seconds{25};
// A follower that is behind and has not moved for so long does not follow.
inline constexpr Duration kFollowsNoMore = std::chrono::seconds{30};
// An answer to what cleans up.
inline constexpr Duration kCleanupAtMost = std::chrono::seconds{2};
// It could not be done: again.
inline constexpr Duration kCleanupAgain = std::chrono::seconds{1};
// A tablet's registry is looked through every kTurns of these; in turns, so that no second asks
// all.
inline constexpr Duration kRegistryTurn = std::chrono::seconds{1};

// --- Repair

// An answer of one that contradicts the rows.
inline constexpr Duration kReconcileAtMost = std::chrono::seconds{1};
// Nothing comes to a follower for so long, whatever the reason: it is recovered.
inline constexpr Duration kStuckForGood = std::chrono::seconds{30};
// A pause that is seen so long after an op of ours may still be that op's.
inline constexpr Duration kOurPauseFor = std::chrono::minutes{10};
// A partition whose table others of it come before is looked at again.
inline constexpr Duration kTableAgain = std::chrono::milliseconds{100};
// After an op that failed; doubled up to kLongestBackOff.
inline constexpr Duration kBackOff = std::chrono::seconds{1};
// The longest of these.
inline constexpr Duration kLongestBackOff = std::chrono::minutes{1};
// An op that only sets a row dead is over in a moment, unless its leader hangs.
inline constexpr Duration kLongOp = std::chrono::seconds{1};

// --- What is written to ZooKeeper

// A change that is ready waits so long for others that are nearly so.
inline constexpr Duration kWaitForMore = std::chrono::milliseconds{5};
// One that nobody waits for lets elections go first for so long: a table's changes go one after the
// other, each as long as ZooKeeper's disk takes.
inline constexpr Duration kGiveWay = std::chrono::milliseconds{50};
// After a failure; asked again at once, a connection that is down would be asked without end.
inline constexpr Duration kWriteAgain = std::chrono::milliseconds{100};
// The longest of these, where they are doubled.
inline constexpr Duration kWriteAgainAtMost = std::chrono::seconds{1};
// One failure mends itself: a znode of ours is made again, or the contact is back.
inline constexpr Duration kFailureIsSaidAfter = std::chrono::seconds{1};
// Elections that begin within this time of a record's first share it.
inline constexpr Duration kRecordsTogether = std::chrono::milliseconds{100};
// The list of ops that have ended could not be written: again.
inline constexpr Duration kListAgain = std::chrono::seconds{1};
// What nobody waits for is written together.
inline constexpr Duration kJournalTogether = std::chrono::milliseconds{500};
// A table that ZooKeeper does not take is tried again; doubled up to kLongestTrialPause.
inline constexpr Duration kTrialPause = std::chrono::seconds{1};
// The longest of these.
inline constexpr Duration kLongestTrialPause = std::chrono::minutes{1};
// A trial that could not be made, of a table that nothing is known against.
inline constexpr Duration kTrialAgain = std::chrono::seconds{10};

}  // namespace failoverd::core
