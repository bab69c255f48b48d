// Facts that the driver tells the brain: what happened, in the past tense. A command that asks is
// answered by exactly one event with its id, time-outs included; late answers are ignored.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "lib/core/api/calls.h"
#include "lib/core/api/election_record.h"
#include "lib/core/api/hold.h"
#include "lib/core/api/journal_entry.h"
#include "lib/core/api/operator_command.h"
#include "lib/core/api/policy.h"
#include "lib/core/api/refusal.h"

namespace failoverd::core {

// --- ZooKeeper ---------------------------------------------------------------------------------

// All children of nodes/, with the stat of each: the whole list, at every change.
struct TabletsListed {
  struct Child {
    Endpoint endpoint;
    Incarnation incarnation = 0;
    bool startup = false;  // Value was startup_<endpoint>.
    // It spells an address otherwise than everybody does: no tablet unless a row names it so.
    bool misspelled = false;
  };
  std::vector<Child> children;
};

// All TableInfo znodes there are. Those that the brain knows and that are not listed are gone.
struct TablesListed {
  std::vector<std::string> znodes;
};

struct TableRead {
  TableShape table;
  std::string acl = {};  // Of its znode, where nobody like us seems to be let write it; else empty.
};

// A TableInfo that does not parse, or does not look like the cluster's others.
struct TableUnreadable {
  std::string znode;
  std::string why;
};

// Children of leader/: endpoints of nameservers that live, the leading one first.
struct NameserversListed {
  std::vector<std::string> endpoints;
};

// What the leading nameserver says, or that it says nothing: told at every change.
struct NameserverAnswered {
  enum class State : std::uint8_t {
    kSilent,    // Its znode stands, and it does not answer (any more).
    kStarting,  // It answers that it does not lead (300): it reads everything first, or dies.
    kLeads,     // It answers as whoever keeps the metadata.
  };
  std::string endpoint;
  State state = State::kSilent;
  // Its own switch: by its word where it leads, else by config/auto_failover, which it reads when
  // it begins to lead. On where neither is known: then it may steer.
  bool auto_failover = true;
  // What ran of its ops when it was switched off has not ended yet.
  bool drains = false;
  std::string running = {};  // Such an op, for people: "17 kAddReplicaOP flow/0".
  bool operator==(const NameserverAnswered&) const = default;
};
const char* to_text(NameserverAnswered::State);  // "silent", "starting", "leads"

// An op of the nameserver's own that runs.
struct NameserverOp {
  std::uint64_t id = 0;
  std::string type;  // "kMigrateOP".
  std::string db;
  std::string table;
  std::uint32_t pid = 0;
  bool operator==(const NameserverOp&) const = default;
};
std::string to_text(const NameserverOp&);  // "17 kMigrateOP shop.flow/0"

// Those that run: all of them, at every change.
struct NameserverOpsRead {
  std::vector<NameserverOp> running;
};

// <root>/failoverd/auto_failover, which all daemons share.
struct SwitchRead {
  bool auto_failover = false;
  std::string by;  // Who set it, from where.
};

// Everything of the cluster has been read once; what follows are changes.
struct ClusterRead {};

// We hold the lock, and our epoch is written; what predecessors left: the elections and ops that
// they began, what they kept of replicas, and the ops that have ended, the oldest first.
struct LockGained {
  std::int64_t epoch = 0;
  std::vector<ElectionRecord> records;
  std::vector<BegunOp> begun;
  std::vector<PartitionLineages> kept;
  std::vector<FinishedOps> finished;
  std::vector<OperatorHold> holds = {};
};

struct LockLost {
  std::string why;
};

// Our own read of ZooKeeper was answered: until `fresh_until` we may change things (SAFETY 14).
struct ContactMade {
  Instant fresh_until;
};

// Something in ZooKeeper keeps this daemon from acting; or, with an empty text, no longer does. One
// for each reason.
struct Obstacle {
  std::string reason;  // Label of failoverd_stands_back{reason}.
  std::string text;    // One sentence: what it is, and what lifts it.
};

struct ZookeeperLost {};     // Not connected; the session may still live.
struct ZookeeperConnected {  // Connected (again).
  // The old session is over: what watches were to tell in it may have passed unseen.
  bool new_session = false;
};

// --- Answers to commands -------------------------------------------------------------------------

// Answers CallTablet.
struct TabletAnswered {
  RequestId id = 0;
  Endpoint tablet;
  Answer answer;
};

// Answers Publish.
struct Published {
  enum class Outcome {
    kDone,      // All of it is written.
    kConflict,  // Nothing is written: the tables in `conflicts` have another version or are gone.
    kRefused,   // Nothing is written: ZooKeeper does not take those in `refused`, whatever is
                // beside them.
    kUnknown,   // May be written: each of its tables is read again and told with TableRead.
    kNotHeld,   // Nothing is written: the epoch is not ours any more.
    kFailed,    // Nothing is written, for another reason; trying again later may help.
  };
  RequestId id = 0;
  Outcome outcome = Outcome::kFailed;
  // znodes; each is read again and told with TableRead. Beside a nameserver, which takes one
  // partition after the other, with any outcome: some of theirs may be written.
  std::vector<std::string> conflicts;
  std::string why;
  std::vector<Refused> refused = {};
  // A nameserver was asked to write it: that it is lost says nothing about what ZooKeeper takes.
  bool by_nameserver = false;
};

// Answers TryTable.
struct TableTried {
  enum class Outcome {
    kTaken,           // A publish of it would be taken.
    kRefused,         // `refused` says why not.
    kConnectionLost,  // As from a request that is too long: shorter ones pass.
    kUnknown,         // It could not be tried.
  };
  RequestId id = 0;
  std::string znode;
  Outcome outcome = Outcome::kUnknown;
  std::size_t bytes = 0;  // So long the request was.
  Refused refused = {};
};

// Answers ReserveTerms: terms in [first, last] are ours alone; none with ok == false.
struct TermsReserved {
  RequestId id = 0;
  bool ok = false;
  Term first = 0;
  Term last = 0;
};

// Answers ReserveOpIds.
struct OpIdsReserved {
  RequestId id = 0;
  bool ok = false;
  OpId first = 0;
  OpId last = 0;
};

// Answers WriteRecord, DropRecord, WriteHold and DropHold.
struct RecordWritten {
  RequestId id = 0;
  bool ok = false;
};

// Answers WriteJournal. Not ok: nothing or all of it is written; writing it again is harmless.
struct JournalWritten {
  RequestId id = 0;
  bool ok = false;
};

// --- Tablets, time, the operator -----------------------------------------------------------------

// How a connection to a tablet ended.
enum class ConnectionEnd : std::uint8_t {
  kClosed,  // From its side, or reset while nothing of ours was unanswered: by its system.
  kReset,   // As the answer to what we sent: by its system, or by somebody in between.
  kOther,   // It timed out, or we gave it up: no evidence.
};

// An established connection to a tablet ended.
struct ConnectionLost {
  Endpoint tablet;
  ConnectionEnd how = ConnectionEnd::kClosed;
};

struct TimerFired {
  RequestId id = 0;
};

// Our own loop stood still for so long: silence of others in that time means nothing.
struct LoopStalled {
  Duration duration{};
};

// Somebody wants to see what the tablets that hold these tables say now. The id is the asker's own.
// Answered by ShowStatus.
struct StatusAsked {
  RequestId id = 0;
  std::vector<std::uint32_t> tids;
};

struct PolicyChanged {
  Policy policy;
};

// An operator asks for something. Answered by AnswerOperator in the same step; an edit by hand
// (SetTablePartition) when it is written, or is not.
struct OperatorAsked {
  RequestId id = 0;  // The asker's own.
  OperatorCommand what;
  std::string by;          // Who asks, from where.
  bool only_plan = false;  // Nothing is to be begun: what would be done is all he wants to know.
  // He asked as one asks a nameserver, whose scripts know code 301 while auto_failover is on.
  bool as_nameserver = false;
};

using Event = std::variant<TabletsListed, TablesListed, TableRead, TableUnreadable,
                           NameserversListed, NameserverAnswered, NameserverOpsRead, SwitchRead,
                           ClusterRead, LockGained, LockLost, ContactMade, Obstacle, ZookeeperLost,
                           ZookeeperConnected, TabletAnswered, Published, TableTried, TermsReserved,
                           OpIdsReserved, RecordWritten, JournalWritten, ConnectionLost, TimerFired,
                           LoopStalled, StatusAsked, PolicyChanged, OperatorAsked>;

// One stable line, without a time.
std::string to_text(const Event&);

}  // namespace failoverd::core
