// What the brain wants done, in the imperative. The driver carries commands out in the order given,
// never wait for one before the next, and answer those that ask with one event of the same id.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "lib/core/api/calls.h"
#include "lib/core/api/election_record.h"
#include "lib/core/api/hold.h"
#include "lib/core/api/journal_entry.h"
#include "lib/core/api/operator_command.h"

namespace failoverd::core {

// Answered by TabletAnswered. A call that changes is sent only with the lock held and fresh contact
// to ZooKeeper at that moment (SAFETY 14), else it is answered kNotSent.
struct CallTablet {
  RequestId id = 0;
  Endpoint tablet;
  Call call;
  Duration deadline{};
  bool fresh = false;  // Over a new connection, to learn whether the port still answers.
  std::size_t answer_at_most = 4u << 20;  // A longer one, in bytes, is none.
  Storage storage = Storage::kMemory;     // Of the table that the call is about.
};

// New flags for one row. A row that is not named stays as it is.
struct RowEdit {
  Endpoint endpoint;
  bool is_leader = false;
  bool is_alive = false;
  bool operator==(const RowEdit&) const = default;
};

// A partition as somebody has written it by hand.
struct WholePartition {
  PartitionShape shape;
  std::string message;  // The same as a TablePartition, with all that it says.
  bool operator==(const WholePartition&) const = default;
};

struct PartitionEdit {
  std::uint32_t pid = 0;
  std::vector<RowEdit> rows;
  std::vector<TermPair> terms;  // To append to the history.
  // What to keep of replicas, in a znode of ours, in the same multi. A table of which nothing else
  // is changed is not written.
  std::vector<Lineage> kept;
  // How the partition is then, to keep beside that; without terms: not to be known any more.
  std::optional<PublishedLeader> published = std::nullopt;
  // An op that begins with this: its entry is made in the same multi (SAFETY 12).
  std::optional<BegunOp> begins = std::nullopt;
  std::vector<RowEdit> added = {};     // Rows that are not there yet, behind the others.
  std::vector<Endpoint> removed = {};  // Whose rows go.
  // All of the partition is replaced; then nothing above changes the table.
  std::optional<WholePartition> whole = std::nullopt;
  bool changes_table() const {
    return !rows.empty() || !terms.empty() || !added.empty() || !removed.empty() || whole;
  }
  bool operator==(const PartitionEdit&) const = default;
};

struct TableEdit {
  std::string znode;
  std::int32_t version = 0;  // Compare-and-set.
  std::vector<PartitionEdit> partitions;
  std::uint32_t tid = 0;  // Names the znode of what is kept.
  bool changes_table() const {
    for (const PartitionEdit& p : partitions) {
      if (p.changes_table()) return true;
    }
    return false;
  }
  bool operator==(const TableEdit&) const = default;
};

// One multi: epoch check, every table that changes, what is kept, table/notify if a table changes.
// Answered by Published.
struct Publish {
  RequestId id = 0;
  std::vector<TableEdit> tables;
};

// Look whether ZooKeeper would take a publish of this table whose request is so long; nothing is
// changed by it, and nothing else that is under way is harmed. Answered by TableTried.
struct TryTable {
  RequestId id = 0;
  std::string znode;
  std::int32_t version = 0;
  std::uint32_t tid = 0;
  std::size_t bytes = 0;
};

// Raise table/term by compare-and-set so that `count` terms above `above`, the znode's value and
// whatever any daemon was given are ours (SAFETY 4). Answered by TermsReserved.
struct ReserveTerms {
  RequestId id = 0;
  Term above = 0;
  std::uint64_t count = 0;
};

// The same for <root>/failoverd/op_index. Answered by OpIdsReserved.
struct ReserveOpIds {
  RequestId id = 0;
  std::uint64_t count = 0;
};

// Create or replace a record; with the epoch check. Answered by RecordWritten.
struct WriteRecord {
  RequestId id = 0;
  ElectionRecord record;
};

// Remove it. Answered by RecordWritten.
struct DropRecord {
  RequestId id = 0;
  std::string name;
};

// The same for an operator's hold; each answered by RecordWritten.
struct WriteHold {
  RequestId id = 0;
  OperatorHold hold;
};
struct DropHold {
  RequestId id = 0;
  std::uint64_t hold = 0;
};

// Create or replace the entries of `begun` and `finished`, remove those of `ended`; with the epoch
// check, all or nothing. Answered by JournalWritten.
struct WriteJournal {
  RequestId id = 0;
  std::vector<BegunOp> begun;
  std::vector<OpId> ended;
  std::vector<FinishedOps> finished;
};

// Answered by TimerFired at `at` or later. Timers are not taken back: the brain ignores those that
// it no longer needs.
struct SetTimer {
  RequestId id = 0;
  Instant at;
};

// Read a table again and tell it with TableRead.
struct ReadTable {
  std::string znode;
};

// Show whoever asked with StatusAsked what is known now. Comes once for each, at most 300 ms later.
struct ShowStatus {
  RequestId id = 0;
};

// Answers OperatorAsked.
struct AnswerOperator {
  RequestId id = 0;
  OperatorAnswer answer;
};

enum class Severity : std::uint8_t { kInfo, kWarning, kError };

// An entry of the event log: a decision, and why.
struct Note {
  Severity severity = Severity::kInfo;
  std::string kind;  // A stable word: "tablet", "failover", "op", "hold", "switch", "table".
  std::string text;  // One sentence.
  std::vector<std::pair<std::string, std::string>> fields;  // table, pid, tablet, op_id, ...
};

// One partition got a new leader: how long each phase took.
struct CountFailover {
  PartitionKey at;
  Duration detect{};   // First sign to verdict.
  Duration elect{};    // The op's begin to ChangeRole answered.
  Duration publish{};  // To the multi answered.
  Duration total{};
  // At most so many acknowledged entries may be gone: what the old leader was last heard to hold
  // beyond the new one's offset. None: it was never heard.
  std::optional<std::uint64_t> possible_loss;
};

// An op ended; for counters and histograms.
struct CountOp {
  OpId id = 0;
  OpType type{};
  OpStatus status{};
  Duration took{};
};

// A replica's log held entries that its partition's does not, and was dropped; for the counter.
struct CountLost {
  PartitionKey at;
  std::uint64_t count = 0;
};

// A leader was elected that lacks at least so many entries which a lost replica was last known to
// hold (SAFETY 20); for the counter. Those that come back on that replica and are dropped then are
// told as CountLost, too.
struct EntriesGivenUp {
  PartitionKey at;
  std::uint64_t count = 0;
};

using Command =
    std::variant<CallTablet, Publish, TryTable, ReserveTerms, ReserveOpIds, WriteRecord, DropRecord,
                 WriteHold, DropHold, WriteJournal, SetTimer, ReadTable, ShowStatus, AnswerOperator,
                 Note, CountFailover, CountOp, CountLost, EntriesGivenUp>;

const char* to_text(Severity);
// One stable line.
std::string to_text(const Command&);

}  // namespace failoverd::core
